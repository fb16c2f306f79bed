"""A row of the table and its JSON object, from the seconds that the rounds took."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.work import Work

OURS = "gan_jax"
VARIANTS = ("eager", "compile")

ALL = (OURS, *VARIANTS)

Seconds = Mapping[int, Sequence[float]]
"""Of one variant: of every round measured, by the number that says its kind (`Work.kinds`)."""


def row(
    work: Work,
    seconds: Mapping[str, Seconds],
    phases: Mapping[str, Mapping[str, Sequence[float]]],
    first_seconds: Mapping[str, float],
    unavailable: Mapping[str, str],
    descriptions: Mapping[str, Mapping[str, Any]],
    differences: Mapping[str, float],
) -> dict[str, Any]:
    """The JSON object.

    Args:
        work: what was run.
        seconds: by variant.
        phases: seconds of phases alone, by variant and name; empty where not measured.
        first_seconds: of the first rounds, compiling included.
        unavailable: why a variant has no seconds.
        descriptions: of both sides' processes.
        differences: the largest relative ones of losses and gradient norms.
    """
    ours, theirs = descriptions["jax"], descriptions["torch"]
    variants: dict[str, Any] = {name: {"unavailable": why} for name, why in unavailable.items()}
    for name, of_variant in seconds.items():
        variants[name] = summary(work, of_variant) | {
            "first_seconds": round(first_seconds[name], 2)
        }
        if name in phases:
            variants[name]["phases"] = {
                phase: _of_kind(taken) for phase, taken in phases[name].items()
            }
        if name != OURS:
            variants[name]["ratio"] = round(
                variants[name]["ms"] / summary(work, seconds[OURS])["ms"], 3
            )
            variants[name]["pairs"] = pairs(work, seconds[OURS], of_variant)
    ratios = {name: variants[name]["ratio"] for name in seconds if name != OURS}
    fastest = min(ratios, key=lambda name: ratios[name])
    packages = ours["hardware"]["packages"]
    return {
        "benchmark": "peers",
        "work": work.name,
        "ratio": ratios[fastest],
        "fastest": fastest,
        "batch": work.batch,
        "turns": work.turns,
        "rounds_per_call": work.rounds,
        "precision": work.precision,
        "tf32": ours["platform"] == "gpu" and work.precision == "float32",
        "variants": variants,
        "parameters": ours["parameters"],
        "differences": dict(differences),
        "load": round(os.getloadavg()[0], 2),
        "hardware": {name: ours["hardware"][name] for name in ("processor", "cores", "device")},
        "versions": {
            "gan-jax": packages["gan-jax"],
            "jax": packages["jax"],
            "jaxlib": packages["jaxlib"],
            "torch": theirs["torch"],
            "python": ours["hardware"]["python"],
            "torch_python": theirs["python"],
        },
    }


def summary(work: Work, seconds: Seconds) -> dict[str, Any]:
    """Milliseconds a round, over a whole period of the lazy phases, and of each kind of round."""
    kinds, total = {}, {"ms": 0.0, "min_ms": 0.0, "max_ms": 0.0}
    for number, share in work.kinds().items():
        found = _of_kind(seconds[number])
        kinds["+".join(work.due(number)) or "plain"] = {"share": share, **found}
        for name in total:
            total[name] += share * found[name]
    total = {name: round(value, 3) for name, value in total.items()}
    count = sum(len(of_kind) for of_kind in seconds.values())
    return total | {"rounds": count * work.rounds} | ({"kinds": kinds} if len(kinds) > 1 else {})


def _of_kind(seconds: Sequence[float]) -> dict[str, float]:
    found = {"ms": statistics.median(seconds), "min_ms": min(seconds), "max_ms": max(seconds)}
    return {name: round(1e3 * value, 3) for name, value in found.items()}


def pairs(work: Work, ours: Seconds, theirs: Seconds) -> list[float]:
    """Their time over ours in each turn."""

    def period(seconds: Seconds, turn: int) -> float:
        return sum(share * seconds[number][turn] for number, share in work.kinds().items())

    turns = range(len(next(iter(ours.values()))))
    return [round(period(theirs, turn) / period(ours, turn), 3) for turn in turns]


def heading() -> str:
    cells = "".join(f"{name:>14}" for name in ALL)
    return f"{'ms a round':<16}{'batch':>6}{cells}{'ratio':>8}"


def line(row: Mapping[str, Any]) -> str:
    """A row of the table: medians, and how much faster gan_jax is than the fastest PyTorch."""
    cells = "".join(f"{_cell(row['variants'][name]):>14}" for name in ALL)
    notes = [
        f"\n    {name} is not to be had: {found['unavailable']}"
        for name, found in row["variants"].items()
        if "unavailable" in found
    ]
    first = f"{row['work']:<16}{row['batch']:>6}{cells}{row['ratio']:>8.2f}"
    return "".join((first, *notes, *map("\n{}".format, _phase_lines(row["variants"]))))


def _phase_lines(variants: Mapping[str, Any]) -> list[str]:
    """Below a row of the table: medians of each phase alone, and the same ratio."""
    found = {name: fields["phases"] for name, fields in variants.items() if "phases" in fields}
    lines = []
    for phase in found.get(OURS, {}):
        ms = {name: phases[phase]["ms"] for name, phases in found.items()}
        cells = "".join(f"{f'{ms[name]:.1f}' if name in ms else '-':>14}" for name in ALL)
        ratio = min(value for name, value in ms.items() if name != OURS) / ms[OURS]
        lines.append(f"  {phase:<20}{cells}{ratio:>8.2f}")
    return lines


def _cell(found: Mapping[str, Any]) -> str:
    return "-" if "unavailable" in found else f"{found['ms']:.1f}"

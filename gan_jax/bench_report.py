"""What a benchmark's times mean, its table, and the row of an earlier one to compare with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_jax.costs import PhaseCost
from gan_jax.errors import UsageError
from gan_jax.table import amount, columns, rate

SAME_HARDWARE = ("processor", "cores", "device", "devices")


def phases_of(costs: Sequence[PhaseCost]) -> list[dict[str, Any]]:
    """As JSON."""
    return [dataclasses.asdict(cost) for cost in costs]


def derived(row: dict[str, Any]) -> dict[str, float]:
    """Rates of a round, and the share of the ceiling that its operations reach."""
    seconds, images = row["round_seconds"]["median"], row["images_per_round"]
    flops = sum(phase["flops"] / phase["every"] for phase in row["phases"])
    return {
        "images_per_second": images / seconds,
        "seconds_per_kimg": 1000 * seconds / images,
        "flops_per_round": flops,
        "flops_per_second": flops / seconds,
        "share_of_ceiling": flops / seconds / row["ceiling_flops_per_second"],
    }


def row_of(path: Path, experiment: str, hardware: dict[str, Any]) -> dict[str, Any]:
    """The last row of a file that is of this experiment.

    Raises:
        UsageError: the file cannot be read or has none, or that one is of other hardware.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except OSError as error:
        raise UsageError(f"--against={path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--against={path}: not a file of JSON lines: {error}") from error
    same = [row for row in rows if isinstance(row, dict) and row.get("experiment") == experiment]
    same = [row for row in same if row.get("benchmark") == "bench"]
    if not same:
        raise UsageError(f"--against={path}: has no row of {experiment} that bench wrote")
    there = same[-1].get("hardware")
    if not isinstance(there, dict) or not there.keys() >= set(SAME_HARDWARE):
        raise UsageError(f"--against={path}: its row of {experiment} does not say of what hardware")
    for name in SAME_HARDWARE:
        if there[name] != hardware[name]:
            raise UsageError(
                f"--against={path}: measured on other hardware: {name} {there[name]}, here "
                f"{hardware[name]}"
            )
    return same[-1]


def table(row: dict[str, Any], before: dict[str, Any] | None) -> str:
    """For people; with `before`, an earlier row, how many times as fast this one is."""
    parts = [_head(row), columns(_times(row)), _rest(row)]
    if row["population"]:
        parts.append(columns(_population(row)))
    if before is not None:
        parts.append(columns(_faster(row, before)))
        parts.append(_compared(row, before))
    return "\n\n".join(parts)


def _head(row: dict[str, Any]) -> str:
    hardware = row["hardware"]
    where = hardware["device"] if hardware["device"] != "cpu" else hardware["processor"]
    return (
        f"{row['experiment']}: {row['images_per_round']} pictures a round, {row['precision']}, on "
        f"{row['devices']} x {where} ({hardware['cores']} cores)"
    )


def _times(row: dict[str, Any]) -> list[list[str]]:
    lines = [["", "median", "least", "greatest", "operations", "of the ceiling"]]
    ceiling = row["ceiling_flops_per_second"]
    for phase in row["phases"]:
        name = phase["name"] + (f" (every {phase['every']})" if phase["every"] > 1 else "")
        lines.append(_line(name, phase["seconds"], phase["flops"], ceiling))
    return [*lines, _line("round", row["round_seconds"], row["flops_per_round"], ceiling)]


def _line(name: str, seconds: dict[str, float], flops: float, ceiling: float) -> list[str]:
    times = [f"{1e3 * seconds[key]:,.4g} ms" for key in ("median", "least", "greatest")]
    return [name, *times, amount(flops, "FLOP"), f"{flops / seconds['median'] / ceiling:.0%}"]


def _population(row: dict[str, Any]) -> list[list[str]]:
    """Against runs alone, one after another."""
    lines = [
        ["members in one program", "devices", "at once", "round", "member-steps/s", "of runs alone"]
    ]
    alone = row["round_seconds"]["median"]
    for entry in row["population"]:
        seconds, size = entry["seconds"]["median"], entry["members"]
        lines.append(
            [
                str(size),
                str(entry["devices"]),
                str(entry["at_once"]),
                f"{1e3 * seconds:,.4g} ms",
                rate(size / seconds),
                f"{size * alone / seconds:.2f}",
            ]
        )
    return lines


def _rest(row: dict[str, Any]) -> str:
    compiling, data = row["compile_seconds"], row["data"]
    lines = [
        f"{rate(row['images_per_second'])} images/s, {row['seconds_per_kimg']:.3g} s a thousand; "
        f"{amount(row['flops_per_second'], 'FLOP/s')}, "
        f"{row['share_of_ceiling']:.0%} of {amount(row['ceiling_flops_per_second'], 'FLOP/s')}",
        f"traced in {compiling['trace']:.1f} s, compiled in {compiling['cold']:.1f} s, from the "
        f"cache in {compiling['cached']:.1f} s; peak memory of the "
        f"{'process' if row['hardware']['device'] == 'cpu' else 'device'} "
        f"{amount(row['peak_memory_bytes'], 'B')}",
    ]
    if data is not None:
        lines.append(
            f"over the data: {rate(data['images_per_second'])} images/s, "
            f"{data['wait_share']:.1%} of the time waiting for them"
        )
    return "\n".join(lines)


def _faster(row: dict[str, Any], before: dict[str, Any]) -> list[list[str]]:
    """Medians of both rows, of what both have."""
    then = {phase["name"]: phase["seconds"]["median"] for phase in before["phases"]}
    pairs = [
        (phase["name"], then[phase["name"]], phase["seconds"]["median"])
        for phase in row["phases"]
        if phase["name"] in then
    ]
    pairs.append(("round", before["round_seconds"]["median"], row["round_seconds"]["median"]))
    pairs += [
        (f"compiling, {name}", before["compile_seconds"][name], row["compile_seconds"][name])
        for name in ("cold", "cached")
    ]
    lines = [["", "before", "now", "times as fast"]]
    for name, old, new in pairs:
        lines.append([name, f"{1e3 * old:,.4g} ms", f"{1e3 * new:,.4g} ms", f"{old / new:.2f}"])
    memory = [amount(found["peak_memory_bytes"], "B") for found in (before, row)]
    return [*lines, ["peak memory", *memory, ""]]


def _compared(row: dict[str, Any], before: dict[str, Any]) -> str:
    """In one line, with all that differs between the two."""
    ratio = row["images_per_second"] / before["images_per_second"]
    settings = ("batch_size", "steps_per_call", "accumulate", "precision", "flops_per_round")
    changed = [
        f"{name} {before[name]} -> {row[name]}" for name in settings if before[name] != row[name]
    ]
    old, new = before.get("overrides", {}), row.get("overrides", {})
    changed += [
        f"--config.{key} {old.get(key, 'not given')} -> {new.get(key, 'not given')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    versions = [found["hardware"].get("packages", {}) for found in (before, row)]
    changed += [
        f"{name} {versions[0].get(name)} -> {versions[1].get(name)}"
        for name in ("jax", "jaxlib")
        if versions[0].get(name) != versions[1].get(name)
    ]
    note = f" ({', '.join(changed)})" if changed else ""
    return f"{ratio:.2f} times as fast as on {before['time']}{note}"

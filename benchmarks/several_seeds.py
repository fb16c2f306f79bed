"""Experiments trained over several seeds: a row a run in a JSON lines file, and their table."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardware import hardware, write_row

from gan_jax.evaluators.collapse import Limits, beyond

ROOT = Path(__file__).parent.parent
METRICS = ("fd_avatar", "precision", "recall", "coverage", "modes_covered")
DIVERGED = 3


def run_all(
    experiments: Mapping[str, Sequence[str]],
    seeds: Iterable[int],
    runs: Path,
    out: Path,
    row: Callable[[Path], dict[str, Any]],
) -> None:
    """Trains what has no row yet, a seed of each before the next.

    Args:
        experiments: what to train (`FILE.py:SETTING`, and flags) by the names that rows have.
        seeds: of the training and of the order of the data.
        runs: each is in `NAME_SEED` below.
        out: the file that gets a row a run; what has one there is passed over.
        row: what a finished run's directory is worth.
    """
    for seed in seeds:
        for name, experiment in experiments.items():
            if (name, seed) in {(found["name"], found["seed"]) for found in lines(out)}:
                continue
            directory = runs / f"{name}_{seed}"
            uninterrupted, start = not directory.exists(), time.monotonic()
            diverged = train(experiment, seed, directory)
            minutes = (time.monotonic() - start) / 60
            seen = {"name": name, "seed": seed, **row(directory)}
            seen["collapse"] += ["diverged"] * diverged
            if uninterrupted:  # the whole command: compiling, training, its own evaluations
                seen["minutes"] = round(minutes, 1)
            write_row(seen | {"hardware": hardware()}, out)


def train(experiment: Sequence[str], seed: int, directory: Path) -> bool:
    """Begins or continues a run; says whether it diverged, and ends the program where it did
    neither that nor reach its end."""
    command = [sys.executable, "-m", "gan_jax", "train", *experiment, f"--workdir={directory}"]
    command += [f"--config.seed={seed}", f"--config.data.seed={seed}"]
    code = subprocess.run([*command, "--config.writers.tensorboard=False"]).returncode
    if code not in (0, DIVERGED):
        raise SystemExit(f"{directory}: ended with exit code {code}; the same command continues")
    return code == DIVERGED


def measured(directory: Path, by: str) -> dict[str, Any]:
    """What a run's last evaluations saw, those that came `by` training or by hand, which of that is
    beyond the run's limits of collapse, and the median of its reports' images per second."""
    evaluations = [r for r in lines(directory / "evaluations.jsonl") if r["by"] == by]
    last = {r["evaluator"]: r for r in evaluations}
    metrics = {name: metric for r in last.values() for name, metric in r["metrics"].items()}
    limits = json.loads((directory / "config.json").read_text(encoding="utf-8"))["collapse"]
    limits = Limits(**{field.name: limits[field.name] for field in dataclasses.fields(Limits)})
    rows = lines(directory / "metrics.jsonl")  # some are of rounds too few to tell a rate
    rates = [row["images_per_second"] for row in rows if "images_per_second" in row]
    return {
        "step": max((r["step"] for r in evaluations), default=0),
        "samples": last["avatars"]["samples"] if last else 0,
        **{name: metric["value"] for name, metric in metrics.items()},
        "collapse": [sign for sign in beyond(metrics, limits).values() if sign],
        "images_per_second": round(statistics.median(rates or [0.0]), 1),
    }


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file; none where there is no such file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(rows: Sequence[dict[str, Any]], first: Callable[[str], bool]) -> str:
    """Markdown: a name a line, the mean over seeds (least–greatest); those that `first` says, then
    by their distance."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)

    def order(name: str) -> tuple[bool, float]:
        distances = [row.get("fd_avatar", float("inf")) for row in by_name[name]]
        return not first(name), statistics.fmean(distances)

    head = ["", "seeds", *(f"`{metric}`" for metric in METRICS), "collapsed"]
    body = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in sorted(by_name, key=order):
        group = by_name[name]
        cells = [f"`{name}`", str(len(group)), *(_cell(group, metric) for metric in METRICS)]
        cells += [f"{sum(bool(row['collapse']) for row in group)} of {len(group)}"]
        body.append("| " + " | ".join(cells) + " |")
    return "\n".join(body)


def _cell(group: Sequence[dict[str, Any]], metric: str) -> str:
    values = [row[metric] for row in group if metric in row]
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.3g}"
    return f"{mean:.3g} ({min(values):.3g}–{max(values):.3g})"

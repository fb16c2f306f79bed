"""What each stabiliser does to a plain DCGAN on avatars at 32x32.

    python benchmarks/stabilisers.py [--only=r1,ema] [--seeds=3] [--runs=DIR] [--out=FILE.jsonl]

Each is a setting of experiments/avatars_stabilisers.py, trained as anybody would train it. Stop the
whole at any time: the same command continues the run that it was in and passes over those that are
done. A row a run: what its last evaluation saw, which of that is beyond a run's limits of collapse,
and the training's images per second (a median over the run's reports).
At the end a table of all rows of FILE is printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardware import hardware, write_row

from gan_jax.evaluators.collapse import Limits, beyond
from gan_jax.experiment import load_experiment

ROOT = Path(__file__).parent.parent
EXPERIMENT = ROOT / "experiments" / "avatars_stabilisers.py"
PLAIN = "plain"
METRICS = ("fd_avatar", "precision", "recall", "coverage", "modes_covered")
DIVERGED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description="What each stabiliser does to a plain DCGAN.")
    parser.add_argument("--only", default="", help="settings, with commas between (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/stabilisers"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/stabilisers.jsonl")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else settings()
    unknown = sorted(set(names) - set(settings()))
    if unknown:
        parser.error(f"no setting {unknown[0]!r}; there are {', '.join(settings())}")
    for seed in range(arguments.seeds):
        for name in names:
            if (name, seed) not in done(arguments.out):
                directory = arguments.runs / f"{name}_{seed}"
                diverged = train(name, seed, directory)
                write_row(row(name, seed, directory, diverged), arguments.out)
    print(table(lines(arguments.out)))


def settings() -> list[str]:
    """The plain DCGAN, and what the experiment offers besides its smoke run."""
    return [PLAIN, *load_experiment(str(EXPERIMENT)).module.SETTINGS]


def train(name: str, seed: int, directory: Path) -> bool:
    """Begins or continues a run; says whether it diverged, and ends the program where it did
    neither that nor reach its end."""
    argument = "" if name == PLAIN else f":{name}"
    command = [sys.executable, "-m", "gan_jax", "train", f"{EXPERIMENT}{argument}"]
    command += [f"--workdir={directory}", f"--config.seed={seed}", f"--config.data.seed={seed}"]
    code = subprocess.run([*command, "--config.writers.tensorboard=False"]).returncode
    if code not in (0, DIVERGED):
        raise SystemExit(f"{directory}: ended with exit code {code}; the same command continues")
    return code == DIVERGED


def row(name: str, seed: int, directory: Path, diverged: bool) -> dict[str, Any]:
    """What the run left behind; one that diverged counts as collapsed."""
    evaluations = [r for r in lines(directory / "evaluations.jsonl") if r["by"] == "train"]
    last = {r["evaluator"]: r for r in evaluations}
    limits = json.loads((directory / "config.json").read_text(encoding="utf-8"))["collapse"]
    limits = Limits(**{field.name: limits[field.name] for field in dataclasses.fields(Limits)})
    rates = [r["images_per_second"] for r in lines(directory / "metrics.jsonl")]
    metrics = {name: metric for r in last.values() for name, metric in r["metrics"].items()}
    return {
        "setting": name,
        "seed": seed,
        "step": max((r["step"] for r in evaluations), default=0),
        "samples": last["avatars"]["samples"] if last else 0,
        **{key: metric["value"] for key, metric in metrics.items()},
        "collapse": [
            *(["diverged"] if diverged else []),
            *filter(None, beyond(metrics, limits).values()),
        ],
        "images_per_second": round(statistics.median(rates or [0.0]), 1),
        "hardware": hardware(),
    }


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file; none where there is no such file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def done(out: Path) -> set[tuple[str, int]]:
    """The runs that have a row."""
    return {(r["setting"], r["seed"]) for r in lines(out)}


def table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown: a setting a line, the mean over seeds (least–greatest); plain, then the best."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for r in found:
        by_setting.setdefault(r["setting"], []).append(r)
    head = ["setting", "seeds", *(f"`{m}`" for m in METRICS), "collapsed", "images/s"]
    body = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, group in sorted(by_setting.items(), key=_order):
        cells = [f"`{name}`", str(len(group)), *(_cell(group, metric) for metric in METRICS)]
        cells += [f"{sum(bool(r['collapse']) for r in group)} of {len(group)}"]
        cells += [f"{statistics.median(r['images_per_second'] for r in group):.0f}"]
        body.append("| " + " | ".join(cells) + " |")
    return "\n".join(body)


def _order(item: tuple[str, list[dict[str, Any]]]) -> tuple[bool, float]:
    name, group = item
    distances = [r.get("fd_avatar", float("inf")) for r in group]
    return name != PLAIN, statistics.fmean(distances)


def _cell(group: Sequence[dict[str, Any]], metric: str) -> str:
    values = [r[metric] for r in group if metric in r]
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.3g}"
    return f"{mean:.3g} ({min(values):.3g}–{max(values):.3g})"


if __name__ == "__main__":
    main()

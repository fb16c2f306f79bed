"""How ADA's p moves with 200 digits and with 1,600, and how far the discriminator knows its own.

    python benchmarks/digits_ada.py [--seeds=3] [--runs=DIR] [--out=FILE.jsonl] [--chart=FILE.svg]

Trains experiments/digits_ada.py and its setting `many` as anybody would, then a fresh discriminator
with either against the generator of the 1,600, which learns no more (`fixed_…`): there only the
number of its pictures tells the two apart. Stop the whole at any time: the same command continues.
A row a run: p after so many images, and at every checkpoint the share of its first 200 training
digits that the discriminator takes for real, less that of the 179 held-out ones. The chart, of all
rows of FILE, needs matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from several_seeds import ROOT, lines, run_all

import gan_jax
from gan_jax.evaluators.samples import sampling_nets
from gan_jax.ops.pixels import to_float
from gan_jax.trained import Trained

EXPERIMENT = ROOT / "experiments" / "digits_ada.py"
FEW, MANY = str(EXPERIMENT), f"{EXPERIMENT}:many"
SEEN = 200  # of the training digits: all, or the first
COLOURS = {"200": "#c2410c", "1600": "#1d4ed8"}
PANELS = {"digits": "both learn", "fixed": "the generator is fixed"}


def main() -> None:
    parser = argparse.ArgumentParser(description="ADA's p with 200 digits and with 1,600.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/digits_ada"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/digits_ada.jsonl")
    parser.add_argument("--chart", type=Path, default=None)
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        experiments = settings(arguments.runs / f"digits_1600_{seed}")
        run_all(experiments, [seed], arguments.runs, arguments.out, curve)
    if arguments.chart is not None:
        draw(lines(arguments.out), arguments.chart)


def settings(trained: Path) -> dict[str, list[str]]:
    """What to train; `trained` is the run whose generator the last two play against."""
    fixed = [
        f"--config.initialise.run={trained}",
        "--config.initialise.networks=('generator',)",
        "--config.generator.learning_rate=0.0",
        "--config.total=3000 steps",
    ]
    both = {"digits_200": [FEW], "digits_1600": [MANY]}
    return both | {"fixed_200": [FEW, *fixed], "fixed_1600": [MANY, *fixed]}


def curve(directory: Path) -> dict[str, Any]:
    """p of a finished run at every report."""
    rows = [r for r in lines(directory / "metrics.jsonl") if "discriminator/augment_p" in r]
    return {
        "images_seen": [row["images_seen"] for row in rows],
        "augment_p": [round(row["discriminator/augment_p"], 4) for row in rows],
        "gap": gaps(directory),
        "collapse": [],
    }


def gaps(directory: Path) -> dict[int, float]:
    """By step: accuracy on training digits less that on held-out ones."""
    run = gan_jax.load(directory, say=lambda line: None)
    seen, unseen = (pictures(run, split) for split in ("train", "test"))
    discriminate = run.program.recipe.discriminate
    assert discriminate is not None

    @jax.jit
    def share_of_reals(nets, images):
        view = sampling_nets(run.program.recipe, nets, {}, jax.random.key(0), ema=False)
        return jnp.mean(discriminate(view, {"image": images}) > 0)

    found = {}
    manifests = (directory / "checkpoints").glob("*/manifest.json")
    for step in sorted(int(manifest.parent.name) for manifest in manifests):
        nets = run.at(step, say=lambda line: None).state.nets
        gap = share_of_reals(nets, seen[:SEEN]) - share_of_reals(nets, unseen)
        found[step] = round(float(gap), 4)
    return found


def pictures(run: Trained, split: str) -> jax.Array:
    """float32 `[N, H, W, 1]` in [-1, 1], in the order that training takes the first of."""
    source = run.experiment.module.digits(run.config, split)
    return to_float(np.stack([source[index]["image"] for index in range(len(source))]))


def draw(rows: Sequence[dict[str, Any]], chart: Path) -> None:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
    for (kind, title), axes in zip(PANELS.items(), panels, strict=True):
        for row in rows:
            group, digits = row["name"].split("_")
            if group == kind:
                thousands = [images / 1000 for images in row["images_seen"]]
                label = f"{digits} digits" if row["seed"] == 0 else None
                axes.plot(thousands, row["augment_p"], color=COLOURS[digits], lw=1, label=label)
        axes.set(title=title, xlabel="thousands of real pictures seen", ylabel="p", ylim=(0, 1))
        axes.legend()
    figure.savefig(chart)


if __name__ == "__main__":
    main()

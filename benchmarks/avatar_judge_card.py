"""Measures a trained avatar judge on pictures it has not seen and puts it into the package.

    gan-jax train experiments/avatar_judge.py
    python benchmarks/avatar_judge_card.py runs/avatar_judge

Writes gan_jax/weights/shipped/avatar_judge.safetensors (averaged weights, float16; what is
measured is what is stored) and the card beside it, avatar_judge.json. Held out are both splits of
avatars/64: the judge was trained on drawings of another seed.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

import gan_jax
from gan_jax.data.avatars import open_avatars, prepare
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES, FACTOR_NAMES, PARAMETERS, shares
from gan_jax.data.avatars.version import RENDERER_VERSION
from gan_jax.metrics.attributes import landmark_error, modes_covered
from gan_jax.metrics.frechet import frechet_distance_of_features
from gan_jax.networks.features.avatar_judge import SIZE, AvatarJudge, Readings, to_judge_input
from gan_jax.weights.variables import sha256_of, write_variables

SHIPPED = Path(gan_jax.__file__).parent / "weights" / "shipped"
OUTER_CORNERS = LANDMARKS.index("eyeRightOuterCorner"), LANDMARKS.index("eyeLeftOuterCorner")
BATCH = 250


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures and ships an avatar judge.")
    parser.add_argument("workdir", type=Path, help="of a run of experiments/avatar_judge.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the two files")
    arguments = parser.parse_args()
    trained = gan_jax.load(arguments.workdir)
    net = trained.state.nets["judge"]
    half = partial(np.asarray, dtype=np.float16)
    variables = jax.tree.map(half, jax.device_get({"params": net.ema, **net.stats}))
    path = arguments.out / "avatar_judge.safetensors"
    write_variables(path, variables, {"network": "avatar_judge"})  # several would have no order
    card = {
        "sha256": sha256_of(path),
        "renderer_version": RENDERER_VERSION,
        "command": f"gan-jax train experiments/{trained.experiment.path.name}",
        "steps": trained.step,
        "training_pictures": trained.config.pictures,
        "training_seed": trained.config.drawing_seed,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        **measured(variables),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2))


def measured(variables: Any) -> dict[str, Any]:
    """On all of avatars/64; the first 5,000 against the next 5,000 for what compares two sets."""
    prepare(SIZE)
    avatars = open_avatars(SIZE, "all").load_all()
    read_off(variables, avatars["image"][:BATCH])
    start = time.perf_counter()
    readings = read_off(variables, avatars["image"])
    milliseconds = 1e3 * (time.perf_counter() - start) / len(avatars["image"])
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (5000, SIZE, SIZE, 3), dtype=np.uint8)
    copies = np.repeat(avatars["image"][:1], 5000, axis=0)
    sets = {
        "ceiling, 5,000 other renders": jax.tree.map(lambda leaf: leaf[5000:10_000], readings),
        "floor, uniform noise": read_off(variables, noise),
        "floor, one render 5,000 times": read_off(variables, copies),
    }
    return {
        "held_out": f"avatars/64, train and test, N = {len(avatars['image'])}",
        "milliseconds_a_picture": round(milliseconds, 2),
        **accuracies(readings, avatars),
        "fd_avatar_to_5000_renders": {
            name: round(distance(readings.features[:5000], other.features), 3)
            for name, other in sets.items()
        },
        "modes_covered_of_256": {
            "ceiling, 10,000 renders": covered(jax.tree.map(lambda leaf: leaf[:10_000], readings)),
            **{name: covered(other) for name, other in sets.items()},
        },
    }


def read_off(variables: Any, images: np.ndarray) -> Readings:
    """Of all pictures, with probabilities in place of logits."""
    starts = range(0, len(images), BATCH)
    blocks = [jax.device_get(judge(variables, images[i : i + BATCH])) for i in starts]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *blocks)


@jax.jit
def judge(variables: Any, images: jax.Array) -> Readings:
    readings = AvatarJudge().apply(variables, to_judge_input(images), train=False)
    assert isinstance(readings, Readings)
    factors = {name: nn.softmax(logits) for name, logits in readings.factors.items()}
    return readings._replace(expression=nn.softmax(readings.expression), factors=factors)


def distance(a: ArrayLike, b: ArrayLike) -> float:
    return max(frechet_distance_of_features(a, b), 0.0)


def covered(readings: Readings) -> int:
    return modes_covered(
        readings.factors["hairFront"], readings.expression, readings.factors["style"]
    ).covered


def accuracies(readings: Readings, avatars: dict[str, np.ndarray]) -> dict[str, Any]:
    """Shares read right, calibration, errors."""
    tables = {"expression": readings.expression, **readings.factors}
    truth = {"expression": avatars["expression"]} | dict(
        zip(FACTOR_NAMES, avatars["identity"].T, strict=True)
    )
    right = {name: table.argmax(axis=1) == truth[name] for name, table in tables.items()}
    sure = {name: table.max(axis=1) for name, table in tables.items()}
    cell = ("hairFront", "expression", "style")
    right["cell"] = np.all([right[name] for name in cell], axis=0)
    sure["cell"] = np.prod([sure[name] for name in cell], axis=0)
    by_expression = {
        name: round(float(right["expression"][truth["expression"] == number].mean()), 4)
        for number, name in enumerate(EXPRESSIONS)
    }
    return {
        "accuracy": {name: round(float(hits.mean()), 4) for name, hits in right.items()},
        "accuracy_by_expression": by_expression,
        "accuracy_by_cell": by_cell(right["cell"], [truth[name] for name in cell]),
        "confidence_at_least_0.5": {
            name: {
                "share": round(float((sure[name] >= 0.5).mean()), 4),
                "right_among_them": round(float(right[name][sure[name] >= 0.5].mean()), 4),
            }
            for name in (*cell, "cell")
        },
        "mean_absolute_error_of_range": parameter_errors(readings, avatars),
        "landmark_error": round(
            landmark_error(readings.landmarks, avatars["landmarks"], outer_corners=OUTER_CORNERS),
            4,
        ),
    }


def by_cell(right: np.ndarray, truth: list[np.ndarray]) -> dict[str, float]:
    """Over the cells hair style x expression x drawing style: their shares read right."""
    _, cells = np.unique(np.stack(truth), axis=1, return_inverse=True)
    rates = np.bincount(cells.reshape(-1), right) / np.bincount(cells.reshape(-1))
    return {
        "least": round(float(rates.min()), 4),
        "tenth_percentile": round(float(np.quantile(rates, 0.1)), 4),
        "median": round(float(np.median(rates)), 4),
        "cells": len(rates),
    }


def parameter_errors(readings: Readings, avatars: dict[str, np.ndarray]) -> dict[str, float]:
    """By group; a face at rest shows no intensity, so that is measured on the others. `guessing`
    is what the best constants would score."""
    groups = {parameter.name: parameter.group for parameter in PARAMETERS}
    true = np.asarray(shares(jnp.asarray(avatars["parameters"])))
    off = np.abs(readings.parameters[:, :-1] - true)
    guess = np.abs(np.median(true, axis=0) - true)
    moving = avatars["expression"] > 0
    strength = np.abs(readings.parameters[:, -1] - avatars["intensity"])[moving]
    errors = {"intensity": round(float(strength.mean()), 4)}
    for group in ("identity", "expression", "pose"):
        members = [groups[name] == group for name in CONTINUOUS_NAMES]
        errors[group] = round(float(off[:, members].mean()), 4)
        errors[f"{group}, guessing"] = round(float(guess[:, members].mean()), 4)
    return errors


if __name__ == "__main__":
    main()

"""What the judge reads of persons whose palettes and style are to be another's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from gan_jax.data.avatars.parameters import FACTORS, INDEX
from gan_jax.evaluators.avatar_truth import IDENTITY_FACTORS, obedience
from gan_jax.evaluators.features import Features
from gan_jax.metrics.reconstruction import l1

PALETTES = tuple(factor.name for factor in FACTORS if factor.name.endswith("Palette"))
SHAPES = tuple(name for name in IDENTITY_FACTORS if name not in PALETTES)
"""What of an avatar a persona must leave alone: hair, headwear, glasses, the cut of clothes."""
OF_STYLE, OF_CONTENT = ("style_accuracy", "palette_accuracy"), ("landmark_error", "identity_drift")


def judged(read: Features, true: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The metrics of `OF_STYLE` and `OF_CONTENT` of the judge's readings of `[N]` pictures."""
    return obedience(read, true, ("style", "landmarks")) | {
        "palette_accuracy": agreement(read, true, PALETTES),
        "identity_drift": 1.0 - agreement(read, true, SHAPES),
    }


def agreement(read: Features, true: Mapping[str, np.ndarray], names: tuple[str, ...]) -> float:
    """The share of the discrete factors `names` that are read as they truly are."""
    right = [
        read[f"factor/{name}"].argmax(axis=1) == np.round(true["parameters"][:, INDEX[name]])
        for name in names
    ]
    return float(np.mean(right))


def diversity(pictures: np.ndarray) -> float:
    """The mean l1 between two of uint8 `[K, M, H, W, C]` of the same place of M."""
    return float(np.mean([l1(a, b) for a, b in combinations(pictures, 2)]))

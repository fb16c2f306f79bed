"""Intra-class Frechet distance (Miyato & Koyama 2018): the mean over classes of the Frechet
distance within a class. Sees what a conditional generator drops inside a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError
from gan_jax.metrics.features import checked_pair
from gan_jax.metrics.frechet import frechet_distance_of_features


@dataclass(frozen=True)
class IntraClass:
    """`value`: the mean; `classes`: the distance within each."""

    value: float
    classes: dict[int, float]


def intra_class_frechet_distance(
    real: ArrayLike, real_labels: ArrayLike, fake: ArrayLike, fake_labels: ArrayLike
) -> IntraClass:
    """Of features `[N, D]` with labels int `[N]`, over all classes of either set. DataError for a
    class with fewer than 2 samples in one of them."""
    real, fake = checked_pair(real, fake)
    sets = {
        "real": (real, np.asarray(real_labels)),
        "fake": (fake, np.asarray(fake_labels)),
    }
    for name, (features, labels) in sets.items():
        if labels.shape != (len(features),) or not np.issubdtype(labels.dtype, np.integer):
            raise DataError(
                f"{name} labels: {labels.dtype} {labels.shape}; integers [{len(features)}] needed"
            )
    classes = {}
    for label in np.union1d(sets["real"][1], sets["fake"][1]):
        members = [features[labels == label] for features, labels in sets.values()]
        for name, samples in zip(sets, members, strict=True):
            if len(samples) < 2:
                raise DataError(
                    f"class {label} has {len(samples)} {name} samples; at least 2 needed"
                )
        classes[int(label)] = frechet_distance_of_features(*members)
    return IntraClass(float(np.mean(list(classes.values()))), classes)

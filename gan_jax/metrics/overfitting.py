"""Has the discriminator learned the training pictures by heart? Its accuracy on held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError


@dataclass(frozen=True)
class DiscriminatorAccuracy:
    """Shares in [0, 1] that are told right: training reals, held-out reals and fakes. `gap` is
    train - held_out: far above 0 where the training reals are remembered."""

    train: float
    held_out: float
    fake: float
    gap: float


def discriminator_accuracy(
    train_logits: ArrayLike, held_out_logits: ArrayLike, fake_logits: ArrayLike
) -> DiscriminatorAccuracy:
    """Of logits of any shape: a real is told right above 0, a fake below; exactly 0 is a half."""
    train, held_out = (
        _share_above(train_logits, "train"),
        _share_above(held_out_logits, "held-out"),
    )
    fake = 1.0 - _share_above(fake_logits, "fake")
    return DiscriminatorAccuracy(train, held_out, fake, train - held_out)


def _share_above(logits: ArrayLike, name: str) -> float:
    logits = np.asarray(logits, np.float64)
    if not logits.size or np.isnan(logits).any():
        raise DataError(
            f"{name} logits {logits.shape}, {int(np.isnan(logits).sum())} of them NaN; "
            "numbers needed, at least one"
        )
    return float(np.mean(np.heaviside(logits, 0.5)))

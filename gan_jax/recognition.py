"""What a recipe reads off a face, for `gan-jax recognise`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
from jax import Array


class Recognised(NamedTuple):
    """Of `[B]` faces.

    Attributes:
        probabilities: by the name of an expression, `[B]` each; all together are 1. Empty where
            nothing is told apart by name.
        strengths: by the name of a movement, `[B]` each, in its own unit.
    """

    probabilities: Mapping[str, Array]
    strengths: Mapping[str, Array]


def by_name(names: Sequence[str], numbers: Array) -> dict[str, Array]:
    """`[B, N]` as `[B]` each, by the names in their order."""
    return dict(zip(names, numbers.T, strict=True))


def probabilities(names: Sequence[str], logits: Array) -> dict[str, Array]:
    """Logits `[B, N]` as `[B]` each."""
    return by_name(names, jax.nn.softmax(logits, axis=-1))

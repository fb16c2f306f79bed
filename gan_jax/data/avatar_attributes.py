"""What an avatar's attributes are: its parameters, as stored, and each choice as 0 or 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES, FACTORS, INDEX
from gan_jax.data.source import Example

Reader = Callable[[Example], float]


def attribute_readers(expressions: tuple[str, ...]) -> Mapping[str, Reader]:
    """By name, how each is read from an example: the continuous parameters (`eyeBlinkLeft`,
    `headYaw` in degrees), `GROUP=CHOICE` of the discrete ones (`eyewear=round glasses`),
    `expression=NAME` of `expressions`, and `intensity`."""
    return {
        **{name: _parameter(INDEX[name]) for name in CONTINUOUS_NAMES},
        **{
            f"{factor.name}={choice}": _choice(INDEX[factor.name], number)
            for factor in FACTORS
            for number, choice in enumerate(factor.choices)
        },
        **{f"expression={name}": _expression(number) for number, name in enumerate(expressions)},
        "intensity": lambda example: float(example["intensity"]),
    }


def _parameter(index: int) -> Reader:
    return lambda example: float(example["parameters"][index])


def _choice(index: int, number: int) -> Reader:
    return lambda example: float(np.round(example["parameters"][index]) == number)


def _expression(number: int) -> Reader:
    return lambda example: float(example["expression"] == number)

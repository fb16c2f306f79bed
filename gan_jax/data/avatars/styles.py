"""The four drawing styles, each one row of numbers that the whole drawing reads."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array


class Style(NamedTuple):
    """Lengths are in picture units (the picture is 2 wide)."""

    outline: Array  # half width of the line around a part
    outline_alpha: Array
    outline_ink: Array  # 0: the line is the part's own dark tone, 1: ink
    shade: Array  # strength of shadows
    softness: Array  # width of a shadow's edge
    gradient: Array  # strength of colour runs along hair and over the face
    strands: Array  # strength of the lines between strands of hair
    shine: Array  # strength of the band of light on the hair
    saturation: Array
    lightness: Array


_ROWS = np.array(
    [
        # outline alpha  ink  shade  soft  gradient strands shine saturation lightness
        [0.000, 0.00, 0.0, 0.40, 0.004, 0.00, 0.00, 0.35, 1.00, 0.00],  # flat
        [0.009, 0.90, 0.25, 1.00, 0.004, 0.35, 0.55, 0.95, 1.05, 0.00],  # cel
        [0.019, 1.00, 0.85, 0.30, 0.004, 0.00, 0.80, 0.70, 1.00, 0.03],  # outlined
        [0.007, 0.45, 0.0, 0.60, 0.160, 1.00, 0.25, 0.60, 0.80, 0.17],  # pastel
    ],
    np.float32,
)


def style(parameters: dict[str, Array]) -> Style:
    """The row that `style` chooses."""
    return Style(*jnp.asarray(_ROWS)[jnp.round(parameters["style"]).astype(jnp.int32)])

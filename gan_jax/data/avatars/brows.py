"""Eyebrows: one tapered stroke each."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars.eyes import SIDES, SIGN
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Frame, Pose, frame, pick_side, to_head, to_local

Parameters = dict[str, Array]


class Brows(NamedTuple):
    """Both brows, `[2]` in the order of `SIDES`; t runs from -1 (inner end) to 1 (outer end)."""

    frame: Frame
    sign: Array
    half_width: Array
    rise: Array  # v at the middle of the line through both ends
    slope: Array  # drop per unit of t
    arch: Array
    thickness: Array


def brows(parameters: Parameters, pose: Pose) -> Brows:
    def both(name: str) -> Array:
        return jnp.stack([parameters[name + side] for side in SIDES])

    down, outer, inner = both("browDown"), both("browOuterUp"), parameters["browInnerUp"]
    sign = jnp.array(SIGN)
    level = 0.025 * parameters["eyeLevel"] - 0.02 * parameters["eyeHeight"]
    return Brows(
        frame=frame(pose, sign * 0.24, -0.185 + level, 0.17, curvature=1.6),
        sign=sign,
        half_width=0.125 * jnp.ones(2),
        rise=0.055 * down - 0.045 * outer - 0.035 * inner - 0.03 * both("eyeWide"),
        slope=0.012 - 0.06 * down + 0.058 * inner - 0.03 * outer * (1 - inner),
        arch=0.028 + 0.012 * parameters["browArch"] + 0.012 * outer - 0.016 * down,
        thickness=0.0165 * (1 + 0.3 * parameters["browThickness"]) * jnp.ones(2),
    )


def curve(brow: Brows, t: Array) -> Array:
    """Height v over t in [-1, 1]."""
    return brow.rise + brow.slope * t - brow.arch * (1 - t * t)


def place(brow: Brows, t: Array, v: Array) -> tuple[Array, Array]:
    """Local (t, v) of both brows -> head space."""
    return to_head(brow.frame, brow.sign * brow.half_width * t, v)


def brow_coverage(both: Brows, x: Array, y: Array, pen: Pen) -> tuple[Array, Array]:
    """`[H, W]` coverage of the (right, left) brow."""
    on_left = x > 0.5 * (both.frame.x[0] + both.frame.x[1])
    brow = pick_side(both, on_left)
    u, v = to_local(brow.frame, x, y)
    t = u * brow.sign * (1 / brow.half_width)
    thick = brow.thickness * jnp.clip(1 - 0.5 * t, 0.3, 1.25)
    steep = jax.lax.rsqrt(1 + ((brow.slope + 2 * brow.arch * t) / brow.half_width) ** 2)
    ends = pen.fill((jnp.abs(t) - 1) * brow.half_width - 0.01)
    stroke = pen.band((v - curve(brow, t)) * steep, thick) * ends
    return jnp.where(on_left, 0, stroke), jnp.where(on_left, stroke, 0)

"""Head pose as 2.5-D parallax: every part stands at a depth and slides as the head turns.

Picture space is [-1, 1]², x right and y down. Head space is picture space with the head's roll
about the neck undone. A part's frame maps its local coordinates to head space.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NECK_Y = 0.5  # the head rolls about (0, NECK_Y)
CENTRE_Y = 0.05  # and turns and nods about (0, CENTRE_Y)


class Pose(NamedTuple):
    """Sines and cosines of the three angles, scalars."""

    sin_yaw: Array
    cos_yaw: Array
    sin_pitch: Array
    cos_pitch: Array
    sin_roll: Array
    cos_roll: Array


class Frame(NamedTuple):
    """Local (u, v) stands at head (x + shear * v + scale_x * u, y + scale_y * v)."""

    x: Array
    y: Array
    scale_x: Array
    scale_y: Array
    shear: Array | float = 0.0


def pose(parameters: dict[str, Array]) -> Pose:
    """Of `headYaw` (positive: towards the picture's right), `headPitch` (up), `headRoll`
    (leans to the picture's right), all in degrees."""
    yaw, pitch, roll = (
        jnp.deg2rad(parameters[name]) for name in ("headYaw", "headPitch", "headRoll")
    )
    return Pose(
        jnp.sin(yaw), jnp.cos(yaw), jnp.sin(pitch), jnp.cos(pitch), jnp.sin(roll), jnp.cos(roll)
    )


def picture_to_head(pose: Pose, x: Array, y: Array) -> tuple[Array, Array]:
    """Undoes the roll."""
    y = y - NECK_Y
    return x * pose.cos_roll + y * pose.sin_roll, y * pose.cos_roll - x * pose.sin_roll + NECK_Y


def head_to_picture(pose: Pose, x: Array, y: Array) -> tuple[Array, Array]:
    """Applies the roll."""
    y = y - NECK_Y
    return x * pose.cos_roll - y * pose.sin_roll, y * pose.cos_roll + x * pose.sin_roll + NECK_Y


def frame(pose: Pose, x, y, depth, curvature=0.0, lean=0.0) -> Frame:
    """The frame of a part anchored at (x, y), `depth` in front of the head's axis.

    `curvature`: how fast the surface turns away sideways, so that the far eye narrows.
    `lean`: depth gained per unit of local y, so that the chin moves more than the crown.
    """
    return Frame(
        x=x * pose.cos_yaw + depth * pose.sin_yaw,
        y=CENTRE_Y + (y - CENTRE_Y) * pose.cos_pitch - depth * pose.sin_pitch,
        scale_x=pose.cos_yaw - curvature * x * pose.sin_yaw,
        scale_y=pose.cos_pitch,
        shear=lean * pose.sin_yaw,
    )


def to_local(frame: Frame, x: Array, y: Array) -> tuple[Array, Array]:
    """Head space -> local."""
    v = (y - frame.y) * (1 / frame.scale_y)
    return (x - frame.x - frame.shear * v) * (1 / frame.scale_x), v


def to_head(frame: Frame, u, v) -> tuple[Array, Array]:
    """Local -> head space."""
    return frame.x + frame.shear * v + frame.scale_x * u, frame.y + frame.scale_y * v


def pick_side(pair, on_left: Array):
    """A tree of scalars or (right, left) pairs -> the same tree with each pixel's own side."""

    def pick(value):
        right, left = jnp.broadcast_to(value, (2,))
        return jnp.where(on_left, left, right)

    return jax.tree.map(pick, pair)

"""The mouth: one line when closed, two arcs with teeth and tongue between them when open."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.palette import mix
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Frame, Pose, frame, to_head, to_local

Parameters = dict[str, Array]


class Mouth(NamedTuple):
    """Local: u to the picture's right, v down; t = u / half_width runs from -1 to 1."""

    frame: Frame
    half_width: Array
    lift_right: Array  # how far each corner stands above the middle
    lift_left: Array
    upper_right: Array  # how far the upper lip rises above the corner line, per side
    upper_left: Array
    drop: Array  # how far the lower lip falls below it
    round: Array  # 0: pointed corners, 1: round ones
    tongue: Array


def mouth(parameters: Parameters, pose: Pose) -> Mouth:
    smile = 0.5 * (parameters["mouthSmileLeft"] + parameters["mouthSmileRight"])
    stretch = 0.5 * (parameters["mouthStretchLeft"] + parameters["mouthStretchRight"])
    jaw, pucker = parameters["jawOpen"], parameters["mouthPucker"]
    funnel = parameters["mouthFunnel"]
    tongue = parameters["tongueOut"]

    def lift(side: str) -> Array:
        return (
            0.022 + 0.054 * parameters["mouthSmile" + side] - 0.08 * parameters["mouthFrown" + side]
        )

    def upper(side: str) -> Array:
        raised = 0.055 * parameters["mouthUpperUp" + side]
        return 0.003 + raised + jaw * (0.02 + 0.06 * funnel - 0.03 * smile)

    return Mouth(
        frame=frame(
            pose, 0.0, 0.352 + 0.018 * parameters["mouthLevel"] - 0.012 * smile, 0.18, curvature=0.0
        ),
        half_width=0.108
        * (1 + 0.14 * parameters["mouthWidth"])
        * (1 + 0.5 * smile + 0.4 * stretch)
        * (1 - 0.55 * pucker)
        * (1 - 0.32 * funnel),
        lift_right=lift("Right"),
        lift_left=lift("Left"),
        upper_right=upper("Right") + 0.02 * pucker,
        upper_left=upper("Left") + 0.02 * pucker,
        drop=0.003 + 0.2 * jaw * (1 - 0.35 * stretch) + 0.024 * pucker,
        round=jnp.clip(0.3 * jaw + 0.8 * funnel + 0.7 * pucker + 0.5 * stretch * jaw, 0, 1),
        tongue=tongue,
    )


def _arc(t: Array, round: Array) -> Array:
    """1 at the middle, 0 at both corners."""
    parabola = jnp.maximum(1 - t * t, 0)
    return mix(parabola, jnp.sqrt(parabola + 1e-9), round)


def corner_line(mouth: Mouth, t: Array) -> Array:
    return -jnp.where(t > 0, mouth.lift_left, mouth.lift_right) * (t * t - 0.5)


def upper_lip(mouth: Mouth, t: Array) -> Array:
    rise = mix(mouth.upper_right, mouth.upper_left, jnp.clip(0.5 + 0.9 * t, 0, 1))
    return corner_line(mouth, t) - rise * _arc(t, mouth.round)


def lower_lip(mouth: Mouth, t: Array) -> Array:
    return corner_line(mouth, t) + mouth.drop * _arc(t, mouth.round)


def place(mouth: Mouth, t: Array, v: Array) -> tuple[Array, Array]:
    """Local (t, v) -> head space."""
    return to_head(mouth.frame, mouth.half_width * t, v)


def draw_mouth(mouth: Mouth, x: Array, y: Array, pen: Pen) -> list[Layer]:
    u, v = to_local(mouth.frame, x, y)
    t = u / mouth.half_width
    top, bottom = upper_lip(mouth, t), lower_lip(mouth, t)
    ends = pen.fill(jnp.abs(u) - mouth.half_width)
    lift = jnp.where(t > 0, mouth.lift_left, mouth.lift_right)
    steep = jax.lax.rsqrt(1 + (2 * lift * t / mouth.half_width) ** 2)
    gape = jnp.clip(pen.fill((v - bottom) * steep) - pen.fill((v - top) * steep), 0, 1) * ends
    ink = mix(pen.colours.lip * 0.55, pen.colours.ink, 0.25 + 0.5 * pen.style.outline_ink)
    width = 0.0125 + 0.004 * pen.style.outline_ink
    caps = pen.fill(jnp.abs(u) - mouth.half_width - width * (1 - mouth.round))
    lips = jnp.maximum(
        pen.band((v - top) * steep, width), pen.band((v - bottom) * steep, 0.8 * width)
    )
    opened = jnp.clip((mouth.drop + mouth.upper_left - 0.05) * 30, 0, 1)
    tongue = distance.ellipse(u, v - bottom + 0.01, 0.62 * mouth.half_width, 0.055)
    teeth = pen.fill(v - top - 0.034) * pen.fill((jnp.abs(t) - 0.85) * mouth.half_width)
    return [
        Layer("mouth", jnp.maximum(lips * caps, gape), ink),
        Layer(None, gape * opened, pen.colours.mouth),
        Layer(None, gape * opened * pen.fill(tongue), pen.colours.tongue),
        Layer(None, gape * opened * teeth, pen.colours.teeth),
        *_tongue_out(mouth, u, v, pen),
        *_lower_lip_shade(mouth, u, v, pen),
    ]


def _tongue_out(mouth: Mouth, u, v, pen: Pen) -> list[Layer]:
    """A tongue over the lower lip."""
    half_width = 0.42 * mouth.half_width
    d = distance.box(
        u - 0.3 * mouth.half_width, v - 0.6 * mouth.drop - 0.035, half_width, 0.055, 0.05
    )
    shown = pen.fill(d) * jnp.clip(2 * mouth.tongue, 0, 1)
    groove = pen.band(u - 0.3 * mouth.half_width, 0.005) * pen.fill(v - 0.6 * mouth.drop - 0.05)
    return [
        Layer("mouth", shown, pen.colours.tongue),
        Layer(None, shown * groove * 0.6, pen.colours.mouth),
    ]


def _lower_lip_shade(mouth: Mouth, u, v, pen: Pen) -> list[Layer]:
    """A short shadow under the lower lip."""
    d = distance.ellipse(u, v - mouth.drop - 0.045, 0.035, 0.008)
    return [Layer(None, pen.fill(d) * 0.6 * (1 - mouth.tongue), pen.colours.skin_shadow)]

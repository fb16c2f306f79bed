"""The face: its outline, ears, nose, blush and shadow."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.palette import mix
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Frame, Pose, frame, to_local

Parameters = dict[str, Array]
GLOOM = (0.42, 0.45, 0.68)


class Head(NamedTuple):
    """The outline's numbers, in the face's frame."""

    frame: Frame
    half_width: Array
    chin: Array
    jaw: Array  # half width where the jaw turns
    puff: Array


def head(parameters: Parameters, pose: Pose) -> Head:
    half_width = 0.475 + 0.03 * parameters["faceWidth"]
    return Head(
        frame=frame(pose, 0.0, 0.0, 0.05, lean=0.16),
        half_width=half_width,
        chin=0.52 + 0.035 * parameters["chinLength"] + 0.03 * parameters["jawOpen"],
        jaw=half_width - 0.05 + 0.03 * parameters["jawWidth"],
        puff=parameters["cheekPuff"],
    )


def outline(head: Head, u: Array, v: Array) -> Array:
    """Signed distance to the face, local coordinates: a skull cut by two slanting jaws."""
    side = jnp.abs(u)
    skull = distance.ellipse(u, v + 0.1, head.half_width, 0.56 + jnp.where(v > -0.1, 0.12, 0.0))
    jaw = distance.slope(side, v, head.jaw, 0.28, 0.1, head.chin + 0.03)
    face = distance.smooth_intersection(skull, jaw, 0.2)
    cheek = distance.ellipse(side - 0.32, v - 0.26, 0.17, 0.15)
    return distance.smooth_union(face, cheek + 0.14 * (1 - head.puff), 0.08)


def draw_ears(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    right = frame(pose, 0.475 + 0.03 * parameters["faceWidth"], 0.08, -0.08)
    left = frame(pose, -0.475 - 0.03 * parameters["faceWidth"], 0.08, -0.08)
    on_right = x > 0.5 * (right.x + left.x)
    u = jnp.where(on_right, x - right.x, left.x - x)
    d = distance.ellipse(u - 0.3 * (y - right.y), y - right.y, 0.07, 0.115)
    inner = distance.ellipse(u - 0.01 - 0.3 * (y - right.y), y - right.y, 0.035, 0.07)
    return [
        pen.outline("ears", d, pen.colours.skin_shadow),
        Layer("ears", pen.fill(d), pen.colours.skin),
        Layer(None, pen.fill(inner) * 0.7, pen.colours.skin_shadow),
    ]


def draw_face(
    parameters: Parameters, head: Head, x: Array, y: Array, pen: Pen, fringe: Array
) -> list[Layer]:
    """The skin with blush, gloom and the shadow that the fringe (a distance) throws on it."""
    colours, look = pen.colours, pen.style
    u, v = to_local(head.frame, x, y)
    d = outline(head, u, v)
    skin = pen.fill(d)
    shadow = pen.fill(fringe - 0.045, 0.6 * look.softness) * jnp.minimum(look.shade, 1)
    rim = jnp.clip((u * u + 0.3 * v * v - 0.12) * 4, 0, 1) * look.gradient
    gloom = jnp.clip(0.42 - 1.5 * (v + 0.2), 0, 0.75) * parameters["gloom"]
    return [
        pen.outline("face", d, colours.skin_shadow),
        Layer("face", skin, colours.skin),
        Layer(None, skin * rim * 0.35, colours.blush),
        Layer(None, skin * shadow * 0.9, colours.skin_shadow),
        Layer(None, skin * gloom, mix(colours.skin_shadow, jnp.array(GLOOM), 0.7)),
        Layer(None, skin * _blush(parameters, u, v), colours.blush),
    ]


def _blush(parameters: Parameters, u: Array, v: Array) -> Array:
    """Round patches on both cheeks, fading outwards."""
    side = (jnp.abs(u) - 0.295) * (1 / 0.125)
    down = (v - 0.235 + 0.02 * parameters["cheekPuff"]) * (1 / 0.075)
    strength = 0.18 + 0.3 * parameters["blush"] + 0.45 * parameters["cheekBlush"]
    return jnp.clip(1.3 - 1.3 * (side * side + down * down), 0, 1) * jnp.minimum(strength, 0.85)


def nose_frame(parameters: Parameters, pose: Pose) -> Frame:
    sneer = 0.5 * (parameters["noseSneerLeft"] + parameters["noseSneerRight"])
    return frame(pose, 0.0, 0.225 - 0.02 * sneer, 0.2)


def draw_nose(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """A short tapered shadow; a sneer adds two wrinkles above it."""
    u, v = to_local(nose_frame(parameters, pose), x, y)
    size = 1 + 0.3 * parameters["noseSize"]
    d = distance.ellipse(u - 0.3 * v, v, 0.014 * size, 0.03 * size)
    side = jnp.abs(u) - 0.045 + 0.25 * (v + 0.07)
    sneer = jnp.where(u > 0, parameters["noseSneerLeft"], parameters["noseSneerRight"])
    wrinkle = pen.band(side, 0.008) * pen.fill(jnp.abs(v + 0.06) - 0.035) * sneer
    tone = mix(pen.colours.skin_shadow, pen.colours.lip, 0.45)
    return [Layer("nose", pen.fill(d), tone), Layer(None, wrinkle, tone)]

"""Eyes: white, iris, pupil, lights, lids and lashes. Both are drawn at once, each in its half."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.palette import mix
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Frame, Pose, frame, pick_side, to_head, to_local

Parameters = dict[str, Array]
SIDES = ("Right", "Left")  # the avatar's own; its right eye stands on the picture's left
SIGN = (-1.0, 1.0)


class Eyes(NamedTuple):
    """Every field holds both eyes, `[2]` in the order of `SIDES`.

    Local coordinates: u points outwards (to the ear), v down; t = u / half_width.
    """

    frame: Frame
    sign: Array
    half_width: Array
    upper: Array  # height of the upper lid's arc above the corners
    lower: Array  # depth of the lower lid's arc below them
    square: Array  # 0: parabola, 1: flat-topped
    tilt: Array  # drop of the line through the corners per unit of t
    slant: Array  # drop of the upper lid's inner end (negative: of its outer end)
    iris_x: Array
    iris_y: Array
    iris_width: Array
    iris_height: Array
    blink: Array


def eyes(parameters: Parameters, pose: Pose) -> Eyes:
    def both(name: str) -> Array:
        return jnp.stack([parameters[name + side] for side in SIDES])

    sign = jnp.array(SIGN)
    blink, squint, wide = both("eyeBlink"), both("eyeSquint"), both("eyeWide")
    half_width = 0.15 * (1 + 0.12 * parameters["eyeWidth"]) * jnp.ones(2)
    height = 0.165 * (1 + 0.17 * parameters["eyeHeight"])
    open_upper = height * (1 + 0.22 * wide - 0.1 * squint)
    open_lower = 0.62 * height * (1 - 0.62 * squint + 0.08 * wide)
    closed = 0.24 * height - 0.62 * height * squint  # a squinting eye closes into a smile
    down, up = both("browDown"), parameters["browInnerUp"]
    smile = jnp.clip(both("mouthSmile"), 0, 1)
    iris = (1 + 0.09 * parameters["irisSize"]) * (1 - 0.2 * wide)
    return Eyes(
        frame=frame(
            pose,
            sign * (0.232 + 0.022 * parameters["eyeSpacing"]),
            0.07 + 0.025 * parameters["eyeLevel"],
            0.17,
            curvature=1.9,
        ),
        sign=sign,
        half_width=half_width,
        upper=jnp.where(blink > 0, mix(open_upper, -closed, blink), open_upper),
        lower=mix(open_lower, closed, blink),
        square=(0.45 + 0.35 * parameters["eyeRoundness"]) * jnp.ones(2),
        tilt=-0.016 * parameters["eyeTilt"] * jnp.ones(2) - 0.01,
        slant=(1 - blink) * height * (0.55 * down - 0.32 * up * (1 - wide) * (1 - smile)),
        iris_x=0.3 * half_width * parameters["eyeLookX"],
        iris_y=(-0.3 * parameters["eyeLookY"] - 0.12) * height * jnp.ones(2),
        iris_width=0.69 * half_width * iris,
        iris_height=0.9 * height * iris,
        blink=blink,
    )


def _arc(t: Array, square: Array) -> Array:
    """1 at the middle, 0 at both corners t = -1, 1."""
    s = t * t
    return 1 - s * (1 - square + square * s)


def upper_lid(eye: Eyes, t: Array) -> Array:
    """Height v of the upper lid over t in [-1, 1]; below the lower lid's where they would cross."""
    inner, outer = jnp.maximum(eye.slant, 0), jnp.maximum(-eye.slant, 0)
    arc = _arc(t, eye.square)
    drop = arc * (inner * (1 - t) + outer * (1 + t)) * 0.62
    return jnp.minimum(eye.tilt * t - eye.upper * arc + drop, lower_lid(eye, t))


def lower_lid(eye: Eyes, t: Array) -> Array:
    return eye.tilt * t + eye.lower * _arc(t, 0.7 * eye.square)


def place(eye: Eyes, t: Array, v: Array) -> tuple[Array, Array]:
    """Local (t, v) of both eyes -> head space."""
    return to_head(eye.frame, eye.sign * eye.half_width * t, v)


def draw_eyes(both: Eyes, parameters: Parameters, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """Both eyes, each pixel with the numbers of the eye on its side of the nose."""
    on_left = x > 0.5 * (both.frame.x[0] + both.frame.x[1])
    eye = pick_side(both, on_left)
    u, v = to_local(eye.frame, x, y)
    turned = u  # lights do not mirror: they come from one side
    u = u * eye.sign
    t = u * (1 / eye.half_width)
    top, bottom = upper_lid(eye, t), lower_lid(eye, t)
    steep = jax.lax.rsqrt(1 + (2 * eye.upper * t / eye.half_width) ** 2)
    ends = pen.fill((jnp.abs(t) - 1) * eye.half_width)
    opening = jnp.clip(pen.fill((v - bottom) * steep) - pen.fill((v - top) * steep), 0, 1)
    opening = opening * ends

    layers = [
        Layer("white", opening, pen.colours.sclera),
        Layer(
            None,
            opening * pen.fill((v - top) - 0.05, pen.style.softness * 0.5) * 0.9,
            pen.colours.sclera_shadow,
        ),
        *_iris(eye, turned, v, opening, top, pen),
        *_lids(eye, u, v, t, top, bottom, steep, pen),
        *_tears(parameters, eye, t, v - bottom, pen),
    ]
    return [part for layer in layers for part in _by_side(layer, on_left)]


def _by_side(layer: Layer, on_left: Array) -> list[Layer]:
    """An opaque layer belongs to the left or the right eye's part."""
    if layer.part is None:
        return [layer]
    return [
        Layer("eye_right", jnp.where(on_left, 0, layer.coverage), layer.colour),
        Layer("eye_left", jnp.where(on_left, layer.coverage, 0), layer.colour),
    ]


def _iris(eye, u, v, opening, top, pen: Pen) -> list[Layer]:
    """Rings of colour, dark above and bright below, the pupil and two lights."""
    a = (u - eye.iris_x) * (1 / eye.iris_width)
    b = (v - eye.iris_y) * (1 / eye.iris_height)
    r = jnp.sqrt(a * a + b * b)
    scale = eye.iris_width
    disc = opening * pen.fill((r - 1) * scale)
    down = jnp.clip(0.62 * b + 0.5, 0, 1)
    glow = jnp.clip(1.15 - 1.6 * (a * a + (b - 0.72) ** 2 * 2.2), 0, 1)
    pupil = disc * pen.fill((r - 0.44) * scale)
    light = pen.fill(distance.circle(a + 0.34, b + 0.42, 0.3) * scale)
    spark = pen.fill(distance.circle(a - 0.36, b - 0.42, 0.15) * scale)
    under_lid = pen.fill((v - top) - 0.055, pen.style.softness * 0.5)
    return [
        Layer(None, disc, pen.colours.iris_dark),
        Layer(None, disc * jnp.clip(1.6 * down, 0, 1), pen.colours.iris),
        Layer(None, disc * glow * 0.85, pen.colours.iris_light),
        Layer(None, disc * pen.fill((0.84 - r) * scale) * 0.75, pen.colours.iris_dark),
        Layer(None, disc * under_lid * 0.55, pen.colours.iris_dark),
        Layer(None, pupil * 0.9, pen.colours.iris_dark * 0.55),
        Layer(None, disc * jnp.maximum(light, 0.9 * spark), pen.colours.sclera),
    ]


def _lids(eye, u, v, t, top, bottom, steep, pen: Pen) -> list[Layer]:
    """The upper lash line with a flick at the outer corner, the crease and the lower lash line."""
    thick = 0.021 * jnp.clip(0.72 + 0.42 * t, 0.3, 1.2)
    reach = pen.fill((jnp.abs(t) - 1.04) * eye.half_width)
    lash = pen.band((v - top) * steep, thick) * reach
    w, height = eye.half_width, eye.tilt + 0.01 - 0.25 * eye.upper
    flick = _taper(u, v - height, 0.72 * w, 0.0, 1.3 * w, -0.05 * eye.upper - 0.02, 0.034)
    crease = pen.band((v - top + 0.052) * steep, 0.0065) * pen.fill((jnp.abs(t - 0.1) - 0.62) * w)
    crease = crease * jnp.clip(1.2 - 1.6 * eye.blink, 0, 1)
    under = pen.band(v - bottom, 0.008) * pen.fill(jnp.abs(t - 0.32) * w - 0.52 * w)
    dark = mix(pen.colours.lash, pen.colours.ink, pen.style.outline_ink)
    return [
        Layer(None, crease * 0.8, mix(pen.colours.skin_shadow * 0.8, dark, 0.4)),
        Layer(None, under * 0.85, mix(pen.colours.lash, pen.colours.skin_shadow, 0.35)),
        Layer("lid", jnp.maximum(lash, pen.fill(flick)), dark),
    ]


def _taper(x, y, from_x, from_y, to_x, to_y, width) -> Array:
    """A straight stroke that ends in a point."""
    dx, dy = to_x - from_x, to_y - from_y
    length = jnp.sqrt(dx * dx + dy * dy)
    px, py = x - from_x, y - from_y
    along = (px * dx + py * dy) / length
    across = (px * dy - py * dx) / length
    return jnp.maximum(jnp.abs(across) - width * (1 - along / length), -along)


def _tears(parameters: Parameters, eye: Eyes, t, fall, pen: Pen) -> list[Layer]:
    """A drop that wells at the outer end of the lower lid and runs down."""
    u = (t - 0.45) * eye.half_width
    width = jnp.clip(0.012 + 0.14 * fall, 0.0, 0.034)
    drop = jnp.maximum(jnp.abs(u) - width, distance.circle(u, fall - 0.075, 0.085))
    drop = jnp.maximum(drop, -fall)
    water = jnp.array([0.62, 0.86, 1.0])
    return [Layer(None, pen.fill(drop) * parameters["tears"] * 0.9, water)]

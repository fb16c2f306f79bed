"""Things to wear: one on the head, one before the eyes."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.palette import mix
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Pose, frame, to_local

Parameters = dict[str, Array]
CAT_EARS, RIBBON, HEADPHONES, HAIR_CLIP, BERET, FLOWER = range(1, 7)
SQUARE_GLASSES = 2


def draw_cat_ears(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """Behind the fringe, so that its hair grows over their base."""
    colours = pen.colours
    worn = jnp.round(parameters["headwear"]) == CAT_EARS
    u, v = to_local(frame(pose, 0.0, 0.0, 0.0), x, y)
    side = jnp.abs(u)
    fur = mix(colours.hair, colours.hair_shadow, 0.25)
    inner = pen.fill(_ear(side + 0.012, v - 0.035, 0.62))
    return [
        *_piece(worn, _ear(side, v, 1.0), fur, colours.hair_shadow, pen),
        Layer(None, worn * inner, mix(colours.blush, colours.skin, 0.35)),
    ]


def _ear(side: Array, v: Array, size: float) -> Array:
    """A triangle with a swung outer edge."""
    x, y = (side - 0.34) / size, (v + 0.63) / size
    outer = distance.slope(x, y, 0.11, -0.27, 0.15, 0.25)
    inner = distance.slope(x, y, -0.22, 0.2, 0.11, -0.27)
    return (distance.smooth_intersection(jnp.maximum(outer, inner), y - 0.25, 0.02) - 0.02) * size


def draw_headwear(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """Over the fringe: a main shape and a detail. All are measured, the chosen one is drawn."""
    kind = jnp.round(parameters["headwear"])
    u, v = to_local(frame(pose, 0.0, 0.0, 0.06), x, y)
    shapes = {
        RIBBON: _ribbon(u, v),
        HEADPHONES: _headphones(u, v),
        HAIR_CLIP: _hair_clip(u, v),
        BERET: _beret(u, v),
        FLOWER: _flower(u, v),
    }
    main, detail = jnp.full_like(u, 9.0), jnp.full_like(u, 9.0)
    for number, (shape, mark) in shapes.items():
        main = jnp.where(kind == number, shape, main)
        detail = jnp.where(kind == number, mark, detail)
    colour, dark, mark = _headwear_colours(kind, pen)
    inside = pen.fill(main)
    rim = inside * pen.fill(-main - 0.06, pen.style.softness) * pen.style.shade * 0.3
    return [
        *_piece(kind > CAT_EARS, main, colour, pen.colours.accent_shadow, pen),
        Layer(None, rim, dark),
        Layer(None, inside * pen.fill(detail), mark),
    ]


def _headwear_colours(kind: Array, pen: Pen) -> tuple[Array, Array, Array]:
    """Of the shape, its shade and its detail: flowers are pale, the rest has the accent."""
    colours = pen.colours
    detail = mix(colours.accent_shadow, colours.second, 0.8 * (kind == HEADPHONES))
    petals = mix(colours.second, colours.accent, 0.3)
    flower = kind == FLOWER
    return (
        jnp.where(flower, colours.second, colours.accent),
        jnp.where(flower, petals, colours.accent_shadow),
        jnp.where(flower, colours.accent, detail),
    )


def _piece(worn, d, colour, dark, pen: Pen) -> list[Layer]:
    return [
        pen.outline("accessories", d, dark, share=worn),
        Layer("accessories", worn * pen.fill(d), colour),
    ]


def _ribbon(u: Array, v: Array) -> tuple[Array, Array]:
    """A bow on the crown: two loops and a knot; the loops' inner folds."""
    x, y = u + 0.02, v + 0.70
    side = jnp.abs(x)
    loop = jnp.maximum(
        jnp.abs(y + 0.16 * side) - 0.035 - 0.34 * side, side - 0.33 + 0.35 * jnp.abs(y)
    )
    knot = distance.box(x, y, 0.055, 0.06, 0.03)
    fold = jnp.maximum(jnp.abs(y + 0.12 * side) - 0.16 * side + 0.005, side - 0.2)
    return jnp.minimum(loop, knot), jnp.minimum(fold, knot)


def _headphones(u: Array, v: Array) -> tuple[Array, Array]:
    """A band over the crown and a cup on each ear; the cups' pads."""
    y = v + 0.1
    arch = jnp.abs(distance.ellipse(u, y, 0.60, 0.655)) - 0.032
    arch = jnp.maximum(arch, y - 0.1)
    cup = distance.box(jnp.abs(u) - 0.56, v - 0.06, 0.085, 0.15, 0.08)
    pad = distance.box(jnp.abs(u) - 0.575, v - 0.06, 0.035, 0.085, 0.035)
    return jnp.minimum(arch, cup), pad


def _hair_clip(u: Array, v: Array) -> tuple[Array, Array]:
    """Two crossed bars on the picture's left; the pin in their middle."""
    x, y = u + 0.36, v + 0.22
    a = distance.segment(x, y, -0.085, -0.05, 0.085, 0.03, 0.026)
    b = distance.segment(x, y, -0.07, 0.045, 0.07, -0.075, 0.026)
    return jnp.minimum(a, b), distance.circle(x, y + 0.01, 0.016)


def _beret(u: Array, v: Array) -> tuple[Array, Array]:
    """A soft disc drawn down on one side, with a stalk; its band."""
    x, y = u + 0.04, v + 0.52 + 0.16 * u
    disc = distance.ellipse(x + 0.02, y + 0.08, 0.62, 0.29)
    under = distance.ellipse(x, y - 0.34, 0.72, 0.34)
    disc = distance.smooth_intersection(disc, -under, 0.06)
    stalk = distance.segment(x, y, 0.0, -0.34, 0.02, -0.405, 0.024)
    rim = distance.ellipse(x, y - 0.34, 0.74, 0.395)
    return jnp.minimum(disc, stalk), rim


def _flower(u: Array, v: Array) -> tuple[Array, Array]:
    """Five petals: the radius follows cos 5a, by Chebyshev's polynomial of cos a."""
    x, y = u - 0.37, v + 0.38
    r = jnp.sqrt(x * x + y * y + 1e-8)
    c = -y / r
    five = c * (c * c * (16 * c * c - 20) + 5)
    return (r - 0.115 - 0.04 * five) * 0.8, r - 0.045


def draw_eyewear(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """Rims, bridge and temples before the eyes, behind the fringe."""
    kind = jnp.round(parameters["eyewear"])
    worn = kind > 0
    spacing = 0.232 + 0.022 * parameters["eyeSpacing"]
    level = 0.09 + 0.025 * parameters["eyeLevel"]
    right, left = (frame(pose, sign * spacing, level, 0.22, curvature=1.6) for sign in (-1.0, 1.0))
    on_left = x > 0.5 * (right.x + left.x)
    scale = jnp.where(on_left, left.scale_x, right.scale_x)
    u = (x - jnp.where(on_left, left.x, right.x)) / scale
    v = (y - left.y) / left.scale_y
    rim = jnp.where(
        kind == SQUARE_GLASSES,
        distance.box(u, v, 0.19, 0.15, 0.06),
        distance.ellipse(u, v, 0.185, 0.18),
    )
    outward = jnp.where(on_left, u, -u)
    bridge = pen.band(v + 0.02 + 2.0 * (outward + 0.23) ** 2, 0.011) * pen.fill(outward + 0.18)
    temple = pen.band(v + 0.05, 0.011) * pen.fill(0.18 - outward) * pen.fill(outward - 0.27)
    wire = jnp.maximum(pen.band(rim, 0.0135), jnp.maximum(bridge, temple))
    glint = pen.fill(rim + 0.03) * pen.band(u * 0.8 + v * 0.6 + 0.07, 0.022)
    return [
        Layer(None, worn * pen.fill(rim) * 0.10, pen.colours.sclera),
        Layer(None, worn * glint * 0.35, pen.colours.sclera),
        Layer("accessories", worn * wire, mix(pen.colours.ink, pen.colours.accent_shadow, 0.35)),
    ]

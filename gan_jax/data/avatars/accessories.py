"""Things to wear: one on the head, one before the eyes. All are measured, the chosen one is drawn."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.head import line
from gan_jax.data.avatars.layers import Layer, band, fill
from gan_jax.data.avatars.palette import Palette, mix
from gan_jax.data.avatars.pose import Pose, frame, to_local
from gan_jax.data.avatars.styles import Style

Parameters = dict[str, Array]
CAT_EARS, RIBBON, HEADPHONES, HAIR_CLIP, BERET, FLOWER = range(1, 7)


def draw_ears_of_a_cat(
    parameters: Parameters, pose: Pose, x: Array, y: Array, pixel, colours: Palette, style: Style
) -> list[Layer]:
    """Behind the fringe, so that its hair grows over their base."""
    worn = jnp.where(jnp.round(parameters["headwear"]) == CAT_EARS, 1.0, 0.0)
    u, v = to_local(frame(pose, 0.0, 0.0, 0.0), x, y)
    side = jnp.abs(u)
    outer = _ear(side, v, 1.0)
    inner = _ear(side + 0.012, v - 0.035, 0.62)
    return [
        *_piece(worn, outer, mix(colours.hair, colours.hair_shadow, 0.25), colours.hair_shadow, pixel, colours, style),
        Layer(None, worn * fill(inner, pixel), mix(colours.blush, colours.skin, 0.35)),
    ]  # fmt: skip


def _ear(side: Array, v: Array, size: float) -> Array:
    """A triangle with a swung outer edge."""
    x, y = (side - 0.34) / size, (v + 0.65) / size
    outer = distance.slope(x, y, 0.11, -0.27, 0.15, 0.25)
    inner = distance.slope(x, y, -0.22, 0.2, 0.11, -0.27)
    return (distance.smooth_intersection(jnp.maximum(outer, inner), y - 0.25, 0.02) - 0.02) * size


def draw_headwear(
    parameters: Parameters, pose: Pose, x: Array, y: Array, pixel, colours: Palette, style: Style
) -> list[Layer]:
    """Over the fringe: a main shape and a detail on it."""
    kind = jnp.round(parameters["headwear"])
    u, v = to_local(frame(pose, 0.0, 0.0, 0.06), x, y)
    shapes = {
        RIBBON: _ribbon(u, v),
        HEADPHONES: _headphones(u, v, parameters),
        HAIR_CLIP: _hair_clip(u, v),
        BERET: _beret(u, v),
        FLOWER: _flower(u, v),
    }
    main, detail = jnp.full_like(u, 9.0), jnp.full_like(u, 9.0)
    for number, (shape, mark) in shapes.items():
        main = jnp.where(kind == number, shape, main)
        detail = jnp.where(kind == number, mark, detail)
    worn = jnp.where(kind > CAT_EARS, 1.0, 0.0)
    accent = jnp.where(kind == FLOWER, colours.second, colours.accent)
    mark = jnp.where(kind == FLOWER, colours.accent, mix(colours.accent_shadow, colours.second, jnp.where(kind == HEADPHONES, 0.8, 0.0)))
    shadow = jnp.where(kind == FLOWER, mix(colours.second, colours.accent, 0.3), colours.accent_shadow)
    lower = fill(-(main + 0.06 + 0.5 * (v - u) * 0), pixel, style.softness) * fill(main, pixel)
    return [
        *_piece(worn, main, accent, colours.accent_shadow, pixel, colours, style),
        Layer(None, worn * lower * style.shade * 0.3, shadow),
        Layer(None, worn * fill(main, pixel) * fill(detail, pixel), mark),
    ]  # fmt: skip


def _piece(worn, d, colour, dark, pixel, colours: Palette, style: Style) -> list[Layer]:
    edge = fill(d - style.outline, pixel) * style.outline_alpha
    return [
        Layer("accessories", worn * edge, line(dark, colours, style)),
        Layer("accessories", worn * fill(d, pixel), colour),
    ]


def _ribbon(u: Array, v: Array) -> tuple[Array, Array]:
    """A bow on the crown's left: two loops, a knot, the loops' inner folds."""
    x, y = u + 0.02, v + 0.70
    side = jnp.abs(x)
    loop = jnp.maximum(jnp.abs(y + 0.16 * side) - 0.035 - 0.34 * side, side - 0.33 + 0.35 * jnp.abs(y))
    knot = distance.box(x, y, 0.055, 0.06, 0.03)
    fold = jnp.maximum(jnp.abs(y + 0.12 * side) - 0.16 * side + 0.005, side - 0.2)
    shape = jnp.minimum(loop, knot)
    return shape, jnp.minimum(fold, knot - 0.0)


def _headphones(u: Array, v: Array, parameters: Parameters) -> tuple[Array, Array]:
    """A band over the crown and a cup on each ear."""
    y = v + 0.1
    arch = jnp.abs(distance.ellipse(u, y, 0.60, 0.655)) - 0.032
    arch = jnp.maximum(arch, y - 0.1)
    cup = distance.box(jnp.abs(u) - 0.56, v - 0.06, 0.085, 0.15, 0.08)
    pad = distance.box(jnp.abs(u) - 0.575, v - 0.06, 0.035, 0.085, 0.035)
    return jnp.minimum(arch, cup), pad


def _hair_clip(u: Array, v: Array) -> tuple[Array, Array]:
    """Two crossed bars and a star-like dot on the picture's left."""
    x, y = u + 0.36, v + 0.22
    a = distance.segment(x, y, -0.085, -0.05, 0.085, 0.03, 0.026)
    b = distance.segment(x, y, -0.07, 0.045, 0.07, -0.075, 0.026)
    return jnp.minimum(a, b), distance.circle(x, y + 0.01, 0.016)


def _beret(u: Array, v: Array) -> tuple[Array, Array]:
    """A soft disc drawn down on one side, its band and stalk."""
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


def draw_eyewear(
    parameters: Parameters, pose: Pose, x: Array, y: Array, pixel, colours: Palette, style: Style
) -> list[Layer]:
    """Rims, bridge and temples before the eyes, behind the fringe."""
    kind = jnp.round(parameters["eyewear"])
    worn = jnp.where(kind > 0, 1.0, 0.0)
    spacing = 0.232 + 0.022 * parameters["eyeSpacing"]
    level = 0.09 + 0.025 * parameters["eyeLevel"]
    right, left = (frame(pose, sign * spacing, level, 0.22, curvature=1.6) for sign in (-1.0, 1.0))
    on_left = x > 0.5 * (right.x + left.x)
    scale = jnp.where(on_left, left.scale_x, right.scale_x)
    u = (x - jnp.where(on_left, left.x, right.x)) / scale
    v = (y - left.y) / left.scale_y
    rim = jnp.where(
        kind == 2,
        distance.box(u, v, 0.19, 0.15, 0.06),
        distance.ellipse(u, v, 0.185, 0.18),
    )
    outward = jnp.where(on_left, u, -u)
    bridge = band(v + 0.02 + 2.0 * (outward + 0.23) ** 2, 0.011, pixel) * fill(outward + 0.18, pixel)
    temple = band(v + 0.05, 0.011, pixel) * fill(0.18 - outward, pixel) * fill(outward - 0.27, pixel)
    wire = jnp.maximum(band(rim, 0.0135, pixel), jnp.maximum(bridge, temple))
    glint = fill(rim + 0.03, pixel) * band(u * 0.8 + v * 0.6 + 0.07, 0.022, pixel)
    return [
        Layer(None, worn * fill(rim, pixel) * 0.10, colours.sclera),
        Layer(None, worn * glint * 0.35, colours.sclera),
        Layer("accessories", worn * wire, mix(colours.ink, colours.accent_shadow, 0.35)),
    ]

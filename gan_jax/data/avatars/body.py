"""Neck, shoulders and clothes. The body stands still; the neck leans with the head."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.head import line
from gan_jax.data.avatars.layers import Layer, band, fill
from gan_jax.data.avatars.palette import Palette
from gan_jax.data.avatars.pose import Pose
from gan_jax.data.avatars.styles import Style

Parameters = dict[str, Array]
SHOULDER = (0.62, 0.9)  # on the picture's right; its mirror image on the left


def draw_neck(pose: Pose, x: Array, y: Array, pixel, colours: Palette, style: Style) -> list[Layer]:
    """With the chin's shadow at its top."""
    lean = 0.1 * pose.sin_yaw * jnp.clip(0.8 - y, 0, 0.6)
    u = x - lean
    flare = jnp.clip(y - 0.6, 0, 1)
    d = jnp.maximum(jnp.abs(u) - 0.135 - 1.1 * flare * flare, 0.3 - y)
    shadow = fill(y - 0.615 + 0.35 * u * u, pixel, style.softness)
    skin = fill(d, pixel)
    return [
        Layer("neck", fill(d - style.outline, pixel) * style.outline_alpha, line(colours.skin_shadow, colours, style)),
        Layer("neck", skin, colours.skin),
        Layer(None, skin * shadow * jnp.minimum(0.35 + style.shade, 1), colours.skin_shadow),
    ]  # fmt: skip


def shoulders(x: Array, y: Array) -> Array:
    """Distance to the clothed body without its neck opening."""
    side = jnp.sqrt(x * x + 0.01)
    top = y - 0.655 - 0.23 * side - 0.12 * side * side
    top = top * jax.lax.rsqrt(1 + (0.23 + 0.24 * side) ** 2)
    return distance.smooth_intersection(-top, side - 0.70 - 0.12 * (y - 0.9), 0.22)


def draw_clothes(
    parameters: Parameters, x: Array, y: Array, pixel, colours: Palette, style: Style
) -> list[Layer]:
    """One garment of four, cut to its own neck line."""
    kind = jnp.round(parameters["clothes"])
    side = jnp.abs(x)
    body = shoulders(x, y)
    crew = distance.ellipse(x, y - 0.66, 0.20, 0.13)
    vee = distance.slope(side, y, 0.2, 0.66, 0.0, 0.92)
    neck_line = jnp.where((kind == 0) | (kind == 2), crew, vee)
    d = jnp.maximum(body, -neck_line)
    inside = fill(d, pixel)
    fold = jnp.abs(side - 0.47 + 0.12 * (y - 0.8)) - 0.006
    shade = fill(side * -1 + 0.5 + 0.1 * (y - 0.8), pixel, style.softness)
    return [
        *_undershirt(kind, body, x, y, pixel, colours, style),
        Layer("clothes", fill(d - style.outline, pixel) * inside_body(body, pixel, style) * style.outline_alpha, line(colours.clothes_shadow, colours, style)),
        Layer("clothes", inside, colours.clothes),
        Layer(None, inside * shade * style.shade * 0.8, colours.clothes_shadow),
        Layer(None, inside * fill(fold, pixel) * fill(0.8 - y, pixel) * style.strands, colours.clothes_shadow),
        *_crew_trim(kind, inside, crew, y, pixel, colours),
        *_sailor_collar(kind, inside, body, vee, side, y, pixel, colours),
        *_hood(kind, inside, crew, side, y, pixel, colours),
        *_lapels(kind, inside, vee, side, y, pixel, colours, style),
        *_bow(kind, x, y, pixel, colours, style),
    ]  # fmt: skip


def inside_body(body: Array, pixel, style: Style) -> Array:
    return fill(body - style.outline, pixel)


def _undershirt(kind, body, x, y, pixel, colours: Palette, style: Style) -> list[Layer]:
    """The shirt seen in a blazer's opening, with its tie."""
    worn = jnp.where(kind == 3, 1.0, 0.0)
    opening = distance.slope(jnp.abs(x), y, 0.11, 0.66, 0.0, 0.76)
    shirt = fill(jnp.maximum(body - 0.01, -opening), pixel) * worn
    tie = jnp.abs(x) - 0.035 - 0.08 * jnp.clip(y - 0.8, 0, 1)
    tie = fill(jnp.maximum(tie, 0.765 - y), pixel) * worn
    return [
        Layer("clothes", shirt, colours.second),
        Layer(None, shirt * fill(jnp.abs(opening) - 0.006, pixel) * 0.4, colours.clothes_shadow),
        Layer(None, shirt * tie, colours.accent),
    ]


def _crew_trim(kind, inside, crew, y, pixel, colours: Palette) -> list[Layer]:
    """A ribbed collar and a stripe across the chest."""
    worn = jnp.where(kind == 0, 1.0, 0.0) * inside
    stripe = fill(jnp.abs(y - 0.945) - 0.022, pixel)
    return [
        Layer(None, worn * fill(crew - 0.045, pixel), colours.second),
        Layer(None, worn * stripe, colours.accent),
    ]


def _sailor_collar(kind, inside, body, vee, side, y, pixel, colours: Palette) -> list[Layer]:
    """A wide collar with a line along its edge."""
    worn = jnp.where(kind == 1, 1.0, 0.0) * inside
    edge = jnp.maximum(vee - 0.15, side - 0.46)
    return [
        Layer(None, worn, colours.second),
        Layer(None, worn * fill(0.5 - side - 0.1 * (y - 0.8), pixel) * 0.3, colours.clothes_shadow),
        Layer(None, worn * fill(edge, pixel), colours.clothes),
        Layer(None, worn * fill(jnp.abs(edge + 0.035) - 0.0095, pixel), colours.second),
    ]


def _hood(kind, inside, crew, side, y, pixel, colours: Palette) -> list[Layer]:
    """The hood's roll around the neck and two strings."""
    worn = jnp.where(kind == 2, 1.0, 0.0) * inside
    roll = crew - 0.1
    string = jnp.maximum(jnp.abs(side - 0.1) - 0.014, jnp.abs(y - 0.88) - 0.075)
    return [
        Layer(None, worn * fill(roll, pixel), colours.clothes_shadow),
        Layer(None, worn * fill(crew - 0.075, pixel), colours.clothes),
        Layer(None, worn * fill(crew - 0.03, pixel), colours.second),
        Layer(None, worn * fill(string, pixel), colours.accent),
    ]


def _lapels(kind, inside, vee, side, y, pixel, colours: Palette, style: Style) -> list[Layer]:
    worn = jnp.where(kind == 3, 1.0, 0.0) * inside
    lapel = jnp.maximum(vee - 0.085, y - 0.9 - 0.1 * side)
    return [
        Layer(None, worn * fill(lapel, pixel) * 0.75, colours.clothes_shadow),
        Layer(None, worn * band(vee - 0.085, 0.006, pixel), colours.accent),
    ]


def _bow(kind, x, y, pixel, colours: Palette, style: Style) -> list[Layer]:
    """The sailor's scarf: two loops and a knot."""
    worn = jnp.where(kind == 1, 1.0, 0.0)
    side, down = jnp.abs(x), y - 0.895
    loop = jnp.maximum(jnp.abs(down - 0.1 * side) - 0.02 - 0.42 * side, side - 0.155)
    tail = jnp.maximum(jnp.abs(side - 0.05 - 0.35 * down) - 0.03, -down)
    knot = distance.box(x, down, 0.032, 0.034, 0.015)
    shape = jnp.minimum(loop, tail)
    return [
        Layer("clothes", fill(shape - style.outline, pixel) * worn * style.outline_alpha, line(colours.accent_shadow, colours, style)),
        Layer("clothes", fill(shape, pixel) * worn, colours.accent),
        Layer("clothes", fill(knot, pixel) * worn, colours.accent_shadow),
    ]  # fmt: skip

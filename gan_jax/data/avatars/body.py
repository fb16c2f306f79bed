"""Neck, shoulders and clothes. The body stands still; the neck leans with the head."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Pose

Parameters = dict[str, Array]
CREW_NECK, SAILOR_COLLAR, HOODIE, BLAZER = range(4)


def draw_neck(pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """With the chin's shadow at its top."""
    lean = 0.1 * pose.sin_yaw * jnp.clip(0.8 - y, 0, 0.6)
    u = x - lean
    flare = jnp.clip(y - 0.6, 0, 1)
    d = jnp.maximum(jnp.abs(u) - 0.135 - 1.1 * flare * flare, 0.3 - y)
    shadow = pen.fill(y - 0.615 + 0.35 * u * u, pen.style.softness)
    shadow = shadow * jnp.minimum(0.35 + pen.style.shade, 1)
    skin = pen.fill(d)
    return [
        pen.outline("neck", d, pen.colours.skin_shadow),
        Layer("neck", skin, pen.colours.skin),
        Layer(None, skin * shadow, pen.colours.skin_shadow),
    ]


def shoulders(x: Array, y: Array) -> Array:
    """Distance to the clothed body without its neck opening."""
    side = jnp.sqrt(x * x + 0.01)
    top = y - 0.655 - 0.23 * side - 0.12 * side * side
    top = top * jax.lax.rsqrt(1 + (0.23 + 0.24 * side) ** 2)
    return distance.smooth_intersection(-top, side - 0.70 - 0.12 * (y - 0.9), 0.22)


def draw_clothes(parameters: Parameters, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """One garment of four, cut to its own neck line."""
    kind = jnp.round(parameters["clothes"])
    side = jnp.abs(x)
    body = shoulders(x, y)
    crew = distance.ellipse(x, y - 0.66, 0.20, 0.13)
    vee = distance.slope(side, y, 0.2, 0.66, 0.0, 0.92)
    neck_line = jnp.where((kind == CREW_NECK) | (kind == HOODIE), crew, vee)
    d = jnp.maximum(body, -neck_line)
    inside = pen.fill(d)
    fold = pen.fill(jnp.abs(side - 0.47 + 0.12 * (y - 0.8)) - 0.006) * pen.fill(0.8 - y)
    shade = pen.fill(0.5 - side + 0.1 * (y - 0.8), pen.style.softness)
    dark = pen.colours.clothes_shadow
    return [
        *_undershirt(kind, body, x, y, pen),
        pen.outline("clothes", d, dark, share=pen.fill(body - pen.style.outline)),
        Layer("clothes", inside, pen.colours.clothes),
        Layer(None, inside * shade * pen.style.shade * 0.8, dark),
        Layer(None, inside * fold * pen.style.strands, dark),
        *_crew_trim(kind, inside, crew, y, pen),
        *_sailor_collar(kind, inside, vee, side, y, pen),
        *_hood(kind, inside, crew, side, y, pen),
        *_lapels(kind, inside, vee, side, y, pen),
        *_bow(kind, x, y, pen),
    ]


def _undershirt(kind, body, x, y, pen: Pen) -> list[Layer]:
    """The shirt seen in a blazer's opening, with its tie."""
    worn = kind == BLAZER
    opening = distance.slope(jnp.abs(x), y, 0.11, 0.66, 0.0, 0.76)
    shirt = pen.fill(jnp.maximum(body - 0.01, -opening)) * worn
    tie = jnp.abs(x) - 0.035 - 0.08 * jnp.clip(y - 0.8, 0, 1)
    tie = pen.fill(jnp.maximum(tie, 0.765 - y)) * worn
    return [
        Layer("clothes", shirt, pen.colours.second),
        Layer(None, shirt * pen.fill(jnp.abs(opening) - 0.006) * 0.4, pen.colours.clothes_shadow),
        Layer(None, shirt * tie, pen.colours.accent),
    ]


def _crew_trim(kind, inside, crew, y, pen: Pen) -> list[Layer]:
    """A ribbed collar and a stripe across the chest."""
    worn = (kind == CREW_NECK) * inside
    stripe = pen.fill(jnp.abs(y - 0.945) - 0.022)
    return [
        Layer(None, worn * pen.fill(crew - 0.045), pen.colours.second),
        Layer(None, worn * stripe, pen.colours.accent),
    ]


def _sailor_collar(kind, inside, vee, side, y, pen: Pen) -> list[Layer]:
    """A wide collar with a line along its edge."""
    worn = (kind == SAILOR_COLLAR) * inside
    edge = jnp.maximum(vee - 0.15, side - 0.46)
    sleeve = pen.fill(0.5 - side - 0.1 * (y - 0.8))
    return [
        Layer(None, worn, pen.colours.second),
        Layer(None, worn * sleeve * 0.3, pen.colours.clothes_shadow),
        Layer(None, worn * pen.fill(edge), pen.colours.clothes),
        Layer(None, worn * pen.fill(jnp.abs(edge + 0.035) - 0.0095), pen.colours.second),
    ]


def _hood(kind, inside, crew, side, y, pen: Pen) -> list[Layer]:
    """The hood's roll around the neck and two strings."""
    worn = (kind == HOODIE) * inside
    string = jnp.maximum(jnp.abs(side - 0.1) - 0.014, jnp.abs(y - 0.88) - 0.075)
    return [
        Layer(None, worn * pen.fill(crew - 0.1), pen.colours.clothes_shadow),
        Layer(None, worn * pen.fill(crew - 0.075), pen.colours.clothes),
        Layer(None, worn * pen.fill(crew - 0.03), pen.colours.second),
        Layer(None, worn * pen.fill(string), pen.colours.accent),
    ]


def _lapels(kind, inside, vee, side, y, pen: Pen) -> list[Layer]:
    """Darker flaps along the opening, with a piped edge."""
    worn = (kind == BLAZER) * inside
    lapel = jnp.maximum(vee - 0.085, y - 0.9 - 0.1 * side)
    return [
        Layer(None, worn * pen.fill(lapel) * 0.75, pen.colours.clothes_shadow),
        Layer(None, worn * pen.band(vee - 0.085, 0.006), pen.colours.accent),
    ]


def _bow(kind, x, y, pen: Pen) -> list[Layer]:
    """The sailor's scarf: two loops and a knot."""
    worn = kind == SAILOR_COLLAR
    side, down = jnp.abs(x), y - 0.895
    loop = jnp.maximum(jnp.abs(down - 0.1 * side) - 0.02 - 0.42 * side, side - 0.155)
    tail = jnp.maximum(jnp.abs(side - 0.05 - 0.35 * down) - 0.03, -down)
    knot = distance.box(x, down, 0.032, 0.034, 0.015)
    shape = jnp.minimum(loop, tail)
    return [
        pen.outline("clothes", shape, pen.colours.accent_shadow, share=worn),
        Layer("clothes", pen.fill(shape) * worn, pen.colours.accent),
        Layer("clothes", pen.fill(knot) * worn, pen.colours.accent_shadow),
    ]

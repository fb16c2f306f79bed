"""Hair: a cap on the skull, locks over it, a mass behind the head."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.hair_styles import BACK, BACK_MASS, FRONT
from gan_jax.data.avatars.layers import Layer
from gan_jax.data.avatars.palette import mix
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import Pose, frame, to_local

Parameters = dict[str, Array]


class Strands(NamedTuple):
    """A painted set of locks, each `[H, W]`: distance to their union, lines and shade inside it."""

    distance: Array
    line: Array
    shade: Array


def lock(x: Array, y: Array, row: Array) -> tuple[Array, Array, Array]:
    """Distance to one lock, how far along it (0 root, 1 tip) and how far across (-1, 1)."""
    root_x, root_y, tip_x, tip_y, width, bend, blunt = row
    dx, dy = tip_x - root_x, tip_y - root_y
    length = jnp.sqrt(dx * dx + dy * dy)
    px, py = x - root_x, y - root_y
    along = (px * dx + py * dy) / (length * length)
    across = (px * dy - py * dx) / length - bend * along * (along - 1)
    t = jnp.maximum(along, -5 * along)  # the root ends in a point too, a fifth as long
    s = t * t
    s4 = s * s
    taper = s + (s4 * s4 - s) * blunt
    steep = jax.lax.rsqrt(1 + (2 * (width + jnp.abs(bend)) / length * jnp.minimum(t, 1)) ** 2)
    d = (jnp.abs(across) - width * (1 - taper)) * steep
    return d, along, across / width


def paint_locks(
    x: Array, y: Array, rows: Array, base: Array, pen: Pen, bound: Array | float = -9.0
) -> Strands:
    """Paints the locks one over another on top of `base` (a distance).

    Locks that hang down stay inside `bound` (a distance); those that stand up may leave it.
    """
    half_line = 0.005 + 0.35 * pen.style.outline

    def paint(strands: Strands, row: Array) -> tuple[Strands, None]:
        d, t, across = lock(x, y, row)
        d = jnp.maximum(d, bound - jnp.where(row[3] < row[1], 9.0, 0.0))
        inside = pen.fill(d)
        free = jnp.clip(2.0 * t - 0.6, 0, 1)  # lines run out towards the root
        edge = pen.band(d + half_line, half_line) * free
        side = pen.fill((0.25 - across) * row[4], pen.style.softness)
        side = side * jnp.clip(1.7 * t - 0.1, 0, 1)
        painted = Strands(
            jnp.minimum(strands.distance, d),
            jnp.maximum(strands.line * (1 - inside), edge),
            strands.shade + inside * (side - strands.shade),
        )
        return painted, None

    blank = jnp.zeros_like(base)
    return jax.lax.scan(paint, Strands(base, blank, blank), rows)[0]


def choose(table, index: Array) -> Array:
    return jnp.asarray(table)[jnp.round(index).astype(jnp.int32)]


def front_strands(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> Strands:
    """The cap above the hair line, and the fringe and side locks."""
    u, v = to_local(frame(pose, 0.0, 0.0, 0.02), x, y)
    skull = distance.ellipse(u, v + 0.13, *_cap_radii(parameters))
    u, v = to_local(frame(pose, 0.0, 0.0, 0.12, lean=-0.1), x, y)
    line_y = -0.40 + 1.55 * u * u
    cap = jnp.maximum(skull, (v - line_y) * jax.lax.rsqrt(1 + (3.1 * u) ** 2))
    rows = choose(FRONT, parameters["hairFront"])
    bound = skull - 0.45 * jnp.maximum(v + 0.4, 0)
    return paint_locks(u, v, rows, cap, pen, bound)


def _cap_radii(parameters: Parameters) -> tuple[Array, Array]:
    return (
        0.545 + 0.02 * parameters["hairVolume"] + 0.02 * parameters["faceWidth"],
        0.585 + 0.025 * parameters["hairVolume"],
    )


def back_strands(parameters: Parameters, pose: Pose, x: Array, y: Array, pen: Pen) -> Strands:
    """The cap, the mass below it, its locks and buns."""
    top, bottom, end, mirrored, wave, bun_x, bun_y, bun_radius = choose(
        BACK_MASS, parameters["hairBack"]
    )
    radius_x, radius_y = _cap_radii(parameters)
    u, v = to_local(frame(pose, 0.0, 0.0, 0.0), x, y)
    cap = distance.ellipse(u, v + 0.13, radius_x + 0.005, radius_y - 0.01)
    u, v = to_local(frame(pose, 0.0, 0.0, -0.1), x, y)
    wave_shift = jnp.sin(13.0 * v + 3.0 * u) * wave * jnp.clip(2.0 * v + 0.5, 0, 1)
    side = jnp.abs(u)
    bun = distance.circle(side - bun_x, v - bun_y, bun_radius)
    side = jnp.where(mirrored > 0.5, side, u) + wave_shift
    v = v - 0.06 * parameters["hairLength"] * jnp.clip(v + 0.2, 0, 1)
    down = jnp.clip((v + 0.15) / (end + 0.15), 0, 1)
    half_width = top + (bottom - top) * down + 0.02 * parameters["hairVolume"]
    mass = distance.smooth_intersection(jnp.abs(u) - half_width + wave_shift, v - end, 0.12)
    mass = jnp.maximum(mass, -0.15 - v)
    base = jnp.minimum(jnp.minimum(cap, mass), bun)
    return paint_locks(side, v, choose(BACK, parameters["hairBack"]), base, pen)


def draw_back(strands: Strands, y: Array, pen: Pen) -> list[Layer]:
    """Behind everything, one tone darker than the fringe."""
    darker = 0.35 + 0.25 * jnp.minimum(pen.style.shade, 1)
    colour = mix(pen.colours.hair, pen.colours.hair_shadow, darker)
    return _draw("hair_back", strands, colour, y, pen)


def draw_front(strands: Strands, pose: Pose, x: Array, y: Array, pen: Pen) -> list[Layer]:
    """Over the face, with a ring of light."""
    inside = pen.fill(strands.distance)
    u, v = to_local(frame(pose, 0.0, 0.0, 0.1), x, y)
    return [
        *_draw("hair_front", strands, pen.colours.hair, y, pen),
        Layer(None, inside * _shine(u, v, strands, pen), pen.colours.hair_light),
    ]


def _shine(u: Array, v: Array, strands: Strands, pen: Pen) -> Array:
    """A ring of light around the skull with a toothed lower edge, broken by strands."""
    ring = v + 0.43 - 0.42 * u * u
    tooth = jnp.abs(9.0 * u + 0.25 - jnp.round(9.0 * u + 0.25))
    half = 0.045 * jnp.clip(1 - 4.5 * (jnp.abs(u) - 0.17) ** 2 / 0.16, 0, 1)
    soft = 0.5 * pen.style.softness
    upper = pen.fill(-ring - half, soft)
    lower = pen.fill(ring - half * (0.25 + 1.7 * tooth), soft)
    return upper * lower * pen.style.shine * pen.fill(0.004 - half) * (1 - 0.7 * strands.line)


def _draw(part: str, strands: Strands, colour: Array, y: Array, pen: Pen) -> list[Layer]:
    """Outline, fill running into the tips' colour, shaded sides and lines of the locks."""
    d = strands.distance
    inside = pen.fill(d)
    tips = jnp.clip(1.1 * y + 0.1, 0, 1) * (0.25 + 0.6 * pen.style.gradient)
    dark = pen.colours.hair_shadow
    return [
        pen.outline(part, d, dark),
        Layer(part, inside, colour),
        Layer(None, inside * tips, pen.colours.hair_tip),
        Layer(None, inside * strands.shade * pen.style.shade * 0.6, dark),
        Layer(None, inside * strands.line * pen.style.strands, pen.line(dark * 1.2)),
    ]

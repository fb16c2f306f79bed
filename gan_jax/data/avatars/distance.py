"""Signed distances (negative inside) of the few shapes that avatars are drawn with.

All take coordinate arrays of any one shape, usually `[H, W]`, x right and y down, and scalars (or
arrays that broadcast). Distances are exact to first order at the edge, which is all that
anti-aliasing needs (the idea: https://iquilezles.org/articles/distfunctions2d/).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def circle(x: Array, y: Array, radius) -> Array:
    """Circle about the origin."""
    return jnp.sqrt(x * x + y * y) - radius


def ellipse(x: Array, y: Array, radius_x, radius_y) -> Array:
    """Ellipse about the origin: f / |grad f| for f = |(x/rx, y/ry)| - 1."""
    a, b = x / radius_x, y / radius_y
    f = jnp.sqrt(a * a + b * b + 1e-12)
    slope = jnp.sqrt((a / radius_x) ** 2 + (b / radius_y) ** 2 + 1e-12)
    return f * (f - 1) / slope


def box(x: Array, y: Array, half_width, half_height, radius=0.0) -> Array:
    """Axis-aligned box about the origin with corners rounded by `radius`."""
    dx, dy = jnp.abs(x) - half_width + radius, jnp.abs(y) - half_height + radius
    outside = jnp.sqrt(jnp.maximum(dx, 0) ** 2 + jnp.maximum(dy, 0) ** 2)
    return outside + jnp.minimum(jnp.maximum(dx, dy), 0) - radius


def slope(x: Array, y: Array, from_x, from_y, to_x, to_y) -> Array:
    """Half plane below the line from one point to the other (inside: on its right-hand side)."""
    dx, dy = to_x - from_x, to_y - from_y
    return ((x - from_x) * dy - (y - from_y) * dx) * jax.lax.rsqrt(dx * dx + dy * dy)


def segment(x: Array, y: Array, from_x, from_y, to_x, to_y, half_width) -> Array:
    """Straight stroke with round ends."""
    dx, dy = to_x - from_x, to_y - from_y
    px, py = x - from_x, y - from_y
    t = jnp.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
    return circle(px - t * dx, py - t * dy, half_width)


def union(a: Array, b: Array) -> Array:
    return jnp.minimum(a, b)


def smooth_union(a: Array, b: Array, k) -> Array:
    """Union whose inner corner is filled by a parabola of size `k`."""
    h = jnp.maximum(k - jnp.abs(a - b), 0)
    return jnp.minimum(a, b) - h * h * (0.25 / k)


def smooth_intersection(a: Array, b: Array, k) -> Array:
    """Intersection whose outer corner is rounded by a parabola of size `k`."""
    return -smooth_union(-a, -b, k)

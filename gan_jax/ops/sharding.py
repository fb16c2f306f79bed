"""Dividing over devices what no real batch ties to them."""

from __future__ import annotations

import jax
from jax import Array, lax
from jax.sharding import PartitionSpec as P

AXIS = "data"
"""Of a mesh: a batch's rows are divided over it."""


def divided(rows: Array) -> Array:
    """The same `[B, …]`, each device with its rows, where a program is compiled for several.

    Noise comes from a key that all devices hold: without a word each of them draws all of it, and
    computes all that is made of it. Nothing happens where there is one device, in the per-device
    view, or where B is no multiple of the devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if AXIS not in mesh.axis_names or AXIS in mesh.manual_axes or rows.shape[0] % mesh.shape[AXIS]:
        return rows
    return lax.with_sharding_constraint(rows, P(AXIS))

"""Variables that keep a deep network's activations of the order of one, about half of them below
zero, drawn without compiling anything."""

from __future__ import annotations

import functools
import math

import jax
import numpy as np


def he_variables(module, value, seed=3, **keywords):
    """Of the shapes that `module` makes for `value`: kernels N(0, 2 / fan-in), scales and variances
    near 1, all else N(0, 0.3)."""
    random = np.random.default_rng(seed)
    make = functools.partial(module.init, jax.random.key(0), **keywords)

    def leaf(path, shape):
        kind = path[-1].key
        if kind in ("scale", "var"):
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        spread = math.sqrt(2 / math.prod(shape[:-1])) if kind == "kernel" else 0.3
        return random.normal(0.0, spread, shape).astype(np.float32)

    shapes = jax.eval_shape(make, value)
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)

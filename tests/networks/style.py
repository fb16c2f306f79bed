"""Small style-based networks with variables away from the zeros and ones that hide what they do."""

from __future__ import annotations

import functools
import re

import jax
import numpy as np

CLASSES = np.array([0, 1, 2, 1], np.int32)


def variables_of(module, *arguments, seed=3):
    """Random ones, float32, of the shapes that `module` makes; those of slow layers hundredfold."""
    random = np.random.default_rng(seed)
    make = functools.partial(module.init, jax.random.key(0), train=True)
    shapes = jax.eval_shape(make, *arguments)

    def leaf(path, shape):
        slow = any(re.fullmatch(r"dense\d", key.key) for key in path)
        return random.normal(0.3, 0.7, shape).astype(np.float32) * (100 if slow else 1)

    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


def parameter_count(module, *arguments):
    """Trainable numbers, without making them."""
    make = functools.partial(module.init, jax.random.key(0), train=True)
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(make, *arguments)["params"]))


def z_of(batch=4, features=8):
    return np.random.default_rng(1).normal(size=(batch, features)).astype(np.float32)


def pictures(size, batch=4, channels=3):
    shape = (batch, size, size, channels)
    return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


@functools.partial(
    jax.jit, static_argnames=("module", "method", "train", "noise", "cutoff", "mutable")
)
def apply(module, variables, *arguments, seed=0, mutable=False, **keywords):
    """Compiled once for each module and mode."""
    rngs = {"noise": jax.random.key(seed, impl="unsafe_rbg")}  # compiles quickly
    return module.apply(variables, *arguments, rngs=rngs, mutable=mutable, **keywords)

"""What reads a latent first: the dense layers that are linear in it, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.equalised import EqualisedDense

DENSE = (nn.Dense, nn.DenseGeneral, EqualisedDense)
"""Layers `y = x A + b`, and what inherits from them."""

TOLERANCE = 0.03
"""Of being linear, relative: half precision rounds, and what is curved is curved by more."""


STEP = 1024.0


def dense_calls(draw: Callable[[], Any]) -> list[tuple[Array, Array]]:
    """(input, output) of every dense layer that `draw()` calls, in its order."""
    calls: list[tuple[Array, Array]] = []

    def look(next_function, arguments, keywords, context):
        output = next_function(*arguments, **keywords)
        if isinstance(context.module, DENSE) and context.method_name == "__call__":
            calls.append((arguments[0], output))
        return output

    with nn.intercept_methods(look):
        draw()
    return calls


def reading_weights(draw: Callable[[Any, Array], Any], variables: Any, size: int) -> np.ndarray:
    """`[F, D]`: row by row what each output of the reading layers multiplies the latent by.

    A reading layer is a dense layer whose input is linear in the latent: the first layer of a
    network that takes z, every block's in BigGAN, the ones that make a layer's style of w. All of
    them are put one below the other; scales that act at run time (equalised learning rates,
    spectral norms) are in the weights.

    Args:
        draw: `(variables, latent [D]) -> picture`, of one picture.
        variables: of the networks.
        size: D.

    Raises:
        UsageError: no such layer, or several generators.
    """
    linear = _linear_calls(draw, variables, size)
    if not any(linear):
        raise UsageError(
            "no dense layer of this generator is linear in its latents: it has no weights to take "
            "directions from"
        )

    @jax.jit
    def weights(variables) -> Array:
        def outputs(point: Array) -> Array:
            calls = dense_calls(lambda: draw(variables, point))
            read = [out for (_, out), is_linear in zip(calls, linear, strict=True) if is_linear]
            return jnp.concatenate([out.astype(jnp.float32).reshape(-1) for out in read])

        # Of a linear function a difference is exact at any step; one far above the biases keeps
        # their digits out of it, in half precision too. Nor need the network have derivatives.
        steps = STEP * jnp.eye(size)
        apart = jax.vmap(outputs)(steps) - jax.vmap(outputs)(-steps)
        return apart.T / (2 * STEP)

    found = np.asarray(weights(variables))
    return found[np.linalg.norm(found, axis=1) > 0]


def _linear_calls(draw: Callable[[Any, Array], Any], variables: Any, size: int) -> list[bool]:
    """For each dense call, whether its input moves with the latent in straight lines."""

    @jax.jit
    def inputs(variables, point: Array) -> list[Array]:
        calls = dense_calls(lambda: draw(variables, point))
        return [given.astype(jnp.float32) for given, _ in calls]

    a, b = np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)
    at = [inputs(variables, jnp.asarray(point)) for point in (np.zeros_like(a), a, b, a + b)]
    return [_is_linear(*(np.asarray(x) for x in points)) for points in zip(*at, strict=True)]


def _is_linear(zero: np.ndarray, a: np.ndarray, b: np.ndarray, both: np.ndarray) -> bool:
    """Of values at 0, a, b and a + b."""
    moved = max(np.abs(a - zero).max(initial=0.0), np.abs(b - zero).max(initial=0.0))
    bend = np.abs(both - a - b + zero).max(initial=0.0)
    return bool(moved > 0 and bend <= TOLERANCE * moved)

"""How the tests judge formulas: slips must differ, gradients must be the slopes of their values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def assert_slip_is_seen(found, slip, rtol=1e-2):
    """A formula with a slip gives finite numbers, as many, that a test would not take for `found`:
    some differ by more than `rtol`, which is far more than what the test allows."""
    found, slip = np.asarray(found), np.asarray(slip)
    assert slip.shape == found.shape and np.all(np.isfinite(slip))
    assert not np.allclose(found, slip, rtol=rtol, atol=0)


def assert_gradient_is_the_slope(value, start, rtol=1e-7):
    """`jax.grad(value)` at `start`, a pytree of float64 arrays, along a random direction: what
    central differences of the fourth order say."""
    leaves, structure = jax.tree.flatten(start)
    random, eps = np.random.default_rng(6), 1e-4
    along = [random.standard_normal(leaf.shape) for leaf in leaves]

    @jax.jit
    def both(leaves):
        return jax.value_and_grad(lambda leaves: value(structure.unflatten(leaves)))(leaves)

    def at(step):
        return float(both([x + step * d for x, d in zip(leaves, along, strict=True)])[0])

    gradient = both(leaves)[1]
    assert all(leaf.dtype == jnp.float64 for leaf in gradient)
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradient, along, strict=True))
    once, twice = at(eps) - at(-eps), at(2 * eps) - at(-2 * eps)
    assert slope != 0 and slope == pytest.approx((8 * once - twice) / (12 * eps), rel=rtol)

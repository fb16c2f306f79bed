"""Resampling by two, written out."""

import jax.numpy as jnp
import numpy as np

from gan_jax.layers.pooling import average_pooling, max_pooling, nearest_upsampling

X = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)


def test_nearest_upsampling():
    expected = X.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(nearest_upsampling(X), expected)


def test_pooling():
    corners = np.stack([X[:, row::2, column::2] for row in (0, 1) for column in (0, 1)])
    np.testing.assert_allclose(average_pooling(X), corners.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(max_pooling(X), corners.max(0))


def test_dtype_is_kept():
    for function in (nearest_upsampling, average_pooling, max_pooling):
        assert function(jnp.asarray(X, jnp.bfloat16)).dtype == jnp.bfloat16

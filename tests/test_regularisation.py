"""LeCam, consistency and orthogonality against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.regularisation import (
    Anchors,
    consistency,
    le_cam,
    moved,
    orthogonality,
    sensitivity,
)

REAL, FAKE = np.array([1.0, -0.5, 2.0]), np.array([0.3, -1.0, 3.0])


def test_le_cam_draws_each_kind_to_the_others_anchor():
    value = le_cam(jnp.asarray(REAL), jnp.asarray(FAKE), Anchors(real=0.8, fake=-0.2))
    expected = np.maximum(REAL + 0.2, 0) ** 2 + np.maximum(0.8 - FAKE, 0) ** 2
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    crossed = np.maximum(REAL - 0.8, 0) ** 2 + np.maximum(-0.2 - FAKE, 0) ** 2
    assert not np.allclose(value, crossed)


def test_anchors_are_moving_averages_and_constants():
    after = moved(Anchors(1.0, -1.0), jnp.asarray(REAL), jnp.asarray(FAKE), decay=0.9)
    np.testing.assert_allclose(after.real, 0.9 + 0.1 * REAL.mean(), rtol=1e-6)
    np.testing.assert_allclose(after.fake, -0.9 + 0.1 * FAKE.mean(), rtol=1e-6)
    gradient = jax.grad(lambda x: moved(Anchors(), x, x, 0.9).real)(jnp.asarray(REAL))
    np.testing.assert_array_equal(gradient, 0.0)


def test_consistency_and_sensitivity():
    np.testing.assert_allclose(consistency(REAL, FAKE), (REAL - FAKE) ** 2, rtol=1e-6)
    a, b = np.random.default_rng(0).standard_normal((2, 3, 4, 4, 2))
    expected = -((a - b) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(sensitivity(jnp.asarray(a), jnp.asarray(b)), expected, rtol=1e-5)


def test_orthogonality_is_of_kernels_of_several_outputs():
    random = np.random.default_rng(0)
    kernel, matrix = random.standard_normal((3, 3, 2, 5)), random.standard_normal((4, 6))
    params = {
        "Convolution_0": {"kernel": kernel, "bias": random.standard_normal(5)},
        "Dense_0": {"kernel": matrix},
        "Dense_1": {"kernel": random.standard_normal((6, 1))},
        "BatchNorm_0": {"scale": random.standard_normal(5)},
    }
    expected = 0.0
    for w in (kernel.reshape(-1, 5), matrix):
        product = w.T @ w
        expected += np.sum(product**2) - np.sum(np.diag(product) ** 2)
    np.testing.assert_allclose(orthogonality(params), expected, rtol=1e-5)
    q, _ = np.linalg.qr(random.standard_normal((8, 5)))
    orthogonal = {"kernel": 3.0 * q}  # of any length
    np.testing.assert_allclose(orthogonality(orthogonal), 0.0, atol=1e-8)

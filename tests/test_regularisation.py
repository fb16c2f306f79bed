"""LeCam, consistency and orthogonality against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.regularisation import (
    Anchors,
    consistency,
    le_cam,
    moved,
    orthogonality,
    sensitivity,
)
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

REAL, FAKE = np.array([1.0, -0.5, 2.0]), np.array([0.3, -1.0, 3.0])


def test_le_cam_draws_each_kind_to_the_others_anchor():
    value = le_cam(jnp.asarray(REAL), jnp.asarray(FAKE), Anchors(real=0.8, fake=-0.2))
    expected = np.maximum(REAL + 0.2, 0) ** 2 + np.maximum(0.8 - FAKE, 0) ** 2
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for above, below in (
        (np.maximum(REAL - 0.8, 0), np.maximum(-0.2 - FAKE, 0)),  # each to its own anchor
        (REAL + 0.2, 0.8 - FAKE),  # from both sides
        (np.minimum(REAL + 0.2, 0), np.minimum(0.8 - FAKE, 0)),  # from the other side
        (np.maximum(REAL + 0.2, 0), np.maximum(FAKE - 0.8, 0)),  # a sign
        (np.maximum(REAL - 0.2, 0), np.maximum(0.8 - FAKE, 0)),  # a sign of the anchor
        (np.maximum(REAL + 0.2, 0), 0),  # one half
        np.sqrt(0.5) * np.maximum([REAL + 0.2, 0.8 - FAKE], 0),  # a half
        np.sqrt(np.maximum([REAL + 0.2, 0.8 - FAKE], 0)),  # no square
    ):
        assert_slip_is_seen(value, above**2 + below**2)


def test_anchors_are_moving_averages_and_constants():
    after = moved(Anchors(1.0, -1.0), jnp.asarray(REAL), jnp.asarray(FAKE), decay=0.9)
    np.testing.assert_allclose(after.real, 0.9 + 0.1 * REAL.mean(), rtol=1e-6)
    np.testing.assert_allclose(after.fake, -0.9 + 0.1 * FAKE.mean(), rtol=1e-6)
    for slip in (0.1 + 0.9 * REAL.mean(), 0.9 + 0.1 * REAL.sum(), 0.9 - 0.1 * REAL.mean()):
        assert_slip_is_seen(after.real, slip)
    assert_slip_is_seen(after.fake, -0.9 + 0.1 * REAL.mean(), rtol=1e-3)
    gradient = jax.grad(lambda x: moved(Anchors(), x, x, 0.9).real)(jnp.asarray(REAL))
    np.testing.assert_array_equal(gradient, 0.0)


def test_consistency_and_sensitivity():
    value = consistency(REAL, FAKE)
    np.testing.assert_allclose(value, (REAL - FAKE) ** 2, rtol=1e-6)
    for slip in ((REAL - FAKE) ** 2 / 2, np.abs(REAL - FAKE), (REAL + FAKE) ** 2):
        assert_slip_is_seen(value, slip)
    a, b = np.random.default_rng(0).standard_normal((2, 3, 4, 4, 2))
    square = (a - b) ** 2
    value = sensitivity(jnp.asarray(a), jnp.asarray(b))
    np.testing.assert_allclose(value, -square.mean(axis=(1, 2, 3)), rtol=1e-5)
    for slip in (
        square.mean(axis=(1, 2, 3)),  # the sign
        -square.sum(axis=(1, 2, 3)),  # a sum for the mean
        -np.sqrt(square.mean(axis=(1, 2, 3))),  # a root
        -square.mean(axis=(1, 2, 3)) / 2,
        -np.full(3, square.mean()),  # over the batch
    ):
        assert_slip_is_seen(value, slip)


def networks_weights():
    """A convolution's, a dense layer's, one that leads to a logit, and vectors."""
    random = np.random.default_rng(0)
    return {
        "Convolution_0": {
            "kernel": random.standard_normal((3, 3, 2, 5)),
            "bias": random.standard_normal(5),
        },
        "Dense_0": {"kernel": random.standard_normal((4, 6))},
        "Dense_1": {"kernel": random.standard_normal((6, 1))},
        "BatchNorm_0": {"scale": random.standard_normal(5)},
    }


def test_orthogonality_is_of_kernels_of_several_outputs():
    params = networks_weights()
    matrices = [params["Convolution_0"]["kernel"].reshape(-1, 5), params["Dense_0"]["kernel"]]

    def by_hand(of_layer, matrices=matrices):
        return sum(of_layer(w.T @ w) for w in matrices)

    def apart(product):
        return np.sum(product**2) - np.sum(np.diag(product) ** 2)

    value = orthogonality(params)
    np.testing.assert_allclose(value, by_hand(apart), rtol=1e-5)
    for slip in (
        by_hand(lambda product: np.sum((product - np.eye(len(product))) ** 2)),  # lengths bound
        by_hand(lambda product: np.sum(product**2)),  # with the lengths
        by_hand(lambda product: np.sum(np.diag(product) ** 2)),  # the lengths alone
        by_hand(lambda product: apart(product) / (product.size - len(product))),  # a mean
        by_hand(lambda product: np.sqrt(apart(product))),  # no square
        by_hand(lambda product: apart(product) / 2),  # each pair once
        by_hand(apart, [w.T for w in matrices]),  # of inputs
        by_hand(apart, [params["Convolution_0"]["kernel"].reshape(5, -1).T, matrices[1]]),
        by_hand(apart, [*matrices, params["BatchNorm_0"]["scale"][None]]),  # of a vector
        by_hand(apart, matrices[:1]),  # not of a dense layer
    ):
        assert_slip_is_seen(value, slip)
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 5)))
    orthogonal = {"kernel": 3.0 * q}  # of any length
    np.testing.assert_allclose(orthogonality(orthogonal), 0.0, atol=1e-8)


def test_gradients_of_orthogonality_are_slopes():
    with jax.enable_x64(True):
        assert_gradient_is_the_slope(orthogonality, jax.tree.map(jnp.asarray, networks_weights()))


ANCHORS = Anchors(real=0.8, fake=-0.2)
OF_TWO = {
    "le_cam": lambda a, b: le_cam(a, b, ANCHORS),
    "consistency": consistency,
    "sensitivity": lambda a, b: sensitivity(a[:, None, None], b[:, None, None]),
}


@pytest.mark.parametrize("name", OF_TWO)
def test_gradients_by_both_inputs_are_slopes(name):
    with jax.enable_x64(True):
        start = jnp.asarray(REAL), jnp.asarray(FAKE)
        assert_gradient_is_the_slope(lambda pair: jnp.sum(OF_TWO[name](*pair)), start)

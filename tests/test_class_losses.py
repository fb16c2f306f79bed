"""The losses of label-aware discriminators against loops over their formulas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import class_losses
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

B, K, E = 7, 3, 5


@pytest.fixture
def batch():
    random = np.random.default_rng(0)

    def unit(shape):
        x = random.standard_normal(shape)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    return unit((B, E)), unit((K, E)), np.array([0, 2, 0, 1, 2, 2, 0], np.int32)


def test_auxiliary_classifier_is_the_cross_entropy(batch):
    logits = np.random.default_rng(1).standard_normal((B, K))
    label = batch[2]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    of_label = np.array([shares[i, label[i]] for i in range(B)])
    value = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(label))
    np.testing.assert_allclose(value, -np.log(of_label), rtol=1e-5)
    for slip in (
        np.log(of_label),  # the sign
        -np.array([logits[i, label[i]] for i in range(B)]),  # not normalised
        -np.log(np.array([shares[i, (label[i] + 1) % K] for i in range(B)])),
        -np.log(of_label) / K,  # a mean over classes
        -np.log(shares).sum(axis=1),  # of all classes
        np.log1p(np.exp(logits)).sum(axis=1) - np.array([logits[i, label[i]] for i in range(B)]),
    ):
        assert_slip_is_seen(value, slip)


def test_attributes_are_judged_one_by_one():
    logits = np.array([[0.3, -2.0], [1.5, 0.0]])
    label = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    share = 1 / (1 + np.exp(-logits))
    each = -label * np.log(share) - (1 - label) * np.log(1 - share)
    value = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(label))
    np.testing.assert_allclose(value, each.sum(axis=1), rtol=1e-5)
    for slip in (
        each.mean(axis=1),
        -each.sum(axis=1),
        -np.sum(label * np.log(share), axis=1),  # what is not there does not count
        -np.sum(label * np.log(1 - share) + (1 - label) * np.log(share), axis=1),
        -np.sum(label * np.log(np.exp(logits) / np.exp(logits).sum(1, keepdims=True)), axis=1),
    ):
        assert_slip_is_seen(value, slip)


def contrastive_by_hand(f, w, y, t, itself=False, above=1, below=1, alike=True, others=True):
    """`above` and `below` count the proxy in the fraction; what else is a slip says its name."""
    found = []
    for i in range(B):
        proxy = np.exp(f[i] @ w[y[i]] / t)
        near = {k: np.exp(f[i] @ f[k] / t) for k in range(B) if itself or k != i}
        same = sum(value for k, value in near.items() if alike and y[k] == y[i])
        total = sum(value for k, value in near.items() if others or y[k] != y[i])
        found.append(-np.log((above * proxy + same) / (below * proxy + total)))
    return np.array(found)


def test_conditional_contrastive_is_its_formula(batch):
    value = class_losses.conditional_contrastive(*map(jnp.asarray, batch), temperature=0.3)
    np.testing.assert_allclose(value, contrastive_by_hand(*batch, 0.3), rtol=1e-5)
    for slip in (
        {"itself": True},
        {"below": 0},
        {"above": 2},
        {"alike": False},
        {"others": False},
    ):
        assert_slip_is_seen(value, contrastive_by_hand(*batch, 0.3, **slip))
    assert_slip_is_seen(value, contrastive_by_hand(*batch, 1.0))  # no temperature
    assert_slip_is_seen(value, contrastive_by_hand(*batch, 1 / 0.3))
    assert_slip_is_seen(value, -contrastive_by_hand(*batch, 0.3))


def data_to_data_by_hand(f, w, y, t, positive, negative, below=1, among=np.not_equal, cut=True):
    """`below` counts the class's proxy there; `among` says whose others are summed."""
    found = []
    for i in range(B):
        to_proxy = f[i] @ w[y[i]] - positive
        near = np.exp((min(to_proxy, 0) if cut else to_proxy) / t)
        others = [f[i] @ f[k] - negative for k in range(B) if k != i and among(y[k], y[i])]
        apart = sum(np.exp((max(other, 0) if cut else other) / t) for other in others)
        found.append(-np.log(near / (below * near + apart)))
    return np.array(found)


def test_data_to_data_cross_entropy_is_its_formula(batch):
    margins = {"positive_margin": 0.4, "negative_margin": 0.1}
    value = class_losses.data_to_data_cross_entropy(
        *map(jnp.asarray, batch), temperature=0.5, **margins
    )
    np.testing.assert_allclose(value, data_to_data_by_hand(*batch, 0.5, 0.4, 0.1), rtol=1e-5)
    for constants in (
        (1.0, 0.4, 0.1),  # no temperature
        (2.0, 0.4, 0.1),
        (0.5, 1.0, 0.1),  # another margin
        (0.5, 0.4, 0.9),
        (0.5, -0.4, 0.1),  # a sign
        (0.5, 0.4, -0.1),
        (0.5, 0.1, 0.4),  # one for the other
    ):
        assert_slip_is_seen(value, data_to_data_by_hand(*batch, *constants))
    for slip in ({"below": 0}, {"among": np.equal}, {"among": np.greater_equal}, {"cut": False}):
        assert_slip_is_seen(value, data_to_data_by_hand(*batch, 0.5, 0.4, 0.1, **slip))
    assert_slip_is_seen(value, -data_to_data_by_hand(*batch, 0.5, 0.4, 0.1))


OF_EMBEDDINGS = {
    "2c": functools.partial(class_losses.conditional_contrastive, temperature=0.3),
    "d2d": functools.partial(
        class_losses.data_to_data_cross_entropy,
        temperature=0.5,
        positive_margin=0.4,
        negative_margin=0.1,
    ),
}


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_gradients_by_embeddings_and_proxies_are_slopes(name, batch):
    with jax.enable_x64(True):
        start = jnp.asarray(batch[0]), jnp.asarray(batch[1])
        assert_gradient_is_the_slope(
            lambda pair: jnp.mean(OF_EMBEDDINGS[name](*pair, jnp.asarray(batch[2]))), start
        )


def test_a_batch_of_one_class_gives_nothing_to_tell_apart(batch):
    f, w, _ = map(jnp.asarray, batch)
    same = jnp.zeros(B, jnp.int32)

    def both(f):
        return jnp.sum(
            class_losses.conditional_contrastive(f, w, same, temperature=1.0)
            + class_losses.data_to_data_cross_entropy(
                f, w, same, temperature=1.0, positive_margin=0.98, negative_margin=0.02
            )
        )

    value, gradient = jax.value_and_grad(both)(f)
    np.testing.assert_allclose(value, 0.0, atol=1e-5)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)

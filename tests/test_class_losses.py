"""The losses of label-aware discriminators against loops over their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import class_losses

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
    expected = [-np.log(shares[i, label[i]]) for i in range(B)]
    value = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(label))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_attributes_are_judged_one_by_one():
    logits = np.array([[0.3, -2.0], [1.5, 0.0]])
    label = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    share = 1 / (1 + np.exp(-logits))
    expected = -np.sum(label * np.log(share) + (1 - label) * np.log(1 - share), axis=1)
    value = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(label))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def contrastive_by_hand(f, w, y, t, among_others=lambda i, k: k != i):
    found = []
    for i in range(B):
        proxy = np.exp(f[i] @ w[y[i]] / t)
        others = {k: np.exp(f[i] @ f[k] / t) for k in range(B) if among_others(i, k)}
        alike = sum(value for k, value in others.items() if y[k] == y[i])
        found.append(-np.log((proxy + alike) / (proxy + sum(others.values()))))
    return found


def test_conditional_contrastive_is_its_formula(batch):
    value = class_losses.conditional_contrastive(*map(jnp.asarray, batch), temperature=0.3)
    np.testing.assert_allclose(value, contrastive_by_hand(*batch, 0.3), rtol=1e-5)
    with_itself = contrastive_by_hand(*batch, 0.3, among_others=lambda i, k: True)
    assert not np.allclose(value, with_itself, rtol=1e-2)


def data_to_data_by_hand(f, w, y, t, positive, negative):
    found = []
    for i in range(B):
        near = np.exp(min(f[i] @ w[y[i]] - positive, 0) / t)
        apart = sum(np.exp(max(f[i] @ f[k] - negative, 0) / t) for k in range(B) if y[k] != y[i])
        found.append(-np.log(near / (near + apart)))
    return found


def test_data_to_data_cross_entropy_is_its_formula(batch):
    margins = {"positive_margin": 0.4, "negative_margin": 0.1}
    value = class_losses.data_to_data_cross_entropy(
        *map(jnp.asarray, batch), temperature=0.5, **margins
    )
    np.testing.assert_allclose(value, data_to_data_by_hand(*batch, 0.5, 0.4, 0.1), rtol=1e-5)
    for slip in ((1.0, 0.1), (0.4, 0.9)):
        assert not np.allclose(value, data_to_data_by_hand(*batch, 0.5, *slip), rtol=1e-2)


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

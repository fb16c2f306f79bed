"""Conditional BatchNorm against its formula in numpy."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import SpectralDense

random = np.random.default_rng(0)
X = random.normal(1.0, 2.0, (3, 2, 2, 5)).astype(np.float32)
VECTORS = random.normal(size=(3, 4)).astype(np.float32)
CLASSES = np.array([2, 0, 2])
EPSILON = 0.1
"""Large enough to be seen."""
LINEAR = {
    "vector": (partial(nn.Dense, use_bias=False), VECTORS),
    "class": (partial(LabelEmbedding, 4), CLASSES),
    "attributes": (partial(LabelEmbedding, 4), VECTORS),
}


def layer(linear, train, **settings):
    return ConditionalBatchNorm(train=train, linear=linear, epsilon=EPSILON, **settings)


def made(name):
    linear, condition = LINEAR[name]
    variables = layer(linear, True).init(jax.random.key(0), X, condition)
    shapes = jax.tree.map(lambda leaf: leaf.shape, variables["params"])
    params = jax.tree.map(
        lambda shape: random.normal(size=shape).astype(np.float32),
        shapes,
        is_leaf=lambda leaf: isinstance(leaf, tuple),
    )
    (table_name,) = params["gain"]
    gain, bias = (params[which][table_name] for which in ("gain", "bias"))
    one_hot = np.eye(4)[condition] if name == "class" else condition
    stats = {
        "mean": random.normal(size=5).astype(np.float32),
        "var": random.uniform(0.5, 2.0, 5).astype(np.float32),
    }
    state = {"params": params, "batch_stats": {"BatchNorm_0": stats}}
    return linear, condition, state, one_hot @ gain, one_hot @ bias


def formula(mean, variance, gain, bias, *, one=1.0, epsilon=EPSILON):
    normalised = (X - mean) / np.sqrt(variance + epsilon)
    return normalised * (one + gain)[:, None, None, :] + bias[:, None, None, :]


@pytest.mark.parametrize("name", LINEAR)
def test_formula(name):
    linear, condition, state, gain, bias = made(name)
    stats = state["batch_stats"]["BatchNorm_0"]
    mean, variance = X.mean((0, 1, 2)), X.var((0, 1, 2))
    out, moved = layer(linear, True).apply(state, X, condition, mutable=["batch_stats"])
    expected = formula(mean, variance, gain, bias)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    moved = moved["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(moved["mean"], 0.9 * stats["mean"] + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(moved["var"], 0.9 * stats["var"] + 0.1 * variance, rtol=1e-5)

    outside = layer(linear, False).apply(state, X, condition)
    of_stats = formula(stats["mean"], stats["var"], gain, bias)
    np.testing.assert_allclose(outside, of_stats, rtol=1e-5, atol=1e-5)

    mutations = (
        formula(mean, variance, gain, bias, one=0.0),
        formula(mean, variance, gain, bias, epsilon=0.0),
        formula(mean, variance, bias, gain),
        formula(mean, variance * 12 / 11, gain, bias),
    )
    for mutation in mutations:
        assert np.abs(out - mutation).max() > 1e-2


@pytest.mark.parametrize("name", LINEAR)
def test_statistics_stay_outside_of_training(name):
    linear, condition, state, *_ = made(name)
    _, kept = layer(linear, False).apply(state, X, condition, mutable=["batch_stats"])
    before = state["batch_stats"]
    assert jax.tree.all(jax.tree.map(jnp.array_equal, kept["batch_stats"], before))


def test_a_gain_per_class_starts_at_one_and_a_bias_at_zero():
    linear = partial(LabelEmbedding, 4, embedding_init=nn.initializers.zeros_init())
    out, _ = layer(linear, True).init_with_output(jax.random.key(0), X, CLASSES)
    plain = formula(X.mean((0, 1, 2)), X.var((0, 1, 2)), np.zeros((3, 5)), np.zeros((3, 5)))
    np.testing.assert_allclose(out, plain, rtol=1e-5, atol=1e-5)


def test_without_a_condition_it_is_batch_norm():
    module = layer(None, True, momentum=0.7)
    out, variables = module.init_with_output(jax.random.key(0), X, None)
    plain = nn.BatchNorm(use_running_average=False, epsilon=EPSILON, momentum=0.7)
    expected, shapes = plain.init_with_output(jax.random.key(0), X)
    np.testing.assert_array_equal(out, expected)
    assert jax.tree.map(jnp.shape, variables["params"]["BatchNorm_0"]) == jax.tree.map(
        jnp.shape, shapes["params"]
    )


def test_half_precision_keeps_statistics_in_float32():
    linear = partial(SpectralDense, use_bias=False, train=True, dtype=jnp.bfloat16)
    module = layer(linear, True, dtype=jnp.bfloat16)
    out, variables = module.init_with_output(jax.random.key(0), X.astype(jnp.bfloat16), VECTORS)
    assert out.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}

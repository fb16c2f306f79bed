"""The named normalisations against their formulas in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.picture_normalisation import PictureNormalisation
from tests.formulas import assert_slip_is_seen

RANDOM = np.random.default_rng(0)
KINDS = ("batch", "instance", "instance_affine")
AXES = {"batch": (0, 1, 2), "instance": (1, 2), "instance_affine": (1, 2)}
STATISTICS = {"mean": RANDOM.normal(size=5), "var": RANDOM.uniform(0.5, 2.0, 5)}
# Tiny inputs show the epsilon.
SCALES = pytest.mark.parametrize("scale", [1.0, 1e-3])


def pictures(scale=1.0, mean=1.0):
    return scale * RANDOM.normal(mean, 1.0, (3, 4, 6, 5))


def affine(kind):
    """A scale and a bias, those of none where the kind has none."""
    if kind == "instance":
        return np.ones(5), np.zeros(5)
    return RANDOM.normal(size=5), RANDOM.normal(size=5)


def variables_of(kind, scale, bias):
    layer = {"scale": jnp.asarray(scale), "bias": jnp.asarray(bias)}
    if kind == "batch":
        statistics = jax.tree.map(jnp.asarray, STATISTICS)
        return {"params": {"BatchNorm_0": layer}, "batch_stats": {"BatchNorm_0": statistics}}
    return {"params": {"InstanceNorm_0": layer}} if kind == "instance_affine" else {}


def apply(kind, variables, x, train, **settings):
    layer = PictureNormalisation(kind, train=train, **settings)
    return layer.apply(variables, jnp.asarray(x), mutable=["batch_stats"])


def by_hand(x, axes, scale, bias, epsilon=1e-5, variance=np.var):
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt(variance(x, axis=axes, keepdims=True) + epsilon) * scale + bias


def unbiased(x, axis, keepdims):
    return x.var(axis, keepdims=keepdims, ddof=1)


@SCALES
@pytest.mark.parametrize("kind", KINDS)
def test_the_formula(kind, scale):
    x, (gain, bias) = pictures(scale), affine(kind)
    found, _ = apply(kind, variables_of(kind, gain, bias), x, train=True)
    expected = by_hand(x, AXES[kind], gain, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for other in ((0, 1, 2), (1, 2), (3,)):
        if other != AXES[kind]:
            assert_slip_is_seen(found, by_hand(x, other, gain, bias))
    if scale == 1:
        assert_slip_is_seen(found, by_hand(x, AXES[kind], gain, bias, variance=unbiased), rtol=5e-3)
    else:
        for epsilon in (0.0, 1e-6, 1e-8):
            assert_slip_is_seen(found, by_hand(x, AXES[kind], gain, bias, epsilon))


@pytest.mark.parametrize("kind", KINDS)
def test_a_mean_far_from_zero_leaves_the_variance_exact(kind):
    """The mean of squares less the square of the mean would not."""
    x = (1000.0 + 0.1 * RANDOM.normal(size=(2, 8, 8, 5))).astype(np.float32)
    found, _ = apply(kind, variables_of(kind, np.ones(5), np.zeros(5)), x, train=True)
    expected = by_hand(x.astype(np.float64), AXES[kind], 1.0, 0.0)
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_batch_statistics_keep_nine_tenths_in_training_and_all_in_evaluation():
    x, (gain, bias) = pictures(), affine("batch")
    variables = variables_of("batch", gain, bias)
    _, moved = apply("batch", variables, x, train=True)
    after = moved["batch_stats"]["BatchNorm_0"]
    mean, var = STATISTICS["mean"], STATISTICS["var"]
    np.testing.assert_allclose(after["mean"], 0.9 * mean + 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(after["var"], 0.9 * var + 0.1 * x.var((0, 1, 2)), rtol=1e-5)
    found, kept = apply("batch", variables, x, train=False)
    jax.tree.map(np.testing.assert_array_equal, kept["batch_stats"], variables["batch_stats"])
    expected = (x - mean) / np.sqrt(var + 1e-5) * gain + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["instance", "instance_affine", "none"])
def test_without_batch_statistics_training_and_evaluation_are_one(kind):
    x, variables = pictures(), variables_of(kind, *affine(kind))
    found = [apply(kind, variables, x, train)[0] for train in (True, False)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", ["instance", "none"])
def test_these_have_no_parameters(kind):
    layer = PictureNormalisation(kind, train=True)
    assert layer.init(jax.random.key(0), jnp.ones((1, 2, 2, 3))) == {}


def test_none_is_the_identity():
    x = jnp.asarray(pictures())
    assert PictureNormalisation("none", train=True).apply({}, x) is x


def test_how_parameters_start():
    x = jnp.zeros((1, 2, 2, 4000))

    def start(kind):
        layer = PictureNormalisation(kind, train=True)
        return next(iter(layer.init(jax.random.key(0), x)["params"].values()))

    batch, instance = start("batch"), start("instance_affine")
    # Five standard errors of a mean and of a standard deviation.
    np.testing.assert_allclose(batch["scale"].mean(), 1.0, atol=5 * 0.02 / 4000**0.5)
    np.testing.assert_allclose(batch["scale"].std(), 0.02, atol=5 * 0.02 / 8000**0.5)
    np.testing.assert_array_equal(instance["scale"], np.ones(4000))
    assert not np.any(batch["bias"]) and not np.any(instance["bias"])


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_half_precision_has_float32_statistics(kind):
    x = pictures(0.1, 10.0).astype(jnp.bfloat16)
    scale, bias = (leaf.astype(np.float32) for leaf in affine(kind))
    found, moved = apply(kind, variables_of(kind, scale, bias), x, True, dtype=jnp.bfloat16)
    assert found.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(moved)} <= {jnp.dtype("float32")}
    if kind != "none":
        expected = by_hand(x.astype(np.float64), AXES[kind], scale, bias)
        np.testing.assert_allclose(found.astype(jnp.float32), expected, rtol=0.02, atol=0.02)


def test_another_name_is_one_clear_line():
    with pytest.raises(UsageError, match="batch, instance, instance_affine, none, not 'layer'"):
        PictureNormalisation("layer", train=True).init(jax.random.key(0), jnp.ones((1, 2, 2, 3)))

"""Moments against NumPy in float64, streamed, merged, and in compensated float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.metrics import moments as module
from gan_jax.metrics.moments import (
    Moments,
    add,
    covariance,
    merge,
    merge_sums,
    moments_of,
    new_sums,
    to_moments,
)


def rows(count, seed=0, size=24, mean=0.0):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(size, size)) / np.sqrt(size)
    return (mean + generator.normal(size=(count, size)) @ mixing).astype(np.float32)


def relative(value, expected):
    """Of the largest entry: off-diagonal ones may be as small as they like."""
    return np.abs(value - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("ddof", [0, 1])
def test_against_numpy(ddof, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 64)
    features = rows(1000, mean=1000.0)
    moments = moments_of(features)
    exact = features.astype(np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-13)
    assert relative(covariance(moments, ddof), np.cov(exact.T, ddof=ddof)) < 1e-12


def test_merged_parts_are_the_whole():
    features = rows(1000, mean=50.0)
    parts = [moments_of(part) for part in np.split(features, [1, 100, 640])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge(merged, part)
    whole = moments_of(features)
    assert merged.count == 1000
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-13)
    assert relative(merged.scatter, whole.scatter) < 1e-12


def test_merging_nothing():
    nothing = Moments(0, np.zeros(3), np.zeros((3, 3)))
    assert merge(nothing, nothing).count == 0
    some = moments_of(rows(5, size=3))
    np.testing.assert_array_equal(merge(nothing, some).mean, some.mean)


def test_two_widths_cannot_be_merged():
    with pytest.raises(DataError, match="of 3 and of 4 dimensions"):
        merge(moments_of(rows(5, size=3)), moments_of(rows(5, size=4)))


def test_one_sample_has_no_covariance():
    with pytest.raises(DataError, match="ddof 1 of 1 samples; at least 2"):
        covariance(moments_of(rows(1)), 1)


def summed(features, shift, batch=100):
    step = jax.jit(add)
    sums = new_sums(shift)
    for start in range(0, len(features), batch):
        part = features[start : start + batch]
        padded = np.full((batch, features.shape[1]), np.nan, np.float32)  # must not be seen
        padded[: len(part)] = part
        sums = step(sums, padded, np.arange(batch) < len(part))
    return sums


def naive(features):
    """What float32 gives by E xx' - (E x)(E x)'."""
    x = jnp.asarray(features)
    mean = jnp.mean(x, axis=0)
    outer = jnp.matmul(x.T, x, precision="highest")
    return np.asarray(outer - len(x) * jnp.outer(mean, mean), np.float64)


def test_compensated_float32_equals_float64_where_the_naive_form_fails():
    features = rows(20_050, mean=1000.0)
    expected = moments_of(features)
    moments = to_moments(summed(features, features[:100].mean(axis=0)))
    assert moments.count == 20_050
    deviation = np.sqrt(np.diag(expected.scatter) / 20_050)
    assert (np.abs(moments.mean - expected.mean) / deviation).max() < 1e-7
    assert relative(moments.scatter, expected.scatter) < 1e-7
    assert relative(naive(features), expected.scatter) > 1e-2


def test_the_error_terms_are_what_keeps_many_batches_exact():
    # All entries alike: every rounding goes the same way, and without compensation adds up.
    features = np.full((60_000, 2), 1.1, np.float32)
    sums = summed(features, np.zeros(2), batch=20)
    total = 60_000 * np.float64(np.float32(1.1))
    batch_rounding = 2e-7  # of one batch's own float32 sum
    compensated = np.float64(sums.total[0]) + np.float64(sums.total_error[0])
    assert abs(compensated / total - 1) < batch_rounding
    assert abs(np.float64(sums.total[0]) - compensated) / total < 1e-7
    assert abs(float(sums.outer_error[0, 0])) > 0


@pytest.mark.parametrize("moved", [0.0, 0.5])
def test_merged_sums_are_the_whole(moved):
    features = rows(4000, mean=300.0)
    shift = features[:100].mean(axis=0)
    a, b = summed(features[:1500], shift), summed(features[1500:], shift + np.float32(moved))
    merged = to_moments(jax.jit(merge_sums)(a, b))
    expected = moments_of(features)
    assert merged.count == 4000
    assert relative(merged.scatter, expected.scatter) < 2e-7
    np.testing.assert_allclose(merged.mean, expected.mean, rtol=1e-9)


def test_batch_size_does_not_matter():
    features = rows(3000, mean=10.0)
    shift = features.mean(axis=0)
    small, large = (to_moments(summed(features, shift, batch)) for batch in (7, 500))
    assert relative(small.scatter, large.scatter) < 3e-7  # one rounding of a batch's own product


def test_nothing_was_added():
    sums = add(new_sums(np.zeros(3)), jnp.ones((4, 3)), jnp.zeros(4, bool))
    with pytest.raises(DataError, match="no valid sample"):
        to_moments(sums)


def test_nan_is_not_hidden():
    sums = add(new_sums(np.zeros(3)), jnp.full((4, 3), jnp.nan), jnp.ones(4, bool))
    with pytest.raises(DataError, match="NaN or infinity"):
        to_moments(sums)

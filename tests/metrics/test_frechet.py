"""The Frechet distance against closed forms, SciPy's matrix root, and itself."""

import numpy as np
import pytest
import scipy.linalg

from gan_jax.errors import DataError
from gan_jax.metrics.frechet import (
    frechet_distance,
    frechet_distance_of_features,
    nuclear_norm,
)
from gan_jax.metrics.moments import covariance, moments_of


def features(count, seed, size=40, shift=0.0):
    spectrum = np.arange(1, size + 1) ** -0.7
    generator = np.random.default_rng(seed)
    mixing = np.linalg.qr(np.random.default_rng(9).normal(size=(size, size)))[0]
    return (generator.normal(size=(count, size)) * spectrum) @ mixing + shift


def statistics(rows, ddof=1):
    moments = moments_of(rows)
    return moments.mean, covariance(moments, ddof)


def test_diagonal_covariances_have_a_closed_form():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.0])
    expected = 3 * 2.0**2 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    value = frechet_distance(np.zeros(3), np.diag(a), np.full(3, 2.0), np.diag(b))
    assert value == pytest.approx(expected, rel=1e-14)


def test_against_the_matrix_root():
    (m1, c1), (m2, c2) = statistics(features(500, 1)), statistics(features(400, 2, shift=0.1))
    root = scipy.linalg.sqrtm(c1 @ c2).real
    expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-10)
    # Of their product one triangle's eigenvalues are another number: the usual mistake.
    wrong = np.sqrt(np.maximum(np.linalg.eigvalsh(c1 @ c2), 0)).sum()
    assert abs(wrong - np.trace(root)) > 1e-3


@pytest.mark.parametrize(("n", "m"), [(500, 400), (30, 25), (500, 25), (41, 39)])
def test_statistics_and_features_agree_below_full_rank_too(n, m):
    a, b = features(n, 1), features(m, 2, shift=0.1)
    of_statistics = frechet_distance(*statistics(a), *statistics(b))
    means = a.mean(axis=0) - b.mean(axis=0)
    x, y = (a - a.mean(axis=0)) / np.sqrt(n - 1), (b - b.mean(axis=0)) / np.sqrt(m - 1)
    norm = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    expected = np.sum(means**2) + np.sum(x**2) + np.sum(y**2) - 2 * norm
    assert of_statistics == pytest.approx(expected, rel=1e-10)
    assert frechet_distance_of_features(a, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("count", [30, 500])
def test_ddof_is_heeded(ddof, count):
    a, b = features(count, 1), features(count, 2)
    value = frechet_distance(*statistics(a, ddof), *statistics(b, ddof))
    assert frechet_distance_of_features(a, b, ddof=ddof) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("count", [2, 20, 500])
def test_identical_sets_are_at_zero_and_it_is_not_clipped(count):
    values = [
        frechet_distance(*2 * statistics(features(count, seed, shift=3.0))) for seed in range(20)
    ]
    np.testing.assert_allclose(values, 0.0, atol=1e-12)
    assert min(values) < 0


def test_symmetric_and_collapsed():
    a, point = features(500, 1), np.repeat(features(1, 2), 50, axis=0)
    mean, cov = statistics(a)
    expected = np.sum((mean - point[0]) ** 2) + np.trace(cov)
    assert frechet_distance(mean, cov, *statistics(point)) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(*statistics(point), mean, cov) == pytest.approx(expected, rel=1e-12)


def test_dead_features_on_either_side():
    a, b = features(500, 1), features(500, 2)
    a[:, :5], b[:, 3:9] = 0.7, 0.0
    (m1, c1), (m2, c2) = statistics(a), statistics(b)
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2) - 2 * cross
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-6)


def test_fewer_samples_look_farther_apart():
    """Of one distribution, FID falls as 1 / N."""
    generator = np.random.default_rng(0)
    values = [
        frechet_distance_of_features(*generator.normal(size=(2, count, 64)))
        for count in (500, 1000, 2000, 4000)
    ]
    ratios = np.array(values[:-1]) / values[1:]
    np.testing.assert_allclose(ratios, 2.0, rtol=0.1)


def test_covariances_rounded_to_float32_pass():
    (m1, c1), (m2, c2) = statistics(features(25, 1)), statistics(features(25, 2))
    rounded = [cov.astype(np.float32) for cov in (c1, c2)]
    value = frechet_distance(m1, rounded[0], m2, rounded[1])
    assert value == pytest.approx(frechet_distance(m1, c1, m2, c2), rel=1e-2)


def test_nuclear_norm():
    matrix = np.random.default_rng(0).normal(size=(7, 12))
    expected = np.linalg.svd(matrix, compute_uv=False).sum()
    assert nuclear_norm(matrix) == pytest.approx(expected, rel=1e-12)
    assert nuclear_norm(matrix.T) == pytest.approx(expected, rel=1e-12)


GOOD = (np.zeros(3), np.eye(3))


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ((np.zeros(4), np.eye(4)), "3 and of 4 dimensions"),
        ((np.zeros(3), np.eye(4)), r"\[D\] and \[D, D\]"),
        ((np.zeros((1, 3)), np.eye(3)), r"\[D\] and \[D, D\]"),
        ((np.array([0, np.nan, 0]), np.eye(3)), "NaN or infinity"),
        ((np.zeros(3), np.diag([1, np.inf, 1])), "NaN or infinity"),
        ((np.zeros(3), np.eye(3) + np.triu(np.ones((3, 3)))), "not symmetric"),
        ((np.zeros(3), np.diag([1.0, 1.0, -0.5])), "not positive"),
        ((np.zeros(3), -np.eye(3)), "not positive"),
        ((np.zeros(3), np.ones((3, 3)) * 2 - np.eye(3)), "not positive"),
    ],
)
def test_bad_statistics(statistics, message):
    with pytest.raises(DataError, match=message):
        frechet_distance(*GOOD, *statistics)


def test_too_few_samples():
    with pytest.raises(DataError, match="1 samples; at least 2"):
        frechet_distance_of_features(features(1, 0), features(5, 1))

"""Sliced Wasserstein distances against SciPy's in one dimension, and where they are known."""

import numpy as np
import pytest
import scipy.stats

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.laplacian_patches import (
    laplacian_pyramid,
    level_patches,
    patch_distances,
)
from gan_jax.metrics.sliced import mind, sliced_wasserstein


def features(count, seed, size=5, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, size)) + shift


def directions(count, size, seed):
    rows = np.random.RandomState(seed).standard_normal((count, size))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (7, 30), (6, 9)])
def test_w1_is_the_mean_over_directions(n, m):
    a, b = features(n, 1), features(m, 2, shift=0.5)
    expected = [
        scipy.stats.wasserstein_distance(a @ u, b @ u) for u in directions(20, a.shape[1], 3)
    ]
    ours = sliced_wasserstein(a, b, projections=20, seed=3)
    assert ours == pytest.approx(np.mean(expected), rel=1e-6)


def test_mind_is_three_d_times_squared_w2():
    a, b = features(40, 1), features(40, 2, shift=0.5)
    expected = [
        np.mean((np.sort(a @ u) - np.sort(b @ u)) ** 2) for u in directions(1000, a.shape[1], 3)
    ]
    assert mind(a, b, seed=3) == pytest.approx(3 * 5 * np.mean(expected), rel=1e-6)


def test_unequal_counts_are_the_repeated_sets():
    a, b = features(6, 1), features(4, 2)
    repeated = mind(np.repeat(a, 2, axis=0), np.repeat(b, 3, axis=0), projections=50, seed=0)
    assert mind(a, b, projections=50, seed=0) == pytest.approx(repeated, rel=1e-12)


def test_a_shift_is_three_times_its_square():
    """E (u.s)^2 = |s|^2 / d over directions: MIND of a shift s is 3 |s|^2, whatever d is."""
    a = features(100, 1, size=16)
    shift = np.linspace(-1, 1, 16)
    expected = 3 * np.sum(shift**2)
    assert mind(a, a + shift, projections=20_000, seed=0) == pytest.approx(expected, rel=0.03)
    assert mind(a, a.copy(), seed=0) == 0.0


def test_bad_arguments():
    with pytest.raises(UsageError, match="0 projections"):
        sliced_wasserstein(features(3, 1), features(3, 2), projections=0, seed=0)


def pictures(count, seed, size=64, noise=0.0):
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    phase = generator.uniform(0, 6, size=(count, 1, 1, 3))
    waves = np.sin(9 * rows[None, :, :, None] + phase) * np.cos(7 * columns[None, :, :, None])
    return (waves + noise * generator.normal(size=waves.shape)).astype(np.float32)


def test_pyramid_adds_up_and_separates_scales():
    images = pictures(2, 0)
    pyramid = laplacian_pyramid(images)
    assert [level.shape for level in pyramid] == [(2, 64, 64, 3), (2, 32, 32, 3), (2, 16, 16, 3)]
    flat = laplacian_pyramid(np.full((1, 64, 64, 1), 3.0))
    np.testing.assert_allclose(flat[-1], 3.0, rtol=1e-6)
    # Inside; at the border the mirrored zeros of the enlarged picture make it a little off.
    np.testing.assert_allclose(flat[0][:, 4:-4, 4:-4], 0.0, atol=1e-6)
    checkers = np.indices((64, 64)).sum(axis=0)[None, :, :, None] % 2 * 2.0 - 1.0
    fine, middle, coarse = laplacian_pyramid(checkers)
    assert np.abs(fine).max() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(middle, 0.0, atol=1e-5)
    np.testing.assert_allclose(coarse, 0.0, atol=1e-5)


def test_patches_are_cut_from_their_own_picture():
    numbered = np.ones((3, 16, 16, 1), np.float32) * np.arange(3)[:, None, None, None]
    patches = level_patches(numbered, patches=4, seed=0)[16]
    assert patches.shape == (12, 7, 7, 1)
    np.testing.assert_array_equal(patches[:, 0, 0, 0], np.repeat(np.arange(3), 4))
    ramp = np.arange(16.0 * 16).reshape(1, 16, 16, 1)
    for patch in level_patches(ramp, patches=20, seed=0)[16][..., 0]:
        expected = patch[0, 0] + 16 * np.arange(7)[:, None] + np.arange(7)[None, :]
        np.testing.assert_array_equal(patch, expected)


def test_noise_shows_at_the_finest_level():
    clean, again = pictures(40, 0), pictures(40, 1)
    noisy = pictures(40, 2, noise=0.3)
    same = patch_distances(clean, again, patches=32, projections=64, seed=0)
    different = patch_distances(clean, noisy, patches=32, projections=64, seed=0)
    assert list(same) == [64, 32, 16]
    assert different[64] > 3 * same[64]
    assert different[64] > 2 * different[16]


def test_bad_pictures():
    with pytest.raises(DataError, match="16 px or more"):
        patch_distances(np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 3)), seed=0)
    with pytest.raises(DataError, match="resize one"):
        patch_distances(pictures(2, 0), pictures(2, 0, size=32), seed=0)

"""LPIPS and path length against their formulas, and the gradient at a zero vector."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.perceptual import (
    lerp,
    lpips_distance,
    perceptual_path_length,
    slerp,
    unlearnt_distance,
)

SHAPES = [(3, 8, 8, 4), (3, 4, 5, 6)]


def taps(seed):
    generator = np.random.default_rng(seed)
    return [np.maximum(generator.normal(size=shape), 0).astype(np.float32) for shape in SHAPES]


WEIGHTS = [np.random.default_rng(9).uniform(size=shape[-1]).astype(np.float32) for shape in SHAPES]


@pytest.mark.parametrize("inside", [True, False])
def test_lpips_is_its_formula(inside):
    a, b = taps(0), taps(1)
    a[0][0, 0, 0] = 0.0
    expected = np.zeros(3)
    for x, y, weights in zip(a, b, WEIGHTS, strict=True):
        for n in range(3):
            places = []
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    u, v = x[n, i, j].astype(np.float64), y[n, i, j].astype(np.float64)
                    u, v = (
                        vector / np.sqrt(vector @ vector + 1e-10)
                        if inside
                        else vector / (np.sqrt(vector @ vector) + 1e-10)
                        for vector in (u, v)
                    )
                    places.append(np.sum(weights * (u - v) ** 2))
            expected[n] += np.mean(places)
    ours = lpips_distance(a, b, WEIGHTS, epsilon_inside=inside)
    np.testing.assert_allclose(ours, expected, rtol=2e-6)
    np.testing.assert_array_equal(lpips_distance(a, a, WEIGHTS, epsilon_inside=inside), 0.0)


def test_the_unlearnt_distance_is_its_formula():
    """Written as Zhang et al. 2018, equation 1, with all channels alike and the mean over taps."""
    a, b = taps(0), taps(1)
    a[0][0, 0, 0] = 0.0
    expected = np.zeros(3)
    for x, y in zip(a, b, strict=True):
        u, v = (np.float64(z) for z in (x, y))
        u, v = (z / (np.sqrt((z**2).sum(-1, keepdims=True)) + 1e-10) for z in (u, v))
        expected += ((u - v) ** 2).sum(-1).mean((1, 2)) / len(a)
    np.testing.assert_allclose(unlearnt_distance(a, b), expected, rtol=2e-6)
    np.testing.assert_array_equal(unlearnt_distance(a, a), 0.0)
    longer = [3.0 * tap for tap in b]
    np.testing.assert_allclose(unlearnt_distance(a, longer), expected, rtol=2e-6)


def test_only_the_inner_epsilon_has_a_gradient_at_zero():
    a, b = taps(0), taps(1)
    a[0][0, 0, 0] = 0.0

    def loss(first, inside):
        return lpips_distance([first, a[1]], b, WEIGHTS, epsilon_inside=inside).sum()

    assert np.isfinite(jax.grad(loss)(a[0], True)).all()
    assert np.isnan(jax.grad(loss)(a[0], False)).any()


def test_taps_and_weights_must_match():
    with pytest.raises(UsageError, match="2 and 1 taps with 2 linear weights"):
        lpips_distance(taps(0), taps(1)[:1], WEIGHTS, epsilon_inside=True)


def latents(seed, count=50, size=8):
    return jax.random.normal(jax.random.key(seed), (count, size))


def test_lerp():
    a, b = latents(0), latents(1)
    np.testing.assert_array_equal(lerp(a, b, 0.0), a)
    np.testing.assert_allclose(lerp(a, b, 0.25), 0.75 * a + 0.25 * b, rtol=1e-5, atol=1e-6)


def test_slerp_divides_the_angle_on_the_sphere():
    a, b = latents(0), latents(1)
    unit_a, unit_b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    t = jax.random.uniform(jax.random.key(2), (50, 1))
    between = slerp(a, b, t)
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), 1.0, rtol=1e-5)
    whole = np.arccos(np.sum(unit_a * unit_b, axis=1))
    np.testing.assert_allclose(
        np.arccos(np.sum(unit_a * between, axis=1)), t[:, 0] * whole, rtol=1e-2
    )
    # In the plane of both: a sine-weighted sum of them.
    sine = np.sin(whole)[:, None]
    plane = np.sin((1 - t) * whole[:, None]) * unit_a + np.sin(t * whole[:, None]) * unit_b
    np.testing.assert_allclose(between, plane / sine, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slerp(a, b, 1.0), unit_b, atol=1e-5)


def test_slerp_of_parallel_and_zero_vectors_is_finite():
    a = jnp.array([[1.0, 2.0, 2.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    b = jnp.array([[2.0, 4.0, 4.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert np.isfinite(slerp(a, b, 0.5)).all()
    np.testing.assert_allclose(slerp(a, b, 0.5)[0], [1 / 3, 2 / 3, 2 / 3], rtol=1e-3)


def test_path_length_leaves_the_tails_out_and_keeps_the_bounds():
    distances = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0)) * 1e-8
    # Of 1000 sorted values, index 9.99 down and 989.01 up: 9 … 990, the values 10 … 991.
    assert perceptual_path_length(distances, epsilon=1e-4) == pytest.approx(np.mean([10, 991]))
    everything = perceptual_path_length(distances, epsilon=1e-4, lower=0.0, upper=100.0)
    assert everything == pytest.approx(500.5)


@pytest.mark.parametrize("distances", [[], [np.nan, 1.0], [[1.0]]])
def test_bad_distances(distances):
    with pytest.raises(DataError, match="path length"):
        perceptual_path_length(distances, epsilon=1e-4)

"""Distances against densely sampled outlines and closed forms."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from gan_jax.data.avatars import distance
from gan_jax.data.avatars.layers import band, fill


def _points(count: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, count)).astype(np.float32)
    return x, y


def _nearest(x, y, outline: np.ndarray) -> np.ndarray:
    return np.sqrt(((np.stack([x, y], 1)[:, None] - outline[None]) ** 2).sum(-1)).min(1)


def test_ellipse_is_exact_to_first_order_at_its_edge():
    x, y = _points()
    angle = np.linspace(0, 2 * np.pi, 4000)
    truth = _nearest(x, y, np.stack([0.6 * np.cos(angle), 0.4 * np.sin(angle)], 1))
    truth = np.where((x / 0.6) ** 2 + (y / 0.4) ** 2 < 1, -truth, truth)
    near = np.abs(truth) < 0.03
    found = np.asarray(distance.ellipse(x, y, 0.6, 0.4))
    assert near.sum() > 50
    np.testing.assert_allclose(found[near], truth[near], atol=0.003)
    assert (np.sign(found) == np.sign(truth))[np.abs(truth) > 0.003].all()


def test_box_and_segment_are_euclidean():
    x, y = _points()
    dx, dy = np.maximum(np.abs(x) - 0.5, 0), np.maximum(np.abs(y) - 0.3, 0)
    outside = np.hypot(dx, dy)
    found = np.asarray(distance.box(x, y, 0.5, 0.3))
    np.testing.assert_allclose(found[outside > 0], outside[outside > 0], atol=1e-6)
    assert (found[outside == 0] <= 0).all()
    line = np.linspace([-0.4, -0.2], [0.5, 0.3], 3000)
    found = distance.segment(x, y, -0.4, -0.2, 0.5, 0.3, 0.1)
    np.testing.assert_allclose(found, _nearest(x, y, line) - 0.1, atol=1e-3)


def test_slope_is_negative_on_its_inner_side():
    x, y = jnp.array([0.0, 0.0]), jnp.array([-1.0, 1.0])
    np.testing.assert_allclose(distance.slope(x, y, 1.0, 0.0, -1.0, 0.0), [-1.0, 1.0])


def test_smooth_union_joins_and_never_shrinks():
    a, b = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float32)
    joined = np.asarray(distance.smooth_union(a, b, 0.3))
    assert (joined <= np.minimum(a, b) + 1e-6).all()
    apart = np.abs(a - b) >= 0.3
    np.testing.assert_allclose(joined[apart], np.minimum(a, b)[apart], atol=1e-6)
    both = np.asarray(distance.smooth_intersection(a, b, 0.3))
    assert (both >= np.maximum(a, b) - 1e-6).all()


def test_coverage_is_the_share_of_a_pixel():
    offsets = jnp.linspace(-0.05, 0.05, 11)
    np.testing.assert_allclose(fill(offsets, 0.1), 0.5 - 10 * offsets, atol=1e-6)
    thin = band(jnp.linspace(-1, 1, 4001), 0.004, 0.1)  # a line far below one pixel
    assert float(thin.max()) <= 0.0801
    np.testing.assert_allclose(float(thin.mean()) * 2, 0.008, rtol=1e-2)

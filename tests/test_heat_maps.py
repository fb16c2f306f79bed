"""Landmarks drawn: Gaussians and lines against NumPy, pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.heat_maps import heat_maps, outlines

POINTS = np.array([[[0.25, 0.5], [0.75, 0.5], [0.6, 0.1]]], np.float32)


def test_a_gaussian_stands_at_its_point():
    maps = np.asarray(heat_maps(jnp.asarray(POINTS), 16, 1.5))
    assert maps.shape == (1, 16, 16, 3)
    for y in range(16):
        for x in range(16):
            for index, (px, py) in enumerate(POINTS[0]):
                square = (x + 0.5 - 16 * px) ** 2 + (y + 0.5 - 16 * py) ** 2
                expected = 2 * np.exp(-square / (2 * 1.5**2)) - 1
                np.testing.assert_allclose(maps[0, y, x, index], expected, atol=1e-5)


def distance(x, y, a, b):
    p, a, b = np.array([x, y]), np.array(a), np.array(b)
    along = b - a
    share = np.clip((p - a) @ along / max(along @ along, 1e-6), 0, 1)
    return np.linalg.norm(p - a - share * along)


def test_lines_are_as_wide_as_they_should_be():
    size, width = 16, 2.0
    found = np.asarray(outlines(jnp.asarray(POINTS), [(0, 1), (2,)], size, width))
    assert found.shape == (1, size, size, 1)
    a, b, dot = size * POINTS[0]
    for y in range(size):
        for x in range(size):
            nearest = min(distance(x + 0.5, y + 0.5, a, b), distance(x + 0.5, y + 0.5, dot, dot))
            expected = 2 * np.clip(width / 2 + 0.5 - nearest, 0, 1) - 1
            np.testing.assert_allclose(found[0, y, x, 0], expected, atol=1e-3)
    # A level line through pixels' borders covers as many rows as it is wide.
    np.testing.assert_allclose((found[0, :, 6, 0] + 1).sum() / 2, width, atol=1e-3)


def test_gradients_are_finite_on_the_line():
    for draw in (
        lambda points: outlines(points, [(0, 1), (2,)], 8, 1.0),
        lambda points: heat_maps(points, 8, 1.0),
    ):
        on_a_pixel = jnp.full((1, 3, 2), 4.5 / 8)
        gradient = jax.grad(lambda points, draw=draw: jnp.sum(draw(points) ** 2))(on_a_pixel)
        assert np.isfinite(gradient).all()

"""Edges of pictures whose gradient is known."""

import numpy as np

from gan_jax.ops.edges import CONTRAST, edges


def expected(gradient):
    return 1 - 2 * np.exp(-((gradient / (CONTRAST / 2)) ** 2))


def test_nothing_changes_nowhere():
    np.testing.assert_array_equal(edges(np.full((2, 5, 6, 3), 0.3, np.float32)), -1.0)


def test_a_step_makes_a_line_of_two_pixels():
    images = np.zeros((1, 6, 8, 3), np.float32)
    images[:, :, 4:] = 0.2
    found = np.asarray(edges(images))[0, :, :, 0]
    line = expected(0.1 * np.sqrt(3))
    np.testing.assert_allclose(
        found, np.tile([-1, -1, -1, line, line, -1, -1, -1], (6, 1)), rtol=1e-5
    )
    turned = np.asarray(edges(images.swapaxes(1, 2)))[0, :, :, 0]
    np.testing.assert_allclose(turned, found.T, rtol=1e-6)


def test_a_ramp_is_the_same_everywhere_but_at_the_border():
    ramp = np.linspace(-1, 1, 9, dtype=np.float32)[None, :, None, None]
    found = np.asarray(edges(np.broadcast_to(ramp, (1, 9, 4, 1))))[0, :, :, 0]
    np.testing.assert_allclose(found[1:-1], expected(0.25), rtol=1e-5)
    np.testing.assert_allclose(found[[0, -1]], expected(0.125), rtol=1e-5)

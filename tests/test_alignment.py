"""Similarities are found again; what is no anchor moves along."""

import jax.numpy as jnp
import numpy as np

from gan_jax.alignment import aligned


def turned(points, angle, scale, shift):
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(shift)


def test_a_similarity_is_found_again():
    points = np.random.default_rng(0).random((2, 6, 2))
    onto = np.stack([turned(points[0], 0.4, 1.7, (3, -1)), turned(points[1], -2, 0.3, (0, 5))])
    found = aligned(jnp.asarray(points), jnp.asarray(onto), (0, 2, 3, 5))
    np.testing.assert_allclose(found, onto, atol=1e-5)


def test_only_anchors_decide():
    points = np.random.default_rng(1).random((1, 5, 2))
    onto = turned(points, 0.2, 2.0, (1, 1))
    other = onto.copy()
    other[:, 4] += 10
    found = aligned(jnp.asarray(points), jnp.asarray(other), (0, 1, 2, 3))
    np.testing.assert_allclose(found, onto, atol=1e-5)


def test_it_is_the_least_squares_one():
    random = np.random.default_rng(2)
    points, onto = random.random((2, 1, 8, 2))
    anchors = tuple(range(8))
    rows = [((x, -y, 1, 0), (y, x, 0, 1)) for x, y in points[0]]
    solution = np.linalg.lstsq(np.reshape(rows, (16, 4)), onto.reshape(16), rcond=None)[0]
    expected = np.reshape(rows, (16, 4)) @ solution
    found = aligned(jnp.asarray(points), jnp.asarray(onto), anchors)
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-5)


def test_anchors_that_coincide_only_shift():
    points = jnp.ones((1, 3, 2))
    np.testing.assert_allclose(aligned(points, points + 2, (0, 1, 2)), points + 2)

"""Ways between keyframes: positions, great circles, splines, rings."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from gan_jax.latents.paths import (
    along_way,
    cubic,
    great_circle,
    positions,
    straight,
    stretches,
)


def keyframes(count=4, size=9, seed=0):
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


def test_positions_of_a_film_and_of_a_sheet():
    np.testing.assert_allclose(positions(3, 4, False), np.arange(9) / 4)
    np.testing.assert_allclose(positions(3, 4, True), np.arange(12) / 4)  # the first comes anew
    np.testing.assert_allclose(stretches(3, 3, False), [[0, 0.5, 1], [1, 1.5, 2]])
    np.testing.assert_allclose(stretches(2, 3, True), [[0, 0.5, 1], [1, 1.5, 2]])


def test_a_great_circle_turns_evenly_and_lengths_go_straight():
    a = np.zeros((2, 5), np.float32)
    a[0, 0], a[1, 1] = 3.0, 5.0  # a quarter turn, from length 3 to 5
    at = np.linspace(0, 1, 7)
    way = great_circle(a, at, False)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 3 + 2 * at, rtol=1e-6)
    angles = np.arctan2(way[:, 1], way[:, 0])
    np.testing.assert_allclose(angles, at * np.pi / 2, atol=1e-6)
    assert np.abs(way[:, 2:]).max() < 1e-6


def test_a_great_circle_does_not_care_for_the_axes():
    points, turn = keyframes(2), ortho_group.rvs(9, random_state=1).astype(np.float32)
    at = np.linspace(0, 1, 5)
    turned = great_circle(points @ turn, at, False)
    np.testing.assert_allclose(turned, great_circle(points, at, False) @ turn, atol=1e-5)


@pytest.mark.parametrize("way", [great_circle, straight, cubic])
@pytest.mark.parametrize("loop", [False, True])
def test_every_way_passes_through_its_keyframes(way, loop):
    points = keyframes()
    np.testing.assert_allclose(way(points, np.arange(4.0), loop), points, atol=1e-5)
    if loop:  # between the last and the first, and then the first again
        near = way(points, np.array([3.999, 4.0]), True)
        np.testing.assert_allclose(near[1], points[0], atol=1e-5)
        assert np.abs(near[0] - points[0]).max() < 0.02


def test_straight_lines():
    points, at = keyframes(3), np.array([0.25, 1.5])
    expected = [0.75 * points[0] + 0.25 * points[1], 0.5 * points[1] + 0.5 * points[2]]
    np.testing.assert_allclose(straight(points, at, False), expected, atol=1e-6)


def test_a_spline_does_not_turn_at_its_keyframes_nor_at_its_seam():
    """The slope before a keyframe is that after it; of straight lines it is not."""
    points, step = keyframes(), 1e-2

    def bend(way, at):
        before, here, after = way(points, np.array([at - step, at, at + step]) % 4, True)
        return np.abs(before - 2 * here + after).max() / step

    for at in (0.0, 1.0, 2.0, 3.0):
        assert bend(cubic, at) < 0.3 < 0.9 < bend(straight, at)


def test_styles_of_several_layers_go_alike():
    points = keyframes(3, 8).reshape(3, 2, 4)
    at = np.array([0.3, 1.9])
    np.testing.assert_allclose(
        straight(points, at, False), straight(points.reshape(3, 8), at, False).reshape(2, 2, 4)
    )


def test_whole_numbers_stay_those_of_the_keyframe_before():
    tree = {"z": keyframes(3), "choice": np.array([[4], [5], [6]], np.int32)}
    way = along_way(great_circle, tree, np.array([0.0, 0.9, 1.0, 2.0, 2.5]), True)
    assert way["choice"].tolist() == [[4], [4], [5], [6], [6]]
    assert way["choice"].dtype == np.int32 and way["z"].dtype == np.float32

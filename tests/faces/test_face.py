"""Frames of faces, and what is cut out by them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.landmarks import LANDMARKS, landmarks
from gan_jax.data.avatars.sampling import sample_avatar
from gan_jax.faces.face import (
    ANCHORS,
    CANONICAL,
    Face,
    face_of_landmarks,
    frame_of,
    moved,
    similarity,
)
from gan_jax.faces.warp import as_rgb, bilinear, cut_out


def turn(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


def test_canonical_is_alike_on_both_sides():
    assert CANONICAL.shape == (len(LANDMARKS), 2)
    other = [
        n.replace("Right", "-").replace("Left", "Right").replace("-", "Left") for n in LANDMARKS
    ]
    mirrored = CANONICAL[[LANDMARKS.index(name) for name in other]]
    np.testing.assert_allclose(mirrored * [-1, 1] + [1, 0], CANONICAL, atol=1e-9)


def test_canonical_is_the_mean_of_the_avatars():
    draw = jax.jit(jax.vmap(lambda index: landmarks(sample_avatar(3, 0, index).parameters)))
    points = np.asarray(draw(jnp.arange(256)))
    assert np.abs(points.mean(axis=0) - CANONICAL).max() < 0.01


@pytest.mark.parametrize("known", [(1, 0, 0, 0), (130, 17, 40, 90), (0.2, -160, -3, 5)])
def test_similarity_is_recovered(known):
    matrix = turn(*known)
    found = similarity(CANONICAL, moved(matrix, CANONICAL))
    np.testing.assert_allclose(found, matrix, rtol=1e-12, atol=1e-12)


def test_similarity_is_the_closest():
    """Nothing near it has a smaller squared error, and it is never a mirror image."""
    random = np.random.default_rng(0)
    target = moved(turn(3, 40, 1, 2), CANONICAL * [-1, 1]) + random.normal(0, 0.1, CANONICAL.shape)
    found = similarity(CANONICAL, target)
    assert np.linalg.det(found[:, :2]) > 0

    def error(matrix):
        return np.sum((moved(matrix, CANONICAL) - target) ** 2)

    for change in (
        turn(1e-3, 0, 0, 0),
        turn(1e-3, 90, 0, 0),
        turn(0, 0, 1e-3, 0),
        turn(0, 0, 0, 1e-3),
    ):
        assert error(found) < min(error(found + change), error(found - change))


def test_frame_of_landmarks():
    matrix = turn(200, -12, 31, 57)
    face = face_of_landmarks("drawing", moved(matrix, CANONICAL), 0.9)
    np.testing.assert_allclose(frame_of(face), matrix, rtol=1e-9)
    assert face.box == (*face.landmarks.min(axis=0), *face.landmarks.max(axis=0))
    face.landmarks[[i for i in range(34) if i not in ANCHORS]] += 50  # a mouth that opens
    np.testing.assert_allclose(frame_of(face), matrix, rtol=1e-9)


def test_frame_of_a_box():
    frame = frame_of(Face("photograph", (100.0, 50.0, 158.0, 108.0)))
    np.testing.assert_allclose(frame, [[100, 0, 79], [0, 100, 19]], rtol=1e-9)


def ramp(height=60, width=80):
    """Colours that are linear in x and y, so that interpolation is exact."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y, x + y], axis=-1).astype(np.float64)


def test_bilinear_is_exact_on_a_ramp_and_background_outside():
    random = np.random.default_rng(0)
    at = random.uniform(0, 59, (50, 2))
    x, y = (at + 0.5).T
    wanted = np.stack([x, y, x + y], axis=-1)
    np.testing.assert_allclose(bilinear(ramp(), at, (0, 0, 0)), wanted, rtol=1e-12)
    outside = np.array([(-5, 3), (3, -1), (80, 3), (3, 60), (900, -900)])
    np.testing.assert_array_equal(bilinear(ramp(), outside, (1, 2, 3)), [(1, 2, 3)] * 5)
    edge = bilinear(np.full((4, 4, 3), 100.0), np.array([-0.25, 2.0]), (0, 0, 0))
    np.testing.assert_allclose(edge, 75.0)


def test_cut_out_takes_pixels_as_they_are():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    frame = np.array([[16.0, 0, 5], [0, 16, 9]])
    np.testing.assert_array_equal(cut_out(image, frame, 16), image[9:25, 5:21])


def test_cut_out_turns_a_quarter():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    frame = np.array([[0.0, -20, 20], [20, 0, 0]])
    np.testing.assert_array_equal(cut_out(image, frame, 20), np.rot90(image))


def test_cut_out_fills_what_is_not_there():
    image = np.full((10, 10, 3), 50, np.uint8)
    found = cut_out(image, np.array([[30.0, 0, -10], [0, 30, -10]]), 30, (1, 2, 3))
    np.testing.assert_array_equal(found[10:20, 10:20], 50)
    assert (found[:9, :9] == (1, 2, 3)).all() and (found[21:] == (1, 2, 3)).all()
    nowhere = cut_out(image, np.array([[30.0, 0, 500], [0, 30, -700]]), 8, (1, 2, 3))
    assert (nowhere == (1, 2, 3)).all()


def test_cut_out_shrinks_without_leaving_pixels_out():
    image = np.zeros((400, 400, 3), np.uint8)
    image[::10] = 250  # rows that sampling alone would all miss
    found = cut_out(image, np.array([[320.0, 0, 40], [0, 320, 40]]), 32)
    assert np.abs(found.astype(int) - 25).max() <= 3


def test_as_rgb():
    grey = np.full((2, 2, 1), 7, np.uint8)
    assert (as_rgb(grey) == 7).all() and as_rgb(grey).shape == (2, 2, 3)
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (as_rgb(clear, (9, 8, 7)) == (9, 8, 7)).all()

"""Drawn faces are found with the package's weights, and nothing where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from gan_jax.faces.detection import cut_face
from gan_jax.faces.drawing import drawing_detector, largest_in_windows
from gan_jax.faces.face import CANONICAL
from tests.faces.scenes import error, scene

SCENES = [
    (0, 256, 0, (128, 128), (256, 256)),  # the whole picture
    (1, 200, 15, (300, 150), (320, 480)),
    (2, 120, -18, (90, 400), (512, 300)),
    (3, 90, 8, (420, 330), (512, 512)),
    (0, 300, -10, (200, 110), (256, 400)),  # larger than the picture is high
]


@pytest.fixture(scope="module")
def detect():
    return drawing_detector()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SCENES, ids=lambda scene: f"{scene[1]}px")
def test_found(detect, arguments):
    picture, truth = scene(*arguments)
    face = detect(picture)
    assert face is not None and face.detector == "drawing"
    assert face.confidence > 0.6
    assert error(face.landmarks, truth) < 0.07
    left, top, right, bottom = face.box
    assert left < truth[:, 0].mean() < right and top < truth[:, 1].mean() < bottom


def test_cut_out_as_avatars_are_drawn(detect):
    """Turned, small and at the edge of the picture, and then found where the avatars' are."""
    picture, _ = scene(*SCENES[1])
    cut, _ = cut_face((detect, ""), picture, "a.png", 128)
    assert cut.shape == (128, 128, 3)
    again = detect(cut)
    assert again is not None
    np.testing.assert_allclose(again.landmarks / 128, CANONICAL, atol=0.07)
    assert np.abs((again.landmarks / 128 - CANONICAL).mean(axis=0)).max() < 0.025


def test_nothing_in_noise_and_digits(detect):
    random = np.random.default_rng(0)
    digits = load_digits().images[:9].reshape(3, 3, 8, 8).swapaxes(1, 2).reshape(24, 24)
    digits = np.kron(digits * 15, np.ones((16, 16)))[..., None].repeat(3, axis=-1)
    pictures = [
        random.integers(0, 256, (256, 300, 3)),
        random.integers(0, 256, (16, 20, 3)).repeat(24, axis=0).repeat(24, axis=1),
        digits,
        np.full((300, 200, 3), 255),
        np.zeros((1, 700, 3)),
    ]
    for picture in pictures:
        assert detect(picture.astype(np.uint8)) is None


def test_largest_in_windows():
    maps = np.random.default_rng(0).normal(size=(2, 20, 24, 3)).astype(np.float32)
    found = jax.jit(largest_in_windows)(jnp.asarray(maps))
    wanted = [[maps[:, y : y + 16, x : x + 16].max(axis=(1, 2)) for x in (0, 4, 8)] for y in (0, 4)]
    np.testing.assert_array_equal(found, np.moveaxis(np.array(wanted), 2, 0))

"""The colour matrix against hand products, and what each transform keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment.ada.color import ColorDraw, color_matrix, recolor
from gan_jax.errors import UsageError

V = np.asarray([1.0, 1, 1, 0])[:, None] / np.sqrt(3)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def matrix(**values):
    zero = jnp.zeros(1)
    draw = ColorDraw(*(zero + values.get(name, 0.0) for name in ColorDraw._fields))
    return np.asarray(color_matrix(draw)[0])


def translate(b):
    return np.eye(4) + b * np.outer([1, 1, 1, 0], [0, 0, 0, 1])


def rotate(angle):
    """By the axis-angle formula, entry by entry."""
    x = 1 / np.sqrt(3)
    c, s, k = np.cos(angle), np.sin(angle), (1 - np.cos(angle)) / 3
    return np.asarray(
        [
            [k + c, k - x * s, k + x * s, 0],
            [k + x * s, k + c, k - x * s, 0],
            [k - x * s, k + x * s, k + c, 0],
            [0, 0, 0, 1],
        ]
    )


def by_hand(brightness=0.0, contrast=0.0, flipped=0.0, hue=0.0, saturation=0.0, factor=2.0):
    c, s = 2.0**contrast, 2.0**saturation
    return (
        (V @ V.T + (np.eye(4) - V @ V.T) @ np.diag([s, s, s, 1]))
        @ rotate(hue)
        @ (np.eye(4) - factor * V @ V.T * flipped)
        @ np.diag([c, c, c, 1])
        @ translate(brightness)
    )


CASES = [
    {},
    {"brightness": 0.3},
    {"contrast": -0.7},
    {"flipped": 1.0},
    {"hue": 1.2},
    {"saturation": 1.3},
    {"brightness": -0.2, "contrast": 0.4, "flipped": 1.0, "hue": -2.0, "saturation": -0.6},
]


@pytest.mark.parametrize("values", CASES, ids=lambda values: "+".join(values) or "neutral")
def test_matrix_by_hand(values):
    np.testing.assert_allclose(matrix(**values), by_hand(**values), atol=1e-12)


def test_mutations_are_noticed():
    values = CASES[-1]
    right = matrix(**values)
    for wrong in (
        by_hand(**values, factor=1.0),
        by_hand(**(values | {"hue": 2.0})),
        by_hand(**(values | {"contrast": 0.4 * np.log(2)})),  # e for 2
        translate(-0.2) @ matrix(**(values | {"brightness": 0.0})),  # brightness last
    ):
        assert np.abs(wrong - right).max() > 0.02


def test_hue_and_saturation_keep_luma_and_grey():
    color = np.asarray([0.7, -0.2, 0.1, 1.0])
    for values in ({"hue": 1.2}, {"saturation": 1.3}):
        np.testing.assert_allclose((matrix(**values) @ color)[:3].sum(), color[:3].sum())
        np.testing.assert_allclose(matrix(**values) @ [0.4, 0.4, 0.4, 1], [0.4, 0.4, 0.4, 1])
    np.testing.assert_allclose(matrix(hue=2 * np.pi / 3) @ color, color[[2, 0, 1, 3]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(matrix(hue=1.2) @ color), np.linalg.norm(color))


def test_luma_flip_negates_grey_and_keeps_chroma():
    flip = matrix(flipped=1.0)
    np.testing.assert_allclose(flip @ [0.5, 0.5, 0.5, 1], [-0.5, -0.5, -0.5, 1])
    np.testing.assert_allclose(flip @ [0.5, -0.5, 0, 1], [0.5, -0.5, 0, 1], atol=1e-15)


@pytest.mark.slow
def test_applied_to_pictures_of_1_3_and_4_channels():
    images = jax.random.uniform(jax.random.key(0), (2, 3, 5, 4), jnp.float64, -1, 1)
    matrices = jnp.stack([matrix(**CASES[-1]), matrix(contrast=0.5, brightness=0.1)])
    rgb = recolor(images[..., :3], matrices)
    for picture, result, each in zip(images, rgb, matrices, strict=True):
        flat = np.concatenate([picture[..., :3].reshape(-1, 3), np.ones((15, 1))], axis=1)
        np.testing.assert_allclose((flat @ each.T)[:, :3], result.reshape(-1, 3), atol=1e-12)
    rgba = recolor(images, matrices)
    np.testing.assert_array_equal(rgba, jnp.concatenate([rgb, images[..., 3:]], axis=-1))
    grey = recolor(images[..., :1], matrices)
    mean = recolor(jnp.repeat(images[..., :1], 3, axis=-1), matrices).mean(-1, keepdims=True)
    np.testing.assert_allclose(grey, mean, atol=1e-12)
    with pytest.raises(UsageError, match="not 5"):
        recolor(jnp.zeros((2, 3, 5, 5)), matrices)

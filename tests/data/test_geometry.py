"""Crop, resize, channels and compositing against written formulas."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.geometry import Geometry, centre_square, composite, fit, fit_all, is_smaller
from gan_jax.errors import UsageError

NOISE = np.random.default_rng(0).integers(0, 256, (37, 53, 4), np.uint8)


def geometry(**changes) -> Geometry:
    return Geometry(**({"size": 16, "channels": 3} | changes))


@pytest.mark.parametrize("stored", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [1, 8, 37, 100])
@pytest.mark.parametrize("crop", ["centre", "none"])
def test_any_picture_reaches_the_asked_shape(stored, channels, size, crop):
    out = fit(NOISE[..., :stored], geometry(size=size, channels=channels, crop=crop))
    assert out.shape == (size, size, channels) and out.dtype == np.uint8


def test_the_crop_is_the_middle_square():
    assert centre_square(NOISE).shape == (37, 37, 4)
    np.testing.assert_array_equal(centre_square(NOISE), NOISE[:, 8:45])
    tall = NOISE.swapaxes(0, 1)
    np.testing.assert_array_equal(centre_square(tall), tall[8:45])


def test_without_a_crop_all_of_the_picture_is_used():
    halves = np.zeros((20, 40, 1), np.uint8)
    halves[:, :5] = 255  # outside of the middle square
    assert fit(halves, geometry(channels=1, crop="none"))[:, 0].min() > 200
    assert fit(halves, geometry(channels=1, crop="centre")).max() == 0


def test_a_picture_that_fits_is_not_touched():
    square = NOISE[:16, :16, :3]
    np.testing.assert_array_equal(fit(square, geometry()), square)


def test_shrinking_is_antialiased():
    """A fine chequer becomes its mean; picking pixels would leave black or white."""
    chequer = (np.indices((96, 96)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    out = fit(chequer, geometry(channels=1))
    assert np.abs(out.astype(float) - 127.5).max() < 4


def test_shrinking_matches_pillow_and_enlarging_keeps_flat_colours():
    expected = Image.fromarray(NOISE[:, 8:45, :3]).resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(fit(NOISE[..., :3], geometry()), np.asarray(expected))
    flat = np.full((3, 3, 3), (7, 99, 200), np.uint8)
    np.testing.assert_array_equal(fit(flat, geometry()), np.broadcast_to(flat[0, 0], (16, 16, 3)))


def test_smaller_in_either_direction():
    assert is_smaller(NOISE, geometry(size=38)) and not is_smaller(NOISE, geometry(size=37))
    assert is_smaller(np.zeros((100, 10, 1), np.uint8), geometry())


def test_compositing_is_the_over_formula():
    background = (10, 200, 30)
    alpha = NOISE[..., 3:] / 255
    expected = alpha * NOISE[..., :3] + (1 - alpha) * np.array(background)
    out = composite(NOISE, background)
    np.testing.assert_array_equal(out, np.rint(expected))
    grey = composite(NOISE[..., 2:], background)
    np.testing.assert_array_equal(grey, composite(NOISE[..., [2, 2, 2, 3]], background))


@pytest.mark.parametrize("background", [0, 1, 127, 254, 255])
def test_compositing_rounds_every_alpha_and_colour_to_nearest(background):
    alpha, colour = np.meshgrid(np.arange(256), np.arange(256))
    image = np.stack([colour, alpha], axis=-1).astype(np.uint8)
    expected = (2 * (alpha * colour + (255 - alpha) * background) + 255) // 510  # v / 255 + 1/2
    out = composite(image, (background,) * 3)
    np.testing.assert_array_equal(out, np.repeat(expected[..., None], 3, axis=-1))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("stored", [(1, 1), (2, 2), (3, 3), (4, 4), (1, 3), (3, 4), (2, 4)])
def test_a_batch_is_fitted_as_its_pictures_are(stored, channels):
    random = np.random.default_rng(7)
    images = [random.integers(0, 256, (6 + 2 * i, 6, c), np.uint8) for i, c in enumerate(stored)]
    geometry = Geometry(size=6, channels=channels, background=(0, 130, 255))
    batch = fit_all(images, geometry)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, [fit(image, geometry) for image in images])


def test_resizing_premultiplies_so_hidden_colour_does_not_bleed():
    """Reference in floats: resize c·a and a, lay over white. Not premultiplied is far off."""
    image = np.zeros((64, 64, 4), np.uint8)
    image[...] = (0, 255, 0, 0)  # green, but wholly transparent
    image[16:48, 16:48] = (200, 40, 60, 255)
    image[8:16, 8:56] = (90, 90, 250, 77)
    out = fit(image, geometry(size=20)).astype(float)
    alpha = image[..., 3] / 255

    def shrink(plane: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(plane.astype(np.float32))
        return np.asarray(picture.resize((20, 20), Image.Resampling.LANCZOS))

    small = np.clip(shrink(alpha), 0, 1)
    bleeding = 0.0
    for channel in range(3):
        premultiplied = np.clip(shrink(image[..., channel] * alpha), 0, 255 * small)
        expected = premultiplied + (1 - small) * 255
        assert np.abs(out[..., channel] - expected).max() <= 4  # Pillow rounds and clips twice
        straight = small * shrink(image[..., channel]) + (1 - small) * 255
        bleeding = max(bleeding, np.abs(straight - expected).max())
    assert bleeding > 20


def test_rgba_keeps_alpha_and_forgets_colour_under_none():
    square = NOISE[:16, :16].copy()
    square[:4, :, 3] = 0
    out = fit(square, geometry(channels=4))
    np.testing.assert_array_equal(out[4:], np.where(square[4:, :, 3:] > 0, square[4:], 0))
    assert out[:4].max() == 0
    opaque = fit(NOISE[:16, :16, :3], geometry(channels=4))
    assert (opaque[..., 3] == 255).all()
    np.testing.assert_array_equal(opaque[..., :3], NOISE[:16, :16, :3])


def test_grey_is_the_luma_and_grey_to_colour_repeats():
    square = NOISE[:16, :16, :3]
    luma = square @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert np.abs(fit(square, geometry(channels=1))[..., 0] - luma).max() <= 0.6
    grey = NOISE[:16, :16, :1]
    np.testing.assert_array_equal(fit(grey, geometry()), grey.repeat(3, -1))
    red_ground = fit(np.zeros((16, 16, 2), np.uint8), geometry(channels=1, background=(255, 0, 0)))
    assert set(red_ground.ravel()) == {76}  # 0.299 · 255


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"channels": 2},
        {"crop": "top"},
        {"background": (0, 0)},
        {"background": (0, 0, 256)},
    ],
)
def test_a_geometry_that_makes_no_sense_is_refused(changes):
    with pytest.raises(UsageError, match=next(iter(changes))):
        geometry(**changes)

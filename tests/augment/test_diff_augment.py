"""DiffAugment against its formulas by hand, its draws' distributions, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment import diff_augment as module
from gan_jax.augment.diff_augment import ColorDraw, diff_augment
from gan_jax.errors import UsageError
from tests.formulas import assert_slip_is_seen


def pictures(channels=3, batch=4, size=(8, 12)):
    return jax.random.uniform(jax.random.key(0), (batch, *size, channels), minval=-1, maxval=1)


DRAW = np.asarray([[0.4, -0.5, 0.1, 0.0], [1.9, 0.0, 0.7, 1.0], [0.5, 1.4, 1.1, 1.0]])
"""Brightness, saturation and contrast of four pictures."""


def by_hand(image, brightness, saturation, contrast, over=(2,), about=(0, 1, 2), grey=np.mean):
    """Saturation about the mean over a pixel's channels, contrast about the whole picture's."""
    image = image + brightness
    middle = grey(image, axis=over, keepdims=True)
    image = middle + (image - middle) * saturation
    mean = image.mean(about, keepdims=True)
    return mean + (image - mean) * contrast


def luma(image, axis, keepdims):
    return (image * [0.299, 0.587, 0.114]).sum(axis, keepdims=keepdims)


def test_colours_by_hand():
    images = pictures()
    recolored = np.asarray(module.recolor(images, ColorDraw(*np.float32(DRAW))))

    def all_by_hand(*draw, **slip):
        return [by_hand(*each, **slip) for each in zip(np.float64(images), *draw, strict=True)]

    np.testing.assert_allclose(recolored, all_by_hand(*DRAW), atol=1e-6)
    np.testing.assert_allclose(recolored[3], images[3], atol=1e-6)  # the neutral draw
    for slip in (
        {"over": (0, 1, 2)},  # saturation about the picture's mean
        {"over": (0, 1)},  # about each channel's
        {"grey": np.sum},
        {"grey": luma},
        {"about": (0, 1)},  # contrast about each channel's mean
        {"about": (2,)},  # about the pixel's
    ):
        assert_slip_is_seen(recolored, all_by_hand(*DRAW, **slip))
    brightness, saturation, contrast = DRAW
    assert_slip_is_seen(recolored, all_by_hand(-brightness, saturation, contrast))
    assert_slip_is_seen(recolored, all_by_hand(0 * brightness, saturation, contrast))
    assert_slip_is_seen(recolored, all_by_hand(brightness, 1 + saturation, contrast))
    assert_slip_is_seen(recolored, all_by_hand(brightness, saturation, 1 + contrast))
    assert_slip_is_seen(recolored, all_by_hand(brightness, contrast, saturation))


def test_colours_leave_alpha_and_keep_grey_grey():
    images, draw = pictures(4), ColorDraw(*np.float32(DRAW))
    recolored = module.recolor(images, draw)
    np.testing.assert_array_equal(recolored[..., 3], images[..., 3])
    np.testing.assert_array_equal(recolored[..., :3], module.recolor(images[..., :3], draw))
    grey = module.recolor(images[..., :1], draw)
    as_rgb = module.recolor(jnp.repeat(images[..., :1], 3, axis=-1), draw)
    np.testing.assert_allclose(jnp.repeat(grey, 3, axis=-1), as_rgb, atol=1e-6)


def test_colour_draws_are_uniform():
    draw = module.draw_color(jax.random.key(0), 20_000, jnp.float32)
    for values, low, high in zip(draw, (-0.5, 0.0, 0.5), (0.5, 2.0, 1.5), strict=True):
        assert low <= values.min() < low + 0.01 and high - 0.01 < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * 20_000)


def test_shift_moves_by_pixels_and_fills_with_zeros():
    images = pictures(batch=3)
    moved = np.asarray(module.shift(images, jnp.asarray([[1, -2], [0, 0], [-1, 2]]), (1, 2)))
    expected = np.zeros_like(moved)
    expected[0, 1:, :-2] = images[0, :-1, 2:]
    expected[1] = images[1]
    expected[2, :-1, 2:] = images[2, 1:, :-2]
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("farthest", [(1, 2), (4, 4)])
def test_shifts_reach_the_farthest_both_ways_alike(farthest):
    drawn = np.asarray(module.draw_shift(jax.random.key(0), 20_000, farthest))
    for pixels, far in zip(drawn.T, farthest, strict=True):
        values, counts = np.unique(pixels, return_counts=True)
        np.testing.assert_array_equal(values, np.arange(-far, far + 1))
        expected = 20_000 / len(values)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_cutout_by_hand():
    images = pictures(batch=3)
    cut = np.asarray(module.cut_out(images, jnp.asarray([[4, 6], [0, 0], [8, 12]]), (4, 6)))
    expected = np.array(images)
    expected[0, 2:6, 3:9] = 0
    expected[1, :2, :3] = 0
    expected[2, 6:, 9:] = 0
    np.testing.assert_array_equal(cut, expected)


def test_the_hole_reaches_all_borders_alike():
    images, size, hole = jnp.ones((20_000, 8, 7, 1)), (8, 7), (4, 3)
    centre = module.draw_centre(jax.random.key(0), 20_000, size, hole)
    cut = 1 - np.asarray(module.cut_out(images, centre, hole)).mean(0)[..., 0]
    np.testing.assert_allclose(cut, cut[::-1, ::-1], atol=0.02)
    rows, columns = np.minimum(np.arange(8), np.arange(8)[::-1]) + 3, np.full(7, 3)
    rows, columns = np.minimum(rows, 4) / 9, np.where((np.arange(7) % 6) == 0, 2, columns) / 7
    np.testing.assert_allclose(cut, np.outer(rows, columns), atol=0.02)


@pytest.mark.parametrize("policies", [("color",), ("translation",), ("cutout",)])
def test_a_policy_alone(policies):
    images = pictures(batch=64, size=(16, 16))
    augmented = np.asarray(
        jax.jit(diff_augment, static_argnums=2)(images, jax.random.key(1), policies)
    )
    zeros = (augmented == 0).all(-1)
    if policies == ("cutout",):
        assert zeros.sum((1, 2)).max() == 64 and zeros.sum((1, 2)).min() >= 16
        np.testing.assert_array_equal(augmented[~zeros], np.asarray(images)[~zeros])
    if policies == ("translation",):
        assert zeros.all(2).sum(1).max() == 2 and zeros.all(1).sum(1).max() == 2
    if policies == ("color",):
        assert not zeros.any() and np.abs(augmented - images).max() > 0.5


def test_policies_in_order_and_none():
    images, key = pictures(), jax.random.key(2)
    np.testing.assert_array_equal(diff_augment(images, key, ()), images)
    moved = diff_augment(images, key, ("translation",))
    both = diff_augment(images, key, ("translation", "cutout"))
    kept = np.asarray(both) != 0
    np.testing.assert_array_equal(np.asarray(both)[kept], np.asarray(moved)[kept])


def test_unknown_policy_and_channels():
    with pytest.raises(UsageError, match="no DiffAugment policy 'colour'; the nearest is 'color'"):
        diff_augment(pictures(), jax.random.key(0), ("colour",))
    with pytest.raises(UsageError, match="1, 3 or 4 channels, not 2"):
        diff_augment(pictures(2), jax.random.key(0), ("color",))


def test_gradients_are_those_of_finite_differences():
    with jax.enable_x64(True):
        images = jnp.asarray(pictures(), jnp.float64)
        weights = jax.random.normal(jax.random.key(3), images.shape, jnp.float64)

        @jax.jit
        @jax.value_and_grad
        def value(images):
            return jnp.sum(weights * jnp.tanh(diff_augment(images, jax.random.key(1))))

        direction = jnp.cos(jnp.arange(images.size, dtype=jnp.float64)).reshape(images.shape)
        ahead, behind = (value(images + step * direction)[0] for step in (1e-5, -1e-5))
        slope = jnp.sum(value(images)[1] * direction)
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-7)

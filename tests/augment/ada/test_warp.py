"""Warps against exact cases: flips, quarter turns and whole shifts, and the geometry by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment.ada import blit, geometric, warp
from gan_jax.augment.ada.axis_filter import reflect
from gan_jax.augment.ada.blit import BlitDraw
from gan_jax.augment.ada.geometric import GeometricDraw
from gan_jax.augment.ada.homogeneous import rotation, scaling, translation

SIZE = (16, 16)
move_pixels = jax.jit(warp.move_pixels)
supersampled_warp = jax.jit(warp.warp)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def pictures(batch, size=SIZE):
    return jax.random.uniform(jax.random.key(0), (batch, *size, 3), jnp.float64, -1, 1)


def shifted(image, right, down):
    """With reflection about the border pixels' middles."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((height - 1,) * 2, (width - 1,) * 2, (0, 0)), mode="reflect")
    top, left = height - 1 - down, width - 1 - right
    return padded[top : top + height, left : left + width]


def blitted(mirrored, turns, shift, size=SIZE):
    draw = BlitDraw(
        jnp.asarray(mirrored, float), jnp.asarray(turns, float), jnp.asarray(shift, float)
    )
    return blit.inverse(draw, *size)


def test_reflected_indices():
    np.testing.assert_array_equal(
        reflect(np.arange(-7, 11), 4), [1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2][:18]
    )
    np.testing.assert_array_equal(
        reflect(np.arange(-3, 7), 4), np.pad(np.arange(4), 3, mode="reflect")
    )


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [0, 1])
def test_flips_and_quarter_turns_are_exact(mirrored, turns):
    images = pictures(1)
    moved = move_pixels(images, blitted([mirrored], [turns], [[0, 0]]))
    # The flip comes first, then the turn.
    flipped = images[0, :, ::-1] if mirrored else images[0]
    np.testing.assert_array_equal(moved[0], jnp.rot90(flipped, turns))


@pytest.mark.parametrize("move", [move_pixels, supersampled_warp])
def test_whole_shifts_are_exact(move):
    images = pictures(3, (12, 16))
    moved = move(
        images, blitted([0] * 3, [0] * 3, [[0.125, 0], [-0.06, 0.1], [0.11, -0.09]], (12, 16))
    )
    for image, result, pixels in zip(images, moved, [(2, 0), (-1, 1), (2, -1)], strict=True):
        np.testing.assert_allclose(result, shifted(image, *pixels), atol=1e-12)


def test_a_shift_over_the_whole_picture_and_beyond():
    images = pictures(2)
    inverse = translation(jnp.asarray([-15.0, 40.0]), jnp.asarray([0.0, 0.0]))
    expected = images[1][:, reflect(np.arange(16) + 40, 16)]
    for move in (move_pixels, supersampled_warp):
        moved = move(images, inverse)
        np.testing.assert_allclose(moved[0], shifted(images[0], 15, 0), atol=1e-12)
        np.testing.assert_allclose(moved[1], expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(2, 3), (7, 10)])
def test_the_identity_gives_pictures_back(size):
    images = pictures(2, size)
    unit = jnp.broadcast_to(jnp.eye(3), (2, 3, 3))
    np.testing.assert_allclose(supersampled_warp(images, unit), images, atol=1e-12)
    np.testing.assert_array_equal(move_pixels(images, unit), images)


def smooth(x, y):
    return jnp.stack([jnp.cos(0.2 * x + 0.1 * y), jnp.sin(0.15 * y), 0.02 * x], axis=-1)


def test_rotation_and_scale_of_a_smooth_picture_away_from_borders():
    size = 32
    axis = jnp.arange(size) - (size - 1) / 2
    x, y = jnp.meshgrid(axis, axis)
    inverse = rotation(jnp.asarray([0.4])) @ scaling(jnp.asarray([0.7]), jnp.asarray([0.7]))
    warped = supersampled_warp(smooth(x, y)[None], inverse)[0]
    c, s = 0.7 * np.cos(0.4), 0.7 * np.sin(0.4)
    expected = smooth(c * x - s * y, s * x + c * y)
    inside = slice(6, -6)
    # sym6's delay is a tenth of a supersampled pixel more than its largest tap's.
    np.testing.assert_allclose(warped[inside, inside], expected[inside, inside], atol=1e-2)
    mirrored = smooth(c * x + s * y, -s * x + c * y)  # the other way round is another picture
    assert jnp.abs(warped - mirrored)[inside, inside].max() > 0.3


def test_half_a_pixel_blends_as_sym6_does():
    # A unit impulse shifted by half a pixel: the filter's response between its even samples.
    images = jnp.zeros((1, 32, 32, 1)).at[0, 16, 16].set(1.0)
    inverse = translation(jnp.asarray([-0.5]), jnp.asarray([0.0]))
    moved = supersampled_warp(images, inverse)[0, 16, :, 0]
    response = 2 * np.convolve(warp.LOW_PASS, warp.LOW_PASS[::-1])  # middle tap 11 is 1
    np.testing.assert_allclose(moved[11:23], response[0::2], atol=1e-12)


def test_blit_order_by_hand():
    # out = translate(turn(mirror(in))), so in = mirror⁻¹ turn⁻¹ translate⁻¹ out.
    inverse = blitted([1], [1], [[0.125, -0.125]])[0]
    mirror, turn = np.diag([-1.0, 1, 1]), np.asarray([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    back = np.asarray([[1.0, 0, -2], [0, 1, 2], [0, 0, 1]])
    np.testing.assert_allclose(inverse, mirror @ turn @ back, atol=0)


def test_geometric_order_by_hand():
    values = 0.3, 0.5, -0.4, 1.1
    draw = GeometricDraw(*(jnp.asarray([v]) for v in values), jnp.asarray([[0.1, -0.2]]))

    def turn(angle):
        c, s = np.cos(angle), np.sin(angle)
        return np.asarray([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    scale, stretch = 2**0.3, 2**-0.4
    expected = (
        np.diag([1 / scale, 1 / scale, 1])
        @ turn(0.5)
        @ np.diag([1 / stretch, stretch, 1])
        @ turn(1.1)
        @ np.asarray([[1, 0, -0.1 * 20], [0, 1, 0.2 * 10], [0, 0, 1]])
    )
    inverse = geometric.inverse(draw, 10, 20)[0]
    np.testing.assert_allclose(inverse, expected, atol=1e-14)
    mutated = geometric.inverse(draw._replace(anisotropy=-draw.anisotropy), 10, 20)[0]
    assert np.abs(mutated - expected).max() > 0.1

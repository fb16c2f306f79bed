"""Resize matrices against their definitions; the reference tools are in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.resize import resize, resize_matrix

KINDS = ["tf1", "bilinear", "bilinear_antialias", "bicubic_antialias"]
SIZES = [(32, 299), (64, 299), (256, 299), (299, 299), (512, 299), (1024, 299), (1, 7), (7, 1)]


def images(height, width, count=2):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_rows_add_up_to_one(kind, size_in, size_out):
    matrix = resize_matrix(kind, size_in, size_out)
    assert matrix.shape == (size_out, size_in)
    np.testing.assert_allclose(matrix.sum(axis=1, dtype=np.float64), 1.0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_same_size_is_the_same_picture(kind):
    np.testing.assert_array_equal(resize_matrix(kind, 37, 37), np.eye(37))


@pytest.mark.parametrize("kind", ["bilinear", "bilinear_antialias", "bicubic_antialias"])
@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_centred_ones_are_symmetric_and_tf1_is_not(kind, size_in, size_out):
    matrix = resize_matrix(kind, size_in, size_out)
    # A filter in float32 may take in a pixel at its very rim on one side only.
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=2e-4)
    tf1 = resize_matrix("tf1", 10, 4)
    np.testing.assert_allclose(tf1[1, [2, 3]], [0.5, 0.5])
    assert np.abs(tf1[::-1, ::-1] - tf1).max() > 0.1


def test_tf1_by_its_gather():
    picture = images(96, 41)[0].astype(np.float32)
    rows = np.arange(299) * np.float32(96 / 299)
    columns = np.arange(299) * np.float32(41 / 299)
    y0, x0 = np.floor(rows).astype(int), np.floor(columns).astype(int)
    y1, x1 = np.minimum(y0 + 1, 95), np.minimum(x0 + 1, 40)
    fy, fx = (rows - y0)[:, None, None], (columns - x0)[None, :, None]
    top = picture[y0][:, x0] * (1 - fx) + picture[y0][:, x1] * fx
    bottom = picture[y1][:, x0] * (1 - fx) + picture[y1][:, x1] * fx
    expected = top * (1 - fy) + bottom * fy
    np.testing.assert_allclose(resize(picture[None], 299, "tf1")[0], expected, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 64, 256, 512, 1024])
def test_bilinear_ones_are_jax_images(side):
    picture = images(side, side, 1).astype(np.float32)
    for kind, antialias in (("bilinear", False), ("bilinear_antialias", True)):
        expected = jax.image.resize(
            picture, (1, 299, 299, 3), "bilinear", antialias=antialias, precision="highest"
        )
        # White noise: the float32 coordinates alone, not those of JAX, make this much.
        np.testing.assert_allclose(resize(picture, 299, kind), expected, atol=0.02)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 200), (512, 512), (97, 1023)])
def test_bicubic_is_pillows_of_floats(height, width):
    picture = images(height, width, 1)
    bands = [Image.fromarray(picture[0, ..., c].astype(np.float32)) for c in range(3)]
    resized = [band.resize((299, 299), Image.Resampling.BICUBIC) for band in bands]
    expected = np.clip(np.stack([np.asarray(band) for band in resized], axis=-1), 0, 255)
    ours = resize(picture, 299, "bicubic_antialias")[0]
    np.testing.assert_allclose(ours, expected, atol=2e-4)
    matrix = resize_matrix("bicubic_antialias", height, 299)
    assert matrix.min() < 0  # it overshoots, and is clipped
    assert ours.min() >= 0.0 and ours.max() <= 255.0


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_and_jax_are_one(kind):
    pictures = images(40, 56)
    on_host = resize(pictures, (30, 91), kind)
    assert isinstance(on_host, np.ndarray) and on_host.dtype == np.float32
    assert on_host.shape == (2, 30, 91, 3)
    traced = jax.jit(lambda x: resize(x, (30, 91), kind))(jnp.asarray(pictures))
    np.testing.assert_allclose(traced, on_host, atol=1e-4)
    assert resize(jnp.asarray(pictures), 8, kind).dtype == jnp.float32


def test_pictures_do_not_mix():
    pictures = images(20, 20, 3)
    one = resize(pictures[1:2], 31, "bicubic_antialias")
    np.testing.assert_allclose(resize(pictures, 31, "bicubic_antialias")[1:2], one, atol=1e-4)


def test_the_cached_matrix_cannot_be_spoilt():
    with pytest.raises(ValueError, match="read-only"):
        resize_matrix("tf1", 4, 8)[0, 0] = 3.0


def test_bad_arguments():
    with pytest.raises(UsageError, match="'lanczos'; it is one of tf1"):
        resize_matrix("lanczos", 4, 8)  # type: ignore
    with pytest.raises(DataError, match="from 4 to 0 px"):
        resize(images(4, 4), 0, "tf1")
    with pytest.raises(DataError, match=r"\[B, H, W, C\]"):
        resize(images(4, 4)[0], 8, "tf1")

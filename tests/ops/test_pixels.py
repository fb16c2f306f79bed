"""Pictures between uint8 and [-1, 1]."""

import jax.numpy as jnp
import numpy as np

from gan_jax.ops.pixels import FLIP, prepare, to_float, to_uint8

ALL = np.arange(256, dtype=np.uint8)


def test_every_value_comes_back():
    np.testing.assert_array_equal(to_uint8(to_float(jnp.asarray(ALL))), ALL)


def test_the_range_is_minus_one_to_one_in_equal_steps():
    floats = to_float(jnp.asarray(ALL))
    assert floats.dtype == jnp.float32 and floats[0] == -1.0 and floats[-1] == 1.0
    np.testing.assert_allclose(np.diff(floats), 2 / 255, rtol=1e-4)


def test_to_uint8_rounds_to_the_nearest_and_clips():
    images = jnp.array([-7.0, -1.0, 0.4 / 127.5 - 1.0, 0.6 / 127.5 - 1.0, 1.0, 1.5])
    assert to_uint8(images).tolist() == [0, 0, 0, 1, 255, 255]
    assert to_uint8(images.astype(jnp.bfloat16)).dtype == jnp.uint8


def test_prepare_makes_floats_of_pictures_alone():
    batch = {
        "image": jnp.full((2, 3, 3, 1), 255, jnp.uint8),
        "label": jnp.array([3, 4]),
        "landmarks": jnp.array([0.25, 0.5]),
    }
    prepared = prepare(batch)
    np.testing.assert_array_equal(prepared["image"], np.ones((2, 3, 3, 1), np.float32))
    for name in ("label", "landmarks"):
        np.testing.assert_array_equal(prepared[name], batch[name])
        assert prepared[name].dtype == batch[name].dtype


def test_flip_mirrors_left_and_right_where_true():
    """Of a call's leaves `[R, B, H, W, C]`."""
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    flip = np.array([[True, False, True], [False, False, True]])
    prepared = prepare({"image": jnp.asarray(image), FLIP: jnp.asarray(flip)})
    assert FLIP not in prepared
    for round_ in range(2):
        for row in range(3):
            one = image[round_, row]
            expected = np.flip(one, axis=1) if flip[round_, row] else one
            np.testing.assert_array_equal(to_uint8(prepared["image"][round_, row]), expected)

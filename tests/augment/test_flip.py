"""Pictures are mirrored or not, with the given probability."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.augment.flip import flip


def test_mirrors_left_to_right_with_the_probability():
    images = jnp.broadcast_to(jnp.arange(6.0).reshape(1, 1, 3, 2), (4000, 2, 3, 2))
    flipped = np.asarray(flip(images, jax.random.key(0), 0.3))
    mirrored = flipped[:, 0, 0, 0] == 4
    np.testing.assert_array_equal(flipped[mirrored], images[mirrored][:, :, ::-1])
    np.testing.assert_array_equal(flipped[~mirrored], images[~mirrored])
    assert abs(mirrored.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)


def test_never_and_always():
    images = jax.random.normal(jax.random.key(0), (5, 4, 3, 1))
    np.testing.assert_array_equal(flip(images, jax.random.key(1), 0.0), images)
    np.testing.assert_array_equal(flip(images, jax.random.key(1), 1.0), images[:, :, ::-1])

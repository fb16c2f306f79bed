"""Noise of the drawn strength, and cutout by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.augment.ada.corruption import CutoutDraw, add_noise, cut_out


def test_noise_has_each_pictures_strength_and_spares_alpha():
    images = jax.random.uniform(jax.random.key(0), (3, 64, 64, 4), minval=-1, maxval=1)
    noisy = add_noise(images, jax.random.key(1), jnp.asarray([0.0, 0.1, 0.3]))
    difference = np.asarray(noisy - images)
    np.testing.assert_array_equal(difference[0], 0)
    np.testing.assert_array_equal(difference[..., 3], 0)
    np.testing.assert_allclose(difference[1:, ..., :3].std((1, 2, 3)), [0.1, 0.3], rtol=0.03)
    assert np.abs(difference[1:, ..., :3].mean((1, 2, 3))).max() < 0.01
    # Each channel by itself.
    assert (
        abs(np.corrcoef(difference[2, ..., 0].ravel(), difference[2, ..., 1].ravel())[0, 1]) < 0.1
    )


def test_cutout_by_hand():
    images = jnp.ones((4, 8, 16, 4))
    centre = jnp.asarray([[0.5, 0.5], [0.0, 1.0], [0.5, 0.5], [0.3, 0.3]])
    draw = CutoutDraw(jnp.asarray([1.0, 1.0, 0.0, 1.0]), centre)
    expected = np.ones((4, 8, 16, 4))
    expected[0, 2:6, 4:12] = 0
    expected[1, :2, 12:] = 0
    expected[3, 0:4, 1:9] = 0  # middles of pixels in 0.05 … 0.55
    np.testing.assert_array_equal(cut_out(images, draw, 0.5), expected)
    assert not np.array_equal(cut_out(images, draw, 0.6), expected)

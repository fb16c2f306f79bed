"""How far who somebody is has moved, against its formula."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.recipe import Nets
from gan_jax.recipes.likeness import likeness_by_statistics

IMAGES, ORIGINALS = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 4, 3)).astype(np.float32)


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, images, *, taps, train):
        weight = self.param("weight", nn.initializers.constant(2.0), ())
        return {tap: weight * images**2 for tap in taps}


def test_means_and_deviations_are_compared():
    likeness = likeness_by_statistics(Encoder(), "only")
    variables = {"encoder": {"params": {"weight": jnp.asarray(2.0)}}}
    nets = Nets(dict(likeness.frozen), variables, jax.random.key(0), train=True)
    found, wanted = (2.0 * np.square(x, dtype=np.float64) for x in (IMAGES, ORIGINALS))
    expected = sum(
        np.square(of(found, axis=(1, 2)) - of(wanted, axis=(1, 2))).mean(-1)
        for of in (np.mean, lambda x, axis: np.sqrt(np.var(x, axis=axis, ddof=1) + 1e-5))
    )
    np.testing.assert_allclose(likeness.apart(nets, IMAGES, ORIGINALS), expected, rtol=1e-5)
    np.testing.assert_allclose(likeness.apart(nets, IMAGES, IMAGES[:, ::-1]), 0, atol=1e-12)

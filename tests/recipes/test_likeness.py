"""How far who somebody is has moved, against its formula."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.recipe import Nets
from gan_jax.recipes.likeness import (
    Likeness,
    frozen_of,
    likeness_by_recognition,
    likeness_by_statistics,
)

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


class Recogniser(nn.Module):
    """Two factors, of 3 and 2 choices, of a picture's mean colour."""

    @nn.compact
    def __call__(self, images, *, train):
        colour = 5.0 * jnp.mean(images, axis=(1, 2))
        return {"hair": colour, "glasses": 2.0 * colour[:, :2]}


def test_choices_are_read_alike():
    likeness = likeness_by_recognition(Recogniser())
    nets = Nets(dict(likeness.frozen), {"recogniser": {}}, jax.random.key(0), train=True)
    expected = np.zeros(3)
    for scale, count in ((5.0, 3), (10.0, 2)):
        found, wanted = (
            np.exp(scale * x.mean((1, 2), dtype=np.float64)[:, :count]) for x in (IMAGES, ORIGINALS)
        )
        found, wanted = (x / x.sum(axis=1, keepdims=True) for x in (found, wanted))
        expected += (wanted * np.log(wanted / found)).sum(axis=1)
    np.testing.assert_allclose(likeness.apart(nets, IMAGES, ORIGINALS), expected, rtol=1e-4)
    np.testing.assert_allclose(likeness.apart(nets, IMAGES, IMAGES), 0, atol=1e-6)
    slope = jax.grad(lambda x: jnp.sum(likeness.apart(nets, IMAGES, x)))(jnp.asarray(ORIGINALS))
    np.testing.assert_array_equal(slope, 0)


def test_the_frozen_networks_of_several():
    a, b = (Likeness({name: Encoder()}, lambda *_: jnp.zeros(1)) for name in ("a", "b"))
    assert set(frozen_of([a, b])) == {"a", "b"} and frozen_of([]) == {}

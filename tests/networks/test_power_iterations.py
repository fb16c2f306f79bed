"""How often spectral normalisation iterates is an attribute of each network that has it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.biggan import BigGANDiscriminator
from gan_jax.networks.dcgan import DCGANDiscriminator
from gan_jax.networks.sagan import SAGANDiscriminator
from gan_jax.networks.sndcgan import SNDCGANDiscriminator
from gan_jax.networks.sngan import SNGANDiscriminator
from tests.recipes.parts import COMPILES_QUICKLY

NETWORKS = {
    "dcgan": lambda n: DCGANDiscriminator(32, width=4, normalise=False, spectral=n),
    "sndcgan": lambda n: SNDCGANDiscriminator(32, width=4, spectral=n),
    "sngan": lambda n: SNGANDiscriminator(32, width=4, spectral=n),
    "sagan": lambda n: SAGANDiscriminator(32, width=4, iterations=n),
    "biggan": lambda n: BigGANDiscriminator(32, width=4, attention=False, iterations=n),
}


def marked(name):
    return name if name == "dcgan" else pytest.param(name, marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(name) for name in NETWORKS])
def test_three_iterations_are_three_calls_of_one(name):
    """At fixed weights: every vector u, the head's too, ends where three calls leave it."""
    images = jnp.ones((1, 32, 32, 3))
    ones, threes = NETWORKS[name](1), NETWORKS[name](3)
    key = jax.random.key(0, impl="unsafe_rbg")

    @jax.jit
    def start():
        # Orthogonal weights have all singular values alike: nothing would move.
        return jax.tree.map(
            lambda leaf: leaf * jax.random.uniform(key, leaf.shape, minval=0.1),
            ones.init(key, images, train=True),
        )

    def moved(network, variables):
        def call(variables):
            return network.apply(variables, images, train=True, mutable=["spectral"])[1]

        after = jax.jit(call, compiler_options=COMPILES_QUICKLY)(variables)
        return {**variables, **after}

    variables = start()
    thrice = variables
    for _ in range(3):
        thrice = moved(ones, thrice)
    at_once = moved(threes, variables)["spectral"]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), thrice["spectral"], at_once
    )
    first = jax.tree.leaves(moved(ones, variables)["spectral"])
    far = [
        float(jnp.abs(a - b).max()) for a, b in zip(first, jax.tree.leaves(at_once), strict=True)
    ]
    assert max(far) > 1e-2

"""A style-based generator draws with the noise that its recipe says, wherever it is called."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.stylegan2.generator import StyleGAN2Generator
from gan_jax.recipe import Nets
from gan_jax.recipes.drawing import Styled
from tests.networks.style import variables_of, z_of
from tests.recipes.parts import COMPILES_QUICKLY

GENERATOR = StyleGAN2Generator(8, w_features=8, mapping_layers=1, channel_base=32, channel_max=4)


@pytest.fixture(scope="module")
def variables():
    return {"generator": variables_of(GENERATOR, z_of())}


@functools.partial(jax.jit, static_argnames="noise", compiler_options=COMPILES_QUICKLY)
def pictures(variables, noise, key):
    """By the ways that a recipe draws: in training, as samples, from styles."""
    nets = Nets({"generator": GENERATOR}, variables, jax.random.key(key), train=False)
    drawing = Styled(mixing=0.0, noise=noise)
    z = z_of()
    ws, _ = nets("generator", z, method="map")
    return (
        drawing.train(nets, "generator", z, None, jax.random.key(0))[0],
        drawing.sample(nets, "generator", z, None, jnp.ones(())),
        drawing.synthesise(nets, "generator", ws)[0],
    )


@pytest.mark.parametrize("noise, stays", [("random", False), ("constant", True), ("none", True)])
def test_noise_is_drawn_anew_or_not(variables, noise, stays):
    for first, second in zip(
        pictures(variables, noise, 0), pictures(variables, noise, 1), strict=True
    ):
        assert np.array_equal(first, second) == stays


def test_none_is_what_layers_without_strength_draw(variables):
    def silenced(path, leaf):
        return np.zeros_like(leaf) if path[-1].key == "strength" else leaf

    silent = jax.tree_util.tree_map_with_path(silenced, variables)
    for first, second in zip(
        pictures(variables, "none", 0), pictures(silent, "random", 0), strict=True
    ):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)

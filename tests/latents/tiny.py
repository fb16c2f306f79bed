"""Generators small enough to know, as models whose latents are looked at."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import losses
from gan_jax.latents.model import LatentModel
from gan_jax.networks.mlp import MLPDiscriminator
from gan_jax.networks.stylegan2.generator import StyleGAN2Generator
from gan_jax.recipe import Recipe
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.noise import noise_recipe
from gan_jax.state import NetState, init

SIZE, LATENT = 8, 6


class Linear(nn.Module):
    """`z -> images [B, 8, 8, 1]` by one dense layer, and a curve behind it; `reads` says whether z
    reaches it as it is."""

    reads: bool = True

    @nn.compact
    def __call__(self, z, label=None, *, train):
        z = z if self.reads else jnp.tanh(z)
        x = nn.Dense(SIZE * SIZE, name="only", kernel_init=nn.initializers.normal(0.5))(z)
        x = nn.Dense(SIZE * SIZE, name="after")(nn.leaky_relu(x))
        return jnp.tanh(x).reshape(-1, SIZE, SIZE, 1)


def recipe_of(generator: nn.Module, num_classes: int = 0, **settings: Any) -> Recipe:
    return noise_recipe(
        generator=generator,
        discriminator=MLPDiscriminator((8,), num_classes),
        latent_size=LATENT,
        num_classes=num_classes,
        loss=losses.non_saturating,
        values={"ema_decay": 0.9},
        schedules={},
        **settings,
    )


def model_of(recipe: Recipe, strengths: float = 0.0, seed: int = 0) -> LatentModel:
    """As initialised; `strengths` of the noise planes of a styled generator."""
    optimizers = {name: optax.sgd(0.1) for name in recipe.networks}
    spec = {
        "image": jax.ShapeDtypeStruct((2, SIZE, SIZE, 1), jnp.uint8),
        "label": jax.ShapeDtypeStruct((2,), jnp.int32),
    }
    nets = jax.jit(lambda key: init(recipe, optimizers, key, spec))(jax.random.key(seed)).nets

    def strong(path, leaf):
        return leaf + strengths if "strength" in jax.tree_util.keystr(path) else leaf

    nets = jax.tree_util.tree_map_with_path(strong, nets)
    return LatentModel(recipe, nets, {}, jax.random.key(5))


def states_of(model: LatentModel) -> dict[str, NetState]:
    """What a model of the same networks is made of."""
    states = {}
    for name, held in model.variables.items():
        stats = {kind: values for kind, values in held.items() if kind != "params"}
        states[name] = NetState(params=held["params"], stats=stats, opt=(), ema=None)
    return states


@functools.cache
def linear_model(reads: bool = True) -> LatentModel:
    return model_of(recipe_of(Linear(reads)))


def styled_recipe(num_classes: int = 0) -> Recipe:
    generator = StyleGAN2Generator(
        SIZE, 1, num_classes, w_features=LATENT, mapping_layers=2, channel_base=64, channel_max=8
    )
    return recipe_of(generator, num_classes, drawing=Styled(mixing=0.0))


@functools.cache
def styled_model(num_classes: int = 0, strengths: float = 0.0) -> LatentModel:
    return model_of(styled_recipe(num_classes), strengths)


def drawn(model: LatentModel, count: int, seed: int = 0, label: int = 0) -> tuple[Any, Any]:
    """Latents and conditions, on the host."""
    assert model.recipe.latents is not None
    batch = {"label": np.full(count, label, np.int32)}
    return jax.device_get(model.recipe.latents(jax.random.key(seed), batch)), batch

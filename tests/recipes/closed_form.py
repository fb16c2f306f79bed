"""Players whose pictures and logits can be written down, and one phase of theirs by itself."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.recipe import Nets

SIZE, LATENT, SHAPE = 8, 2, (2, 2, 1)
REAL = np.random.default_rng(0).uniform(-1, 1, (SIZE, *SHAPE)).astype(np.float32)
PAINTED = np.random.default_rng(1).uniform(-1, 1, (SIZE, *SHAPE)).astype(np.float32)


class Painter(nn.Module):
    """Whatever z is, the first of `PAINTED`, times a parameter."""

    scale: float

    @nn.compact
    def __call__(self, z, label, *, train):
        return self.param("scale", nn.initializers.constant(self.scale), ()) * PAINTED[: len(z)]


class Cubic(nn.Module):
    """c sum(x^3) / 3 of a parameter c, whose gradient by a picture is c x^2."""

    scale: float

    @nn.compact
    def __call__(self, images, label, *, train):
        scale = self.param("scale", nn.initializers.constant(self.scale), ())
        return scale * jnp.sum(images**3, axis=(1, 2, 3)) / 3


def painted(*scales):
    """What so many painters draw: each every n-th picture."""
    images = np.empty_like(PAINTED)
    for index, scale in enumerate(scales):
        share = images[index :: len(scales)]
        share[:] = scale * PAINTED[: len(share)]
    return images


def measured(made, name, label=None):
    """A phase at the initial weights: its loss, its gradients by network, its metrics."""
    batch = {"image": jnp.asarray(REAL)} | ({} if label is None else {"label": label})
    phase = next(phase for phase in made.phases if phase.name == name)
    values = {name: jnp.float32(value) for name, value in made.values.items()}
    inputs = made.inputs(batch)

    @jax.jit
    def run():
        variables = {
            name: module.init(jax.random.key(0), *inputs[name], train=True)
            for name, module in made.networks.items()
        }

        def loss(trained):
            mine = {n: {**variables[n], "params": params} for n, params in trained.items()}
            nets = Nets(made.networks, {**variables, **mine}, jax.random.key(1))
            value, aux = phase.loss(nets, made.extra, batch, jax.random.key(2), values)
            return value, aux.metrics

        trained = {name: variables[name].get("params", {}) for name in phase.trains}
        return jax.value_and_grad(loss, has_aux=True)(trained)

    (value, metrics), gradients = run()
    return value, gradients, metrics

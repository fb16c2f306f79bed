"""One round of DCGAN-64 (discriminator, then generator): naive Flax, gan_jax and PyTorch.

    python benchmarks/dcgan_round.py [--out=FILE.jsonl] [--torch_python=PATH]

Width 64, batch 64, float32, non-saturating loss, Adam. `naive` is `nn.Conv`, `nn.ConvTranspose`
and plain jit; `layers` the same with this project's convolutions, one class in the place of the
other; `gan_jax` the project's own networks, recipe and step (with EMA, finite guard and uint8
input), and `scanned` four of its rounds in one dispatch, divided by four. They take turns.
`--torch_python` is a Python that has torch, in which the same networks run on their own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from hardware import hardware, write_row
from interleaved import interleaved
from jax import Array

from gan_jax import losses
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipes.noise import noise_recipe
from gan_jax.state import init
from gan_jax.step import make_rounds, make_step

LATENT = 100
normalise = partial(nn.BatchNorm, use_running_average=False, momentum=0.9)


class Generator(nn.Module):
    """`z [B, 100]` to pictures `[B, 64, 64, 3]`, as anyone would write it in Flax."""

    width: int
    transposed: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, z: Array) -> Array:
        x = nn.Dense(4 * 4 * 8 * self.width, use_bias=False)(z).reshape(-1, 4, 4, 8 * self.width)
        for multiple in (4, 2, 1):
            x = nn.relu(normalise()(x))
            x = self.transposed(multiple * self.width, (4, 4), strides=(2, 2), use_bias=False)(x)
        x = nn.relu(normalise()(x))
        return jnp.tanh(self.transposed(3, (4, 4), strides=(2, 2))(x))


class Discriminator(nn.Module):
    """Pictures to logits `[B]`."""

    width: int
    convolution: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.leaky_relu(self.convolution(self.width, (4, 4), strides=(2, 2))(x), 0.2)
        for multiple in (2, 4, 8):
            x = self.convolution(multiple * self.width, (4, 4), strides=(2, 2), use_bias=False)(x)
            x = nn.leaky_relu(normalise()(x), 0.2)
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def plain_round(generator: nn.Module, discriminator: nn.Module):
    """`(initial state, round(state, real) -> (state, losses))`, as a tutorial would write it."""
    optimizer = optax.adam(2e-4, b1=0.5)
    networks = {"generator": generator, "discriminator": discriminator}

    def apply(name: str, params: Any, stats: Any, x: Array):
        variables = {"params": params, "batch_stats": stats[name]}
        out, moved = networks[name].apply(variables, x, mutable=["batch_stats"])
        return out, stats | {name: moved["batch_stats"]}

    def initial(key: Array, real: Array):
        examples = {"generator": jnp.zeros((real.shape[0], LATENT)), "discriminator": real}
        made = {name: networks[name].init(key, examples[name]) for name in networks}
        params = {name: variables["params"] for name, variables in made.items()}
        stats = {name: variables["batch_stats"] for name, variables in made.items()}
        return key, params, stats, {name: optimizer.init(params[name]) for name in params}

    def discriminator_loss(params, fixed, stats, z, real):
        fake, stats = apply("generator", fixed, stats, z)
        real_logits, stats = apply("discriminator", params, stats, real)
        fake_logits, stats = apply("discriminator", params, stats, fake)
        return jnp.mean(nn.softplus(-real_logits) + nn.softplus(fake_logits)), stats

    def generator_loss(params, fixed, stats, z, real):
        fake, stats = apply("generator", params, stats, z)
        logits, stats = apply("discriminator", fixed, stats, fake)
        return jnp.mean(nn.softplus(-logits)), stats

    def one_round(state, real):
        key, params, stats, moments = state
        key, *keys = jax.random.split(key, 3)
        turns = (
            ("discriminator", "generator", discriminator_loss),
            ("generator", "discriminator", generator_loss),
        )
        found = []
        for (trained, other, loss), turn in zip(turns, keys, strict=True):
            z = jax.random.normal(turn, (real.shape[0], LATENT))
            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, stats), slope = gradient(params[trained], params[other], stats, z, real)
            updates, new = optimizer.update(slope, moments[trained])
            params = params | {trained: optax.apply_updates(params[trained], updates)}
            moments = moments | {trained: new}
            found.append(value)
        return (key, params, stats, moments), found

    return initial, one_round


def plain(width: int, real: Array, convolution, transposed) -> Callable[[], object]:
    """A call that goes on by one round."""
    initial, one_round = plain_round(
        Generator(width, transposed), Discriminator(width, convolution)
    )
    state = jax.jit(initial)(jax.random.key(0), real)
    step = jax.jit(one_round, donate_argnums=0)

    def call():
        nonlocal state
        state, found = step(state, real)
        return found

    return call


def project(width: int, real: Array, rounds: int) -> Callable[[], object]:
    """A call that goes on by `rounds` rounds of gan_jax in one dispatch."""
    recipe = noise_recipe(
        generator=DCGANGenerator(64, 3, width=width),
        discriminator=DCGANDiscriminator(64, width=width),
        latent_size=LATENT,
        num_classes=0,
        loss=losses.non_saturating,
        values={"ema_decay": 0.999},
        schedules={},
    )
    adam = optax.inject_hyperparams(optax.adam)(2e-4, b1=0.5)
    optimizers = {"generator": adam, "discriminator": adam}
    pixels = jnp.round(127.5 * (real + 1)).astype(jnp.uint8)
    batches = {"image": jnp.broadcast_to(pixels, (rounds, 1, *pixels.shape))}
    spec = {"image": jax.ShapeDtypeStruct(pixels.shape, pixels.dtype)}
    state = jax.jit(lambda key: init(recipe, optimizers, key, spec))(jax.random.key(0))
    step = jax.jit(make_rounds(make_step(recipe, optimizers), rounds), donate_argnums=0)

    def call():
        nonlocal state
        state, metrics = step(state, {}, batches, np.int32(rounds))
        return metrics

    return call


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--width", type=int, default=64)
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--torch_python", help="a Python with torch, to compare with")
    options = arguments.parse_args()
    real = jax.random.uniform(jax.random.key(1), (options.batch, 64, 64, 3), minval=-1)
    calls = {
        "naive": plain(options.width, real, nn.Conv, nn.ConvTranspose),
        "layers": plain(options.width, real, Convolution, TransposedConvolution),
        "gan_jax": project(options.width, real, 1),
        "scanned": project(options.width, real, 4),
    }
    if options.torch_python:
        calls |= {name: TorchRound(options, name) for name in ("torch", "torch_channels_last")}
    print(f"# {', '.join(calls)}: compiling, then {options.repeats} rounds of each in turns")
    times = interleaved(calls, options.repeats)
    times["scanned"] = {name: round(value / 4, 3) for name, value in times["scanned"].items()}
    head = {
        "benchmark": "dcgan_round",
        "width": options.width,
        "batch": options.batch,
        "load": round(os.getloadavg()[0], 2),
        **hardware(),
    }
    for name, found in times.items():
        speedup = {
            f"times_naive{suffix}": round(times["naive"][key] / found[key], 2)
            for suffix, key in (("", "ms"), ("_min", "min_ms"))
        }
        write_row(head | {"name": name, **found, **speedup}, options.out)


class TorchRound:
    """Rounds of `dcgan_round_torch.py` in a process that waits between them."""

    def __init__(self, options: argparse.Namespace, name: str):
        script = Path(__file__).with_name("dcgan_round_torch.py")
        command = [options.torch_python, script, name, str(options.width), str(options.batch)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError("the process that runs torch has ended")


if __name__ == "__main__":
    main()

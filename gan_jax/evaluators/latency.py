"""Latency: how long a picture takes."""

from __future__ import annotations

import dataclasses
import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.evaluators.evaluator import Evaluation, Measure, World
from gan_jax.evaluators.generated import Subject
from gan_jax.evaluators.samples import conditions, sample_key, sampling_nets
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import prepare, to_uint8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from latents, or what else a recipe is given, on the device to uint8 pictures on
    the host: the median of `repeats` calls for one picture, and for a batch of `batch` (a picture's
    share of it is `batch_ms / batch`). What is given are zeros. A measurement of this machine, so
    it differs from run to run."""

    name: str = "latency"
    every: str = ""
    batch: int = 64
    repeats: int = 20
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = ("single_ms", "batch_ms", "images_per_second")

    def open(self, world: World) -> Measure:
        world.generator()
        recipe, classes, attributes = world.recipe, world.num_classes, bool(world.attributes)
        assert recipe.generate is not None and recipe.latents is not None
        generate, draw = recipe.generate, recipe.latents

        def pictures(nets, frozen, latents, batch, key):
            view = sampling_nets(recipe, nets, frozen, key, self.ema)
            return to_uint8(generate(view, latents, batch, jnp.ones(())))

        compiled = jax.jit(pictures)

        @functools.partial(jax.jit, static_argnums=(0, 1), out_shardings=replicated(world.mesh))
        def inputs(count: int, seed: int):
            asked = conditions(count, classes, None, attributes=attributes)
            forms = {name: world.forms[name] for name in recipe.given}
            given = {
                name: jnp.zeros((count, *form.shape[1:]), form.dtype)
                for name, form in forms.items()
            }
            batch = prepare(jax.tree.map(jnp.asarray, asked) | given)
            key = sample_key(seed)
            return draw(key, batch), batch, key

        def median_ms(subject: Subject, count: int, seed: int) -> float:
            latents, batch, key = inputs(count, seed)

            def once() -> float:
                begin = time.perf_counter()
                np.asarray(compiled(subject.nets, subject.frozen, latents, batch, key))
                return 1000 * (time.perf_counter() - begin)

            once()  # compiles
            return float(np.median([once() for _ in range(self.repeats)]))

        def measure(subject: Subject, seed: int) -> Evaluation:
            single, whole = median_ms(subject, 1, seed), median_ms(subject, self.batch, seed)
            device = jax.devices()[0].device_kind
            return Evaluation(
                metrics={
                    "single_ms": {"value": single},
                    "batch_ms": {"value": whole},
                    "images_per_second": {"value": 1000 * self.batch / whole},
                },
                protocol={"device": device, "batch": self.batch, "repeats": self.repeats},
                sampling={"parameters": "ema" if self.ema and recipe.ema else "raw"},
            )

        return measure

"""Latency: how long a picture takes."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax import processes
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World
from gan_jax.evaluators.generated import Subject
from gan_jax.evaluators.samples import conditions, sample_key, sampling_nets
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import prepare, to_uint8
from gan_jax.recipe import Batch
from gan_jax.translation import Choice, Translation

Call = Callable[[Subject], Array]
"""Pictures uint8 of a state, on the device."""
LEAST_REPEATS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from what a recipe is given, on the device, to uint8 pictures on the host: the
    median of `repeats` calls. A measurement of this machine, so it differs from run to run.

    Of a recipe that translates it is `gan-jax translate` of one picture: the whole translation,
    with whatever networks find landmarks or choose a way, the conditions at their defaults (of a
    choice that has none its first) and one reference where it reads any. Pictures are noise.

    Of another it is what it generates, of latents and of zeros for what it is given besides: one
    picture, and a batch of `batch` (a picture's share of it is `batch_ms / batch`).

    Attributes:
        seconds: after which no further call is made of one kind, but for the first three: some
            translations optimise every picture. The row tells how many were made.
    """

    name: str = "latency"
    every: str = ""
    batch: int = 64
    repeats: int = 20
    seconds: float = 60.0
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = ("single_ms", "batch_ms", "images_per_second")

    def open(self, world: World) -> Measure:
        if world.recipe.translation is not None:
            return self._of_translation(world, world.recipe.translation)
        return self._of_generator(world)

    def _of_translation(self, world: World, translation: Translation) -> Measure:
        recipe = world.recipe

        @functools.partial(jax.jit, out_shardings=replicated(world.mesh))
        def pictures(nets, frozen, batch, key):
            view = sampling_nets(recipe, nets, frozen, key, self.ema)
            return to_uint8(translation.run(view, prepare(batch)))

        @functools.partial(jax.jit, out_shardings=replicated(world.mesh))
        def inputs(seed: int):
            key = sample_key(seed)
            return asked_of(translation, picture_shape(world), key), key

        def measure(subject: Subject, seed: int) -> Evaluation:
            batch, key = inputs(seed)
            call = lambda subject: pictures(subject.nets, subject.frozen, batch, key)  # noqa: E731
            single, repeats = self._median_ms(call, subject)
            references = int("reference" in batch)
            asked = {"timed": "translation", "references": references, "repeats": repeats}
            return self._evaluation(world, {"single_ms": {"value": single}}, asked)

        return measure

    def _of_generator(self, world: World) -> Measure:
        world.generator()
        recipe, classes, attributes = world.recipe, world.num_classes, bool(world.attributes)
        assert recipe.generate is not None and recipe.latents is not None
        generate, draw = recipe.generate, recipe.latents

        @jax.jit
        def pictures(nets, frozen, latents, batch, key):
            view = sampling_nets(recipe, nets, frozen, key, self.ema)
            return to_uint8(generate(view, latents, batch, jnp.ones(())))

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

        def measure(subject: Subject, seed: int) -> Evaluation:
            def median_ms(count: int) -> tuple[float, int]:
                drawn = inputs(count, seed)
                call = lambda subject: pictures(subject.nets, subject.frozen, *drawn)  # noqa: E731
                return self._median_ms(call, subject)

            (single, repeats), (whole, of_batch) = median_ms(1), median_ms(self.batch)
            metrics: dict[str, Metric] = {
                "single_ms": {"value": single},
                "batch_ms": {"value": whole},
                "images_per_second": {"value": 1000 * self.batch / whole},
            }
            asked = {"timed": "generate", "batch": self.batch, "repeats": min(repeats, of_batch)}
            return self._evaluation(world, metrics, asked)

        return measure

    def _median_ms(self, call: Call, subject: Subject) -> tuple[float, int]:
        """The median, and of how many calls."""
        np.asarray(call(subject))  # compiles
        times: list[float] = []
        while len(times) < self.repeats:
            # All processes must make as many calls, and their clocks differ.
            is_long = sum(times) > 1000 * self.seconds
            if len(times) >= LEAST_REPEATS and processes.largest(int(is_long)):
                break
            begin = time.perf_counter()
            np.asarray(call(subject))
            times.append(1000 * (time.perf_counter() - begin))
        return float(np.median(times)), len(times)

    def _evaluation(self, world: World, metrics: dict[str, Metric], asked: dict) -> Evaluation:
        parameters = "ema" if self.ema and world.recipe.ema else "raw"
        return Evaluation(
            metrics=metrics,
            protocol={"device": jax.devices()[0].device_kind, **asked},
            sampling={"parameters": parameters},
        )


def picture_shape(world: World) -> tuple[int, ...]:
    """`(H, W, C)` of the run's pictures, whatever their names in a batch."""
    forms = (form for form in world.forms.values() if form.dtype == jnp.uint8)
    return next(form.shape[1:] for form in forms if len(form.shape) == 4)


def asked_of(translation: Translation, shape: tuple[int, ...], key: Array) -> Batch:
    """A batch of one picture uint8 `[1, H, W, C]` of a `shape` of H, W, C, and all that
    `Translation.run` reads beside it."""
    image, reference = jax.random.randint(key, (2, 1, *shape), 0, 256).astype(jnp.uint8)
    batch = {"image": image}
    for name, condition in translation.conditions.items():
        is_choice = isinstance(condition, Choice)
        value = condition.default or 0
        batch[name] = jnp.full(1, value, jnp.int32 if is_choice else jnp.float32)
    return batch if translation.references == "none" else batch | {"reference": reference[:, None]}

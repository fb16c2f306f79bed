"""Held-out conditions translated, beside the pictures that belong to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import Sampling, Subject
from gan_jax.evaluators.perceptual import avatar_perceptual
from gan_jax.evaluators.pictures import Pictures
from gan_jax.evaluators.reconstructions import above
from gan_jax.evaluators.true_pictures import OF_TRUTH, compared, measured, of_pixels
from gan_jax.ops.pixels import prepare, to_uint8
from gan_jax.recipe import Batch


def given_of(
    reals: Pictures, names: Sequence[str], conditions: Mapping[str, str], images: np.ndarray
) -> dict[str, np.ndarray]:
    """What a recipe is given of the examples of a set, `[N, …]` a name; `images` are theirs."""
    others = [name for name in names if name != "image"]
    fields = reals.fields(tuple(conditions[name] for name in others)) if others else {}
    given = {name: fields[conditions[name]] for name in others}
    return given | ({"image": images} if "image" in names else {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Translations:
    """`l1` (mean absolute difference, of a range of 1), `psnr` (dB), `ssim` and `perceptual` (of
    `avatar_perceptual`) between what the recipe makes of the conditions of a split and the split's
    own pictures. Beside each stands its `floor`: the picture of another example.

    The picture of it shows conditions, translations and truth below one another.

    Attributes:
        samples: examples of the split, or all that there are.
        split: that they are of.
        condition: what the generator sees of a batch, `[B, H, W, K]` in [-1, 1], to be shown: its
            first channel, or the first three.
        shown: examples in the picture.
    """

    condition: Callable[[Batch], Array]
    name: str = "translations"
    every: str = ""
    samples: int = 1000
    split: str = "test"
    shown: int = 16
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = OF_TRUTH

    def open(self, world: World) -> Measure:
        generated, names = world.generator(), world.recipe.given
        if not names:
            raise UsageError(f"{self.name}: the recipe is given nothing to translate")
        sampling = Sampling(samples=self.samples, seed=self.seed, ema=self.ema)
        perceptual = avatar_perceptual()

        @jax.jit
        def seen(batch: Batch) -> Array:
            maps = self.condition(prepare(batch))
            return to_uint8(maps[..., :3] if maps.shape[-1] >= 3 else maps[..., :1])

        def measure(subject: Subject, seed: int) -> Evaluation:
            reals = world.reals(self.split).first(self.samples)
            drawn = dataclasses.replace(sampling, seed=seed, samples=reals.count)
            true = np.stack(list(reals.each()))
            given = given_of(reals, names, world.conditions, true)
            made = []
            with world.progress(f"translating {reals.name}") as advance:
                for block in generated(subject, drawn, given):
                    made.append(block)
                    advance(sum(map(len, made)), reals.count)
            found = np.concatenate(made)
            shown = jax.tree.map(lambda leaf: jnp.asarray(leaf[: self.shown]), given)
            conditions = np.broadcast_to(np.asarray(seen(shown)), true[: self.shown].shape)
            floor = measured(true, np.roll(true, 1, axis=0), perceptual)
            return Evaluation(
                metrics=compared(true, found, floor, perceptual),
                protocol=of_pixels(true, perceptual),
                sampling=generated.describe(drawn),
                real=about(reals),
                pictures={
                    self.name: above(conditions, found[: self.shown], true[: self.shown]),
                },
            )

        return measure

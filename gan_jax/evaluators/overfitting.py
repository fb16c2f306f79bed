"""Over-fitting and saturation: what the discriminator makes of seen, unseen and generated ones."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import BLOCK, Sampling, Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.evaluators.samples import sampling_nets
from gan_jax.metrics.overfitting import discriminator_accuracy
from gan_jax.ops.pixels import to_float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overfitting:
    """The discriminator's accuracy (logits above 0 mean real) on reals of training, on held-out
    reals and on generated pictures; raw weights of both networks, running statistics.

    `gap` is that on training reals less that on held-out ones: a discriminator that memorises has a
    gap near 1 (Brock et al. 2019, section 4.2). `saturation` is the mean of the accuracies on
    training reals and generated pictures: near 1 the generator has little gradient left.

    Attributes:
        samples: of each kind, or all that there are.
        held_out: the split; "" where the data have none, and then there is no gap.
    """

    name: str = "overfitting"
    every: str = ""
    samples: int = 1000
    held_out: str = "test"
    seed: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        held_out = ("held_out_accuracy", "gap") if self.held_out else ()
        return ("train_accuracy", *held_out, "fake_accuracy", "saturation")

    def open(self, world: World) -> Measure:
        generated, discriminate = world.generator(), world.recipe.discriminate
        if discriminate is None:
            raise UsageError(f"{self.name}: the recipe tells of no discriminator (discriminate)")
        if self.held_out == world.split:
            raise UsageError(f"{self.name}: the run trains on the split {self.held_out!r} itself")
        # The raw generator: it is what the discriminator plays against.
        sampling = Sampling(samples=self.samples, seed=self.seed, ema=False)

        @jax.jit
        def logits(nets, frozen, pixels, label):
            view = sampling_nets(world.recipe, nets, frozen, jax.random.key(0), ema=False)
            return discriminate(view, {"image": to_float(pixels), "label": label})

        def all_logits(subject: Subject, pictures, labels) -> np.ndarray:
            found, start = [], 0
            for block in pictures:
                rows = np.minimum(np.arange(BLOCK), len(block) - 1)
                label = labels[start : start + len(block)]
                values = logits(subject.nets, subject.frozen, block[rows], label[rows])
                found.append(np.asarray(values)[: len(block)])
                start += len(block)
            return np.concatenate(found)

        def on_reals(subject: Subject, pictures: Pictures) -> np.ndarray:
            labels = pictures.labels() if world.num_classes else np.zeros(pictures.count, np.int32)
            return all_logits(subject, blocks(pictures), labels)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            label = generated.conditions(self.samples)["label"]
            fake = all_logits(subject, generated(subject, drawn), label)
            seen = world.reals(world.split).first(self.samples)
            real = about(seen)
            train = held_out = on_reals(subject, seen)
            if self.held_out:
                unseen = world.reals(self.held_out).first(self.samples)
                real["held_out"] = about(unseen)
                held_out = on_reals(subject, unseen)
            found = discriminator_accuracy(train, held_out, fake)
            values = {
                "train_accuracy": found.train,
                "held_out_accuracy": found.held_out,
                "gap": found.gap,
                "fake_accuracy": found.fake,
                "saturation": (found.train + found.fake) / 2,
            }
            return Evaluation(
                metrics={name: {"value": values[name]} for name in self.metrics},
                protocol={"threshold": 0.0, "discriminator": "raw"},
                sampling=generated.describe(drawn),
                real=real,
            )

        return measure


def blocks(pictures: Pictures):
    """uint8 `[BLOCK, H, W, C]` and a shorter last one."""
    held = []
    for picture in pictures.each():
        held.append(picture)
        if len(held) == BLOCK:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)

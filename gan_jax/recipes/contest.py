"""Generators against discriminators: how their pictures are drawn, seen and judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.augment.pseudo_augment import pseudo_augment
from gan_jax.layers.verdict import Verdict, verdict_of
from gan_jax.losses import AdversarialLoss
from gan_jax.ops.sharding import divided
from gan_jax.recipe import Batch, Nets, PyTree, batch_size
from gan_jax.recipes.augmentation import Augmentation, Values
from gan_jax.recipes.classification import Classification
from gan_jax.recipes.drawing import Drawing


class Pictures(NamedTuple):
    """A round's pictures before the augmentation, and what made them.

    Attributes:
        real: `[B, H, W, C]`.
        fake: `[B, H, W, C]`.
        latents: z of the fakes, `[B, Z]`.
        label: of both, int32 `[B]`, float32 `[B, A]` or None.
        again: `z -> images`, constant: other latents drawn as the fakes were, with their noise
            and their mixing of styles.
    """

    real: Array
    fake: Array
    latents: Array
    label: Array | None
    again: Callable[[Array], Array]


class Lens(NamedTuple):
    """What a phase's discriminators look through: one augmentation's draw for each kind."""

    pipeline: Callable[[Array, Array, Array], Array]
    p: Array
    real_key: Array
    fake_key: Array

    def real(self, images: Array) -> Array:
        return self.pipeline(images, self.real_key, self.p)

    def fake(self, images: Array) -> Array:
        return self.pipeline(images, self.fake_key, self.p)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """The players and the rules, as `noise_recipe` takes them.

    With several discriminators each learns by itself, and a generator minimises the mean of what
    they say; of n generators the j-th draws every n-th picture.
    """

    generators: tuple[str, ...]
    discriminators: tuple[str, ...]
    latent_size: int
    conditional: bool
    loss: AdversarialLoss
    drawing: Drawing
    augmentation: Augmentation
    classification: Classification | None
    joint: bool

    def label_of(self, batch: Batch) -> Array | None:
        """int32 `[B]` or float32 `[B, A]`; None in an unconditional model."""
        return batch["label"] if self.conditional else None

    def latents(self, key: Array, batch: Batch) -> Array:
        """z ~ N(0, 1), `[B, Z]`."""
        return divided(jax.random.normal(key, (batch_size(batch), self.latent_size)))

    def part(self, index: int, array: Any) -> Any:
        """The share of generator number `index` of an array's first axis; None of None."""
        return None if array is None else array[index :: len(self.generators)]

    def draw(self, nets: Nets, z: Array, label: Array | None, key: Array) -> tuple[Array, Nets]:
        """Pictures as in training, `[B, H, W, C]`."""
        parts = []
        for index, name in enumerate(self.generators):
            share = self.part(index, z), self.part(index, label)
            images, nets = self.drawing.train(nets, name, *share, jax.random.fold_in(key, index))
            parts.append(images)
        return _in_turn(parts), nets

    def sample(self, nets: Nets, z: Array, label: Array | None, truncation: Array) -> Array:
        """Pictures as users see them, `[B, H, W, C]`."""
        parts = []
        for index, name in enumerate(self.generators):
            share = self.part(index, z), self.part(index, label)
            parts.append(self.drawing.sample(nets, name, *share, truncation))
        return _in_turn(parts)

    def pictures(
        self, nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values
    ) -> tuple[Pictures, Nets]:
        """A round's pictures for the discriminators, to whom the generators are constants: what
        drawing does to a generator's statistics is dropped."""
        z_key, call_key, pseudo_key = jax.random.split(key, 3)
        z, label = self.latents(z_key, batch), self.label_of(batch)
        fake, after = self.draw(nets, z, label, call_key)

        def again(z: Array) -> Array:
            return self.draw(nets, z, label, call_key)[0]

        real = batch["image"]
        if self.augmentation.pseudo:
            p = self.augmentation.strength(extra["augmentation"], values)
            real = pseudo_augment(real, fake, pseudo_key, p)
        after = dataclasses.replace(after, variables=nets.variables)
        return Pictures(real, fake, z, label, again), after

    def lens(self, extra: PyTree, key: Array, values: Values) -> Lens:
        """One draw of the augmentation."""
        p = self.augmentation.strength(extra["augmentation"], values)
        return Lens(self.augmentation.apply, p, *jax.random.split(key))

    def judge(
        self, nets: Nets, name: str, real: Array, fake: Array, label: Array | None
    ) -> tuple[Verdict, Verdict, Nets]:
        """Discriminator `name` on real and on generated pictures, in one call where `joint`."""
        if not self.joint:
            of_real, nets = nets(name, real, label)
            of_fake, nets = nets(name, fake, label)
            return verdict_of(of_real), verdict_of(of_fake), nets
        labels = None if label is None else jnp.repeat(label, 2, axis=0)
        output, nets = nets(name, _in_pairs(real, fake), labels)
        return *_apart(verdict_of(output)), nets


def _in_turn(parts: Sequence[Array]) -> Array:
    """n arrays with every n-th example each, put in order."""
    if len(parts) == 1:
        return parts[0]
    total = sum(len(part) for part in parts)
    places = np.concatenate([np.arange(total)[index :: len(parts)] for index in range(len(parts))])
    return jnp.concatenate(parts)[np.argsort(places)]


def _in_pairs(real: Array, fake: Array) -> Array:
    """`[B, …]` and `[B, …]` to `[2 B, …]`, one of each in turn: put one after the other, the rows
    of a joint batch would lie on other devices than those that hold them."""
    return jnp.stack([real, fake], axis=1).reshape(-1, *real.shape[1:])


def _apart(verdict: Verdict) -> tuple[Verdict, Verdict]:
    """On the real and the generated rows of a joint batch; the proxies belong to both."""

    def every_other(first: int) -> Verdict:
        fields = {
            name: value.reshape(-1, 2, *value.shape[1:])[:, first]
            for name, value in verdict._asdict().items()
            if value is not None and name != "proxies"
        }
        return verdict._replace(**fields)

    return every_other(0), every_other(1)

"""The noise recipe: noise, or noise and a label, to an image, against discriminators."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.noise import NoiseMode
from gan_jax.layers.verdict import verdict_of
from gan_jax.losses import AdversarialLoss
from gan_jax.recipe import Batch, Nets, Phase, PhaseLoss, PyTree, Recipe, batch_size
from gan_jax.recipes.augmentation import Augmentation, never
from gan_jax.recipes.classification import Classification
from gan_jax.recipes.compatibility import check
from gan_jax.recipes.contest import Contest
from gan_jax.recipes.discriminator_phases import discriminator_loss, lazy_discriminator_loss
from gan_jax.recipes.drawing import Direct, Drawing, Styled
from gan_jax.recipes.generator_phases import generator_loss, lazy_generator_loss
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser
from gan_jax.recipes.regularisers import Regulariser
from gan_jax.schedules import Schedule

Networks = nn.Module | Sequence[nn.Module]


def noise_recipe(
    *,
    generator: Networks,
    discriminator: Networks,
    latent_size: int,
    num_classes: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    regularisers: Sequence[Regulariser] = (),
    generator_regularisers: Sequence[GeneratorRegulariser] = (),
    augmentation: Augmentation | None = None,
    classification: Classification | None = None,
    drawing: Drawing | None = None,
    discriminator_turns: int = 1,
    joint: bool = False,
    keeps_top_k: bool = False,
) -> Recipe:
    """`(z, label, train=) -> images` against `(images, label, train=) -> logits [B] or Verdict`.

    The discriminator takes `discriminator_turns` turns a round, each on its own real batch, then
    its lazy regularisers come, then the generator and its lazy regularisers. A network's
    statistics move in the phases that train it and in no other.

    Args:
        generator: network, or several, each of which draws its share of a batch; they are named
            `generator`, or `generator_0`, … `label` is None where `num_classes` is 0.
        discriminator: network, or several, named likewise.
        latent_size: length of z ~ N(0, 1).
        num_classes: of the labels in `batch["label"]`, or how many attributes they have; 0 for an
            unconditional model.
        loss: the adversarial pair.
        values: the recipe's named scalars: `ema_decay`, a `NAME_weight` for each regulariser,
            `classification_weight`, `augment_p` and `top_k` where they are used.
        schedules: of those names or of `network.hyperparameter`.
        regularisers: of the discriminator.
        generator_regularisers: of the generator.
        augmentation: of all that the discriminator sees; None for none.
        classification: what the discriminator learns of labels; None for nothing.
        drawing: how the generator is called; None for `Direct()`.
        discriminator_turns: n of "n-critic".
        joint: real and generated pictures are one batch of the discriminator: for networks that
            treat examples apart, whose spectral vectors then move once an update.
        keeps_top_k: the generator learns from the value `top_k` of its pictures only.

    Raises:
        UsageError: parts that exclude one another, or a value that is missing.
    """
    generators = _named("generator", generator)
    discriminators = _named("discriminator", discriminator)
    contest = Contest(
        generators=tuple(generators),
        discriminators=tuple(discriminators),
        latent_size=latent_size,
        conditional=num_classes > 0,
        loss=loss,
        drawing=drawing or Direct(),
        augmentation=augmentation or never(),
        classification=classification,
        joint=joint,
    )
    networks = generators | discriminators
    if discriminator_turns < 1:
        raise UsageError(f"discriminator_turns={discriminator_turns} must be at least 1")
    terms = (regularisers, generator_regularisers)
    check(contest, networks, num_classes, values, schedules, *terms, keeps_top_k)
    return Recipe(
        networks=networks,
        phases=(
            *_discriminator_phases(contest, regularisers, discriminator_turns),
            *_generator_phases(contest, generator_regularisers, keeps_top_k),
        ),
        inputs=_inputs(contest),
        values=values,
        schedules=schedules,
        ema={name: "ema_decay" for name in generators},
        extra=_start(contest, regularisers, generator_regularisers),
        latents=contest.latents,
        generate=_generate(contest),
        discriminate=_discriminate(contest),
        **_styles(contest),
    )


def _named(role: str, networks: Networks) -> dict[str, nn.Module]:
    if isinstance(networks, nn.Module):
        return {role: networks}
    if not networks:
        raise UsageError(f"the recipe needs at least one {role}")
    return {f"{role}_{index}": network for index, network in enumerate(networks)}


def _discriminator_phases(
    contest: Contest, terms: Sequence[Regulariser], turns: int
) -> list[Phase]:
    eager, lazy = _by_laziness(terms)
    loss, trains = discriminator_loss(contest, eager), contest.discriminators
    first = Phase(name="discriminator", trains=trains, loss=loss, repeat=turns)
    return [first, *(_lazy(term, trains, lazy_discriminator_loss(contest, term)) for term in lazy)]


def _generator_phases(
    contest: Contest, terms: Sequence[GeneratorRegulariser], keeps_top_k: bool
) -> list[Phase]:
    eager, lazy = _by_laziness(terms)
    loss, trains = generator_loss(contest, eager, keeps_top_k), contest.generators
    first = Phase(name="generator", trains=trains, loss=loss)
    return [first, *(_lazy(term, trains, lazy_generator_loss(contest, term)) for term in lazy)]


def _by_laziness(terms: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Those that join their player's loss, and those that are phases of their own."""
    return [term for term in terms if term.every == 1], [term for term in terms if term.every > 1]


def _lazy(
    term: Regulariser | GeneratorRegulariser, trains: tuple[str, ...], loss: PhaseLoss
) -> Phase:
    return Phase(name=term.name, trains=trains, loss=loss, every=term.every)


def _inputs(contest: Contest):
    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        label = contest.label_of(batch)
        z = jnp.zeros((batch_size(batch), contest.latent_size))
        drawn = {name: (z, label) for name in contest.generators}
        return drawn | {name: (batch["image"], label) for name in contest.discriminators}

    return inputs


def _generate(contest: Contest):
    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        return contest.sample(nets, latents, contest.label_of(batch), truncation)

    return generate


def _styles(contest: Contest) -> dict[str, Any]:
    """The two halves of a single style-based generator."""
    name, *others = contest.generators
    drawing = contest.drawing
    if others or not isinstance(drawing, Styled):
        return {}

    def styles(nets: Nets, latents: Array, batch: Batch) -> Array:
        return nets(name, latents, contest.label_of(batch), method="map")[0]

    def synthesise(nets: Nets, ws: Array, noise: NoiseMode | None = None) -> Array:
        asked = dataclasses.replace(drawing, noise=noise or drawing.noise)
        return asked.synthesise(nets, name, ws)[0]

    return {"styles": styles, "synthesise": synthesise}


def _discriminate(contest: Contest):
    boundary = contest.loss.boundary
    if boundary is None:
        return None

    def discriminate(nets: Nets, batch: Batch) -> Array:
        given = batch["image"], contest.label_of(batch)
        verdicts = [verdict_of(nets(name, *given)[0]) for name in contest.discriminators]
        return jnp.mean(jnp.stack([verdict.logits for verdict in verdicts]), axis=0) - boundary

    return discriminate


def _start(
    contest: Contest,
    regularisers: Sequence[Regulariser],
    generator_regularisers: Sequence[GeneratorRegulariser],
) -> PyTree:
    """The augmentation's state, and that of each regulariser for each network."""
    extra: dict[str, PyTree] = {"augmentation": contest.augmentation.start}
    players = (
        (regularisers, contest.discriminators),
        (generator_regularisers, contest.generators),
    )
    for terms, networks in players:
        for term in terms:
            if term.start != ():
                extra[term.name] = {name: term.start for name in networks}
    return extra

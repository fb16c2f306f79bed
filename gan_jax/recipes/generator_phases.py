"""What generators minimise: what the discriminators say, the classification, the regularisers."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.layers.verdict import Verdict, verdict_of
from gan_jax.losses import top_k
from gan_jax.recipe import Aux, Batch, Nets, PhaseLoss, PyTree
from gan_jax.recipes.augmentation import Values
from gan_jax.recipes.contest import Contest, Lens
from gan_jax.recipes.discriminator_phases import measure
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser, Made


def generator_loss(
    contest: Contest, eager: Sequence[GeneratorRegulariser], keeps_top_k: bool
) -> PhaseLoss:
    """The loss of all generators; with `keeps_top_k` only the value `top_k` of a batch counts, the
    pictures that the discriminators like best."""

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        z_key, draw_key, lens_key, term_key = jax.random.split(key, 4)
        z, label = contest.latents(z_key, batch), contest.label_of(batch)
        fake, nets = contest.draw(nets, z, label, draw_key)
        lens = contest.lens(extra, lens_key, values)
        verdicts = [
            _verdicts(contest, nets, name, lens, batch["image"], fake, label)
            for name in contest.discriminators
        ]
        each = sum(contest.loss.generator(real.logits, fake.logits) for real, fake in verdicts)
        each = jnp.broadcast_to(each, (len(fake),)) / len(verdicts)
        liked = jnp.sum(jnp.stack([fake.logits for _, fake in verdicts]), axis=0)
        total = top_k(each, liked, values["top_k"]) if keeps_top_k else jnp.mean(each)
        metrics = {"adversarial": total}
        if contest.classification is not None:
            assert label is not None
            learned = [jnp.mean(contest.classification.loss(fake, label)) for _, fake in verdicts]
            learned = jnp.mean(jnp.stack(learned))
            metrics["classification"] = learned
            total += values["classification_weight"] * learned
        for index, term in enumerate(eager):
            key = jax.random.fold_in(term_key, index)
            metrics[term.name], extra = _measured(contest, nets, term, z, label, key, extra)
            total += values[f"{term.name}_weight"] * metrics[term.name]
        return total, Aux(nets, extra, metrics)

    return loss


def lazy_generator_loss(contest: Contest, term: GeneratorRegulariser) -> PhaseLoss:
    """One regulariser by itself, `every` times as heavy."""

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        z_key, term_key = jax.random.split(key)
        z, label = contest.latents(z_key, batch), contest.label_of(batch)
        value, extra = _measured(contest, nets, term, z, label, term_key, extra)
        weight = term.every * values[f"{term.name}_weight"]
        return weight * value, Aux(nets, extra, {term.name: value})

    return loss


def _verdicts(
    contest: Contest,
    nets: Nets,
    name: str,
    lens: Lens,
    real: Array,
    fake: Array,
    label: Array | None,
) -> tuple[Verdict, Verdict]:
    """A discriminator's, whose statistics stay: on real pictures only if the loss reads them."""
    discriminator = nets.fixed(name)
    of_fake = verdict_of(discriminator(lens.fake(fake), label))
    if not contest.loss.relativistic:
        return of_fake, of_fake
    return verdict_of(discriminator(lens.real(real), label)), of_fake


def _measured(
    contest: Contest,
    nets: Nets,
    term: GeneratorRegulariser,
    z: Array,
    label: Array | None,
    key: Array,
    extra: PyTree,
) -> tuple[Array, PyTree]:
    """A regulariser's mean over the generators, each on its share of z."""
    values = []
    for index, name in enumerate(contest.generators):
        share = contest.part(index, z), contest.part(index, label)
        made = _made(contest, nets, name, *share, jax.random.fold_in(key, index))
        value, extra = measure(term, name, made, extra)
        values.append(value)
    return sum(values[1:], start=values[0]) / len(values), extra


def _made(
    contest: Contest, nets: Nets, name: str, z: Array, label: Array | None, key: Array
) -> Made:
    """A round as a generator's regulariser sees it."""
    drawing = contest.drawing
    draw_key, term_key = jax.random.split(key)

    def of(z: Array) -> Array | None:
        return None if label is None else label[: len(z)]

    def generate(z: Array) -> Array:
        return drawing.train(nets, name, z, of(z), draw_key)[0]

    def styles(z: Array, key: Array) -> Array:
        assert isinstance(drawing, Styled)
        return drawing.styles(nets, name, z, of(z), key)[0]

    def synthesise(ws: Array) -> Array:
        assert isinstance(drawing, Styled)
        return nets.fixed(name)(ws, method="synthesise", noise=drawing.noise)

    styled = isinstance(drawing, Styled)
    return Made(
        generator=generate,
        styles=styles if styled else None,
        synthesise=synthesise if styled else None,
        latents=z,
        images=generate(z),
        params=nets.variables[name]["params"],
        key=term_key,
    )

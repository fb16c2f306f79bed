"""What discriminators minimise: the adversarial loss, the classification, the regularisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.augment.adaptive import real_signs
from gan_jax.layers.verdict import Verdict, verdict_of
from gan_jax.recipe import Aux, Batch, Nets, PhaseLoss, PyTree
from gan_jax.recipes.augmentation import Values
from gan_jax.recipes.contest import Contest, Lens, Pictures
from gan_jax.recipes.regularisers import Judged, Regulariser

Metrics = dict[str, Array]


def discriminator_loss(contest: Contest, eager: Sequence[Regulariser]) -> PhaseLoss:
    """The loss of every turn, `eager` regularisers included, summed over discriminators."""

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        draw_key, lens_key, term_key = jax.random.split(key, 3)
        pictures, nets = contest.pictures(nets, extra, batch, draw_key, values)
        lens = contest.lens(extra, lens_key, values)
        total, measured, real_logits = jnp.zeros(()), [], []
        for name in contest.discriminators:
            real, fake, nets = _verdicts(contest, nets, name, lens, pictures)
            value, metrics = _adversarial(contest, real, fake, pictures.label, values)
            for index, term in enumerate(eager):
                judged = _judged(nets, name, lens, pictures, (real, fake),
                                 jax.random.fold_in(term_key, index))  # fmt: skip
                metrics[term.name], extra = measure(term, name, judged, extra)
                value += values[f"{term.name}_weight"] * metrics[term.name]
            total += value
            measured.append(metrics)
            real_logits.append(real.logits)
        metrics = {name: _mean([each[name] for each in measured]) for name in measured[0]}
        extra, moved = _augmentation_moved(contest, extra, real_logits, values)
        return total, Aux(nets, extra, metrics | moved)

    return loss


def lazy_discriminator_loss(contest: Contest, term: Regulariser) -> PhaseLoss:
    """One regulariser by itself, `every` times as heavy."""

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        draw_key, lens_key, term_key = jax.random.split(key, 3)
        pictures, nets = contest.pictures(nets, extra, batch, draw_key, values)
        lens = contest.lens(extra, lens_key, values)
        measured = []
        for name in contest.discriminators:
            # What a term does not use is never computed: the compiler drops it.
            real, fake, after = _verdicts(contest, nets, name, lens, pictures)
            judged = _judged(after, name, lens, pictures, (real, fake),
                             jax.random.fold_in(term_key, 0))  # fmt: skip
            value, extra = measure(term, name, judged, extra)
            measured.append(value)
        weight = term.every * values[f"{term.name}_weight"]
        return weight * sum(measured), Aux(nets, extra, {term.name: _mean(measured)})

    return loss


def measure(term, network: str, seen, extra: Mapping[str, PyTree]) -> tuple[Array, PyTree]:
    """A regulariser's mean value, and `extra` with its state for that network moved."""
    state = extra[term.name][network] if term.name in extra else ()
    value, state = term.measure(seen, state)
    if term.name in extra:
        extra = {**extra, term.name: {**extra[term.name], network: state}}
    return jnp.mean(value), extra


def _verdicts(contest: Contest, nets: Nets, name: str, lens: Lens, pictures: Pictures):
    real, fake = lens.real(pictures.real), lens.fake(pictures.fake)
    return contest.judge(nets, name, real, fake, pictures.label)


def _adversarial(
    contest: Contest, real: Verdict, fake: Verdict, label: Array | None, values: Values
) -> tuple[Array, Metrics]:
    value = jnp.mean(contest.loss.discriminator(real.logits, fake.logits))
    metrics = {
        "adversarial": value,
        "real_logits": jnp.mean(real.logits),
        "fake_logits": jnp.mean(fake.logits),
    }
    classification = contest.classification
    if classification is not None:
        assert label is not None
        learned = jnp.mean(classification.loss(real, label))
        if classification.of_fakes:
            learned += jnp.mean(classification.loss(fake, label))
        metrics["classification"] = learned
        value += values["classification_weight"] * learned
    return value, metrics


def _judged(
    nets: Nets,
    name: str,
    lens: Lens,
    pictures: Pictures,
    verdicts: tuple[Verdict, Verdict],
    key: Array,
) -> Judged:
    """A round as a regulariser sees it."""
    discriminator, label = nets.fixed(name), pictures.label

    def logits(images: Array) -> Array:
        return verdict_of(discriminator(images, label)).logits

    return Judged(
        discriminator=lambda images: logits(lens.real(images)),
        of_fakes=lambda images: logits(lens.fake(images)),
        real=pictures.real,
        fake=pictures.fake,
        real_logits=verdicts[0].logits,
        fake_logits=verdicts[1].logits,
        generator=pictures.again,
        latents=pictures.latents,
        params=nets.variables[name]["params"],
        key=key,
    )


def _augmentation_moved(
    contest: Contest, extra: PyTree, real_logits: Sequence[Array], values: Values
) -> tuple[PyTree, Metrics]:
    """`extra` with the augmentation's state moved, and what to log of it."""
    augmentation = contest.augmentation
    if augmentation.start == ():
        return extra, {}
    signs = _mean([real_signs(logits - (contest.loss.boundary or 0.0)) for logits in real_logits])
    state = augmentation.move(extra["augmentation"], jax.lax.stop_gradient(signs), values)
    extra = {**extra, "augmentation": state}
    return extra, {"augment_p": augmentation.strength(state, values)}


def _mean(values: Sequence[Array]) -> Array:
    return sum(values[1:], start=values[0]) / len(values)

"""Which parts of a noise recipe go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.errors import UsageError
from gan_jax.layers.heads import AuxiliaryClassifierHead, ContrastiveHead, LinearHead
from gan_jax.recipes.contest import Contest
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser
from gan_jax.recipes.regularisers import Regulariser
from gan_jax.schedules import Schedule

LAST = 2**31 - 1
"""Of the steps that a state can count, and more pictures than any schedule lasts."""


def check(
    contest: Contest,
    networks: Mapping[str, nn.Module],
    num_classes: int,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    regularisers: Sequence[Regulariser],
    generator_regularisers: Sequence[GeneratorRegulariser],
    keeps_top_k: bool,
) -> None:
    """Refuses parts that exclude one another, and values that are missing.

    Raises:
        UsageError: the first such thing found.
    """
    names = [term.name for term in (*regularisers, *generator_regularisers)]
    needed = ["ema_decay", *(f"{name}_weight" for name in names)]
    needed += contest.augmentation.needs
    needed += ["classification_weight"] * (contest.classification is not None)
    needed += ["top_k"] * keeps_top_k
    for value in needed:
        if value not in values:
            raise UsageError(f"the recipe's values lack {value!r}: add it to values={{…}}")
    _check_ranges(contest, values, schedules)
    for term in (*regularisers, *generator_regularisers):
        if term.every < 1:
            raise UsageError(f"{term.name}: every={term.every} must be at least 1 (every round)")
    if len(set(names)) < len(names):
        raise UsageError(f"a regulariser is listed twice: {', '.join(sorted(names))}")
    _check_single_logits(contest, regularisers)
    if contest.classification is not None and not contest.conditional:
        raise UsageError("a classification needs labels: set num_classes")
    _check_classes(networks, num_classes)
    _check_that_labels_are_read(contest, networks)
    for term in generator_regularisers:
        if term.needs_styles and not isinstance(contest.drawing, Styled):
            raise UsageError(f"{term.name} works on styles: it needs drawing=Styled(…)")


def _check_single_logits(contest: Contest, regularisers: Sequence[Regulariser]) -> None:
    """A penalty may fix the offset that a critic's logits lack (LeCam under Wasserstein), but not
    where both players look at differences alone; signs need a boundary."""
    excluded = [term.name for term in regularisers if term.reads_logits]
    if contest.loss.relativistic and excluded:
        raise UsageError(
            f"{excluded[0]} reads single logits, but under a relativistic loss only their "
            "differences mean something: choose another loss, or leave it out"
        )
    if contest.loss.boundary is None and contest.augmentation.reads_logits:
        raise UsageError(
            "adaptive augmentation counts the signs of logits, but under this loss none says "
            '"real": choose another loss, or another augmentation'
        )


def _check_classes(networks: Mapping[str, nn.Module], num_classes: int) -> None:
    """Networks, or where they have one their heads, that say how many classes they know
    must say what the recipe says."""
    for name, network in networks.items():
        knows = getattr(network, "head", None) or network
        known = getattr(knows, "num_classes", num_classes)
        if known != num_classes:
            raise UsageError(
                f"the {name} has num_classes={known}, the recipe num_classes={num_classes}: "
                "give both the same"
            )


def _check_that_labels_are_read(contest: Contest, networks: Mapping[str, nn.Module]) -> None:
    """A head may keep the label from the logits; then a classification is to read it."""
    if not contest.conditional or contest.classification is not None:
        return
    for name in contest.discriminators:
        head = getattr(networks[name], "head", None)
        if isinstance(head, (LinearHead, AuxiliaryClassifierHead, ContrastiveHead)):
            raise UsageError(
                f"the {name}'s {type(head).__name__} judges without the label, so classes would "
                "mean nothing: add a classification, or take a ProjectionHead"
            )


def _check_ranges(
    contest: Contest, values: Mapping[str, float], schedules: Mapping[str, Schedule]
) -> None:
    """Of the values that every recipe may have: a scheduled one's are what its schedule makes of it
    in the first round and in the end."""
    if contest.latent_size < 1:
        raise UsageError(f"latent_size={contest.latent_size} must be at least 1")
    ranges = {"ema_decay": (0.0, 1.0), "augment_p": (0.0, 1.0), "augment_target": (-1.0, 1.0)}
    ranges |= {"top_k": (0.0, 1.0)}
    for name, value in values.items():
        low, high = ranges.get(name, (-inf, inf))
        if name.endswith("_weight"):
            low = 0.0
        if name not in schedules:
            _check_range(f"{name}={value:g}", value, low, high)
            continue
        for step in (0, LAST):
            made = float(schedules[name](jnp.int32(step), jnp.float32(step), jnp.float32(value)))
            _check_range(f"{name}={value:g}, {made:g} by its schedule,", made, low, high)


def _check_range(what: str, number: float, low: float, high: float) -> None:
    if low <= number <= high and isfinite(number):
        return
    bound = f"between {low:g} and {high:g}" if high < inf else f"at least {low:g} and finite"
    raise UsageError(f"{what} must be {bound if low > -inf else 'a finite number'}")

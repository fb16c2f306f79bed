"""Avatars against their renderer: distances, modes and readings in the avatar judge's space."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_bounds import Judgements, bound_sets, kept
from gan_jax.evaluators.compare import check_counts, compare
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World, about
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.generated import Sampling, Statistics, Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.spaces import judge_space
from gan_jax.metrics.attributes import modes_covered
from gan_jax.metrics.protocol import PROTOCOLS, Protocol
from gan_jax.weights.folder import SHIPPED
from gan_jax.weights.store import find_weights

MEASURES = ("fid", "kid_full", "pr", "prdc")
PROTOCOL = dataclasses.replace(PROTOCOLS["tf1"], name="avatar", network="avatar_judge")
"""The estimators of `tf1` on the judge's features; KID over all pairs, without subsets."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AvatarFidelity:
    """Generated avatars against rendered ones, as the judge sees them.

    `fd_avatar` is the Fréchet distance of the judge's features: it is no FID. `modes_covered` is
    the share of cells hair style x expression x drawing style in which at least one picture is read
    with confidence. Beside each metric stands what the renderer itself reaches with as many
    pictures (`ceiling`), and what noise and copies of one avatar do (`noise`, `copies`).

    Attributes:
        samples: generated avatars.
        real_samples: rendered ones, 0 for all.
        split: of the rendered ones; "" for the one that the run trains on.
    """

    name: str = "avatars"
    every: str = ""
    samples: int = 2000
    real_samples: int = 0
    split: str = ""
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (
            *("fd_avatar", "kid", "precision", "recall", "density", "coverage"),
            *("modes_covered", "modes_entropy"),
        )

    def open(self, world: World) -> Measure:
        if not world.is_avatars:
            raise UsageError(f"{self.name}: the judge knows the project's own avatars only")
        given = self.real_samples or None
        check_counts(MEASURES, PROTOCOL, real=given, generated=self.samples)
        generated = world.generator()
        space = judge_space(find_weights("avatar_judge", None))
        described = {"name": "avatar", **space.describe, **estimators(PROTOCOL), **own_errors()}
        sampling = Sampling(
            samples=self.samples,
            seed=self.seed,
            truncation=self.truncation,
            ema=self.ema,
            statistics=self.statistics,
        )

        @functools.cache
        def bounds() -> Judgements:
            extractor, reals, real = opened()
            sets = bound_sets(self.samples, len(reals.read(0)))
            bound = [pictures.fingerprint for pictures in sets.values()]
            key = {"real": about(reals), "bounds": bound, "samples": self.samples, **described}
            judge = functools.partial(judge_bounds, sets, extractor, real, self.samples, world)
            return kept(world.cache, key, judge)

        @functools.cache
        def opened() -> tuple[Extractor, Pictures, Features]:
            extractor = Extractor(space, world.mesh, world.batch)
            reals = world.reals(self.split or world.split)
            reals = reals.first(self.real_samples or reals.count)
            check_counts(MEASURES, PROTOCOL, real=reals.count, generated=self.samples)
            with world.progress(f"the judge reads {reals.name}") as advance:
                features = features_of(extractor, reals, cache=world.cache, advance=advance)
            return extractor, reals, features

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            extractor, reals, real = opened()
            with world.progress("the judge reads generated avatars") as advance:
                fake = extractor(
                    generated(subject, drawn), lambda done: advance(done, self.samples)
                )
            metrics, warnings = judged(real, fake)
            return Evaluation(
                metrics=beside(metrics, bounds()),
                protocol=described,
                sampling=generated.describe(drawn),
                real=about(reals),
                warnings=warnings,
            )

        return measure


def judged(real: Features, fake: Features) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """The metrics of two sets of readings, and warnings."""
    metrics, warnings = compare(MEASURES, real, fake, PROTOCOL)
    metrics = {"fd_avatar": metrics.pop("fid"), "kid": metrics.pop("kid_full"), **metrics}
    modes = modes_covered(fake["factor/hairFront"], fake["expression"], fake["factor/style"])
    metrics["modes_covered"] = {
        "value": modes.covered / modes.cells,
        "covered": modes.covered,
        "cells": modes.cells,
    }
    metrics["modes_entropy"] = {"value": modes.entropy}
    return metrics, warnings


def judge_bounds(
    sets: Mapping[str, Pictures], extractor: Extractor, real: Features, count: int, world: World
) -> Judgements:
    """The metrics of each set, its pictures taken in turn up to `count`."""
    found = {}
    for name, pictures in sets.items():
        with world.progress(f"the judge reads {pictures.name}") as advance:
            read = features_of(extractor, pictures, cache=world.cache, advance=advance)
        rows = np.arange(count) % pictures.count
        found[name], _ = judged(real, {key: values[rows] for key, values in read.items()})
    return found


def beside(
    metrics: Mapping[str, Metric], bounds: Mapping[str, Mapping[str, Metric]]
) -> dict[str, Metric]:
    """Each metric with its value of every bound that has one."""
    return {
        name: {
            **metric,
            **{b: found[name]["value"] for b, found in bounds.items() if name in found},
        }
        for name, metric in metrics.items()
    }


def own_errors() -> dict[str, float]:
    """What the judge gets wrong on renders that it was not trained on, from its card: the share
    of each reading, and the landmarks' mean error as a share of the distance of the eyes."""
    card = json.loads((SHIPPED / "avatar_judge.json").read_text())
    read = ("expression", "hairFront", "style", "cell")
    wrong = {f"judge_error_{name}": round(1.0 - card["accuracy"][name], 4) for name in read}
    return wrong | {"judge_error_landmarks": card["landmark_error"]}


def estimators(protocol: Protocol) -> dict:
    """Of a protocol what does not concern the network."""
    return {
        "ddof": protocol.ddof,
        "kid": "all pairs",
        "k": [protocol.precision_recall_k, protocol.density_coverage_k],
    }

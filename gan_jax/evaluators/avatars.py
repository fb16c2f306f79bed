"""Avatars against their renderer: distances, modes and readings in the avatar judge's space."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_bounds import bound_sets
from gan_jax.evaluators.compare import compare
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.generated import Sampling, Statistics, Subject
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.samples import conditions
from gan_jax.evaluators.spaces import judge_space
from gan_jax.metrics.attributes import expression_accuracy, modes_covered
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
    with confidence. A conditional model also has its `expression_accuracy`.

    Attributes:
        samples: generated avatars.
        real_samples: rendered ones, 0 for all.
        split: of the rendered ones; "" for the one that the run trains on.
        conditional: the classes are expressions.
        bounds: sets beside each metric what the renderer itself reaches with as many pictures
            (`ceiling`), and noise and copies of one avatar (`noise`, `copies`).
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
    conditional: bool = False
    bounds: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        accuracy = ("expression_accuracy",) if self.conditional else ()
        return (
            *("fd_avatar", "kid", "precision", "recall", "density", "coverage"),
            *("modes_covered", "modes_entropy", *accuracy),
        )

    def open(self, world: World) -> Measure:
        if not world.is_avatars:
            raise UsageError(f"{self.name}: the judge knows the project's own avatars only")
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
        def bounds() -> dict[str, dict[str, Metric]]:
            extractor, real, _ = opened()
            found = {}
            for name, pictures in bound_sets(self.samples).items():
                with world.progress(f"the judge reads {pictures.name}") as advance:
                    read = features_of(extractor, pictures, cache=world.cache, advance=advance)
                found[name], _ = judged(real, read, None)
            return found

        @functools.cache
        def opened() -> tuple[Extractor, Features, dict]:
            extractor = Extractor(space, world.mesh, world.batch)
            reals = world.reals(self.split or world.split)
            reals = reals.first(self.real_samples or reals.count)
            with world.progress(f"the judge reads {reals.name}") as advance:
                features = features_of(extractor, reals, cache=world.cache, advance=advance)
            about = {"name": reals.name, "samples": reals.count, "fingerprint": reals.fingerprint}
            return extractor, features, about

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            extractor, real, about = opened()
            with world.progress("the judge reads generated avatars") as advance:
                fake = extractor(
                    generated(subject, drawn), lambda done: advance(done, self.samples)
                )
            labels = conditions(self.samples, world.num_classes, None)["label"]
            metrics, warnings = judged(real, fake, labels if self.conditional else None)
            if self.bounds:
                metrics = beside(metrics, bounds())
            return Evaluation(
                metrics=metrics,
                protocol=described,
                sampling=drawn.describe(bool(world.recipe.ema)),
                real=about,
                warnings=warnings,
            )

        return measure


def judged(
    real: Features, fake: Features, labels: np.ndarray | None
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """The metrics of two sets of readings, and warnings; `labels` are the expressions that were
    asked for, where some were."""
    metrics, warnings = compare(MEASURES, real, fake, PROTOCOL)
    metrics = {"fd_avatar": metrics.pop("fid"), "kid": metrics.pop("kid_full"), **metrics}
    modes = modes_covered(fake["factor/hairFront"], fake["expression"], fake["factor/style"])
    metrics["modes_covered"] = {
        "value": modes.covered / modes.cells,
        "covered": modes.covered,
        "cells": modes.cells,
    }
    metrics["modes_entropy"] = {"value": modes.entropy}
    if labels is not None:
        metrics["expression_accuracy"] = {"value": expression_accuracy(fake["expression"], labels)}
    return metrics, warnings


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

"""Fidelity in Inception's features under a named protocol: FID, KID, IS, precision and recall …;
precision and recall in those of VGG-16 too."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.compare import (
    by_network,
    check_counts,
    check_measures,
    compare,
    names_of,
    unread,
)
from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.generated import Sampling, Statistics, Subject
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.spaces import feature_space, stated, stated_protocol
from gan_jax.metrics.protocol import Protocol
from gan_jax.metrics.protocol import protocol as named_protocol
from gan_jax.weights.store import find_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Generated pictures against the real ones of a split.

    Attributes:
        protocol: a preset of `metrics.protocol`: "tf1", "pytorch-fid", "clean", "torchmetrics".
        measures: of `compare.MEASURES`.
        samples: generated pictures.
        real_samples: real ones, 0 for all.
        split: of the real ones; "" for the one that the run trains on.
        kid_subsets, kid_subset_size: 0 for the protocol's own.
        kid_seed: of KID's subsets; None for the protocol's own.
        weights: a file of Inception's weights; "" for the imported ones.
        weights_vgg16: the same of VGG-16's, for the measure `pr_vgg16`.
    """

    name: str = "fidelity"
    every: str = ""
    protocol: str = "tf1"
    measures: tuple[str, ...] = ("fid", "kid")
    samples: int = 10_000
    real_samples: int = 0
    split: str = ""
    weights: str = ""
    weights_vgg16: str = ""
    kid_subsets: int = 0
    kid_subset_size: int = 0
    kid_seed: int | None = None
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"

    @property
    def metrics(self) -> tuple[str, ...]:
        return names_of(self.measures)

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        files = {"inception": self.weights, "vgg16": self.weights_vgg16}
        return tuple((network, files[network]) for network in by_network(self.measures))

    @property
    def unread(self) -> tuple[str, ...]:
        """The settings that none of the measures reads."""
        return unread(self.measures)

    def open(self, world: World) -> Measure:
        check_measures(self.measures)
        settings = self._settings()
        if "intra_fid" in self.measures and world.attributes:
            raise UsageError(
                f"{self.name}: intra_fid is a mean over classes; this run's labels are attributes"
            )
        self._check_counts(settings, self.real_samples or None, world.num_classes)
        spaces = {
            network: feature_space(network, settings, find_weights(network, file))
            for network, file in self._files().items()
        }
        generated = world.generator()
        sampling = Sampling(
            samples=self.samples,
            seed=self.seed,
            truncation=self.truncation,
            ema=self.ema,
            statistics=self.statistics,
            quantisation=settings.quantisation,
        )

        @functools.cache
        def opened() -> tuple[dict[str, tuple[Extractor, Features]], dict]:
            reals = world.reals(self.split or world.split)
            reals = reals.first(self.real_samples or reals.count)
            self._check_counts(settings, reals.count, world.num_classes)
            labels = {"label": reals.labels()} if "intra_fid" in self.measures else {}
            sides = {}
            for network, space in spaces.items():
                extractor = Extractor(space, world.mesh, world.batch)
                with world.progress(f"features of {reals.name}") as advance:
                    features = features_of(extractor, reals, cache=world.cache, advance=advance)
                sides[network] = extractor, {**features, **labels}
            return sides, about(reals)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            sides, which = opened()
            metrics, warnings = {}, []
            for network, measures in by_network(self.measures).items():
                extractor, real = sides[network]
                with world.progress("features of generated pictures") as advance:
                    fake = extractor(  # the same pictures for each network
                        generated(subject, drawn), lambda done: advance(done, self.samples)
                    )
                fake["label"] = generated.conditions(self.samples)["label"]
                found, found_warnings = compare(measures, real, fake, settings)
                metrics |= stated(found, extractor.space)
                warnings += [*extractor.space.warnings, *found_warnings]
            return Evaluation(
                metrics=metrics,
                protocol=stated_protocol(list(spaces.values())),
                sampling=generated.describe(drawn),
                real=which,
                warnings=tuple(warnings),
            )

        return measure

    def _settings(self) -> Protocol:
        """The protocol, with KID's subsets as they are set here."""
        settings = named_protocol(self.protocol)
        return dataclasses.replace(
            settings,
            kid_subsets=self.kid_subsets or settings.kid_subsets,
            kid_subset_size=self.kid_subset_size or settings.kid_subset_size,
            kid_seed=settings.kid_seed if self.kid_seed is None else self.kid_seed,
        )

    def _files(self) -> dict[str, Path | None]:
        """Of weights, by the networks that the measures take; None for the imported ones."""
        return {network: Path(file) if file else None for network, file in self.needs}

    def _check_counts(self, protocol: Protocol, real: int | None, classes: int) -> None:
        """Raises DataError for too few pictures, UsageError for classes that are not there."""
        check_counts(self.measures, protocol, real=real, generated=self.samples)
        if "intra_fid" in self.measures and not classes:
            raise UsageError(f"{self.name}: intra_fid is a mean over classes; this run has none")
        if "intra_fid" in self.measures and self.samples < 2 * classes:
            raise DataError(
                f"{self.name}: intra_fid of {self.samples} generated pictures in {classes} "
                "classes: at least 2 of each are needed"
            )

"""Two sets of features under a protocol: every metric that they give, as it goes into a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.evaluator import Metric
from gan_jax.evaluators.features import Features
from gan_jax.evaluators.statistics_file import Statistics
from gan_jax.metrics.frechet import frechet_distance
from gan_jax.metrics.inception_score import inception_score
from gan_jax.metrics.intra_class import intra_class_frechet_distance
from gan_jax.metrics.kernel import kid_full, kid_subsets
from gan_jax.metrics.moments import covariance, moments_of
from gan_jax.metrics.neighbours import density_coverage, precision_recall
from gan_jax.metrics.protocol import Protocol
from gan_jax.metrics.sliced import mind

MEASURES: Mapping[str, tuple[str, ...]] = {
    "fid": ("fid",),
    "kid": ("kid",),
    "kid_full": ("kid_full",),
    "is": ("is",),
    "pr": ("precision", "recall"),
    "prdc": ("density", "coverage"),
    "mind": ("mind",),
    "intra_fid": ("intra_fid",),
}
"""The metrics that each measure gives."""

Metrics = dict[str, Metric]


def names_of(measures: Sequence[str]) -> tuple[str, ...]:
    """The metrics of some measures."""
    return tuple(name for measure in measures for name in MEASURES.get(measure, ()))


def check_measures(measures: Sequence[str]) -> None:
    """Raises UsageError for an unknown one, or none at all."""
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown or not measures:
        what = f"no metric {unknown[0]!r}" if unknown else "no metric is named"
        raise UsageError(f"{what}; there are {', '.join(MEASURES)}")


def statistics_of(features: Features, name: str, protocol: Protocol) -> Statistics:
    """Mean and covariance of features `[N, D]`; DataError for NaN, or one picture alone."""
    moments = moments_of(features["features"])
    return Statistics(
        name=name,
        mean=moments.mean,
        covariance=covariance(moments, protocol.ddof),
        count=moments.count,
        protocol=None,
    )


def compare(
    measures: Sequence[str], real: Features | Statistics, fake: Features, protocol: Protocol
) -> tuple[Metrics, tuple[str, ...]]:
    """The metrics, and what a reader of them must know.

    Args:
        measures: keys of `MEASURES`.
        real: features of the real pictures, or their statistics, which are enough for `fid`.
        fake: features of the pictures to judge, with `logits` for `is`; both with `label` int
            `[N]` for `intra_fid`.
        protocol: the estimators' settings.

    Raises:
        DataError: too few pictures for an estimator, NaN features, features missing.
    """
    found: Metrics = {}
    for measure in measures:
        if measure == "fid":
            found["fid"] = {"value": _fid(real, fake, protocol)}
        elif measure == "is":
            found["is"] = _inception_score(fake, protocol)
        elif isinstance(real, Statistics):
            raise DataError(
                f"{real.name} holds a mean and a covariance, enough for fid but not for {measure}:"
                " give the real pictures"
            )
        else:
            found |= _of_features(measure, real, fake, protocol)
    return found, _warnings(measures, real, fake)


def _fid(real: Features | Statistics, fake: Features, protocol: Protocol) -> float:
    a = real if isinstance(real, Statistics) else statistics_of(real, "real", protocol)
    b = statistics_of(fake, "fake", protocol)
    if a.mean.shape != b.mean.shape:
        raise DataError(
            f"{a.name}: statistics of {len(a.mean)} features, but this network has {len(b.mean)}"
        )
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def _inception_score(fake: Features, protocol: Protocol) -> Metric:
    splits, ddof = protocol.inception_score_splits, protocol.inception_score_ddof
    seed = protocol.inception_score_seed
    found = inception_score(fake["logits"], splits=splits, seed=seed, ddof=ddof)
    return dataclasses.asdict(found) | {"splits": splits, "ddof": ddof}


def _of_features(measure: str, real: Features, fake: Features, protocol: Protocol) -> Metrics:
    a, b = real["features"], fake["features"]
    if measure == "kid":
        found = kid_subsets(
            a,
            b,
            subsets=protocol.kid_subsets,
            subset_size=protocol.kid_subset_size,
            sampling=protocol.kid_sampling,
            seed=protocol.kid_seed,
        )
        about = {"subsets": protocol.kid_subsets, "subset_size": protocol.kid_subset_size}
        return {"kid": dataclasses.asdict(found) | about}
    if measure == "kid_full":
        return {"kid_full": {"value": kid_full(a, b)}}
    if measure == "pr":
        k, strict = protocol.precision_recall_k, protocol.precision_recall_strict
        ratios = precision_recall(a, b, k=k, strict=strict)
        about = {"k": k, "strict": strict}
        return {name: {"value": getattr(ratios, name)} | about for name in MEASURES["pr"]}
    if measure == "prdc":
        shares = density_coverage(a, b, k=protocol.density_coverage_k)
        about = {"k": protocol.density_coverage_k, "strict": True}
        return {name: {"value": getattr(shares, name)} | about for name in MEASURES["prdc"]}
    if measure == "intra_fid":
        for name, features in (("real", real), ("generated", fake)):
            if "label" not in features:
                raise DataError(f"intra_fid needs labels, and the {name} pictures have none")
        within = intra_class_frechet_distance(a, real["label"], b, fake["label"])
        return {"intra_fid": {"value": within.value, "classes": len(within.classes)}}
    return {"mind": {"value": mind(a, b, projections=1000, seed=0), "projections": 1000}}


def _warnings(
    measures: Sequence[str], real: Features | Statistics, fake: Features
) -> tuple[str, ...]:
    count, width = fake["features"].shape
    counts = {"generated": count}
    if isinstance(real, Statistics):
        counts |= {} if real.count is None else {"real": real.count}
    else:
        counts["real"] = len(real["features"])
    return tuple(
        f"the Fréchet distance rests on {count:,} {kind} pictures, not more than its {width} "
        "features: the covariance is singular and the value biased upwards"
        for kind, count in counts.items()
        if "fid" in measures and count <= width
    )

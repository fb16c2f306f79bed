"""Two sets of features under a protocol: every metric that they give, as it goes into a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

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
    "pr_vgg16": ("precision_vgg16", "recall_vgg16"),
    "prdc": ("density", "coverage"),
    "mind": ("mind",),
    "intra_fid": ("intra_fid",),
}
"""The metrics that each measure gives."""

OF_INCEPTION = (
    *("weights", "protocol", "kid_subsets", "kid_subset_size", "kid_seed", "save_statistics"),
)
"""Settings and flags that no measure in the features of VGG-16 reads."""

Metrics = dict[str, Metric]


def names_of(measures: Sequence[str]) -> tuple[str, ...]:
    """The metrics of some measures."""
    return tuple(name for measure in measures for name in MEASURES.get(measure, ()))


def by_network(measures: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The measures in the features of each network that some are in, Inception's first."""
    of_vgg16 = tuple(measure for measure in measures if measure == "pr_vgg16")
    others = tuple(measure for measure in measures if measure not in of_vgg16)
    found = {"inception": others, "vgg16": of_vgg16}
    return {network: chosen for network, chosen in found.items() if chosen}


def unread(measures: Sequence[str]) -> tuple[str, ...]:
    """Settings and flags of fidelity that none of the measures reads."""
    networks = by_network(measures)
    of_inception = () if "inception" in networks else OF_INCEPTION
    return of_inception if "vgg16" in networks else (*of_inception, "weights_vgg16")


def names_in(text: str) -> list[str]:
    """Of metrics, with commas between; raises UsageError where there is none."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names:
        raise UsageError(f"--metrics={text}: a name is missing; say which, as --metrics=fid,kid")
    return names


def check_measures(measures: Sequence[str]) -> None:
    """Raises UsageError for an unknown one, or none at all."""
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown or not measures:
        what = f"no metric {unknown[0]!r}" if unknown else "no metric is named"
        raise UsageError(f"{what}; of pictures alone there are {', '.join(MEASURES)}")


def least_counts(measure: str, protocol: Protocol) -> tuple[int, int]:
    """Real and generated pictures that a measure needs at least."""
    subset = 2 if protocol.kid_sampling == "clean-fid" else protocol.kid_subset_size
    k, density_k = protocol.precision_recall_k, protocol.density_coverage_k
    return {
        "fid": (protocol.ddof + 1, protocol.ddof + 1),
        "kid": (subset, subset),
        "kid_full": (2, 2),
        "is": (1, protocol.inception_score_splits),
        "pr": (k + 1, k + 1),
        "pr_vgg16": (k + 1, k + 1),
        "prdc": (density_k + 1, 1),
        "mind": (1, 1),
        "intra_fid": (2, 2),
    }[measure]


def check_counts(
    measures: Sequence[str], protocol: Protocol, *, real: int | None, generated: int | None
) -> None:
    """What a measure would refuse, before a feature is computed; None for what is not known yet.

    Raises:
        DataError: fewer pictures than a measure needs.
    """
    neighbours = f"they are to have {protocol.precision_recall_k} neighbours each"
    hints = {
        "kid": "take more pictures, or smaller subsets (kid_subset_size)",
        "pr": neighbours,
        "pr_vgg16": neighbours,
        "prdc": f"they are to have {protocol.density_coverage_k} neighbours each",
        "is": f"it is the mean of {protocol.inception_score_splits} splits",
    }
    for measure in measures:
        least = least_counts(measure, protocol)
        for which, count, needed in zip(
            ("real", "generated"), (real, generated), least, strict=True
        ):
            if count is not None and count < needed:
                hint = hints.get(measure, "take more pictures")
                raise DataError(
                    f"{measure} needs at least {needed} {which} pictures, not {count}: {hint}"
                )


def check_statistics(measures: Sequence[str], statistics: Statistics) -> None:
    """Raises DataError for a measure that a mean and a covariance are not enough for."""
    for measure in measures:
        if measure not in ("fid", "is"):
            raise DataError(
                f"{statistics.name} holds a mean and a covariance, enough for fid but not for "
                f"{measure}: give the real pictures"
            )


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
    if isinstance(real, Statistics):
        check_statistics(measures, real)
    found: Metrics = {}
    for measure in measures:
        if measure == "fid":
            found["fid"] = {"value": _fid(real, fake, protocol)}
        elif measure == "is":
            found["is"] = _inception_score(fake, protocol)
        elif not isinstance(real, Statistics):
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
    about = {"splits": splits, "ddof": ddof} | ({} if seed is None else {"seed": seed})
    return dataclasses.asdict(found) | about


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
        size = min(protocol.kid_subset_size, len(a), len(b))  # clean-fid's are no larger than these
        about = {"subsets": protocol.kid_subsets, "subset_size": size, "seed": protocol.kid_seed}
        return {"kid": dataclasses.asdict(found) | about}
    if measure == "kid_full":
        return {"kid_full": {"value": kid_full(a, b)}}
    if measure in ("pr", "pr_vgg16"):
        k, strict = protocol.precision_recall_k, protocol.precision_recall_strict
        ratios = precision_recall(a, b, k=k, strict=strict)
        values = zip(MEASURES[measure], (ratios.precision, ratios.recall), strict=True)
        return {name: {"value": value, "k": k, "strict": strict} for name, value in values}
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
    about = {"projections": 1000, "seed": 0}
    return {"mind": {"value": mind(a, b, **about)} | about}


def _warnings(
    measures: Sequence[str], real: Features | Statistics, fake: Features
) -> tuple[str, ...]:
    count, width = fake["features"].shape
    counts = {"generated": count}
    if isinstance(real, Statistics):
        counts |= {} if real.count is None else {"real": real.count}
    else:
        counts["real"] = len(real["features"])
    rests = [
        ("fid", f"the Fréchet distance rests on {n:,} {kind}", n) for kind, n in counts.items()
    ]
    if "intra_fid" in measures and not isinstance(real, Statistics):
        for kind, n in (("generated", _smallest_class(fake)), ("real", _smallest_class(real))):
            rests.append(("intra_fid", f"intra_fid rests, in a class, on {n:,} {kind}", n))
    return tuple(
        f"{what} pictures, not more than its {width} features: the covariance is singular and the "
        "value biased upwards"
        for measure, what, n in rests
        if measure in measures and n <= width
    )


def _smallest_class(features: Features) -> int:
    return int(np.unique(features["label"], return_counts=True)[1].min())

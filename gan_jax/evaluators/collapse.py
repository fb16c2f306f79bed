"""Signs of collapse in an evaluation: pictures all alike, modes lost, a saturated discriminator,
a mask that keeps everything."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from gan_jax.evaluators.evaluator import Metric


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond which a metric is a sign of collapse.

    Attributes:
        least_variance: of `variance_ratio`, the variance of generated pixels over pictures, as a
            share of the real ones'.
        least_coverage: of `coverage`, the share of real pictures with a generated one near.
        saturation: of `saturation`, the share of pictures of which the discriminator tells rightly
            whether they are real; near 1 it leaves the generator no gradient.
        kept: of `mask_full`, the share of places where a translator keeps what it was given; near 1
            it gives pictures back as they are.
    """

    least_variance: float
    least_coverage: float
    saturation: float
    kept: float


WATCHED = ("variance_ratio", "coverage", "saturation", "mask_full")


def watches(metrics: Mapping[str, Metric]) -> bool:
    """Whether a collapse could show in these."""
    return any(name in metrics for name in WATCHED)


def beyond(metrics: Mapping[str, Metric], limits: Limits) -> dict[str, str]:
    """For each watched metric that was measured: "" within its limit, else a line that says how
    far beyond. What is not a number is beyond."""
    low = {"variance_ratio": limits.least_variance, "coverage": limits.least_coverage}
    high = {"saturation": limits.saturation, "mask_full": limits.kept}
    found = {}
    for name, metric in metrics.items():
        value = float("nan") if metric["value"] is None else metric["value"]
        if name in low:
            found[name] = "" if value >= low[name] else f"{name} {value:.3g} is below {low[name]:g}"
        if name in high:
            sign = f"{name} {value:.3g} is above {high[name]:g}"
            found[name] = "" if value <= high[name] else sign
    return found


class Watch:
    """Signs of collapse in one evaluation after another: a metric beyond its limit that has been
    within it before. What is not there yet, early in a run, cannot collapse.

    Args:
        limits: of the metrics; None to watch none.
    """

    def __init__(self, limits: Limits | None):
        self._limits = limits
        self._healthy: set[str] = set()

    def signs(self, metrics: Mapping[str, Metric]) -> list[str]:
        """A line for each metric that has left its limit."""
        found = beyond(metrics, self._limits) if self._limits else {}
        self._healthy |= {name for name, sign in found.items() if not sign}
        return [sign for name, sign in found.items() if sign and name in self._healthy]

"""Which checkpoints stay on the disk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from gan_jax.errors import UsageError
from gan_jax.manifest import Manifest


@dataclasses.dataclass(frozen=True)
class Best:
    """The metric that ranks checkpoints; `mode` is "min" or "max"."""

    metric: str
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise UsageError(f"the best checkpoint is the min or the max, not {self.mode!r}")

    def ranked(self, manifests: Mapping[int, Manifest]) -> list[int]:
        """The steps from best to worst, newer first among equals.

        A checkpoint without the metric, with NaN or infinity for it, or with a state that is not
        finite has no rank.
        """
        sign = 1 if self.mode == "min" else -1
        ranks = {
            step: (sign * manifest.metrics[self.metric], -step)
            for step, manifest in manifests.items()
            if manifest.finite and math.isfinite(manifest.metrics.get(self.metric, math.nan))
        }
        return sorted(ranks, key=ranks.__getitem__)


@dataclasses.dataclass(frozen=True)
class Retention:
    """Keep the last `keep_last`, every `keep_every`-th step's, and the best."""

    keep_last: int
    keep_every: int | None
    best: Best | None

    def __post_init__(self) -> None:
        if self.keep_last < 1 or (self.keep_every is not None and self.keep_every < 1):
            raise UsageError("a run keeps at least the last checkpoint, and every n-th for n >= 1")

    def kept(self, manifests: Mapping[int, Manifest]) -> set[int]:
        """The steps to keep. One that is not finite stays only while it is the newest of all, so
        it never takes the place of a finite one."""
        newest_first = sorted(manifests, reverse=True)
        finite = [step for step in newest_first if manifests[step].finite]
        kept = set(newest_first[:1] + finite[: self.keep_last])
        if self.keep_every is not None:
            kept |= {step for step in finite if step % self.keep_every == 0}
        if self.best is not None:
            kept |= set(self.best.ranked(manifests)[:1])
        return kept

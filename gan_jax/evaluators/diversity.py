"""Diversity: whether generated pictures differ from one another as the real ones do."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
from jax import Array

from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import Sampling, Statistics, Subject
from gan_jax.evaluators.lpips import LPIPS_NEEDS, find_lpips, lpips, warnings_of
from gan_jax.evaluators.path_length import as_rgb, shrunk
from gan_jax.metrics.structural_similarity import mean_pairwise_ms_ssim, scale_weights
from gan_jax.ops.pixels import to_float

PAIRS_AT_ONCE = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diversity:
    """Generated pictures against each other, and real ones, by pixels and by eye.

    `variance_ratio` is the variance over pictures of every pixel, its mean, as a share of the real
    pictures': near 0 they are all one picture. `ms_ssim` is the mean similarity of pairs of
    generated pictures (Odena et al. 2017), `ms_ssim_real` of real ones: higher is more alike. With
    `perceptual`, `lpips` is the mean distance of pairs (needs VGG-16's and LPIPS' weights).

    Attributes:
        samples: pictures of each kind.
        pairs: of them.
    """

    name: str = "diversity"
    every: str = ""
    samples: int = 1000
    pairs: int = 500
    perceptual: bool = False
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"

    @property
    def metrics(self) -> tuple[str, ...]:
        eye = ("lpips", "lpips_real") if self.perceptual else ()
        return ("variance_ratio", "ms_ssim", "ms_ssim_real", *eye)

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        return LPIPS_NEEDS if self.perceptual else ()

    def open(self, world: World) -> Measure:
        generated = world.generator()
        variables, weights = find_lpips() if self.perceptual else (None, {})

        @jax.jit
        def of_pairs(eye, a: Array, b: Array) -> Array:
            return lpips(eye, *(shrunk(as_rgb(to_float(x))) for x in (a, b)))

        distance = functools.partial(of_pairs, variables)
        sampling = Sampling(
            samples=self.samples,
            truncation=self.truncation,
            ema=self.ema,
            statistics=self.statistics,
        )

        def of(pictures: np.ndarray, seed: int) -> dict[str, float]:
            weights = scale_weights(min(pictures.shape[1:3]))
            chosen = {"pairs": self.pairs, "seed": seed}
            alike = mean_pairwise_ms_ssim(pictures, data_range=255.0, weights=weights, **chosen)
            found = {"variance": variance(pictures), "ms_ssim": alike}
            if self.perceptual:
                found["lpips"] = mean_over_pairs(distance, pictures, **chosen)
            return found

        @functools.cache
        def real(seed: int) -> tuple[dict[str, float], dict]:
            reals = world.reals(world.split).first(self.samples)
            return of(np.stack(list(reals.each())), seed), about(reals)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            fake = of(np.concatenate(list(generated(subject, drawn))), seed)
            true, which = real(seed)
            values = {"variance_ratio": fake["variance"] / max(true["variance"], 1e-9)}
            for name in ("ms_ssim", *(("lpips",) if self.perceptual else ())):
                values |= {name: fake[name], f"{name}_real": true[name]}
            return Evaluation(
                metrics={name: {"value": value} for name, value in values.items()},
                protocol={"space": "pixels", "pairs": self.pairs, **weights},
                sampling=generated.describe(drawn),
                real=which,
                warnings=warnings_of(weights) if self.perceptual else (),
            )

        return measure


def variance(pictures: np.ndarray) -> float:
    """Mean over pixels and channels of the variance over uint8 pictures `[N, H, W, C]`, in squared
    levels of 0 to 255."""
    count, total, squares = len(pictures), 0.0, 0.0
    for start in range(0, count, 256):
        block = pictures[start : start + 256].astype(np.float64)
        total, squares = total + block.sum(axis=0), squares + (block**2).sum(axis=0)
    return float(np.mean(squares / count - (total / count) ** 2))


def mean_over_pairs(function, pictures: np.ndarray, *, pairs: int, seed: int) -> float:
    """The mean of `function(a [P, H, W, C], b)` `[P]` over pairs of different pictures."""
    state = np.random.RandomState(seed)
    first = state.randint(0, len(pictures), pairs)
    second = (first + state.randint(1, len(pictures), pairs)) % len(pictures)
    found = []
    for start in range(0, pairs, PAIRS_AT_ONCE):
        here = np.minimum(np.arange(start, start + PAIRS_AT_ONCE), pairs - 1)
        values = np.asarray(function(pictures[first[here]], pictures[second[here]]))
        found.append(values[: pairs - start])
    return float(np.mean(np.concatenate(found)))

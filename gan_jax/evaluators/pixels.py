"""Pixel statistics that need no network: sliced Wasserstein distance and power spectrum."""

from __future__ import annotations

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import Sampling, Statistics, Subject
from gan_jax.metrics.laplacian_patches import patch_distances
from gan_jax.metrics.spectrum import log_power_spectrum, spectrum_distance
from gan_jax.ops.pixels import to_float


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelStatistics:
    """Generated pictures against real ones, as many of each.

    `swd` is the sliced Wasserstein distance of patches of Laplacian pyramids, its mean over the
    levels (Karras et al. 2018), and `swd_16`, … that of the level with so many pixels a side.
    `spectrum` is the distance of the mean power spectra (Durall et al. 2020): checkerboards and
    missing fine detail show there first.
    """

    name: str = "pixels"
    every: str = ""
    samples: int = 1000
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"
    metrics: tuple[str, ...] = ("swd", "spectrum")

    def open(self, world: World) -> Measure:
        generated = world.generator()
        sampling = Sampling(
            samples=self.samples,
            truncation=self.truncation,
            ema=self.ema,
            statistics=self.statistics,
        )

        @functools.cache
        def real() -> tuple[np.ndarray, dict]:
            reals = world.reals(world.split).first(self.samples)
            return np.stack(list(reals.each())), about(reals)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            true, which = real()
            fake = np.concatenate(list(generated(subject, drawn)))
            levels = patch_distances(true, fake, seed=seed)
            spectrum = spectrum_distance(spectra(true), spectra(fake))
            values = {"swd": float(np.mean(list(levels.values())))}
            values |= {f"swd_{side}": value for side, value in levels.items()}
            values["spectrum"] = spectrum
            return Evaluation(
                metrics={name: {"value": value} for name, value in values.items()},
                protocol={"space": "pixels"},
                sampling=generated.describe(drawn),
                real=which,
            )

        return measure


def spectra(pictures: np.ndarray) -> np.ndarray:
    """Of uint8 pictures, their borders faded out."""
    return log_power_spectrum(np.asarray(to_float(jnp.asarray(pictures))), window="hann")

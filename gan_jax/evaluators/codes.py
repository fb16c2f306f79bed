"""What the codes of an InfoGAN have come to mean: traversals, and what the judge reads of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES
from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.generated import BLOCK, Generated, Sampling, Subject
from gan_jax.evaluators.spaces import judge_space
from gan_jax.images import grid
from gan_jax.information import entropy, normalised_mutual_information, quantile_bins
from gan_jax.networks.features.avatar_judge import FACTORS
from gan_jax.weights.store import find_weights

Latents = Mapping[str, Any]
COLUMNS = 10
PARAMETER_BINS = 10
SHUFFLES = 5
LEAST_ENTROPY = 0.1
"""Nats. A factor of two values has less where one of them is in fewer than 2 of 100 pictures. What
a code tells is divided by a factor's entropy, and so is what it tells by chance."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Codes:
    """A picture of traversals and, on avatars, what each code tells of each true factor.

    In the picture each row changes one code over its choices, or over ten quantiles of a continuous
    one, all else fixed. A metric a code, `categorical_0`, … and `continuous_0`, …: the largest
    normalised mutual information of it (in 20 bins where it is continuous) with a factor that the
    judge reads off generated avatars (a continuous parameter in 10 bins), 1 where the code tells
    the factor; beside it that of every factor, by name. The largest of many is above 0 by chance:
    `floor` is that of the code's values in another order, the mean of five. Factors that hardly
    vary, of an entropy below 0.1 nats, are left out.

    Attributes:
        categorical: choices of each categorical code; as the recipe's.
        continuous: the number of continuous codes.
        samples: generated avatars.
        rows: of the picture for each code, each of other noise.
    """

    categorical: tuple[int, ...]
    continuous: int
    name: str = "codes"
    every: str = ""
    samples: int = 2000
    rows: int = 2
    seed: int = 0
    ema: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        return (
            *(f"categorical_{index}" for index in range(len(self.categorical))),
            *(f"continuous_{index}" for index in range(self.continuous)),
        )

    def open(self, world: World) -> Measure:
        generated = world.generator()
        sampling = Sampling(samples=self.samples, seed=self.seed, ema=self.ema)
        space = judge_space(find_weights("avatar_judge", None)) if world.is_avatars else None

        @functools.cache
        def extractor() -> Extractor:
            assert space is not None
            return Extractor(space, world.mesh, world.batch)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            latents, batch, key = generated.inputs(self.samples, seed)
            self._check(latents)
            metrics: dict[str, Metric] = {}
            if space is not None:
                with world.progress("the judge reads generated avatars") as advance:
                    pictures = generated.of(subject, latents, batch, key, drawn)
                    read = extractor()(pictures, lambda done: advance(done, self.samples))
                metrics = self._information(latents, read)
            return Evaluation(
                metrics=metrics,
                protocol={"estimator": "Miller-Madow", "bins": 20, "parameter_bins": PARAMETER_BINS}
                | {"least_entropy": LEAST_ENTROPY}
                | {"floor": f"largest of shuffled codes, mean of {SHUFFLES}, RandomState(0)"}
                | (dict(space.describe) if space else {}),
                sampling=generated.describe(drawn),
                pictures={self.name: self._traversals(generated, subject, drawn)},
            )

        return measure

    def _check(self, latents: Any) -> None:
        if not isinstance(latents, Mapping) or not {"categorical", "continuous"} <= set(latents):
            raise UsageError(f"{self.name}: the recipe draws no codes")

    def _information(self, latents: Latents, read: Features) -> dict[str, Metric]:
        factors = {"expression": read["expression"].argmax(axis=1)}
        factors |= {name: read[f"factor/{name}"].argmax(axis=1) for name, _ in FACTORS}
        numbers = zip(CONTINUOUS_NAMES, read["parameters"].T, strict=False)  # behind: intensity
        factors |= {name: quantile_bins(values, PARAMETER_BINS) for name, values in numbers}
        return {name: told(code, factors) for name, code in self._columns(latents).items()}

    def _columns(self, latents: Latents) -> dict[str, np.ndarray]:
        """Each code as integers `[N]`, by its metric's name."""
        categorical = np.asarray(latents["categorical"])[: self.samples]
        continuous = np.asarray(latents["continuous"])[: self.samples]
        columns = [column for column in categorical.T]
        columns += [quantile_bins(column) for column in continuous.T]
        return dict(zip(self.metrics, columns, strict=True))

    def _traversals(self, generated: Generated, subject: Subject, sampling: Sampling) -> np.ndarray:
        """Uint8 `[H, W, C]`."""
        codes = [(f"categorical {k}", k, n) for k, n in enumerate(self.categorical)]
        codes += [(f"continuous {k}", k, COLUMNS) for k in range(self.continuous)]
        width = max(values for *_, values in codes)
        cells = len(codes) * self.rows * width
        rows = -(-cells // BLOCK) * BLOCK
        latents, batch, key = generated.inputs(rows, sampling.seed)
        own = {name: np.array(leaf) for name, leaf in latents.items()}
        # A row's noise and other codes are those of one draw; the draws are the same for each code.
        draw = np.arange(rows) // width % self.rows
        own = {name: leaf[draw] for name, leaf in own.items()}
        for number, (kind, index, values) in enumerate(codes):
            place = np.arange(number * self.rows * width, (number + 1) * self.rows * width)
            column = place % width
            if kind.startswith("categorical"):
                own["categorical"][place, index] = column % values
            else:
                own["continuous"][place, index] = norm.ppf((column % values + 0.5) / values)
        walks = jax.tree.map(jnp.asarray, own)
        drawn = dataclasses.replace(sampling, samples=cells)
        pictures = np.concatenate(list(generated.of(subject, walks, batch, key, drawn)))
        return grid(pictures, width)


def told(code: np.ndarray, factors: Mapping[str, np.ndarray]) -> Metric:
    """What integers `[N]` tell of each of the factors `[N]`, by name, that vary enough; the largest
    of that is the `value`, that of shuffled codes the `floor`; both 0 where no factor varies."""
    factors = {name: x for name, x in factors.items() if entropy(x) >= LEAST_ENTROPY}

    def of_each(code: np.ndarray) -> dict[str, float]:
        return {name: normalised_mutual_information(code, x) for name, x in factors.items()}

    random, shares = np.random.RandomState(0), of_each(code)
    chance = [max(of_each(random.permutation(code)).values(), default=0.0) for _ in range(SHUFFLES)]
    largest = max(shares.values(), default=0.0)
    return {"value": largest, "floor": float(np.mean(chance)), **shares}

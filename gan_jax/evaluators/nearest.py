"""Nearest neighbours: whether generated pictures are copies of those of training."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import Sampling, Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.images import grid
from gan_jax.metrics.neighbours import nearest
from gan_jax.metrics.resize import resize

SIZE = 32
"""Pixels a side, after an antialiased resize, that pictures are compared at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NearestNeighbours:
    """Each of some generated pictures beside the training pictures nearest to it in pixels, and
    the mean distance to the nearest: `distance` of generated pictures, `held_out_distance` of
    held-out real ones, root-mean-square levels of 0 to 255. Copies have a distance far below that
    of unseen pictures: `ratio` is their quotient.

    Attributes:
        samples: generated pictures, and held-out ones at most.
        shown: rows of the picture.
        neighbours: in each row.
        held_out: the split; "" where the data have none.
    """

    name: str = "nearest"
    every: str = ""
    samples: int = 500
    shown: int = 10
    neighbours: int = 5
    held_out: str = "test"
    seed: int = 0
    ema: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("distance", *(("held_out_distance", "ratio") if self.held_out else ()))

    def open(self, world: World) -> Measure:
        generated = world.generator()

        @functools.cache
        def opened() -> tuple[Pictures, np.ndarray, Pictures | None, float]:
            reals = world.reals(world.split)
            with world.progress(f"reading {reals.name}") as advance:
                rows = as_rows(counted(reals, advance))
            if not self.held_out:
                return reals, rows, None, 0.0
            unseen = world.reals(self.held_out).first(self.samples)
            distances = nearest(as_rows(unseen.each()), rows, count=1)[1]
            return reals, rows, unseen, float(distances.mean())

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = Sampling(samples=self.samples, seed=seed, ema=self.ema)
            reals, rows, unseen, expected = opened()
            pictures = np.concatenate(list(generated(subject, drawn)))
            indices, distances = nearest(as_rows(pictures), rows, count=self.neighbours)
            values = {"distance": float(distances[:, 0].mean())}
            real = about(reals)
            if unseen is not None:
                real["held_out"] = about(unseen)
                values |= {"held_out_distance": expected, "ratio": values["distance"] / expected}
            shown = [
                picture
                for row in range(min(self.shown, self.samples))
                for picture in (pictures[row], *(reals.read(int(i)) for i in indices[row]))
            ]
            return Evaluation(
                metrics={name: {"value": value} for name, value in values.items()},
                protocol={"space": f"pixels at {SIZE} x {SIZE}", "unit": "levels of 255"},
                sampling=generated.describe(drawn),
                real=real,
                pictures={"nearest": grid(np.stack(shown), self.neighbours + 1)},
            )

        return measure


def counted(reals: Pictures, advance) -> Iterable[np.ndarray]:
    for number, picture in enumerate(reals.each(), 1):
        yield picture
        if number % 100 == 0 or number == reals.count:
            advance(number, reals.count)


def as_rows(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """float32 `[N, D]` whose Euclidean distances are root-mean-square differences in levels."""
    rows = []
    for picture in pictures:
        small = (
            resize(picture[None], SIZE, "bilinear_antialias") if len(picture) != SIZE else picture
        )
        flat = np.asarray(small, np.float32).reshape(-1)
        rows.append(flat / np.sqrt(flat.size, dtype=np.float32))
    return np.stack(rows)

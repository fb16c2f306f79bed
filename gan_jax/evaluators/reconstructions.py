"""Held-out pictures encoded and drawn again, and the bound of their likelihood."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.generated import BLOCK, Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.evaluators.true_pictures import compared, measured, of_pixels
from gan_jax.images import grid
from gan_jax.ops.pixels import to_float, to_uint8
from gan_jax.recipe import Batch, Nets
from gan_jax.variational import bits_per_dimension, importance_weighted_bound

LogWeight = Callable[[Nets, Batch, Array], Array]
"""`(nets, batch, key) -> log p(x, z) - log q(z|x)`, `[B]`, of one draw z of q."""
Sums = Mapping[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstructions:
    """`l1` (mean absolute difference, of a range of 1), `psnr` (dB) and `ssim` between pictures
    of a split and what the recipe draws of their encoding. Beside each stands its `floor`: another
    picture of the split in the place of the reconstruction.

    With `log_weight`, also `elbo` and `iwae_K` (the importance-weighted bound of K draws), nats a
    picture; larger bounds are nearer the likelihood. Where that is of the 256 levels there is also
    `bits_per_dimension` of the latter, the length of a code. A density over [-1, 1] gives no code,
    for no noise is added to the pictures and it grows without bound where it is sure of a level:
    in its place stands `nats_per_dimension_density`, the bound over H W C, of either sign.

    Attributes:
        samples: pictures of the split, or all that there are.
        split: that they are of.
        log_weight: of a variational recipe; None for none.
        likelihood: the name of that of its pixels, for rows.
        is_density: whether that is one over [-1, 1]; else it is of the 256 levels.
        draws: K.
        shown: of the pictures, in a grid: two rows of them, each above its reconstructions.
    """

    name: str = "reconstructions"
    every: str = ""
    samples: int = 1000
    split: str = "test"
    log_weight: LogWeight | None = None
    likelihood: str = ""
    is_density: bool = False
    draws: int = 50
    shown: int = 16
    seed: int = 0
    ema: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        bounds = ("elbo", f"iwae_{self.draws}", self._of_a_dimension) if self.log_weight else ()
        return ("l1", "psnr", "ssim", *bounds)

    @property
    def _of_a_dimension(self) -> str:
        return "nats_per_dimension_density" if self.is_density else "bits_per_dimension"

    def open(self, world: World) -> Measure:
        recipe = world.recipe
        if self.log_weight is not None and not self.likelihood:
            raise UsageError(f"{self.name}: a bound's row names its likelihood: set likelihood")
        encode, generate = recipe.encode, recipe.generate
        if encode is None or generate is None:
            raise UsageError(f"{self.name}: the recipe does not encode pictures")

        @jax.jit
        def redraw(nets, frozen, batch: Batch) -> Array:
            view = sampling_nets(recipe, nets, frozen, jax.random.key(0), self.ema)
            return to_uint8(generate(view, encode(view, batch), batch, jnp.ones(())))

        @jax.jit
        def bounds(nets, frozen, batch: Batch, key: Array) -> Sums:
            assert self.log_weight is not None
            view, weigh = sampling_nets(recipe, nets, frozen, key, self.ema), self.log_weight
            keys = jax.random.split(key, self.draws)
            weights = jax.lax.map(lambda key: weigh(view, batch, key), keys)
            return {
                "elbo": jnp.mean(weights, axis=0),
                f"iwae_{self.draws}": importance_weighted_bound(weights),
            }

        def measure(subject: Subject, seed: int) -> Evaluation:
            reals = world.reals(self.split).first(self.samples)
            key, found, redrawn, originals = sample_key(seed), [], [], []
            with world.progress(f"reconstructing {reals.name}") as advance:
                for index, block in enumerate(batches(reals, world.conditions)):
                    count = len(block.pop("rows"))
                    batch = {**block, "image": to_float(jnp.asarray(block["image"]))}
                    redrawn.append(np.asarray(redraw(subject.nets, subject.frozen, batch))[:count])
                    originals.append(block["image"][:count])
                    if self.log_weight is not None:
                        own = jax.random.fold_in(key, index)
                        values = bounds(subject.nets, subject.frozen, batch, own)
                        found.append({name: np.asarray(v)[:count] for name, v in values.items()})
                    advance(index * BLOCK + count, reals.count)
            true, drawn = np.concatenate(originals), np.concatenate(redrawn)
            values = compared(true, drawn, measured(true, np.roll(true, 1, axis=0)))
            protocol = of_pixels(true) | {"parameters": "ema" if self.ema else "raw"}
            if found:
                values |= self._bounds(found, true[0].size)
                protocol |= {"likelihood": self.likelihood, "is_density": self.is_density}
            return Evaluation(
                metrics=values,
                protocol=protocol,
                sampling={"samples": len(true), "seed": seed, "draws": self.draws},
                real=about(reals),
                pictures={self.name: above(true[: self.shown], drawn[: self.shown])},
            )

        return measure

    def _bounds(self, found: list[Mapping[str, np.ndarray]], size: int) -> dict[str, dict]:
        means = {name: np.mean(np.concatenate([f[name] for f in found])) for name in found[0]}
        bound = jnp.asarray(means[f"iwae_{self.draws}"])
        of_a_dimension = bound / size if self.is_density else bits_per_dimension(bound, size)
        means |= {self._of_a_dimension: of_a_dimension}
        return {name: {"value": float(value)} for name, value in means.items()}


def batches(reals: Pictures, conditions: Mapping[str, str]) -> Iterator[dict[str, np.ndarray]]:
    """Blocks of `BLOCK` examples: `image` uint8, the conditions, and `rows`, of which only as many
    as they are long belong to the set; the last block is filled up."""
    for start in range(0, reals.count, BLOCK):
        rows = np.arange(start, min(start + BLOCK, reals.count))
        filled = np.minimum(np.arange(start, start + BLOCK), reals.count - 1)
        block = {"image": np.stack([reals.read(int(row)) for row in filled]), "rows": rows}
        if conditions:
            fields = [reals.read_fields(int(row)) for row in filled]
            block |= {
                name: np.stack([np.asarray(row[field]) for row in fields])
                for name, field in conditions.items()
            }
        yield block


def all_above(*rows: np.ndarray) -> np.ndarray:
    """As `above`, with the last row filled up with white, so that no picture is left out."""
    count = len(rows[0])
    blank = np.full((-count % min(8, count), *rows[0].shape[1:]), 255, np.uint8)
    return above(*(np.concatenate([row, blank]) for row in rows))


def above(*rows: np.ndarray) -> np.ndarray:
    """A grid of up to eight columns in which each picture of the first set `[N, H, W, C]` stands
    above its counterparts in the others; those that fill no row of their own are left out."""
    columns = min(8, len(rows[0]))
    count = len(rows[0]) // columns * columns
    lines = [row[start : start + columns] for start in range(0, count, columns) for row in rows]
    return grid(np.concatenate(lines), columns)

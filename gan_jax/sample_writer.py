"""The pictures that a run leaves behind: its first reals, and grids of fixed latents over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gan_jax.data.pipeline import Rounds, take
from gan_jax.errors import StorageError
from gan_jax.evaluators.samples import conditions, fixed_latents, make_sampler, sample_key
from gan_jax.images import grid, save_png
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import FLIP, prepare
from gan_jax.recipe import PyTree, Recipe
from gan_jax.state import TrainState
from gan_jax.workdir import SAMPLES
from gan_jax.writer import Writer

REALS = "reals.png"


def fixed_conditions(config: Any, recipe: Recipe, rounds: Rounds) -> dict[str, np.ndarray]:
    """What the pictures of every grid are drawn of: labels in turn, and what else the recipe is
    given, of the first examples."""
    count, names = config.samples.count, config.data.attributes
    labels = conditions(count, config.num_classes, None, attributes=bool(names))
    if not recipe.given:
        return labels
    first = np.arange(count) % len(rounds.source)
    return labels | take(rounds.source, first, {name: rounds.keys[name] for name in recipe.given})


def pictures_of(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """What there is to see of a batch off the pipeline: its `image`; where it has none, all its
    pictures, uint8 `[B, H, W, C]`, side by side in the order of their names."""
    if "image" in batch:
        return batch["image"]
    names = sorted(name for name, leaf in batch.items() if leaf.dtype == np.uint8)
    return np.concatenate([batch[name] for name in names], axis=2)


class SampleWriter:
    """Writes `samples/STEP.png` (averaged weights) and `samples/STEP_raw.png` of the same latents.

    Args:
        workdir: the run directory.
        recipe: where it generates nothing, nothing is written.
        mesh: the devices; all processes take part in sampling, process 0 writes.
        frozen: variables of the frozen networks.
        conditions: of the fixed batch, `[count, …]` each, its uint8 leaves pictures.
        truncation, seed: of its latents.
        writers: also take the pictures.
        warn: hears of pictures that could not be written; training goes on.
    """

    def __init__(
        self,
        workdir: Path,
        recipe: Recipe,
        mesh: Mesh,
        frozen: Mapping[str, PyTree],
        *,
        conditions: Mapping[str, np.ndarray],
        truncation: float,
        seed: int,
        writers: Sequence[Writer],
        warn: Callable[[str], None],
    ):
        self._workdir = workdir
        self._frozen = frozen
        self._writers = writers
        self._warn = warn
        self._has_ema = bool(recipe.ema)
        self._truncation = truncation
        self._sampler = make_sampler(recipe, mesh) if recipe.generate else None
        if self._sampler:

            def inputs():
                batch = prepare(jax.tree.map(jnp.asarray, dict(conditions)))
                return fixed_latents(recipe, batch, seed), batch, sample_key(seed)

            # Compiled for the mesh: several processes cannot put arrays on each other's devices.
            self._inputs = jax.jit(inputs, out_shardings=replicated(mesh))()

    def reals(self, rounds: Rounds, count: int) -> None:
        """`reals.png`: the first real pictures as training sees them."""
        images: list[np.ndarray] = []
        step = 0
        while len(images) < min(count, len(rounds.source)):
            batch = {
                name: leaf[0].reshape(-1, *leaf.shape[3:])
                for name, leaf in rounds.read(step).items()
            }
            pictures = pictures_of(batch)
            mirrored = batch.get(FLIP, np.zeros(len(pictures), bool))
            pairs = zip(pictures, mirrored, strict=True)
            images += [image[:, ::-1] if flip else image for image, flip in pairs]
            step += 1
        self._write(self._workdir / REALS, grid(np.stack(images[:count])))

    def write(self, step: int, state: TrainState) -> None:
        """The grids of a state."""
        if self._sampler is None:
            return
        latents, batch, key = self._inputs
        for ema in (True, False) if self._has_ema else (False,):
            inputs = (self._frozen, latents, batch, key, self._truncation, ema)
            picture = grid(self._sampler(state.nets, *inputs))
            suffix = "" if ema or not self._has_ema else "_raw"
            if jax.process_index() == 0:
                self._write(self._workdir / SAMPLES / f"{step:07d}{suffix}.png", picture)
                for writer in self._writers:
                    writer.picture(step, f"samples{suffix}", picture)

    def _write(self, path: Path, picture: np.ndarray) -> None:
        try:
            save_png(path, picture)
        except StorageError as error:
            self._warn(f"{error}; training goes on without it")

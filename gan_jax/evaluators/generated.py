"""Pictures by the thousand out of a state: the same ones whatever the devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, NamedSharding, lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from gan_jax.errors import UsageError
from gan_jax.evaluators.samples import conditions, sample_key, sampling_nets
from gan_jax.evaluators.standing import BATCH_STATISTICS, batch_statistics
from gan_jax.mesh import AXIS, replicated
from gan_jax.metrics.protocol import Quantisation, quantise
from gan_jax.ops.pixels import prepare
from gan_jax.recipe import Batch, Nets, PyTree, Recipe
from gan_jax.state import NetState

BLOCK = 64
"""Pictures that are generated at once. Part of what they are, for a network that draws noise or
normalises over its batch; so it is no setting."""

STANDING_BATCHES = 16

Statistics = Literal["running", "standing", "batch"]

Given = Mapping[str, np.ndarray]
"""Conditions by their names in a batch, `[N, …]` each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is drawn from a model.

    Attributes:
        samples: how many pictures.
        seed: of the latents.
        truncation: scales the latents; 1.0 leaves them.
        ema: the averaged parameters, where the run keeps some.
        statistics: of batch normalisation: the running ones of training, `standing` ones measured
            anew over 16 batches with these parameters, or those of each batch of 64.
        quantisation: of floats to uint8.
    """

    samples: int
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"
    quantisation: Quantisation = "round"

    def describe(self, has_ema: bool, labels: str) -> dict[str, object]:
        """As it goes into a row; `labels` says how they were drawn."""
        parameters = "ema" if self.ema and has_ema else "raw"
        row = {"parameters": parameters, **dataclasses.asdict(self), "labels": labels}
        del row["ema"]
        return row


class Subject(NamedTuple):
    """A state as evaluators see it."""

    step: int
    nets: Mapping[str, NetState]
    frozen: Mapping[str, PyTree]


class Generated:
    """`generated(subject, sampling)` yields uint8 `[b, H, W, C]`; compiled once for a run.

    Args:
        recipe: of the run.
        mesh: the devices.
        num_classes: of its labels; they are drawn in turn.
        example_labels: `count -> [count, …]`, the labels of so many real examples, to be drawn in
            their place; None for classes. Attributes go together as those of real pictures do,
            and no vector of them alone in turn has their distribution.

    Raises:
        ValueError: the recipe generates nothing.
    """

    def __init__(
        self,
        recipe: Recipe,
        mesh: Mesh,
        num_classes: int,
        example_labels: Callable[[int], np.ndarray] | None = None,
    ):
        if recipe.generate is None or recipe.latents is None:
            raise ValueError("this recipe generates no pictures")
        self._example_labels = example_labels
        self._recipe, self._mesh, self._num_classes = recipe, mesh, num_classes
        whole = replicated(mesh)
        self._draw = jax.jit(self._inputs, static_argnums=1, out_shardings=whole)
        self._pictures = jax.jit(self._block, static_argnums=(6, 7, 8), out_shardings=whole)
        self._statistics = jax.jit(self._statistics_of_block, static_argnums=5, out_shardings=whole)

    def __call__(
        self, subject: Subject, sampling: Sampling, given: Given | None = None
    ) -> Iterator[np.ndarray]:
        """Blocks of `BLOCK` pictures and a shorter last one, `sampling.samples` in all, under the
        conditions `given`; else those of `conditions`."""
        latents, batch, key = self.inputs(sampling.samples, sampling.seed, given)
        yield from self.of(subject, latents, batch, key, sampling, given)

    def of(
        self,
        subject: Subject,
        latents: PyTree,
        batch: Batch,
        key: Array,
        sampling: Sampling,
        given: Given | None = None,
    ) -> Iterator[np.ndarray]:
        """The same of given latents and conditions, whose rows are a multiple of `BLOCK`;
        statistics are measured under the conditions `given`."""
        nets = self._with_statistics(subject, sampling, given)
        for start in range(0, sampling.samples, BLOCK):
            scale = np.float32(sampling.truncation)
            train = sampling.statistics == "batch"
            view = (nets, subject.frozen, (latents, batch), key, np.int32(start), scale)
            pictures = np.asarray(self._pictures(*view, sampling.ema, train, sampling.quantisation))
            yield pictures[: sampling.samples - start]

    def inputs(
        self, count: int, seed: int, given: Given | None = None
    ) -> tuple[PyTree, Any, Array]:
        """Latents, conditions and key of `count` pictures, rounded up to whole blocks; the rows of
        `given` conditions are taken in turn, its uint8 leaves are pictures."""
        rows = -(-count // BLOCK) * BLOCK
        if given is None:
            given = self.conditions(rows)
        in_turn = {name: leaf[np.arange(rows) % len(leaf)] for name, leaf in given.items()}
        return self._draw(in_turn, seed)

    def conditions(self, count: int) -> dict[str, np.ndarray]:
        """Of so many pictures, where none are given: `label` `[count, …]`.

        Raises:
            UsageError: the recipe is given more than that.
        """
        if self._recipe.given:
            raise UsageError(
                f"the recipe draws pictures of {', '.join(self._recipe.given)}: measure it with "
                "evaluators that hand it some, as Translations"
            )
        if self._example_labels is None:
            return conditions(count, self._num_classes, None)
        return {"label": self._example_labels(count)}

    def describe(self, sampling: Sampling) -> dict[str, object]:
        """What is drawn, as it goes into a row."""
        labels = "in turn" if self._example_labels is None else "of the examples"
        return sampling.describe(bool(self._recipe.ema), labels)

    def _inputs(self, given: Batch, seed: int) -> tuple[PyTree, Any, Array]:
        # Compiled for the mesh: several processes cannot put arrays on each other's devices.
        batch = prepare(given)
        key = sample_key(seed)
        assert self._recipe.latents is not None
        return self._recipe.latents(key, batch), batch, key

    def _block(
        self,
        nets,
        frozen,
        inputs,
        key,
        start,
        truncation,
        ema: bool,
        train: bool,
        how: Quantisation,
    ) -> Array:
        view, latents, batch = self._view(nets, frozen, inputs, key, start, ema)
        assert self._recipe.generate is not None
        view = dataclasses.replace(view, train=train)
        return quantise(self._recipe.generate(view, latents, batch, truncation), how)

    def _view(self, nets, frozen, inputs, key, start, ema: bool) -> tuple[Nets, PyTree, Batch]:
        """The networks, and block `start` of the inputs, its rows spread over the devices."""
        rows = NamedSharding(self._mesh, P(AXIS) if BLOCK % self._mesh.size == 0 else P())

        def cut(leaf: Array) -> Array:
            block = lax.dynamic_slice_in_dim(jnp.asarray(leaf), start, BLOCK)
            return lax.with_sharding_constraint(block, rows)

        latents, batch = jax.tree.map(cut, inputs)
        # A key of its own for each block: the noise of one must not come again in the next.
        key = jax.random.fold_in(key, start)
        return sampling_nets(self._recipe, nets, frozen, key, ema), latents, batch

    def _with_statistics(
        self, subject: Subject, sampling: Sampling, given: Given | None
    ) -> Mapping[str, NetState]:
        """The networks with the mean of the statistics of `STANDING_BATCHES` batches."""
        if sampling.statistics != "standing":
            return subject.nets
        latents, batch, key = self.inputs(STANDING_BATCHES * BLOCK, sampling.seed, given)
        view = (subject.nets, subject.frozen, (latents, batch), key)
        starts = range(0, STANDING_BATCHES * BLOCK, BLOCK)
        each = [self._statistics(*view, np.int32(start), sampling.ema) for start in starts]
        measured = jax.tree.map(lambda *leaves: sum(leaves) / STANDING_BATCHES, *each)
        return {
            name: net.replace(stats={**net.stats, BATCH_STATISTICS: measured[name]})
            if name in measured
            else net
            for name, net in subject.nets.items()
        }

    def _statistics_of_block(self, nets, frozen, inputs, key, start, ema: bool):
        view, latents, batch = self._view(nets, frozen, inputs, key, start, ema)
        assert self._recipe.generate is not None
        return batch_statistics(self._recipe.generate, view, latents, batch)

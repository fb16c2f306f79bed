"""One pipeline: `dataset[step]` is the round's real batches, and a prefetched iterator over calls.

Batch, order and flips are functions of the step number alone, so there is no iterator state to
save, and a resumed run reads what the uninterrupted one would have.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import grain
import numpy as np

from gan_jax.data import order
from gan_jax.errors import DataError
from gan_jax.ops.pixels import FLIP

Arrays = Mapping[str, np.ndarray]
INDEX = "index"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rounds:
    """What each round of a run reads.

    Attributes:
        source: random access to examples, `[index] -> {name: array}`; one with
            `take(indices, features)` is read in bulk.
        keys: the names that make a batch, each with the feature of the source that it is.
        batch_size: of the global batch.
        batches_per_round: R.
        rows: of each global batch that this process reads.
        seed: of the order and the flips.
        flip: adds the bool leaf `flip`, a fair coin for each picture.
        num_classes: labels that are classes must be below it; 0 if there are none.
    """

    source: Any
    keys: Mapping[str, str]
    batch_size: int
    batches_per_round: int
    rows: slice
    seed: int
    flip: bool
    num_classes: int

    def read(self, step: int, count: int = 1) -> dict[str, np.ndarray]:
        """Rounds `step` to `step + count - 1`: leaves `[count, R, b, …]`.

        Raises:
            DataError: a class out of range, attributes that are not finite, a missing key, or
                what the source raises.
        """
        batches = self.read_indices(step, count)
        chosen = batches.pop(INDEX)
        examples = take(self.source, chosen.reshape(-1), self.keys)
        self._check_labels(examples)
        return batches | {
            name: stacked.reshape(*chosen.shape, *stacked.shape[1:])
            for name, stacked in examples.items()
        }

    def read_indices(self, step: int, count: int = 1) -> dict[str, np.ndarray]:
        """What `read` makes its batches of: the examples' int32 `index`, and bool `flip` where
        pictures are flipped; both `[count, R, b]`."""
        positions = self._positions(step, count)
        chosen = {INDEX: order.indices(positions, len(self.source), self.seed).astype(np.int32)}
        return chosen | ({FLIP: order.coins(positions, self.seed)} if self.flip else {})

    def everything(self) -> dict[str, np.ndarray]:
        """All examples of the source in its order, `[N, …]` a name; raises as `read`."""
        examples = take(self.source, np.arange(len(self.source)), self.keys)
        self._check_labels(examples)
        return examples

    def rolled_back(self, times: int) -> Rounds:
        """The rounds of a run after so many roll-backs: another order and other flips, or the same
        collapse would come again."""
        if not times:
            return self
        return dataclasses.replace(self, seed=order.seed_after_rollbacks(self.seed, times))

    def indices(self, step: int) -> np.ndarray:
        """Which examples of the source round `step` reads here: int64 `[R, b]`."""
        return order.indices(self._positions(step, 1)[0], len(self.source), self.seed)

    def dataset(self) -> grain.MapDataset:
        """`dataset[step] -> {name: [R, b, …]}`, endless, random access."""

        def read_one(step: int) -> dict[str, np.ndarray]:
            return {name: leaf[0] for name, leaf in self.read(step).items()}

        return grain.MapDataset.range(sys.maxsize).map(read_one)

    def _positions(self, step: int, count: int) -> np.ndarray:
        """Of the endless stream, for this process's rows: int64 `[count, R, b]`."""
        shape = (count, self.batches_per_round, self.batch_size)
        first = step * self.batches_per_round * self.batch_size
        positions = first + np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
        return positions[:, :, self.rows]

    def _check_labels(self, examples: Arrays) -> None:
        label = examples.get("label")
        if label is None or not label.size:
            return
        if np.issubdtype(label.dtype, np.floating):
            if not np.isfinite(label).all():
                wrong = label[~np.isfinite(label)][0]
                raise DataError(f"the data holds an attribute that is {wrong}: must be finite")
        elif not 0 <= label.min() <= label.max() < self.num_classes:
            wrong = label.max() if label.max() >= self.num_classes else label.min()
            raise DataError(
                f"the data holds label {wrong}, but num_classes={self.num_classes} "
                f"allows 0 to {self.num_classes - 1}"
            )


def take(source: Any, indices: np.ndarray, keys: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Examples of a source, stacked: `{name: [len(indices), …]}` of the feature of each name.

    Raises:
        DataError: the source lacks a feature.
    """
    if hasattr(source, "take"):
        examples = source.take(indices, frozenset(keys.values()))
        _check_features(examples, keys)
        return {name: examples[feature] for name, feature in keys.items()}
    examples = [source[int(index)] for index in indices]
    _check_features(examples[0], keys)
    return {name: _stack(feature, indices, examples) for name, feature in keys.items()}


def _stack(feature: str, indices: np.ndarray, examples: Sequence[Arrays]) -> np.ndarray:
    leaves = [np.asarray(example[feature]) for example in examples]
    for index, leaf in zip(indices, leaves, strict=True):
        if leaf.shape != leaves[0].shape:
            raise DataError(
                f"{feature!r} of example {index} is {list(leaf.shape)}, of example {indices[0]} "
                f"{list(leaves[0].shape)}: all must have one shape"
            )
    return np.stack(leaves)


def _check_features(example: Arrays, keys: Mapping[str, str]) -> None:
    for feature in keys.values():
        if feature not in example:
            raise DataError(f"the data has no {feature!r}; it has {', '.join(sorted(example))}")


@dataclasses.dataclass(frozen=True)
class Calls:
    """The calls from step `start` to `end`: stretches of at most `rounds_per_call` rounds that
    stop at every multiple of every cadence. `calls[i] -> (first step, rounds)`."""

    start: int
    end: int
    rounds_per_call: int
    cadences: Sequence[int]

    @functools.cached_property
    def _edges(self) -> np.ndarray:
        """Where stretches begin, and the end."""
        stops = [np.arange(c * (self.start // c + 1), self.end, c) for c in self.cadences]
        return np.unique(np.concatenate([[self.start, self.end], *stops]).astype(np.int64))

    @functools.cached_property
    def _calls_before(self) -> np.ndarray:
        """Calls before each edge."""
        calls = -(-np.diff(self._edges) // self.rounds_per_call)
        return np.concatenate([[0], np.cumsum(calls)])

    def __len__(self) -> int:
        return int(self._calls_before[-1])

    def __getitem__(self, index: int) -> tuple[int, int]:
        stretch = int(np.searchsorted(self._calls_before, index, side="right")) - 1
        within = index - int(self._calls_before[stretch])
        step = int(self._edges[stretch]) + within * self.rounds_per_call
        return step, min(self.rounds_per_call, int(self._edges[stretch + 1]) - step)


class Readable(Protocol):
    """Rounds, or what stands in for them."""

    def read(self, step: int, count: int) -> dict[str, np.ndarray]: ...


def iterate(
    rounds: Readable, calls: Calls, put: Callable[[Arrays], Any], *, threads: int, prefetch: int
) -> Iterator[tuple[int, int, Any]]:
    """`(first step, rounds, put(batches [K, R, b, …]))` of each call, read ahead of its use.

    Batches of a short call are filled up to `rounds_per_call` with zeros, which keeps its program
    that of a full one. `threads=0` reads in the calling thread.
    """

    def read(call: tuple[int, int]) -> tuple[int, int, Any]:
        step, count = call
        batches = rounds.read(step, count)
        missing = calls.rounds_per_call - count
        if missing:
            batches = {
                name: np.concatenate([leaf, np.zeros((missing, *leaf.shape[1:]), leaf.dtype)])
                for name, leaf in batches.items()
            }
        return step, count, put(batches)

    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    return iter(grain.MapDataset.source(calls).map(read).to_iter_dataset(options))

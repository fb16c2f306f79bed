"""A source: random access to examples as a network takes them, on demand or all in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np

from gan_jax.data.collection import BulkCollection, Collection, Raw
from gan_jax.data.geometry import Geometry, fit, fit_all, is_smaller
from gan_jax.data.pictures import PictureError
from gan_jax.errors import DataError, UsageError

Example = dict[str, np.ndarray]
Progress = Callable[[int, int], None]
"""Called as progress(done, total)."""
OnBadImage = Literal["error", "skip"]

BAD_SHARE = 0.01
"""With on_bad_image="skip": the share of distinct bad pictures past which reading stops."""


@runtime_checkable
class Source(Protocol):
    """Examples by index, each a pure function of it. A Grain `MapDataset` over one is one too.

    An example has `image`, uint8 `[H, W, C]`, and may have `label`, an int32 scalar (or float32
    `[K]`, of attributes), and more.
    fingerprint: changes when the data do. num_classes: None where no `label` is a class.
    """

    @property
    def fingerprint(self) -> str: ...
    @property
    def num_classes(self) -> int | None: ...
    @property
    def class_names(self) -> tuple[str, ...] | None: ...

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Example: ...


@dataclass(frozen=True)
class ArraySource:
    """A source in memory: `arrays[key][index]`, all with the same leading axis `[N, ...]`."""

    arrays: Example
    fingerprint: str
    num_classes: int | None
    class_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.arrays["image"])

    def __getitem__(self, index: int) -> Example:
        return {key: values[index] for key, values in self.arrays.items()}

    def take(self, indices: Sequence[int] | np.ndarray, features: Container[str]) -> Example:
        """The `features` of the examples of `indices` `[B]`, stacked: `[B, ...]` a key."""
        return {key: values[indices] for key, values in self.arrays.items() if key in features}


@dataclass
class Tally:
    """What happened so far to the pictures of a source, each counted once.

    bad: index → reason, for those that were replaced. enlarged: indices of the smaller ones.
    Threads write here without a lock: each only sets its own index.
    """

    bad: dict[int, str] = field(default_factory=dict)
    enlarged: set[int] = field(default_factory=set)


class PictureSource:
    """A collection seen through a geometry, with a rule for bad pictures.

    on_bad_image="error": a bad picture is an error that names it. "skip": the next good one takes
    its place, label and all, whichever order they are read in, and `tally` counts it; more than
    `BAD_SHARE` of distinct bad ones is an error.
    """

    def __init__(self, collection: Collection, geometry: Geometry, on_bad_image: OnBadImage):
        if on_bad_image not in get_args(OnBadImage):
            raise UsageError(f"on_bad_image {on_bad_image!r}: must be error or skip")
        self.collection = collection
        self.geometry = geometry
        self.on_bad_image = on_bad_image
        self.tally = Tally()

    @property
    def fingerprint(self) -> str:
        return self.collection.fingerprint

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self.collection.class_names

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    def __len__(self) -> int:
        return len(self.collection)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        raw = self._read(int(index))
        return {"image": fit(raw.image, self.geometry), **raw.fields}

    def take(self, indices: Sequence[int] | np.ndarray, features: Container[str]) -> Example:
        """What `self[index]` gives for each of `indices` `[B]`, stacked: `[B, ...]` a key; a
        collection that can is read in bulk, and only for `features`."""
        raws = self._read_many([int(index) for index in indices], features)
        fields = {
            key: np.stack([raw.fields[key] for raw in raws])
            for key in raws[0].fields
            if key in features
        }
        return {"image": fit_all([raw.image for raw in raws], self.geometry), **fields}

    def remarks(self) -> list[str]:
        """What a person should know of the pictures read so far, a line each."""
        passed_over = sum(self.collection.passed_over.values())
        size = f"{self.geometry.size}×{self.geometry.size}"
        counted = (
            (len(self.tally.bad), "unusable pictures were replaced by their successors"),
            (len(self.tally.enlarged), f"pictures smaller than {size} were enlarged"),
            (passed_over, "files that are no pictures were passed over"),
        )
        return [f"{count:,} {what}" for count, what in counted if count]

    def _read(self, wanted: int) -> Raw:
        for offset in range(len(self)):
            index = (wanted + offset) % len(self)
            if index not in self.tally.bad:
                try:
                    return self._read_one(index)
                except PictureError as error:
                    if self.on_bad_image == "error":
                        remedy = "on_bad_image=skip replaces up to 1 % of the pictures"
                        raise PictureError(error.name, f"{error.reason} ({remedy})") from error
                    self.tally.bad[index] = str(error)
            self._limit_bad()
        raise DataError("not one picture of the source can be used")

    def _read_one(self, index: int) -> Raw:
        raw = self.collection.read(index)
        self._count_enlarged(index, raw)
        return raw

    def _read_many(self, indices: list[int], features: Container[str]) -> list[Raw]:
        if not isinstance(self.collection, BulkCollection):
            return [self._read(index) for index in indices]
        try:
            raws = self.collection.read_many(indices, features)
        except PictureError:  # one of them is bad: which, and what to do, is said one by one
            return [self._read(index) for index in indices]
        for index, raw in zip(indices, raws, strict=True):
            self._count_enlarged(index, raw)
        return raws

    def _count_enlarged(self, index: int, raw: Raw) -> None:
        if is_smaller(raw.image, self.geometry):
            self.tally.enlarged.add(index)

    def _limit_bad(self) -> None:
        bad = list(self.tally.bad.values())
        if len(bad) > BAD_SHARE * len(self):
            raise DataError(
                f"{len(bad)} of {len(self)} pictures cannot be used, more than {BAD_SHARE:.0%};"
                f" `gan-jax data check` lists them; the last was {bad[-1]}"
            )


def in_memory(source: Source, progress: Progress | None = None) -> ArraySource:
    """Reads all of `source` once, in threads. Memory: `bytes_in_memory(source)`.

    Raises:
      DataError: what reading raises, or examples whose shapes or keys differ.
    """
    if isinstance(source, ArraySource):
        return source
    arrays = {
        key: np.empty((len(source), *value.shape), value.dtype)
        for key, value in _first(source).items()
    }

    def read(indices: range) -> int:
        for index in indices:
            _store(arrays, index, source[index])
        return len(indices)

    total = len(source)
    chunk = max(1, min(256, total // 100))
    chunks = [range(start, min(start + chunk, total)) for start in range(0, total, chunk)]
    for_each(read, chunks, total, progress)
    return ArraySource(arrays, source.fingerprint, source.num_classes, source.class_names)


def bytes_in_memory(source: Source) -> int:
    """What `in_memory(source)` would hold, from the first example."""
    return len(source) * sum(value.nbytes for value in _first(source).values())


def for_each(
    read: Callable[[range], int],
    chunks: Sequence[range],
    total: int,
    progress: Progress | None,
) -> None:
    """Calls `read` on every chunk, in threads; the first error ends it all. Decoding in Pillow
    releases the interpreter's lock, so threads are enough."""
    done = 0
    pool = ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1))
    try:
        for count in pool.map(read, chunks):
            done += count
            if progress is not None:
                progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)


def _first(source: Source) -> Example:
    return {key: np.asarray(value) for key, value in source[0].items()}


def _store(arrays: Example, index: int, example: Example) -> None:
    for key, values in arrays.items():
        if key not in example or np.shape(example[key]) != values.shape[1:]:
            found = np.shape(example[key]) if key in example else "missing"
            raise DataError(f"example {index}: {key} is {found}, not {values.shape[1:]} as before")
        values[index] = example[key]

"""A collection: examples as they are stored, before geometry. What a source and a check read."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from gan_jax.errors import DataError, UsageError

Labels = Literal["none", "auto", "required"]
"""Whether examples carry `label`: never, where the data has labels, or else it is an error."""


MAX_CLASSES = 100_000


@dataclass(frozen=True)
class Raw:
    """One stored example.

    image: uint8 `[H, W, C]`, C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    mode: what was stored, in Pillow's words.
    fields: everything else, such as `label` (int32 scalar, or float32 `[K]` of attributes).
    """

    image: np.ndarray
    mode: str
    fields: Mapping[str, np.ndarray]


class Collection(Protocol):
    """Random access to stored examples.

    fingerprint: changes when the data do; the same on every machine.
    class_names: one a label value, or None where examples carry no class.
    passed_over: files without a picture suffix, counted by suffix.
    """

    @property
    def fingerprint(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...] | None: ...
    @property
    def passed_over(self) -> Mapping[str, int]: ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What a person calls example `index`: a path, or the source and the index."""
        ...

    def read(self, index: int) -> Raw:
        """Raises PictureError where the stored picture cannot be used."""
        ...


@runtime_checkable
class BulkCollection(Collection, Protocol):
    """A collection that reads many examples for less than one at a time."""

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Raw]:
        """`read` of each index; fields that are not in `features` may be missing. Raises
        PictureError where one of the stored pictures cannot be used, or none can be read."""
        ...


@dataclass(frozen=True)
class ArrayCollection:
    """Pictures that already are one array.

    images: uint8 `[N, H, W, C]`. labels: int32 `[N]`, float32 `[N, K]` or None. indices: `[N]`,
    each one's index in the whole, before any split, by which it is named.
    """

    title: str
    images: np.ndarray
    labels: np.ndarray | None
    indices: np.ndarray
    fingerprint: str
    class_names: tuple[str, ...] | None
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        return f"{self.title}[{self.indices[index]}]"

    def read(self, index: int) -> Raw:
        image = self.images[index]
        fields = {} if self.labels is None else {"label": np.asarray(self.labels[index])}
        return Raw(image, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.shape[-1]], fields)


def numbered_classes(labels: np.ndarray) -> tuple[str, ...]:
    """The names "0", "1", … up to the largest of `labels` `[N]`.

    Raises:
      DataError: a negative label, or one past `MAX_CLASSES`, which is a mistake and no class.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MAX_CLASSES:
        wrong = low if low < 0 else high
        raise DataError(f"label {wrong}: labels must be whole numbers from 0 to {MAX_CLASSES - 1}")
    return tuple(str(label) for label in range(high + 1))


def split_indices(count: int, split: str) -> np.ndarray:
    """The indices of one split of data that come without: about a tenth is held out as test.

    Index i is held out where the fraction of i·φ is below 0.1 (φ the golden ratio, in 64-bit
    integers): spread evenly, and out of step with any order of the classes.

    Raises:
      UsageError: `split` is not train, test or all.
    """
    check_split(split)
    indices = np.arange(count)
    fraction = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
    held_out = (fraction < np.uint64(2**64 // 10)) & (indices > 0)
    return {"all": indices, "test": indices[held_out], "train": indices[~held_out]}[split]


def check_split(split: str) -> None:
    """Raises UsageError unless `split` is train, test or all."""
    if split not in ("train", "test", "all"):
        raise UsageError(f"split {split!r}: this source has train, test and all")


def refuse_missing_labels(where: str, labels: Labels, remedy: str) -> None:
    """For data without labels. Raises DataError where labels are required."""
    if labels == "required":
        raise DataError(f"{where}: no labels, and this experiment asks for them; {remedy}")

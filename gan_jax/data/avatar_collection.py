"""`avatars/32|64|128`: the rendered avatars, seen as a collection like any other."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from gan_jax.data import avatars
from gan_jax.data.attributes import attribute_vector, check_names
from gan_jax.data.avatar_attributes import Reader, attribute_readers
from gan_jax.data.collection import Labels, Raw
from gan_jax.data.pictures import PictureError
from gan_jax.data.source import Example, Progress
from gan_jax.errors import UsageError

SIZES = (32, 64, 128)


class Avatars(Protocol):
    """What this needs of a prepared split."""

    fingerprint: str
    class_names: tuple[str, ...]

    def __len__(self) -> int: ...
    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Example]: ...


@dataclass(frozen=True)
class AvatarCollection:
    """Pictures are RGBA; every other field of an avatar (`parameters`, `landmarks`, …) stays; with
    `attributes` their values are its `label`."""

    title: str
    source: Avatars
    with_labels: bool
    attributes: Mapping[str, Reader] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self.source.class_names if self.with_labels else None

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]"

    def read(self, index: int) -> Raw:
        return self.read_many([index], avatars.FEATURES)[0]

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Raw]:
        wanted = avatars.FEATURES if self.attributes else features
        try:
            examples = self.source.read_many(indices, wanted)
        except Exception as error:  # ArrayRecord raises what it pleases
            reason = f"its record cannot be read; remove the prepared set and make it anew: {error}"
            raise PictureError(self.name(indices[0]), " ".join(reason.split())) from error
        return [self._raw(*pair) for pair in zip(indices, examples, strict=True)]

    def _raw(self, index: int, example: Example) -> Raw:
        fields = {key: np.asarray(value) for key, value in example.items()}
        image = fields.pop("image")
        if not self.with_labels:
            fields.pop("label", None)
        if self.attributes:
            values = [read(fields) for read in self.attributes.values()]
            fields["label"] = attribute_vector(self.name(index), tuple(self.attributes), values)
        return Raw(image, "RGBA", fields)


def open_avatar_collection(
    name: str,
    *,
    split: str,
    labels: Labels,
    data_dir: str | None,
    progress: Progress | None,
    attributes: Sequence[str] = (),
) -> AvatarCollection:
    """Opens one split (train, test, all) of `avatars/SIZE`; renders the avatars where they are
    not there yet. `attributes`: of `avatar_attributes`; raises DataError for another."""
    size = avatar_size(name)
    directory = Path(data_dir) if data_dir else None
    avatars.prepare(size, directory, progress)
    source = avatars.open_avatars(size, split, directory)
    readers = attribute_readers(source.class_names)
    check_names(name, attributes, readers)
    return AvatarCollection(
        title=f"{name} {split}",
        source=source,
        with_labels=labels != "none" and not attributes,
        attributes={attribute: readers[attribute] for attribute in attributes},
    )


def avatar_size(name: str) -> int:
    """The size in `avatars/SIZE`. Raises UsageError where there are no avatars of that size."""
    size = name.removeprefix("avatars/")
    if size not in map(str, SIZES):
        raise UsageError(f"data source {name!r}: avatars come as avatars/32, /64 and /128")
    return int(size)

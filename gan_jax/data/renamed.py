"""A source some of whose features go by other names."""

from __future__ import annotations

import functools
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan_jax.data.pipeline import take
from gan_jax.data.source import Example


@dataclass(frozen=True)
class RenamedSource:
    """The examples of `source` (a `Source`), in which each feature that is a key of `names` has the
    name that stands there; classes are no classes any more, only numbers."""

    source: Any
    names: Mapping[str, str]
    num_classes: None = None
    class_names: None = None

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        return {self.names.get(key, key): leaf for key, leaf in self.source[index].items()}

    def take(self, indices: Sequence[int] | np.ndarray, features: Container[str]) -> Example:
        """The `features` of the examples of `indices` `[B]`, stacked: `[B, …]` a key."""
        wanted = {name: key for name, key in self._keys.items() if name in features}
        return take(self.source, np.asarray(indices), wanted)

    @functools.cached_property
    def _keys(self) -> dict[str, str]:
        """By its name here, the name of each feature in `source`."""
        return {self.names.get(key, key): key for key in self.source[0]}

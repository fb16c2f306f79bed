"""Two sources of pictures that do not belong together, read side by side."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from gan_jax.data import order
from gan_jax.data.pipeline import take
from gan_jax.data.source import Example, Source
from gan_jax.errors import DataError, UsageError


@dataclass(frozen=True)
class UnpairedSource:
    """Examples `a` and `b`, uint8 `[H, W, C]`: the pictures of `a` in their order, `passes` times
    over, each beside one of `b`, which has another partner in every pass. All of `b` come equally
    often, whichever source is the longer.

    Attributes:
        a, b: the sources; of their examples the `image` is taken.
        passes: over `a`; an epoch of the pipeline is all of them.
        seed: of the partners, and of what is mirrored.
        mirrored: half of the pictures, a fair coin for each of the two in every example.

    Raises:
        DataError: a source without pictures.
        UsageError: less than one pass.
    """

    a: Source
    b: Source
    passes: int = 64
    seed: int = 0
    mirrored: bool = False
    num_classes: None = None
    class_names: None = None

    def __post_init__(self):
        if self.passes < 1:
            raise UsageError(f"passes={self.passes}: must be at least 1")
        if not (len(self.a) and len(self.b)):
            raise DataError(f"{len(self.a)} and {len(self.b)} pictures: each side needs some")

    @functools.cached_property
    def fingerprint(self) -> str:
        text = f"{self.a.fingerprint} {self.b.fingerprint} {self.passes} {self.seed}"
        return hashlib.sha256(f"unpaired {text} {self.mirrored}".encode()).hexdigest()

    def __len__(self) -> int:
        return self.passes * len(self.a)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        return {name: leaf[0] for name, leaf in self.take([index], ("a", "b")).items()}

    def take(self, indices: Sequence[int] | np.ndarray, features: Container[str]) -> Example:
        """The `features` of the examples of `indices` `[B]`, stacked: `[B, H, W, C]` a key."""
        indices = np.asarray(indices)
        sides = {"a": (self.a, indices % len(self.a)), "b": (self.b, self._partners[indices])}
        return {
            name: self._mirrored(name, indices, take(source, rows, {name: "image"})[name])
            for name, (source, rows) in sides.items()
            if name in features
        }

    @functools.cached_property
    def _partners(self) -> np.ndarray:
        """Which of `b` stands in each example, int32; shuffled anew when all have had a turn."""
        shuffles = -(-len(self) // len(self.b))
        turns = [order.permutation(len(self.b), self.seed, turn) for turn in range(shuffles)]
        return np.concatenate(turns)[: len(self)].astype(np.int32)

    def _mirrored(self, name: str, indices: np.ndarray, pictures: np.ndarray) -> np.ndarray:
        if not self.mirrored:
            return pictures
        coins = order.coins(2 * indices + (name == "b"), self.seed)
        return np.where(coins[:, None, None, None], pictures[:, :, ::-1], pictures)

"""Several kinds of pictures, each picture beside two of the kind that it is to be turned into."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gan_jax.data import order
from gan_jax.data.pipeline import take
from gan_jax.data.source import Example, Source
from gan_jax.errors import DataError, UsageError

PICTURES = {
    "image": "persona",
    "reference": "reference_persona",
    "reference_2": "reference_persona",
}
"""The pictures of an example, each with the name under which stands of which persona it is."""


@dataclass(frozen=True)
class ReferencedSource:
    """Examples: `image`, uint8 `[H, W, C]`, of `persona`, an int32 scalar, and `reference` and
    `reference_2`, two pictures of `reference_persona`.

    All personas come equally often, as `persona` and as `reference_persona`, and what one of an
    example is says nothing about the other; within a persona, all pictures come equally often in
    each place. The two references are drawn apart, so they may be one picture.

    Attributes:
        personas: the pictures of each by its name, in the order of the personas' numbers; of their
            examples the `image` is taken.
        passes: over the largest of them; an epoch of the pipeline is all of them.
        seed: of what stands beside what, and of what is mirrored.
        mirrored: half of the pictures, a fair coin for each of the three in every example.

    Raises:
        DataError: a persona without pictures.
        UsageError: fewer than two personas, or less than one pass.
    """

    personas: Mapping[str, Source]
    passes: int = 64
    seed: int = 0
    mirrored: bool = False
    num_classes: None = None
    class_names: None = None

    def __post_init__(self):
        if self.passes < 1:
            raise UsageError(f"passes={self.passes}: must be at least 1")
        if len(self.personas) < 2:
            names = ", ".join(self.personas) or "none"
            raise UsageError(f"two personas at least, to turn one into another, not {names}")
        for name, source in self.personas.items():
            if not len(source):
                raise DataError(f"the persona {name!r} has no pictures")

    @functools.cached_property
    def fingerprint(self) -> str:
        parts = [f"{name} {source.fingerprint}" for name, source in self.personas.items()]
        text = f"referenced {parts} {self.passes} {self.seed} {self.mirrored}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def __len__(self) -> int:
        return self.passes * len(self.personas) * max(map(len, self.personas.values()))

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        names = {*PICTURES, *PICTURES.values()}
        return {name: leaf[0] for name, leaf in self.take([index], names).items()}

    def take(self, indices: Sequence[int] | np.ndarray, features: Container[str]) -> Example:
        """The `features` of the examples of `indices` `[B]`, stacked: `[B, …]` a key."""
        indices = np.asarray(indices)
        taken = {
            persona: self._drawn[persona][indices]
            for persona in dict.fromkeys(PICTURES.values())
            if persona in features
        }
        for place, (name, persona) in enumerate(PICTURES.items()):
            if name in features:
                chosen = self._drawn[persona][indices], self._drawn[name][indices]
                pictures = self._pictures(*chosen)
                coins = order.coins(len(PICTURES) * indices + place, self.seed)
                turned = coins[:, None, None, None] & self.mirrored
                taken[name] = np.where(turned, pictures[:, :, ::-1], pictures)
        return taken

    def _pictures(self, personas: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`[B, H, W, C]` of the personas' numbers `[B]` and the places among their pictures."""
        pictures: np.ndarray | None = None
        for number, source in enumerate(self.personas.values()):
            here = np.flatnonzero(personas == number)
            if here.size:
                found = take(source, rows[here], {"image": "image"})["image"]
                if pictures is None:
                    pictures = np.empty((len(rows), *found.shape[1:]), found.dtype)
                pictures[here] = found
        assert pictures is not None
        return pictures

    @functools.cached_property
    def _drawn(self) -> dict[str, np.ndarray]:
        """Of each example both personas, and each picture's place among those of its own: int32
        `[N]` a name."""
        count = len(self)
        drawn = {
            persona: in_turn(len(self.personas), count, self.seed, stream)
            for stream, persona in enumerate(dict.fromkeys(PICTURES.values()))
        }
        for stream, (name, persona) in enumerate(PICTURES.items(), start=len(drawn)):
            drawn[name] = np.empty(count, np.int32)
            for number, source in enumerate(self.personas.values()):
                here = np.flatnonzero(drawn[persona] == number)
                drawn[name][here] = in_turn(len(source), len(here), self.seed, stream, number)
        return drawn


def in_turn(choices: int, count: int, *seeds: int) -> np.ndarray:
    """`count` of the numbers below `choices` in a random order, int32: all equally often, but for
    the one that the last of them are ahead by where `choices` does not go into `count`."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seeds)))
    return (generator.permutation(count) % choices).astype(np.int32)

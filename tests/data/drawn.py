"""Avatars in memory that stand in for a prepared set."""

from __future__ import annotations

from collections.abc import Container, Sequence

from gan_jax.data.source import ArraySource, Example


class Drawn(ArraySource):
    """Arrays, read as `avatars.dataset.AvatarSource` is."""

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Example]:
        wanted = [key for key in self.arrays if key == "image" or key in features]
        return [{key: self.arrays[key][index] for key in wanted} for index in indices]

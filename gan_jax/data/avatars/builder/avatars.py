"""TFDS builder: seeded avatars as ArrayRecord files, written without TensorFlow."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.generation import avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.layers import PARTS
from gan_jax.data.avatars.parameters import FACTOR_NAMES, FACTORS, NAMES, STYLES
from gan_jax.data.avatars.version import RENDERER_VERSION, SEED


@dataclasses.dataclass(eq=False)
class AvatarsConfig(tfds.core.BuilderConfig):
    """Pixels and number of examples of one prepared set."""

    size: int = 64
    train: int = 10_000
    test: int = 1_000


def config(size: int, count: int | None) -> AvatarsConfig:
    """The full set of that size, or with `count` a small one of so many train and test examples."""
    text = f"{size} by {size} pixels, seed {SEED}"
    if count is None:
        return AvatarsConfig(name=f"{size}", description=text, size=size)
    return AvatarsConfig(
        name=f"{size}-{count}", description=text, size=size, train=count, test=count
    )


class Avatars(tfds.core.GeneratorBasedBuilder):
    """Procedural 2-D avatars; `on_example` is told of every example written."""

    VERSION = tfds.core.Version(RENDERER_VERSION)
    RELEASE_NOTES = {RENDERER_VERSION: f"Seed {SEED}."}
    BUILDER_CONFIGS = [config(size, None) for size in (32, 64, 128)]

    builder_config: AvatarsConfig
    on_example: Callable[[], None] | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.size
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(size, size, 4), encoding_format="png"),
                "landmarks": tfds.features.Tensor(shape=(len(LANDMARKS), 2), dtype=np.float32),
                "parameters": tfds.features.Tensor(shape=(len(NAMES),), dtype=np.float32),
                "expression": tfds.features.ClassLabel(names=list(EXPRESSIONS)),
                "intensity": tfds.features.Scalar(dtype=np.float32),
                "style": tfds.features.ClassLabel(names=list(STYLES)),
                "identity": tfds.features.Tensor(shape=(len(FACTOR_NAMES),), dtype=np.int32),
            }
        )
        names = {
            "renderer": RENDERER_VERSION,
            "seed": SEED,
            "parameters": list(NAMES),
            "landmarks": list(LANDMARKS),
            "parts": list(PARTS),
            "identity": {factor.name: list(factor.choices) for factor in FACTORS},
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Procedural 2-D avatars with exact ground truth.",
            features=features,
            metadata=tfds.core.MetadataDict(names),
            disable_shuffling=True,  # record i is avatar i of the split
        )

    def _split_generators(self, dl_manager):
        wanted = self.builder_config
        return {
            "train": self._generate_examples("train", wanted.train),
            "test": self._generate_examples("test", wanted.test),
        }

    def _generate_examples(self, split: str, count: int) -> Iterator[tuple[int, dict]]:
        for index, avatar in enumerate(avatars(split, count, self.builder_config.size)):
            yield index, {**avatar._asdict(), "image": io.BytesIO(avatar.image)}
            if self.on_example is not None:
                self.on_example()

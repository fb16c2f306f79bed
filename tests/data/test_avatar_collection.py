"""The avatars as a collection: what is passed on, what labels do, and when they are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_jax.data import avatars
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.source import PictureSource
from tests.data.drawn import Drawn


@pytest.fixture
def calls(monkeypatch) -> list:
    """Stands in for the renderer: three avatars, a red disc's worth of alpha each."""
    images = np.zeros((3, 32, 32, 4), np.uint8)
    images[:, 8:24, 8:24] = (255, 0, 0, 255)
    arrays = {
        "image": images,
        "label": np.arange(3, dtype=np.int32),
        "landmarks": np.ones((3, 5, 2), np.float32),
    }
    made = []
    source = Drawn(arrays, "fingerprint", 3, ("neutral", "happy", "sad"))
    monkeypatch.setattr(avatars, "prepare", lambda *a: made.append(a), raising=False)
    monkeypatch.setattr(avatars, "open_avatars", lambda *a: made.append(a) or source, raising=False)
    return made


def opened(labels="auto", channels=3) -> PictureSource:
    return open_source(
        "avatars/32",
        split="train",
        geometry=Geometry(size=32, channels=channels, background=(0, 0, 255)),
        on_bad_image="error",
        data_dir="/somewhere",
        labels=labels,
        progress=None,
    )


def test_they_are_prepared_before_they_are_opened(calls):
    opened()
    assert calls == [(32, Path("/somewhere"), None), (32, "train", Path("/somewhere"))]


def test_every_field_is_passed_on_and_alpha_is_laid_on_the_background(calls):
    source = opened()
    example = source[1]
    assert source.fingerprint == "fingerprint" and source.num_classes == 3
    assert example["label"] == 1 and example["landmarks"].shape == (5, 2)
    assert example["image"][0, 0].tolist() == [0, 0, 255]
    assert example["image"][16, 16].tolist() == [255, 0, 0]
    assert opened(channels=4)[1]["image"][0, 0].tolist() == [0, 0, 0, 0]


def test_without_labels_the_rest_stays(calls):
    source = opened(labels="none")
    assert source.class_names is None and sorted(source[0]) == ["image", "landmarks"]

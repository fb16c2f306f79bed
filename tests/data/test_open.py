"""Names of sources, and the digits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.source import PictureSource, in_memory
from gan_jax.errors import DataError, UsageError


def opened(name: str, **changes) -> PictureSource:
    arguments = {
        "split": "train",
        "geometry": Geometry(size=28, channels=1),
        "on_bad_image": "error",
        "data_dir": None,
        "labels": "auto",
        "progress": None,
    }
    return open_source(name, **(arguments | changes))


def test_digits_are_the_real_ones():
    splits = {split: in_memory(opened("digits", split=split)) for split in ("train", "test", "all")}
    assert {split: len(source) for split, source in splits.items()} == {
        "train": 1618,
        "test": 179,
        "all": 1797,
    }
    everything = splits["all"]
    assert everything.arrays["image"].shape == (1797, 28, 28, 1)
    assert everything.num_classes == 10 and everything.class_names == tuple("0123456789")
    # The per-class counts that scikit-learn documents for this set.
    counts = np.bincount(everything.arrays["label"])
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len({source.fingerprint for source in splits.values()}) == 3
    native = opened("digits", split="all", geometry=Geometry(size=8, channels=1))
    # The first row of the first digit (0..16 in the original) and its label.
    assert native[0]["image"][0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert native[0]["label"] == 0


def test_labels_can_be_left_out():
    source = opened("digits", labels="none")
    assert source.num_classes is None and list(source[0]) == ["image"]


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_paths_reach_their_source(tmp_path, kind):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), np.uint8)
    path = tmp_path / "set"
    if kind == "folder":
        path.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(path / f"{number}.png")
    else:
        path = path.with_suffix(".npz")
        np.savez(path, images=images)
    source = opened(f"{kind}:{path}", split="all", geometry=Geometry(size=28, channels=3))
    np.testing.assert_array_equal(in_memory(source).arrays["image"], images)


@pytest.mark.parametrize(
    "name", ["", "digit", "folder", "folder:", "npz:", "tfds:", "mnist", "avatars", "http://x/y"]
)
def test_a_name_of_no_form_lists_the_forms(name):
    with pytest.raises(UsageError, match="avatars/32|64|128, digits, tfds:NAME") as caught:
        opened(name)
    assert "folder:PATH" in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("size", ["16", "064", "large", ""])
def test_avatars_of_another_size_are_refused(size):
    with pytest.raises(UsageError, match="/32, /64 and /128"):
        opened(f"avatars/{size}")


@pytest.mark.parametrize("name", ["folder:/no/such/place", "npz:/no/such/place.npz"])
def test_missing_sources_end_with_5(name):
    with pytest.raises(DataError, match="no such") as caught:
        opened(name)
    assert caught.value.exit_code == 5 and "/no/such/place" in str(caught.value)


def test_opening_digits_brings_in_neither_tensorflow_nor_the_renderer():
    code = """if True:
        import sys
        from gan_jax.data.open import open_collection
        open_collection("digits", split="all", data_dir=None, labels="auto", progress=None)
        heavy = {"tensorflow", "torch", "tensorflow_datasets", "gan_jax.data.avatars"}
        assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

"""Arrays in an .npz: what is taken, and what is refused in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gan_jax.data.collection import ArrayCollection
from gan_jax.data.npz import open_npz
from gan_jax.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3), np.uint8)
LABELS = np.arange(40) % 4


def saved(folder: Path, **arrays) -> Path:
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def opened(path: Path, split: str = "all", labels="auto") -> ArrayCollection:
    return open_npz(str(path), split=split, labels=labels)


@pytest.mark.parametrize("key", ["images", "image"])
@pytest.mark.parametrize("stored", [IMAGES, IMAGES[..., :1], IMAGES[..., 0]])
def test_pictures_come_back_as_saved(tmp_path, key, stored):
    collection = opened(saved(tmp_path, **{key: stored}))
    assert len(collection) == 40 and collection.class_names is None
    raw = collection.read(7)
    np.testing.assert_array_equal(raw.image, stored[7].reshape(5, 6, -1))
    assert raw.fields == {}


def test_labels_and_their_names(tmp_path):
    path = saved(tmp_path, images=IMAGES, labels=LABELS)
    collection = opened(path, labels="required")
    assert collection.class_names == ("0", "1", "2", "3")
    assert collection.read(6).fields["label"] == 2
    assert collection.read(6).fields["label"].dtype == np.int32
    assert opened(path, labels="none").class_names is None
    names = np.array(["red", "blue", "green", "grey", "unused"])
    named = opened(saved(tmp_path, images=IMAGES, labels=LABELS, class_names=names))
    assert named.class_names == ("red", "blue", "green", "grey", "unused")


def test_splits_share_their_classes(tmp_path):
    path = saved(tmp_path, images=IMAGES, labels=LABELS)
    train, test = opened(path, "train"), opened(path, "test")
    assert len(train) == 36 and len(test) == 4 and train.class_names == test.class_names
    np.testing.assert_array_equal(test.read(1).image, IMAGES[test.indices[1]])
    assert test.name(1) == f"{path}[{test.indices[1]}]"


def test_the_fingerprint_is_of_the_content_and_the_split(tmp_path):
    path = saved(tmp_path, images=IMAGES)
    whole, train = opened(path).fingerprint, opened(path, "train").fingerprint
    assert whole == opened(path).fingerprint != train
    changed = IMAGES.copy()
    changed[3, 0, 0, 0] ^= 1
    assert opened(saved(tmp_path, images=changed)).fingerprint != whole


@pytest.mark.parametrize(
    "arrays, reason",
    [
        ({"pictures": IMAGES}, "no array `images`"),
        ({"images": IMAGES / 255}, r"float64 \[40, 5, 6, 3\]"),
        ({"images": IMAGES.swapaxes(1, 3).repeat(2, -1)[..., :5]}, r"C from 1 to 4"),
        ({"images": IMAGES[0, 0]}, r"uint8 \[6, 3\]"),
        ({"images": IMAGES[:0]}, "no pictures in it"),
        ({"images": IMAGES, "labels": LABELS[:-1]}, r"labels is int64 \[39\]"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels is float64"),
        ({"images": IMAGES, "labels": LABELS - 1}, "label -1"),
        ({"images": IMAGES, "labels": LABELS * 10**9}, "label 3000000000"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a"])}, "1 class_names"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, reason):
    with pytest.raises(DataError, match=reason) as caught:
        opened(saved(tmp_path, **arrays))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_labels_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no labels"):
        opened(saved(tmp_path, images=IMAGES), labels="required")


def test_pickled_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    path = saved(tmp_path, images=np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match="not a readable .npz of plain arrays"):
        opened(path)
    assert not (tmp_path / "executed").exists()


def test_files_that_are_no_npz(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        opened(tmp_path / "gone.npz")
    whole = saved(tmp_path, images=IMAGES).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", b"rubbish", whole[: len(whole) // 2], bytes(flipped)):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(DataError, match="bad.npz: not a readable"):
            opened(tmp_path / "bad.npz")
    np.save(tmp_path / "single.npy", IMAGES)
    with pytest.raises(DataError, match="single.npy: not a readable"):
        opened(tmp_path / "single.npy")
    with pytest.raises(DataError, match="not a readable"):
        opened(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(DataError, match="no array `images`"):
        opened(tmp_path / "other.npz")

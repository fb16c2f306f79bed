"""Prepared TFDS sets are read without TensorFlow, through the same pictures as any other."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data.check import check_source
from gan_jax.data.pictures import PictureError
from gan_jax.data.prepare import prepare_source
from gan_jax.data.tfds_sets import TfdsCollection, open_tfds
from gan_jax.errors import DataError, UsageError

NAMES = ["cat", "dog"]
LABELS = {12: 0, 13: -1, 14: 0, 15: 1}


def picture(index: int) -> np.ndarray:
    """uint8 `[6, 8, 3]`."""
    return np.random.default_rng(index).integers(0, 256, (6, 8, 3), np.uint8)


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """12 train and 4 test pictures with labels; number 3 of train is truncated, 13 has no label."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "thumbnail": tfds.features.Image(shape=(None, None, 1)),
            "label": tfds.features.ClassLabel(names=NAMES),
            "weight": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 12), "test": self._generate_examples(12, 16)}

    def _generate_examples(self, start, stop):
        for index in range(start, stop):
            buffer = io.BytesIO()
            Image.fromarray(picture(index)).save(buffer, "PNG")
            content = buffer.getvalue()[:90] if index == 3 else buffer.getvalue()
            image = io.BytesIO(content)
            yield (
                index,
                {
                    "image": image,
                    "thumbnail": Image.new("L", (2, 2)),
                    "label": -1 if index == 13 else index % 2,
                    "weight": 0.5,
                },
            )


class TinyArrays(tfds.core.GeneratorBasedBuilder):
    """Yields NumPy pictures, which TFDS encodes with TensorFlow, as many stock sets do."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(6, 8, 3))})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"image": picture(0)}


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    """No picture at all."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"age": np.int64, "label": np.int64})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"age": 3, "label": 1}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("tfds"))
    prepare_source("tfds:tiny_pictures", folder, None)
    prepare_source("tfds:tiny_numbers", folder, None)
    return folder


def opened(data_dir: str, split: str = "test", labels="auto", name="tiny_pictures"):
    return open_tfds(name, split=split, labels=labels, data_dir=data_dir)


def contents(collection: TfdsCollection) -> list[tuple[bytes, int]]:
    raws = [collection.read(i) for i in range(len(collection))]
    return [(raw.image.tobytes(), int(raw.fields["label"])) for raw in raws]


def test_pictures_and_labels_come_back_in_a_fixed_order(data_dir):
    collection = opened(data_dir, labels="required")
    expected = [(picture(i).tobytes(), label) for i, label in LABELS.items()]
    assert sorted(contents(collection)) == sorted(expected)
    assert contents(collection) == contents(opened(data_dir))
    assert collection.class_names == ("cat", "dog")
    raw = collection.read(0)
    assert raw.image.shape == (6, 8, 3) and raw.fields["label"].dtype == np.int32
    assert opened(data_dir, labels="none").read(0).fields == {}


def test_splits_are_those_of_tfds(data_dir):
    sizes = {s: len(opened(data_dir, s)) for s in ("train", "all", "train+test", "train[:50%]")}
    assert sizes == {"train": 12, "all": 16, "train+test": 16, "train[:50%]": 6}
    assert len(opened(data_dir, name="tiny_pictures:1.2.0")) == 4
    with pytest.raises(DataError, match="validation") as caught:
        opened(data_dir, "validation")
    assert "train" in str(caught.value) and "\n" not in str(caught.value)


def test_a_bad_picture_is_named(data_dir):
    collection = opened(data_dir, "train")
    reasons = []
    for index in range(12):
        try:
            collection.read(index)
        except PictureError as error:
            reasons.append((error.name, error.reason))
    assert len(reasons) == 1 and reasons[0][0].startswith("tfds:tiny_pictures train[")
    report = check_source(
        "tfds:tiny_pictures", split="all", size=8, data_dir=data_dir, progress=None
    )
    assert (report.count, report.exit_code, report.smaller) == (16, 5, 15)
    assert report.labels == {"cat": 8, "dog": 6, "-1 (no such class)": 1}
    assert report.sizes == {(8, 6): 15}


def test_damaged_records_are_named(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    (records,) = (tmp_path / "copy").rglob("*-test.array_record-*")
    content = bytearray(records.read_bytes())
    records.write_bytes(content[:70])
    with pytest.raises(DataError, match="tfds:tiny_pictures"):
        collection = opened(str(tmp_path / "copy"))
        [collection.read(i) for i in range(4)]


def test_the_fingerprint_tells_splits_and_contents_apart(data_dir, tmp_path):
    before = opened(data_dir).fingerprint
    assert opened(data_dir, "train").fingerprint != before
    shutil.copytree(data_dir, tmp_path / "copy")
    assert opened(str(tmp_path / "copy")).fingerprint == before
    (records,) = (tmp_path / "copy").rglob("*-test.array_record-*")
    records.write_bytes(records.read_bytes() + bytes(1))
    assert opened(str(tmp_path / "copy")).fingerprint != before


def test_what_is_not_prepared_says_how_to(tmp_path):
    with pytest.raises(DataError, match="gan-jax data prepare tfds:mnist") as caught:
        opened(str(tmp_path), name="mnist")
    assert "pip install 'gan-jax[prepare]'" in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 5
    with pytest.raises(UsageError, match="NAME"):
        opened(str(tmp_path), name="no such name")


def test_a_set_without_pictures_or_labels(data_dir):
    with pytest.raises(DataError, match="no picture `image` among its features age, label"):
        opened(data_dir, "train", name="tiny_numbers")


def test_reading_imports_no_tensorflow_and_prints_nothing(data_dir):
    code = """if True:
        import sys
        from gan_jax.data.tfds_sets import open_tfds
        collection = open_tfds("tiny_pictures", split="test", labels="auto", data_dir=sys.argv[1])
        assert collection.read(3).image.shape == (6, 8, 3)
        assert not {"tensorflow", "torch", "jax"} & sys.modules.keys()
    """
    command = [sys.executable, "-W", "error", "-c", code, data_dir]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_preparing_twice_does_nothing_the_second_time(data_dir):
    prepare_source("tfds:tiny_pictures", data_dir, None)
    assert len(opened(data_dir)) == 4


def test_preparing_what_needs_tensorflow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # as if it were not installed
    with pytest.raises(UsageError, match=r"pip install 'gan-jax\[prepare\]'") as caught:
        prepare_source("tfds:tiny_arrays", str(tmp_path), None)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["digits", "folder:/x", "npz:/x"])
def test_other_sources_need_no_preparing(name):
    with pytest.raises(UsageError, match="nothing to prepare"):
        prepare_source(name, None, None)


def test_preparing_what_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="knows no such data set") as caught:
        prepare_source("tfds:no_such_set_at_all", str(tmp_path), None)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="must be avatars"):
        prepare_source("mnist", None, None)


def test_reading_many_at_once_is_reading_each(data_dir):
    collection = opened(data_dir)
    raws = collection.read_many([3, 0, 3], ("image", "label"))
    for raw, index in zip(raws, [3, 0, 3], strict=True):
        np.testing.assert_array_equal(raw.image, collection.read(index).image)
        assert raw.fields == collection.read(index).fields
    assert set(collection.features) == {"image", "label"}  # and the thumbnail is not parsed

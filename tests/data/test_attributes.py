"""Attributes as labels: what each source delivers by name, and what it refuses in one line."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data import avatars
from gan_jax.data.attributes import attribute_vector, check_names
from gan_jax.data.avatar_attributes import attribute_readers
from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES, FACTORS, INDEX, NAMES
from gan_jax.data.check import check_source
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.prepare import prepare_source
from gan_jax.data.source import PictureSource, in_memory
from gan_jax.errors import DataError
from tests.data.drawn import Drawn

COUNT = 20
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 1), np.uint8)
VALUES = np.round(np.random.default_rng(1).normal(size=(COUNT, 3)), 3)
COLUMNS = ["smiling", "glasses", "age"]


def opened(name, attributes, data_dir=None, labels="none", split="all") -> PictureSource:
    return open_source(
        str(name),
        split=split,
        geometry=Geometry(size=8, channels=1),
        on_bad_image="error",
        data_dir=data_dir,
        labels=labels,
        progress=None,
        attributes=attributes,
    )


def refused(name, attributes, words, data_dir=None):
    with pytest.raises(DataError, match=words) as caught:
        in_memory(opened(name, attributes, data_dir))
    assert "\n" not in str(caught.value)


def labels_of(source) -> np.ndarray:
    """float32 `[N, K]`, read one by one and all at once alike."""
    labels = np.stack([source[index]["label"] for index in range(len(source))])
    np.testing.assert_array_equal(labels, in_memory(source).arrays["label"])
    assert labels.dtype == np.float32
    assert source.class_names is None and source.num_classes is None
    return labels


def test_names_that_are_known_and_those_near():
    check_names("x", ("a", "b"), iter(("b", "a", "c")))
    check_names("x", (), ())
    with pytest.raises(DataError, match="^x has no attribute 'smile'; the nearest is 'smiling'$"):
        check_names("x", ("age", "smile"), COLUMNS)
    with pytest.raises(DataError, match="'q'; there are smiling, glasses, age$"):
        check_names("x", ("q",), COLUMNS)
    with pytest.raises(DataError, match="n39 and 10 more$"):
        check_names("x", ("q",), [f"n{number}" for number in range(50)])
    with pytest.raises(DataError, match="the nearest are 'hat=none', 'hat=red'$"):
        check_names("x", ("hat",), ["hut", "hat=none", "hat=red"])
    with pytest.raises(DataError, match="'q'; it has none$"):
        check_names("x", ("q",), ())


def test_a_vector_of_numbers_and_their_text():
    found = attribute_vector("x", ("a", "b", "c"), (True, " -0.5 ", np.int64(3)))
    assert found.dtype == np.float32 and found.tolist() == [1.0, -0.5, 3.0]
    for wrong in (None, "", "yes", "nan", np.inf, 1e39):
        with pytest.raises(DataError, match="^line 3: b is .* must be a finite number$"):
            attribute_vector("line 3", ("a", "b"), (0, wrong))


# An .npz.


@pytest.fixture
def npz(tmp_path):
    def save(**arrays):
        whole = {"images": IMAGES, "attributes": VALUES, "attribute_names": np.array(COLUMNS)}
        arrays = {name: array for name, array in (whole | arrays).items() if array is not None}
        np.savez(tmp_path / "set.npz", **arrays)
        return f"npz:{tmp_path / 'set.npz'}"

    return save


def test_columns_of_an_npz_in_the_order_asked_for(npz):
    labels = labels_of(opened(npz(), ("age", "smiling")))
    np.testing.assert_array_equal(labels, VALUES[:, [2, 0]].astype(np.float32))
    train, test = (opened(npz(), ("age",), split=split) for split in ("train", "test"))
    rows = np.concatenate([labels_of(train), labels_of(test)])
    assert len(test) > 0 and sorted(rows[:, 0]) == sorted(VALUES[:, 2].astype(np.float32))
    flags = VALUES[:, :2] > 0
    as_bool = npz(attributes=flags, attribute_names=np.array(COLUMNS[:2]))
    np.testing.assert_array_equal(labels_of(opened(as_bool, ("glasses",)))[:, 0], flags[:, 1])


def test_an_npz_with_both_has_classes_unless_attributes_are_asked_for(npz):
    both = npz(labels=np.arange(COUNT) % 4)
    assert opened(both, (), labels="required").class_names == ("0", "1", "2", "3")
    assert labels_of(opened(both, ("age",))).shape == (COUNT, 1)


def test_attributes_that_an_npz_lacks(npz):
    refused(npz(), ("smile",), "set.npz has no attribute 'smile'; the nearest is 'smiling'")
    refused(npz(attributes=None), ("age",), "asks for arrays attributes and attribute_names")
    refused(npz(attribute_names=None), ("age",), "asks for arrays attributes and attribute_names")
    wrong = r"attributes is float64 \[20, 2\], must be numbers, \[20, 3\]"
    refused(npz(attributes=VALUES[:, :2]), ("age",), wrong)
    refused(npz(attributes=VALUES.astype(str)), ("age",), "attributes is <U")
    broken = VALUES.copy()
    broken[7, 2] = np.nan
    refused(npz(attributes=broken), ("glasses", "age"), r"\[7\]: age is nan, must be a finite")
    assert len(opened(npz(attributes=broken), ("glasses",))) == COUNT


# A folder.


@pytest.fixture
def folder(tmp_path):
    def save(text, count=3):
        for number in range(count):
            Image.fromarray(IMAGES[number, ..., 0]).save(tmp_path / f"{number}.png")
        if text is not None:
            (tmp_path / "labels.csv").write_text(text)
        return f"folder:{tmp_path}"

    return save


TABLE = "file,smiling,age\n2.png,0,30\n./0.png, 1,-0.5\n1.png,0.25,1e2\n"


def test_columns_of_labels_csv(folder):
    source = opened(folder(TABLE), ("age", "smiling"))
    np.testing.assert_array_equal(labels_of(source), np.float32([[-0.5, 1], [100, 0.25], [30, 0]]))
    before = source.fingerprint
    assert before != opened(folder(TABLE.replace("1e2", "99")), ("age", "smiling")).fingerprint
    assert before == opened(folder(TABLE.replace("1e2", "100")), ("age", "smiling")).fingerprint


def test_a_column_label_stays_the_class(folder):
    both = folder("file,smiling,label\n0.png,0.5,a\n1.png,1,b\n2.png,0,a\n")
    assert opened(both, (), labels="required").class_names == ("a", "b")
    assert labels_of(opened(both, ("smiling",))).tolist() == [[0.5], [1], [0]]


def test_a_table_of_attributes_alone_has_no_classes(folder):
    path = folder(TABLE)
    assert opened(path, (), labels="auto").class_names is None
    assert check_source(path, split="all", size=None, data_dir=None, progress=None).labels is None
    with pytest.raises(DataError, match=r"data.attributes=\('smiling', 'age'\)"):
        opened(path, (), labels="required")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "asks for labels.csv with file,age"),
        ("file,smiling\n0.png,1\n1.png,1\n2.png,1\n", "no attribute 'age'; there are smiling"),
        ("file,age\n0.png,1\n1.png,old\n2.png,1\n", "line 3: age is 'old', must be a finite"),
        ("file,age\n0.png,1\n1.png\n2.png,1\n", "line 3: age is None"),
        ("file,age\n0.png,nan\n1.png,1\n2.png,1\n", "line 2: age is 'nan'"),
        ("file,age\n0.png,1\n1.png,1\n", "no label for 2.png"),
        ("file,age\n0.png,1\n1.png,1\n2.png,1\n3.png,1\n", "3.png is not there"),
        ("file,age\n,1\n", "line 2 has no file"),
        ("age\n1\n", "first line must be"),
    ],
)
def test_tables_that_do_not_do(folder, text, words):
    refused(folder(text), ("age",), words)


# Avatars.

EXPRESSIONS = ("neutral", "happy", "sad")


@pytest.fixture
def drawn(monkeypatch) -> Drawn:
    """Stands in for the renderer: four avatars of random parameters."""
    random = np.random.default_rng(3)
    parameters = random.uniform(-1, 1, (4, len(NAMES))).astype(np.float32)
    for factor in FACTORS:
        parameters[:, INDEX[factor.name]] = random.integers(0, len(factor.choices), 4)
    parameters[:, INDEX["eyewear"]] = [0, 1, 2, 1]
    arrays = {
        "image": np.zeros((4, 32, 32, 4), np.uint8),
        "label": np.int32([1, 0, 2, 1]),
        "expression": np.int32([1, 0, 2, 1]),
        "parameters": parameters,
        "intensity": np.float32([0.5, 0, 1, 0.25]),
    }
    source = Drawn(arrays, "fingerprint", 3, EXPRESSIONS)
    monkeypatch.setattr(avatars, "prepare", lambda *a: None)
    monkeypatch.setattr(avatars, "open_avatars", lambda *a: source)
    return source


def test_attributes_of_avatars(drawn):
    names = ("eyeBlinkLeft", "eyewear=round glasses", "expression=happy", "intensity", "headYaw")
    source = opened("avatars/32", names)
    labels, parameters = labels_of(source), drawn.arrays["parameters"]
    np.testing.assert_array_equal(labels[:, 0], parameters[:, INDEX["eyeBlinkLeft"]])
    assert labels[:, 1].tolist() == [0, 1, 0, 1]
    assert labels[:, 2].tolist() == [1, 0, 0, 1]
    assert labels[:, 3].tolist() == [0.5, 0, 1, 0.25]
    np.testing.assert_array_equal(labels[:, 4], parameters[:, INDEX["headYaw"]])
    np.testing.assert_array_equal(source[2]["parameters"], parameters[2])  # the rest stays


def test_choices_of_a_group_are_its_one_hot_vector(drawn):
    for factor in FACTORS:
        names = [f"{factor.name}={choice}" for choice in factor.choices]
        chosen = np.round(drawn.arrays["parameters"][:, INDEX[factor.name]]).astype(int)
        expected = np.eye(len(names))[chosen]
        np.testing.assert_array_equal(labels_of(opened("avatars/32", names)), expected)


def test_every_name_is_one_of_a_kind():
    readers = attribute_readers(EXPRESSIONS)
    choices = sum(len(factor.choices) for factor in FACTORS)
    assert len(readers) == len(CONTINUOUS_NAMES) + choices + len(EXPRESSIONS) + 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("eyeBlink", "avatars/32 has no attribute 'eyeBlink'; the nearest are 'eyeBlinkLeft'"),
        ("eyewear", "the nearest are 'eyewear=none', 'eyewear=round glasses'"),
        ("expression=hapy", "'expression=happy'"),
    ],
)
def test_names_that_avatars_do_not_have(drawn, name, words):
    refused("avatars/32", (name,), words)


# TFDS.


class TinyFaces(tfds.core.GeneratorBasedBuilder):
    """Four faces with attributes as CelebA has them, and other numbers."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(8, 8, 1)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
            "age": np.float32,
            "box": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "name": tfds.features.Text(),
            "attributes": {"Smiling": np.bool_, "Eyes": np.int64, "more": {"Hat": np.uint8}},
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(4):
            yield (
                index,
                {
                    "image": Image.fromarray(IMAGES[index, ..., 0]),
                    "label": 0,
                    "age": float("nan") if index == 3 else 20.5 + index,
                    "box": np.zeros(2, np.float32),
                    "name": "x",
                    "attributes": {"Smiling": bool(index % 2), "Eyes": index, "more": {"Hat": 7}},
                },
            )


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("tfds"))
    prepare_source("tfds:tiny_faces", folder, None)
    return folder


def test_features_of_tfds_by_their_paths(faces):
    names = ("attributes/Eyes", "attributes/Smiling", "attributes/more/Hat")
    source = opened("tfds:tiny_faces", names, faces)
    eyes, smiling, hat = labels_of(source).T
    assert sorted(eyes) == [0, 1, 2, 3] and set(hat) == {7}
    np.testing.assert_array_equal(smiling, eyes % 2)
    for index, number in enumerate(eyes.astype(int)):
        np.testing.assert_array_equal(source[index]["image"], IMAGES[number])


def test_features_that_tfds_lacks_or_that_are_no_numbers(faces):
    refused("tfds:tiny_faces", ("Smiling",), "nearest is 'attributes/Smiling'", faces)
    for name in ("label", "box", "name", "image"):
        words = f"tfds:tiny_faces has no attribute '{name}'"
        refused("tfds:tiny_faces", (name,), words, faces)
    refused("tfds:tiny_faces", ("age",), r"tiny_faces all\[.\]: age is .*nan.*, must be", faces)


def test_the_digits_have_none():
    refused("digits", ("round",), "digits has no attribute 'round'; it has none")

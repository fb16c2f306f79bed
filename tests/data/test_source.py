"""Sources on demand and in memory, and the rule for bad pictures."""

from __future__ import annotations

import threading
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grain
import numpy as np
import pytest

from gan_jax.data.collection import ArrayCollection, Raw, split_indices
from gan_jax.data.geometry import Geometry
from gan_jax.data.pictures import PictureError
from gan_jax.data.source import (
    ArraySource,
    PictureSource,
    Source,
    bytes_in_memory,
    in_memory,
)
from gan_jax.errors import DataError, UsageError

GEOMETRY = Geometry(size=8, channels=3)


@dataclass
class Flawed:
    """`count` flat pictures, grey level and label = index; those of `bad` cannot be read."""

    count: int
    bad: frozenset[int] = frozenset()
    size: int = 8
    fingerprint: str = "f"
    passed_over: dict[str, int] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(self.count))

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"picture {index}"

    def read(self, index: int) -> Raw:
        if index in self.bad:
            raise PictureError(self.name(index), "damaged")
        image = np.full((self.size, self.size, 1), index % 256, np.uint8)
        return Raw(image, "L", {"label": np.asarray(index, np.int32)})


def labels(source: Source) -> list[int]:
    return [int(source[i]["label"]) for i in range(len(source))]


def test_examples_have_the_asked_shape():
    source = PictureSource(Flawed(5), GEOMETRY, "error")
    assert isinstance(source, Source)
    example = source[3]
    assert example["image"].shape == (8, 8, 3) and example["image"].dtype == np.uint8
    assert example["label"].dtype == np.int32 and example["label"].shape == ()
    assert (len(source), source.num_classes, source.fingerprint) == (5, 5, "f")
    with pytest.raises(IndexError):
        source[5]


def test_error_names_the_picture_and_the_reason():
    source = PictureSource(Flawed(500, frozenset([7])), GEOMETRY, "error")
    with pytest.raises(DataError, match=r"^picture 7: damaged") as caught:
        source[7]
    assert caught.value.exit_code == 5 and "\n" not in str(caught.value)
    assert labels(PictureSource(Flawed(5), GEOMETRY, "error")) == [0, 1, 2, 3, 4]


def test_skip_takes_the_next_good_one_in_any_order_of_reading():
    bad = frozenset([3, 4, 299])
    expected = [5 if i in (3, 4) else 0 if i == 299 else i for i in range(300)]
    forwards = PictureSource(Flawed(300, bad), GEOMETRY, "skip")
    assert labels(forwards) == expected and set(forwards.tally.bad) == bad
    assert labels(forwards) == expected, "a second pass must not count them again"
    assert len(forwards.tally.bad) == 3
    backwards = PictureSource(Flawed(300, bad), GEOMETRY, "skip")
    assert [int(backwards[i]["label"]) for i in reversed(range(300))] == expected[::-1]
    assert "damaged" in forwards.tally.bad[3]


def test_skip_stops_past_one_percent():
    exactly = PictureSource(Flawed(300, frozenset([0, 100, 200])), GEOMETRY, "skip")
    assert len(labels(exactly)) == 300
    past = PictureSource(Flawed(300, frozenset([0, 100, 200, 250])), GEOMETRY, "skip")
    with pytest.raises(DataError, match="4 of 300 pictures cannot be used, more than 1%") as caught:
        labels(past)
    assert caught.value.exit_code == 5 and "picture 250" in str(caught.value)
    with pytest.raises(DataError):
        past[1], past[250]  # it does not go on as if nothing had happened


def test_skip_counts_the_same_from_many_threads():
    bad = frozenset(range(0, 2000, 100))
    source = PictureSource(Flawed(2000, bad), GEOMETRY, "skip")
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda i: int(source[i]["label"]), list(range(2000)) * 2))
    assert read == [i + (i in bad) for i in range(2000)] * 2
    assert set(source.tally.bad) == bad


def test_nothing_but_bad_pictures_is_an_error():
    source = PictureSource(Flawed(2, frozenset([0, 1])), GEOMETRY, "skip")
    with pytest.raises(DataError):
        source[0]


def test_small_pictures_are_enlarged_and_counted_once():
    source = PictureSource(Flawed(4, size=5), GEOMETRY, "error")
    labels(source), labels(source)
    assert source.tally.enlarged == {0, 1, 2, 3}
    large = PictureSource(Flawed(4, size=9), GEOMETRY, "error")
    labels(large)
    assert large.tally.enlarged == set()


def test_remarks_count_what_was_done_to_the_data():
    clean = PictureSource(Flawed(4), GEOMETRY, "error")
    labels(clean)
    assert clean.remarks() == []
    flawed = Flawed(100, frozenset([3]), size=5, passed_over={".txt": 2, ".heic": 3})
    source = PictureSource(flawed, GEOMETRY, "skip")
    labels(source)
    assert source.remarks() == [
        "1 unusable pictures were replaced by their successors",
        "99 pictures smaller than 8×8 were enlarged",
        "5 files that are no pictures were passed over",
    ]


def test_an_unknown_rule_is_refused():
    with pytest.raises(UsageError, match="on_bad_image"):
        PictureSource(Flawed(4), GEOMETRY, "ignore")  # pyright: ignore


@dataclass
class FlawedInBulk(Flawed):
    """The same, read many at a time; `asked` are the features of each such call."""

    asked: list[tuple[str, ...]] = field(default_factory=list)

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Raw]:
        self.asked.append(tuple(features))
        return [self.read(index) for index in indices]


@pytest.mark.parametrize("kind", [Flawed, FlawedInBulk])
def test_taking_many_is_reading_each(kind):
    collection = kind(300, frozenset([17]), size=6)
    source = PictureSource(collection, GEOMETRY, "skip")
    for indices in ([3, 250], [16, 17, 40, 17]):  # with a bad one, and without
        examples = [source[index] for index in indices]
        batch = source.take(np.asarray(indices), ("image", "label"))
        for key in ("image", "label"):
            np.testing.assert_array_equal(batch[key], np.stack([e[key] for e in examples]))
    assert source.take([9], ("image",)).keys() == {"image"}
    assert source.tally.bad.keys() == {17} and 9 in source.tally.enlarged
    assert getattr(collection, "asked", [("image",)])[-1] == ("image",)
    with pytest.raises(PictureError, match="picture 17: damaged .on_bad_image=skip"):
        PictureSource(collection, GEOMETRY, "error").take([16, 17], ("image",))


def test_in_memory_is_the_same_source():
    source = PictureSource(Flawed(1000, frozenset([17])), GEOMETRY, "skip")
    seen = []
    copy = in_memory(source, lambda done, total: seen.append((done, total)))
    assert isinstance(copy, Source) and in_memory(copy) is copy
    for index in (0, 17, 999):
        np.testing.assert_array_equal(copy[index]["image"], source[index]["image"])
        assert copy[index]["label"] == source[index]["label"]
    assert (len(copy), copy.num_classes, copy.fingerprint) == (1000, 1000, "f")
    assert seen[-1] == (1000, 1000) and seen == sorted(seen) and len(seen) > 10
    batch = copy.take([5, 17, 5], ("image", "label"))
    assert copy.take([5], ("image",)).keys() == {"image"}
    assert batch["label"].tolist() == [5, 18, 5] and batch["image"].shape == (3, 8, 8, 3)
    assert bytes_in_memory(source) == sum(array.nbytes for array in copy.arrays.values())


def test_in_memory_raises_what_reading_raises_and_leaves_no_thread():
    source = PictureSource(Flawed(1000, frozenset([900])), GEOMETRY, "error")
    with pytest.raises(PictureError, match="picture 900"):
        in_memory(source)
    assert not [t for t in threading.enumerate() if "ThreadPoolExecutor" in t.name]


def test_in_memory_refuses_examples_that_differ():
    class Growing(PictureSource):
        def __getitem__(self, index):
            return {"image": np.zeros((index + 1, 2, 3), np.uint8)}

    with pytest.raises(DataError, match=r"example [12]: image is \([23], 2, 3\), not \(1, 2, 3\)"):
        in_memory(Growing(Flawed(3), GEOMETRY, "error"))


def test_a_grain_dataset_over_a_source_is_read_alike():
    source = PictureSource(Flawed(6), GEOMETRY, "error")
    dataset = grain.MapDataset.source(source).shuffle(seed=1).batch(3)
    batches = [dataset[i] for i in range(2)]
    assert sorted(np.concatenate([b["label"] for b in batches]).tolist()) == list(range(6))


def test_array_collections_name_the_original_index():
    images = np.zeros((3, 2, 2, 1), np.uint8)
    collection = ArrayCollection("x", images, None, np.array([4, 9, 14]), "f", None)
    assert collection.name(1) == "x[9]" and collection.read(1).fields == {}


@pytest.mark.parametrize("count", [0, 1, 9, 100, 1797])
def test_splits_are_disjoint_and_complete(count):
    train, test = split_indices(count, "train"), split_indices(count, "test")
    assert sorted([*train, *test]) == list(split_indices(count, "all")) == list(range(count))
    assert abs(len(test) - count / 10) <= 1
    assert set(split_indices(10 * count + 1, "test")) >= set(test), "more data moves none over"


def test_splits_keep_the_share_of_classes_that_come_in_turn():
    held_out = np.bincount(split_indices(10_000, "test") % 10, minlength=10)
    assert held_out.min() > 60 and held_out.max() < 140


def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match="validation"):
        split_indices(10, "validation")


def test_array_source_indexes_every_key():
    source = ArraySource({"image": np.arange(4), "label": np.arange(4) * 2}, "f", 8, None)
    assert len(source) == 4 and source[3] == {"image": 3, "label": 6}

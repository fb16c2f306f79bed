"""`dataset[step]`, its shares for several processes, calls, and prefetch that changes nothing."""

import numpy as np
import pytest

from gan_jax.data.pipeline import Calls, Rounds, iterate
from gan_jax.errors import DataError


class Listed:
    """A source without `take`: one example at a time."""

    def __init__(self, count, label=0):
        self.count, self.label = count, label

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = np.full((2, 2, 1), index, np.uint8)
        return {"image": image, "class": np.int32(self.label)}


class Bulk(Listed):
    """The same, read in bulk."""

    def take(self, indices, features):
        examples = [self[i] for i in indices]
        return {key: np.stack([e[key] for e in examples]) for key in examples[0]}


def rounds(source, **changes):
    settings = {
        "keys": {"image": "image"},
        "batch_size": 4,
        "batches_per_round": 2,
        "rows": slice(0, 4),
        "seed": 1,
        "flip": True,
        "num_classes": 0,
    }
    return Rounds(source=source, **(settings | changes))


def test_dataset_is_random_access_and_covers_an_epoch():
    dataset = rounds(Listed(40)).dataset()
    seen = np.concatenate([dataset[step]["image"][..., 0, 0, 0].ravel() for step in range(5)])
    assert sorted(seen) == list(range(40))
    again = dataset[3]
    assert again["image"].shape == (2, 4, 2, 2, 1) and again["flip"].shape == (2, 4)
    np.testing.assert_array_equal(again["image"], rounds(Bulk(40)).dataset()[3]["image"])


def test_several_rounds_are_the_rounds_one_by_one():
    data = rounds(Bulk(17))
    several = data.read(5, 3)
    for offset in range(3):
        for name, leaf in data.read(5 + offset).items():
            np.testing.assert_array_equal(several[name][offset], leaf[0])


def test_two_processes_read_the_rows_of_one():
    whole = rounds(Bulk(30)).read(7)
    first, second = (rounds(Bulk(30), rows=rows).read(7) for rows in (slice(0, 2), slice(2, 4)))
    for name, leaf in whole.items():
        np.testing.assert_array_equal(np.concatenate([first[name], second[name]], axis=2), leaf)


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_out_of_range_is_refused(label):
    data = rounds(Listed(8, label), keys={"image": "image", "label": "class"}, num_classes=3)
    with pytest.raises(DataError, match=f"label {label}.*0 to 2"):
        data.read(0)


class Vectors(Listed):
    """With attributes, of which one example's is what `label` says."""

    def __getitem__(self, index):
        label = np.float32([index, self.label if index == 5 else -7.5])
        return {"image": np.full((2, 2, 1), index, np.uint8), "label": label}


@pytest.mark.parametrize("label", [np.nan, np.inf])
def test_attributes_are_any_finite_numbers(label):
    keys = {"image": "image", "label": "label"}
    read = rounds(Vectors(8), keys=keys, num_classes=2).read(0)
    assert read["label"].shape == (1, 2, 4, 2) and (read["label"][..., 1] <= 0).all()
    np.testing.assert_array_equal(read["label"][..., 0], read["image"][..., 0, 0, 0])
    with pytest.raises(DataError, match=f"an attribute that is {label}: must be finite"):
        rounds(Vectors(8, label), keys=keys, num_classes=2).read(0)


def test_a_missing_feature_is_named():
    with pytest.raises(DataError, match="'pose'.*class, image"):
        rounds(Listed(8), keys={"label": "pose"}).read(0)


@pytest.mark.parametrize(("start", "end", "size", "cadences"), [
    (0, 20, 4, (10, 7)), (13, 20, 4, (10,)), (0, 5, 8, (100,)), (5, 5, 4, (2,)), (3, 9, 1, (4, 5)),
])  # fmt: skip
def test_calls_cover_every_step_once_and_stop_at_every_cadence(start, end, size, cadences):
    calls = Calls(start, end, size, cadences)
    spans = [calls[i] for i in range(len(calls))]
    steps = [step + offset for step, count in spans for offset in range(count)]
    assert steps == list(range(start, end))
    assert all(1 <= count <= size for _, count in spans)
    ends = {step + count for step, count in spans}
    assert {s for s in range(start + 1, end) for c in cadences if s % c == 0} <= ends


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_prefetch_changes_nothing(threads):
    data = rounds(Listed(23))
    calls = Calls(2, 13, 4, (6,))
    read = list(iterate(data, calls, dict, threads=threads, prefetch=threads))
    assert [(step, count) for step, count, _ in read] == [(2, 4), (6, 4), (10, 2), (12, 1)]
    for step, count, batches in read:
        assert batches["image"].shape[0] == 4  # a short call is filled up
        expected = data.read(step, count)
        for name, leaf in expected.items():
            np.testing.assert_array_equal(batches[name][:count], leaf)

"""Pairs that do not belong together: partners, bulk reading, mirroring, fingerprints, errors."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from gan_jax.data.pipeline import Rounds
from gan_jax.data.source import ArraySource
from gan_jax.data.unpaired import UnpairedSource
from gan_jax.errors import DataError, UsageError

BOTH = ("a", "b")


def source(count, name="source"):
    """Picture i holds i in its left half, i + 100 in its right half."""
    images = np.zeros((count, 2, 2, 1), np.uint8)
    images[:, :, 0] = np.arange(count)[:, None, None]
    images[:, :, 1] = 100 + np.arange(count)[:, None, None]
    labels = np.arange(count, dtype=np.int32)
    return ArraySource({"image": images, "label": labels}, name, count, None)


@dataclass(frozen=True)
class OneByOne:
    """Without bulk reading."""

    held: ArraySource
    fingerprint: str = "one by one"
    num_classes: None = None
    class_names: None = None

    def __len__(self):
        return len(self.held)

    def __getitem__(self, index):
        return self.held[index]


def numbers(pictures):
    return pictures[..., 0, 0, 0].astype(int)


def partners(made):
    """`[passes, len(a)]`."""
    taken = made.take(np.arange(len(made)), BOTH)
    firsts = numbers(taken["a"]).reshape(made.passes, -1)
    assert (firsts == np.arange(len(made.a))).all()
    return numbers(taken["b"]).reshape(made.passes, -1)


def test_every_pass_is_another_permutation():
    made = UnpairedSource(source(7), source(7), passes=16)
    assert len(made) == 16 * 7
    found = partners(made)
    assert (np.sort(found, axis=1) == np.arange(7)).all()
    assert len({tuple(row) for row in found}) == 16
    np.testing.assert_array_equal(found, partners(UnpairedSource(source(7), source(7), passes=16)))
    assert (found != partners(UnpairedSource(source(7), source(7), passes=16, seed=1))).any()


@pytest.mark.parametrize(("a", "b"), [(5, 12), (12, 5), (3, 1)])
def test_the_longer_and_the_shorter_side_come_equally_often(a, b):
    made = UnpairedSource(source(a), source(b), passes=60)
    found = partners(made).reshape(-1)
    counts = np.bincount(found, minlength=b)
    assert counts.max() - counts.min() <= 1 and len(found) == 60 * a
    # Nobody keeps a partner: a picture of the shorter side meets nearly all of the other.
    met = [len(set(row)) for row in partners(made).T]
    assert min(met) >= min(b, 10)


def test_single_examples_bulk_and_features():
    made = UnpairedSource(source(5), OneByOne(source(6)), passes=4)
    indices = np.array([19, 0, 7, 7])
    taken = made.take(indices, BOTH)
    assert set(taken) == {"a", "b"} and taken["b"].dtype == np.uint8
    for row, index in enumerate(indices):
        example = made[int(index)]
        assert set(example) == {"a", "b"} and example["a"].shape == (2, 2, 1)
        for name in BOTH:
            np.testing.assert_array_equal(example[name], taken[name][row])
    assert numbers(taken["a"]).tolist() == [4, 0, 2, 2]
    assert set(made.take(indices, frozenset(["b"]))) == {"b"}
    for index in (20, -1):
        with pytest.raises(IndexError, match=f"example {index} of 20"):
            made[index]


def test_the_pipeline_reads_it():
    made = UnpairedSource(source(5), source(6), passes=8)
    rounds = Rounds(
        source=made, keys={"a": "a", "b": "b"}, batch_size=4, batches_per_round=1,
        rows=slice(None), seed=0, flip=False, num_classes=0,
    )  # fmt: skip
    read = rounds.read(0, 10)
    assert read["a"].shape == read["b"].shape == (10, 1, 4, 2, 2, 1)
    pairs = zip(numbers(read["a"]).flat, numbers(read["b"]).flat, strict=True)
    assert sorted(pairs) == sorted(
        (row, partner) for line in partners(made) for row, partner in enumerate(line)
    )


def test_both_sides_are_mirrored_by_coins_of_their_own():
    plain = UnpairedSource(source(40), source(40), passes=50)
    made = UnpairedSource(source(40), source(40), passes=50, mirrored=True)
    rows = np.arange(len(made))
    taken, before = made.take(rows, BOTH), plain.take(rows, BOTH)
    turned = {}
    for name in BOTH:
        turned[name] = numbers(taken[name]) >= 100
        expected = before[name].copy()
        expected[turned[name]] = expected[turned[name], :, ::-1]
        np.testing.assert_array_equal(taken[name], expected)
        assert abs(turned[name].mean() - 0.5) < 4 * 0.5 / np.sqrt(len(rows))
    together = (turned["a"] & turned["b"]).mean()
    assert abs(together - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(rows))
    of_one = turned["a"].reshape(50, 40)[:, 0]
    assert 0.2 < of_one.mean() < 0.8
    np.testing.assert_array_equal(made[1234]["b"], taken["b"][1234])


def test_the_fingerprint_is_of_both_sides_and_all_settings():
    def made(a="x", b="y", **settings):
        return UnpairedSource(source(3, a), source(3, b), **settings).fingerprint

    others = [made("z"), made(b="z"), made("y", "x"), made(passes=3), made(seed=1)]
    assert len({made(), *others, made(mirrored=True)}) == 7
    assert made() == made() and len(made()) == len(hashlib.sha256().hexdigest())


def test_errors():
    with pytest.raises(UsageError, match="passes=0: must be at least 1"):
        UnpairedSource(source(3), source(3), passes=0)
    with pytest.raises(DataError, match="3 and 0 pictures: each side needs some"):
        UnpairedSource(source(3), source(0))

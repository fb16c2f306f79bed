"""Pictures beside two of another persona: balance, independence, bulk reading, mirrors, errors."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from gan_jax.data.pipeline import Rounds
from gan_jax.data.referenced import PICTURES, ReferencedSource, in_turn
from gan_jax.data.source import ArraySource
from gan_jax.errors import DataError, UsageError

ALL = {*PICTURES, *PICTURES.values()}
COUNTS = {"first": 6, "second": 4, "third": 3}


def source(count, number=0, name="source"):
    """Picture i of persona n holds 20 n + i in its left half, and 100 more in its right half."""
    images = np.zeros((count, 2, 2, 1), np.uint8)
    images[:, :, 0] = (20 * number + np.arange(count))[:, None, None]
    images[:, :, 1] = 100 + images[:, :, 0]
    return ArraySource({"image": images}, f"{name} {number}", None, None)


def made(counts=COUNTS, **settings):
    personas = {name: source(count, n) for n, (name, count) in enumerate(counts.items())}
    return ReferencedSource(personas, **settings)


def numbers(pictures):
    """Of which persona each is, and which of it."""
    return np.divmod(pictures[..., 0, 0, 0].astype(int), 20)


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


def test_every_picture_is_of_the_persona_that_stands_beside_it():
    taken = made(passes=20).take(np.arange(20 * 3 * 6), ALL)
    assert set(taken) == ALL and taken["persona"].dtype == np.int32
    for name, persona in PICTURES.items():
        assert taken[name].dtype == np.uint8
        np.testing.assert_array_equal(numbers(taken[name])[0], taken[persona])


def test_personas_and_their_pictures_come_equally_often():
    drawn = made(passes=20)
    assert len(drawn) == 20 * 3 * 6  # as if all were as large as the largest
    taken = drawn.take(np.arange(len(drawn)), ALL)
    for name, persona in PICTURES.items():
        assert np.bincount(taken[persona]).tolist() == [120] * 3
        kind, which = numbers(taken[name])
        for number, count in enumerate(COUNTS.values()):
            turns = np.bincount(which[kind == number], minlength=count)
            assert len(turns) == count and turns.max() - turns.min() <= 1


def test_places_of_an_example_are_independent():
    """Personas of image and reference; of one persona the two references."""
    drawn = made({"first": 6, "second": 6}, passes=500)
    taken = drawn.take(np.arange(len(drawn)), ALL)
    count = len(drawn)
    pairs = np.bincount(2 * taken["persona"] + taken["reference_persona"], minlength=4) / count
    assert np.abs(pairs - 1 / 4).max() < 4 * np.sqrt(3 / 16 / count)
    (kind, first), (_, second) = numbers(taken["reference"]), numbers(taken["reference_2"])
    _, own = numbers(taken["image"])
    for a, b in ((first, second), (own, first), (own, second)):
        table = np.bincount((6 * a + b)[kind == 0], minlength=36) / np.sum(kind == 0)
        assert np.abs(table - 1 / 36).max() < 5 * np.sqrt(1 / 36 / np.sum(kind == 0))


def test_the_seed_alone_decides():
    rows = np.arange(100)
    first, again, other = (made(seed=seed).take(rows, ALL) for seed in (3, 3, 4))
    for name in ALL:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_single_examples_bulk_and_features():
    personas = {"first": source(5, 0), "second": OneByOne(source(6, 1))}
    drawn = ReferencedSource(personas, passes=4)  # pyright: ignore[reportArgumentType]
    indices = np.array([47, 0, 7, 7])
    taken = drawn.take(indices, ALL)
    for row, index in enumerate(indices):
        example = drawn[int(index)]
        assert set(example) == ALL
        assert example["image"].shape == (2, 2, 1) and example["persona"].shape == ()
        for name in ALL:
            np.testing.assert_array_equal(example[name], taken[name][row])
    assert set(drawn.take(indices, frozenset(["reference", "persona"]))) == {"reference", "persona"}
    for index in (48, -1):
        with pytest.raises(IndexError, match=f"example {index} of 48"):
            drawn[index]


def test_the_pipeline_reads_it():
    drawn = made(passes=4)
    rounds = Rounds(
        source=drawn, keys={name: name for name in ALL}, batch_size=4, batches_per_round=1,
        rows=slice(None), seed=0, flip=False, num_classes=0,
    )  # fmt: skip
    read = rounds.read(0, 18)
    assert read["reference_2"].shape == (18, 1, 4, 2, 2, 1)
    assert read["persona"].shape == (18, 1, 4)
    expected = drawn.take(np.arange(72), ALL)
    for one, other in ((read, expected), (expected, read)):
        kinds = sorted(zip(*(numbers(one[name])[1].reshape(-1) for name in PICTURES), strict=True))
        assert kinds == sorted(
            zip(*(numbers(other[name])[1].reshape(-1) for name in PICTURES), strict=True)
        )


def test_all_three_are_mirrored_by_coins_of_their_own():
    plain, drawn = made(passes=100), made(passes=100, mirrored=True)
    rows = np.arange(len(drawn))
    taken, before = drawn.take(rows, ALL), plain.take(rows, ALL)
    turned = {name: taken[name][:, 0, 0, 0] >= 100 for name in PICTURES}
    for name in PICTURES:
        expected = before[name].copy()
        expected[turned[name]] = expected[turned[name], :, ::-1]
        np.testing.assert_array_equal(taken[name], expected)
        assert abs(turned[name].mean() - 0.5) < 4 * 0.5 / np.sqrt(len(rows))
    for other in ("reference", "reference_2"):
        together = (turned["image"] & turned[other]).mean()
        assert abs(together - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(rows))
    np.testing.assert_array_equal(drawn[1234]["reference"], taken["reference"][1234])


def test_the_fingerprint_is_of_all_personas_and_settings():
    def mark(names=("a", "b"), of="x", **settings):
        personas = {name: source(3, n, of) for n, name in enumerate(names)}
        return ReferencedSource(personas, **settings).fingerprint

    others = [mark(("a", "c")), mark(("b", "a")), mark(of="y"), mark(passes=3), mark(seed=1)]
    assert len({mark(), *others, mark(mirrored=True)}) == 7
    assert mark() == mark() and len(mark()) == len(hashlib.sha256().hexdigest())


def test_in_turn():
    found = in_turn(4, 10, 1, 2)
    assert found.dtype == np.int32 and np.bincount(found).tolist() == [3, 3, 2, 2]
    assert not np.array_equal(found, in_turn(4, 10, 2, 1))
    assert in_turn(4, 0, 1).shape == (0,)


def test_errors():
    with pytest.raises(UsageError, match="passes=0: must be at least 1"):
        made(passes=0)
    with pytest.raises(UsageError, match="two personas at least.*, not first"):
        made({"first": 3})
    with pytest.raises(UsageError, match="not none"):
        made({})
    with pytest.raises(DataError, match="the persona 'second' has no pictures"):
        made({"first": 3, "second": 0})

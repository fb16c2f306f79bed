"""The prepared set: round trip, two processes at once, interruption, bad paths."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_jax.data.avatars import dataset, open_avatars, prepare
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.layers import PARTS
from gan_jax.data.avatars.parameters import FACTOR_NAMES, NAMES, factors
from gan_jax.data.avatars.version import SEED
from gan_jax.errors import DataError, StorageError, UsageError

SIZE, COUNT = 64, 5
IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from gan_jax.data.avatars import open_avatars, prepare
prepare(64, Path(sys.argv[1]), None, 5)
example = open_avatars(64, "test", Path(sys.argv[1]), 5)[2]
assert example["image"].shape == (64, 64, 4)
heavy = {"tensorflow", "torch"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Prepared by two processes at once, into a folder that is not there yet."""
    root = tmp_path_factory.mktemp("data") / "new"
    command = [sys.executable, "-W", "error::UserWarning", "-c", IN_ANOTHER_PROCESS, str(root)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert (out, errors) == ("", "")  # nothing of TFDS' own bars and messages
    return root


@pytest.mark.slow  # bit for bit, so of optimised programs
def test_examples_are_the_avatars_of_their_number(prepared):
    source = open_avatars(SIZE, "train", prepared, COUNT)
    drawn = draw_avatars(SEED, 0, 0, COUNT, SIZE)
    assert len(source) == COUNT
    for index in range(COUNT):
        example = source[index]
        np.testing.assert_array_equal(example["image"], drawn.image[index])
        for name in ("landmarks", "parameters", "expression", "intensity", "style", "identity"):
            np.testing.assert_array_equal(example[name], getattr(drawn, name)[index])
        assert example["label"] == example["expression"]


def test_types_and_shapes(prepared):
    example = open_avatars(SIZE, "test", prepared, COUNT)[0]
    assert {name: (value.dtype.name, value.shape) for name, value in example.items()} == {
        "image": ("uint8", (SIZE, SIZE, 4)),
        "label": ("int32", ()),
        "expression": ("int32", ()),
        "style": ("int32", ()),
        "identity": ("int32", (len(FACTOR_NAMES),)),
        "landmarks": ("float32", (len(LANDMARKS), 2)),
        "parameters": ("float32", (len(NAMES),)),
        "intensity": ("float32", ()),
    }


@pytest.mark.slow
def test_the_stored_parameters_draw_the_picture_and_its_masks_again(prepared, drawn):
    source = open_avatars(SIZE, "test", prepared, COUNT)
    examples = [source[index] for index in range(COUNT)]
    drawing = drawn([example["parameters"] for example in examples])
    for index, example in enumerate(examples):
        again = np.round(drawing.image[index] * 255)
        difference = np.abs(again - example["image"])
        assert difference.max() <= 2 and (difference > 0).mean() < 0.01  # another XLA program
        alpha = drawing.seen[index].sum(-1)
        np.testing.assert_allclose(alpha, example["image"][..., 3] / 255, atol=0.01)
        np.testing.assert_allclose(drawing.points[index], example["landmarks"], atol=1e-5)
        np.testing.assert_array_equal(factors(example["parameters"]), example["identity"])


def test_load_all_stacks_every_example(prepared):
    source = open_avatars(SIZE, "all", prepared, COUNT)
    everything = source.load_all()
    assert len(source) == 2 * COUNT
    for index in (0, COUNT - 1, 2 * COUNT - 1):
        for name, value in source[index].items():
            np.testing.assert_array_equal(everything[name][index], value)


def test_indices_end(prepared):
    source = open_avatars(SIZE, "train", prepared, COUNT)
    np.testing.assert_array_equal(source[-1]["image"], source[COUNT - 1]["image"])
    with pytest.raises(IndexError):
        source[COUNT]


def test_names_stand_beside_the_data(prepared):
    folder = prepare(SIZE, prepared, None, COUNT)
    stored = json.loads((folder / "metadata.json").read_text())
    assert stored["parameters"] == list(NAMES)
    assert stored["landmarks"] == list(LANDMARKS) and stored["parts"] == list(PARTS)
    assert stored["seed"] == SEED and list(stored["identity"]) == list(FACTOR_NAMES)
    assert (folder / "expression.labels.txt").read_text().split() == list(EXPRESSIONS)
    assert open_avatars(SIZE, "train", prepared, COUNT).class_names == EXPRESSIONS


def test_a_prepared_set_is_left_alone(prepared):
    folder = prepare(SIZE, prepared, None, COUNT)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    calls = []
    prepare(SIZE, prepared, lambda done, total: calls.append(done), COUNT)
    assert not calls
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.slow
def test_an_interrupted_preparation_leaves_nothing_and_can_be_repeated(tmp_path):
    calls = []

    def interrupt(done: int, total: int) -> None:
        calls.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(SIZE, tmp_path, interrupt, COUNT)
    assert calls == [(1, 2 * COUNT), (2, 2 * COUNT), (3, 2 * COUNT)]
    with pytest.raises(DataError, match="gan-jax data prepare avatars/64"):
        open_avatars(SIZE, "train", tmp_path, COUNT)
    version = dataset._builder(SIZE, tmp_path, COUNT).data_dir
    Path(f"{version}.incomplete.ABCDEF_0").mkdir(parents=True)  # as after kill -9
    calls.clear()
    prepare(SIZE, tmp_path, lambda done, total: calls.append((done, total)), COUNT)
    assert calls[-1] == (2 * COUNT, 2 * COUNT)
    assert [path.name for path in Path(version).parent.glob("*incomplete*")] == []
    assert len(open_avatars(SIZE, "train", tmp_path, COUNT)) == COUNT


def test_fingerprints_name_size_split_and_count(prepared):
    names = {
        dataset.fingerprint(size, split, count)
        for size in (32, 64)
        for split in ("train", "test")
        for count in (None, 5)
    }
    assert len(names) == 8
    source = open_avatars(SIZE, "train", prepared, COUNT)
    assert source.fingerprint == dataset.fingerprint(SIZE, "train", COUNT)


def test_a_file_in_the_path_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot") as caught:
        prepare(SIZE, tmp_path / "file" / "data", None, COUNT)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_unknown_sizes_and_splits_are_refused(tmp_path):
    with pytest.raises(UsageError, match="32, 64, 128"):
        prepare(48, tmp_path)
    with pytest.raises(UsageError, match="train, test and all"):
        open_avatars(SIZE, "validation", tmp_path)

"""Experiment files: imported, overridden, hashed, and refused in one line."""

import hashlib
import sys

import jax
import jax.numpy as jnp
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.experiment import guarded, import_file, load_experiment
from gan_jax.ops.pixels import FLIP

WHOLE = """
from gan_jax.config import base_config, choose

def get_config(argument=""):
    config = base_config()
    config.learning_rate = 0.5
    return choose(argument, config, small=lambda c: c.update(batch_size=4))

def get_recipe(config):
    return "the recipe", config.learning_rate

def get_optimizers(config):
    return {"the": config.missing}
"""


@pytest.fixture
def write(tmp_path):
    def file(text, name="made.py"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return file


def test_argument_and_overrides(write):
    path = write(WHOLE)
    plain = load_experiment(str(path))
    assert (plain.name, plain.argument, plain.config.batch_size) == ("made", "", 64)
    small = load_experiment(f"{path}:small", [("learning_rate", "0.25")])
    assert (small.name, small.argument, small.config.batch_size) == ("made-small", "small", 4)
    assert small.recipe() == ("the recipe", 0.25)


def test_hash_is_that_of_the_file(write):
    path = write(WHOLE)
    experiment = load_experiment(str(path))
    assert experiment.sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()
    path.write_text(WHOLE + "# changed\n")
    assert load_experiment(str(path)).sha256 != hashlib.sha256(WHOLE.encode()).hexdigest()


def test_batch_spec(write):
    overrides = [("data.size", "28"), ("data.channels", "1"), ("batch_size", "6")]
    experiment = load_experiment(str(write(WHOLE)), overrides)
    image = jax.ShapeDtypeStruct((6, 28, 28, 1), jnp.uint8)
    assert experiment.batch_spec() == {"image": image}
    assert experiment.keys() == {"image": "image"}
    more = [("num_classes", "10"), ("data.flip", "true"), ("data.label", "style")]
    experiment = load_experiment(str(write(WHOLE)), overrides + more)
    assert experiment.batch_spec() == {
        "image": image,
        "label": jax.ShapeDtypeStruct((6,), jnp.int32),
        FLIP: jax.ShapeDtypeStruct((6,), jnp.bool_),
    }
    assert experiment.keys() == {"image": "image", "label": "style"}


def test_batch_spec_of_attributes(write):
    overrides = [("data.size", "28"), ("batch_size", "6"), ("num_classes", "2")]
    overrides.append(("data.attributes", "('eyewear=none', 'smile')"))
    experiment = load_experiment(str(write(WHOLE)), overrides)
    assert experiment.batch_spec()["label"] == jax.ShapeDtypeStruct((6, 2), jnp.float32)
    assert experiment.keys() == {"image": "image", "label": "label"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:\n", "made.py, line 1: "),
        ("\nimport no_such_module\n", "made.py, line 2: ModuleNotFoundError: No module named"),
        ("x = 1\n\n1 / 0\n", "made.py, line 3: ZeroDivisionError"),
        ("get_config = 3\n", "defines no get_config and no get_recipe and no get_optimizers"),
        (WHOLE.replace("get_optimizers", "optimizers"), "it defines no get_optimizers"),
        (WHOLE.replace("0.5", "1 / 0"), "made.py, line 6: ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_files_that_do_not_work(write, monkeypatch, text, message, relative):
    """File and line are named, also where the file was given relative to the folder."""
    path = write(text)
    monkeypatch.chdir(path.parent)
    with pytest.raises(UsageError) as raised:
        load_experiment("made.py" if relative else str(path))
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_paths_that_are_no_experiment(write, tmp_path):
    path = write(WHOLE)
    with pytest.raises(UsageError, match=r"no experiment file .*none.py; in .* there are made.py"):
        load_experiment(str(tmp_path / "none.py"))
    with pytest.raises(UsageError, match=r"no experiment file .*; the nearest is .*/made.py$"):
        load_experiment(str(tmp_path / "mdae.py"))
    with pytest.raises(UsageError, match="no experiment file"):
        load_experiment(str(tmp_path / "no_folder" / "none.py"))
    with pytest.raises(UsageError, match="is no Python file"):
        load_experiment(str(write("", "made.txt")))
    with pytest.raises(UsageError, match="no setting 'huge' in this experiment; there are small"):
        load_experiment(f"{path}:huge")
    silent = write("from gan_jax.config import base_config as get_config\n" + WHOLE.partition(
        "return choose")[2].partition("\n")[2], "silent.py")  # fmt: skip
    with pytest.raises(UsageError, match="takes no argument, but 'small' was given"):
        load_experiment(f"{silent}:small")


def test_errors_of_its_functions_name_the_line(write):
    experiment = load_experiment(str(write(WHOLE)))
    with pytest.raises(UsageError, match=r"made.py, line 13: .*missing"):
        experiment.optimizers()


def test_a_users_error_keeps_its_class(write):
    def fail():
        raise DataError("no pictures")

    with pytest.raises(DataError, match="^no pictures$"):
        guarded(write(""), fail)


def test_a_file_may_import_its_neighbour(write):
    write("RATE = 0.125\n", "neighbour_of_made.py")
    text = WHOLE.replace("0.5", "RATE")
    path = write("from neighbour_of_made import RATE\n" + text)
    before = list(sys.path)
    try:
        assert load_experiment(str(path)).config.learning_rate == 0.125
    finally:
        sys.modules.pop("neighbour_of_made", None)
    assert sys.path == before


def test_a_file_may_define_a_network(write):
    """Flax makes dataclasses of networks, and those look up their module by its name."""
    network = """from __future__ import annotations
import flax.linen as nn

class Mine(nn.Module):
    width: int = 3
    def __call__(self, x):
        return self.width * x
"""
    module = import_file(write(network + WHOLE))
    assert module.Mine(width=4).apply({}, 2) == 8

"""A model of attributes as a user makes one: trained, stopped, continued, sampled, evaluated."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import gan_jax
from gan_jax.cli import run
from gan_jax.console import Console
from gan_jax.errors import DataError, UsageError
from gan_jax.experiment import load_experiment
from gan_jax.mesh import make_mesh
from gan_jax.sample import values_of
from gan_jax.signals import StopFlag
from gan_jax.training_data import open_rounds
from tests.conftest import EXPERIMENTS
from tests.runs import assert_same_run

EVALUATORS = """
from gan_jax.evaluators.overfitting import Overfitting

def get_evaluators(config):
    return (Overfitting(samples=100),)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Digits, half of them inverted; and an experiment file that has evaluators."""
    path = tmp_path_factory.mktemp("attributes")
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)  # pyright: ignore
    inverted = np.random.default_rng(0).random(len(images)) < 0.5
    images[inverted] = 255 - images[inverted]
    values = np.stack([digits.target % 2, inverted, digits.target / 9], axis=1)  # pyright: ignore
    names = np.array(["odd", "inverted", "number"])
    np.savez(path / "set.npz", images=images, attributes=values, attribute_names=names)
    text = (EXPERIMENTS / "digits_mlp.py").read_text()
    (path / "made.py").write_text(text + EVALUATORS)
    return path


def train(folder, workdir, *more):
    settings = {
        "data.name": f"npz:{folder / 'set.npz'}",
        "data.attributes": "('inverted', 'odd')",
        "num_classes": 2,
        "batch_size": 32,
        "ema_decay": 0.9,
        "total": "240 steps",
        "log_every": "80 steps",
        "samples_every": "120 steps",
        "checkpoint_every": "120 steps",
        "steps_per_call": 20,
        "generator.learning_rate": 1e-3,
        "discriminator.learning_rate": 1e-3,
        "mesh.devices": 1,
        "writers.tensorboard": False,
    }
    flags = [f"--config.{key}={value}" for key, value in settings.items()]
    return run(["train", f"{folder / 'made.py'}:smoke", f"--workdir={workdir}", *flags, *more])


@pytest.fixture(scope="module")
def workdir(folder):
    directory = folder / "run"
    assert train(folder, directory, "--config.evaluate.on=False") == 0
    return directory


@pytest.mark.slow
def test_a_run_that_stopped_is_the_run_that_did_not(folder, tmp_path):
    a, b = tmp_path / "whole", tmp_path / "stopped"
    assert train(folder, a) == 0
    assert train(folder, b, "--stop_at=100") == 0
    assert train(folder, b) == 0
    assert_same_run(a, b)
    rows = [json.loads((path / "evaluations.jsonl").read_text()) for path in (a, b)]
    assert [row["labels"] for row in rows] == ["of the examples"] * 2
    assert rows[0]["metrics"] == rows[1]["metrics"]


@pytest.mark.slow
def test_from_training_to_evaluation(folder, workdir, tmp_path, capfd):
    """One test, for the run that it rests on takes longer than all that is done with it."""
    trained = gan_jax.load(workdir, say=pytest.fail)
    dark, bright = (trained.sample(64, attributes={"inverted": value}) for value in (0, 1))
    assert dark.mean() < 115 and bright.mean() > 140  # real: 78 and 177
    check_what_is_sampled(trained)
    check_the_command(workdir, tmp_path / "single", bright)
    check_evaluations(workdir, capfd)
    other = "--config.data.attributes=('odd', 'inverted')"
    assert train(folder, workdir, other, "--config.evaluate.on=False") == 2
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert "data.attributes: ['inverted', 'odd'] -> ('odd', 'inverted')" in line


def check_what_is_sampled(trained):
    """Without a wish each attribute alone in turn, as in the run's own grids."""
    labels = trained.latents(3, seed=0)[1]["label"]
    np.testing.assert_array_equal(labels, [[1, 0], [0, 1], [1, 0]])
    alone = trained.sample(3, attributes={"inverted": 1.0})
    np.testing.assert_array_equal(trained.sample(3)[[0, 2]], alone[[0, 2]])
    frames = trained.walk(3, 2, attributes={"inverted": 1.0})
    np.testing.assert_array_equal(frames[0], alone)
    some = trained.latents(1, seed=0, attributes={"odd": 0.25})[1]["label"]
    np.testing.assert_array_equal(some, [[0, 0.25]])
    has = "the model in .* has the attributes inverted, odd"
    for wish, words in (
        ({"label": 1}, f"label 1: {has}"),
        ({"attributes": {"even": 1}}, f"attribute 'even': {has}"),
        ({"attributes": {"odd": np.nan}}, "attribute 'odd': nan must be a finite number"),
        ({"attributes": {"odd": 1e39}}, "must be a finite number"),
    ):
        with pytest.raises(UsageError, match=words):
            trained.sample(2, **wish)


def check_the_command(workdir, out, bright):
    flags = ("--count=64", "--attributes=odd=0, inverted=1", f"--out={out}")
    assert run(["sample", str(workdir), *flags]) == 0
    pictures = [np.asarray(Image.open(file)) for file in sorted(out.iterdir())]
    np.testing.assert_array_equal(pictures, bright[..., 0])


def check_evaluations(workdir, capfd):
    capfd.readouterr()
    assert run(["evaluate", str(workdir), "--metrics=overfitting", "--samples=64", "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["evaluations"]
    assert (row["step"], row["labels"]) == (240, "of the examples")
    assert 0 <= row["metrics"]["fake_accuracy"]["value"] <= 1


@pytest.mark.parametrize("text", ["odd", "odd=1,", "odd=yes", "=1", ""])
def test_wishes_that_are_none(text):
    with pytest.raises(UsageError, match=r"--attributes: '.*' must be NAME=NUMBER"):
        values_of(text)


def test_a_name_may_hold_an_equals_sign():
    found = values_of("eyewear=round glasses=1, intensity=0.5")
    assert found == {"eyewear=round glasses": 1.0, "intensity": 0.5}


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--config.num_classes=3",), 2, "num_classes=3: must be the number of data.attributes, 2"),
        (("--config.num_classes=0",), 2, "num_classes=0: must be the number of data.attributes, 2"),
        (("--config.data.attributes=odd",), 2, "must be tuple"),
        (("--config.data.attributes=('odd', 'odd')",), 2, "'odd' must be a name, and there once"),
        (("--config.data.attributes=('odd', 3)",), 2, "3 must be a name"),
        (("--config.data.label=style",), 2, "data.label='style' is a class"),
        (("--config.data.attributes=('odd', 'sad')",), 5, "set.npz has no attribute 'sad'"),
        (("--config.data.name=digits",), 5, "digits has no attribute 'inverted'"),
    ],
)
def test_settings_that_do_not_go_together(folder, tmp_path, flags, code, words, capfd):
    assert train(folder, tmp_path / "run", *flags) == code
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("gan-jax: ") and words in line


OWN = """
import numpy as np

class Examples:
    def __len__(self):
        return 40

    def __getitem__(self, index):
        label = np.array([index % 2, 0.5], np.DTYPE)
        return {"image": np.full((8, 8, 1), 255 * (index % 2), np.uint8), "label": label}

def get_dataset(config):
    return Examples()
"""


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_data_set_of_ones_own(tmp_path, dtype):
    path = tmp_path / "made.py"
    path.write_text((EXPERIMENTS / "digits_mlp.py").read_text() + OWN.replace("DTYPE", dtype))
    overrides = [("data.attributes", "('white', 'other')"), ("num_classes", "2")]
    experiment = load_experiment(f"{path}:smoke", overrides)

    def opened():
        return open_rounds(experiment, 1, make_mesh(1), Console(quiet=True), StopFlag())

    if dtype == "float32":
        batch = {name: leaf[0, 0] for name, leaf in opened().read(0).items()}
        np.testing.assert_array_equal(batch["label"][:, 0], batch["image"][:, 0, 0, 0] > 0)
        assert (batch["label"][:, 1] == 0.5).all() and batch["label"].dtype == np.float32
    else:
        words = rf"'label' is {dtype} \[2\], but the experiment expects float32 \[2\]"
        with pytest.raises(DataError, match=words):
            opened()

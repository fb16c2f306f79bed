"""Networks outside the state: their weights are found by the experiment file and recorded."""

import json

import numpy as np
import pytest

import gan_jax as package
from gan_jax.errors import UsageError
from gan_jax.experiment import load_experiment
from gan_jax.program import build
from gan_jax.weights.variables import sha256_of, write_variables

TEXT = """
from pathlib import Path
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from gan_jax.config import base_config
from gan_jax.recipe import Aux, Phase, Recipe
from gan_jax.weights.store import find_weights

class Line(nn.Module):
    dtype: object = None
    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(1, dtype=self.dtype)(x.reshape(len(x), -1))

def get_config():
    config = base_config()
    config.batch_size, config.total, config.checkpoint_every = 4, "4 steps", "2 steps"
    config.samples_every, config.log_every = "4 steps", "1 steps"
    config.data.name, config.data.size, config.data.channels = "digits", 8, 1
    config.file = ""
    config.tensorboard = False
    return config

def get_recipe(config):
    def loss(nets, extra, batch, key, values):
        wanted, nets = nets("teacher", batch["image"])
        found, nets = nets("student", batch["image"])
        value = jnp.mean(jnp.square(found - wanted))
        return value, Aux(nets, extra, {"square": value, "wanted": jnp.mean(wanted)})
    return Recipe(
        networks={"student": Line()},
        phases=(Phase(name="student", trains=("student",), loss=loss),),
        inputs=lambda batch: {"student": (batch["image"],)},
        frozen={"teacher": Line()},
    )

def get_optimizers(config):
    return {"student": optax.inject_hyperparams(optax.sgd)(1e-2)}

def get_frozen(config):
    return {"teacher": find_weights("teacher", Path(config.file))}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "taught.py"
    path.write_text(TEXT)
    return path


def teacher(path, bias):
    dense = {"kernel": np.zeros((64, 1), np.float32), "bias": np.full(1, bias, np.float32)}
    write_variables(path, {"params": {"Dense_0": dense}}, {"network": "teacher"})
    return path


def test_a_teacher_is_read_recorded_and_kept(gan_jax, tmp_path, file):
    weights, run = teacher(tmp_path / "teacher.safetensors", 3.0), tmp_path / "run"
    settings = ("train", file, f"--workdir={run}", f"--config.file={weights}")
    found = gan_jax(*settings, "--stop_at=2")
    assert found.returncode == 0, found.stderr
    recorded = json.loads((run / "run.json").read_text())["frozen"]["teacher"]
    assert recorded == {"network": "teacher", "sha256": sha256_of(weights), "known": False}
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert first["student/wanted"] == 3.0
    assert set(package.load(run).state.nets) == {"student"}
    found = gan_jax(*settings, devices=2)
    assert found.returncode == 0, found.stderr
    teacher(weights, 2.0)
    found = gan_jax(*settings)
    assert found.returncode == 2
    assert "frozen network 'teacher' are others than the run in" in found.stderr.splitlines()[-1]
    with pytest.raises(UsageError, match="give those, or start anew"):
        package.load(run)


def test_weights_of_other_networks_than_the_frozen_ones(file, tmp_path):
    path = teacher(tmp_path / "teacher.safetensors", 0.0)
    file.write_text(TEXT.replace('return {"teacher": find', 'return {"tutor": find'))
    with pytest.raises(UsageError, match="finds weights for: tutor; the recipe freezes: teacher"):
        build(load_experiment(str(file), [("file", str(path))]))
    file.write_text(TEXT.replace("def get_frozen", "def found"))
    with pytest.raises(UsageError, match="finds weights for: none"):
        build(load_experiment(str(file), [("file", str(path))]))


def test_weights_that_are_not_there(gan_jax, tmp_path, file):
    found = gan_jax("train", file, f"--workdir={tmp_path / 'run'}", "--config.file=/nowhere.bin")
    assert found.returncode == 2
    assert found.stderr.strip().endswith("weights /nowhere.bin: there is no such file")

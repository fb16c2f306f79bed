"""`gan-jax recognise`: the package's judge, a trained run, and what has no answer."""

import json
import textwrap
from functools import partial

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import recognise
from gan_jax.cli import run
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.sampling import sample_avatar
from gan_jax.data.avatars.version import SEED, SPLITS
from gan_jax.faces.face import Face
from tests.faces.scenes import held_out, scene

EXPERIMENT = '''
"""Reads how bright a picture is."""
import flax.linen as nn
import jax.numpy as jnp
import optax
from gan_jax.config import base_config
from gan_jax.recipe import Aux, Phase, Recipe
from gan_jax.recognition import Recognised, probabilities

class Read(nn.Module):
    dtype: object = None
    @nn.compact
    def __call__(self, images, *, train):
        bias = self.param("bias", nn.initializers.zeros, ())
        return jnp.mean(images, axis=(1, 2, 3)) + bias

def get_config(argument=""):
    config = base_config()
    config.batch_size = 4
    config.total = "1 steps"
    config.data.size = 8
    config.data.channels = 3
    config.data.name = "digits"
    config.answers = True
    return config

def get_recipe(config):
    def loss(nets, extra, batch, key, values):
        out, nets = nets("read", batch["image"])
        return 0.0 * jnp.mean(out), Aux(nets, extra, {})

    def recognise(nets, batch):
        level = nets("read", batch["image"])[0]
        logits = jnp.stack([-level, level], axis=-1)
        return Recognised(probabilities(("dark", "bright"), logits), {"level": level})

    return Recipe(
        networks={"read": Read()},
        phases=(Phase(name="read", trains=("read",), loss=loss),),
        inputs=lambda batch: {"read": (batch["image"],)},
        recognise=recognise if config.answers else None,
    )

def get_optimizers(config):
    return {"read": optax.sgd(0.1)}
'''


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two run directories: one that recognises, one that does not."""
    folder = tmp_path_factory.mktemp("runs")
    file = folder / "reader.py"
    file.write_text(textwrap.dedent(EXPERIMENT))
    for name in ("True", "False"):
        arguments = [f"--workdir={folder / name}", "--config.mesh.devices=1"]
        assert run(["train", str(file), *arguments, f"--config.answers={name}"]) == 0
    return folder / "True", folder / "False"


@pytest.fixture
def found(monkeypatch):
    """What is found in every picture, instead of by searching."""
    faces = []

    def open_detector(name, model):
        return (lambda image: faces.pop(0)), f"{name} faces"

    monkeypatch.setattr(recognise, "open_detector", open_detector)
    return faces


def save(path, level=255, size=16):
    Image.new("RGB", (size, size), (level,) * 3).save(path)
    return str(path)


def test_a_run(runs, tmp_path, capsys):
    bright, dark = save(tmp_path / "bright.png"), save(tmp_path / "dark.png", 0)
    arguments = ["recognise", bright, dark, f"--run={runs[0]}", "--face=none"]
    assert run(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{bright}: bright 88.1 %, dark 11.9 %; level 1.00"
    assert second == f"{dark}: dark 88.1 %, bright 11.9 %; level -1.00"
    assert run([*arguments, "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "picture": bright,
        "expression": "bright",
        "probabilities": {"bright": 0.8808, "dark": 0.1192},
        "strengths": {"level": 1.0},
        "face": None,
    }
    assert list(second["probabilities"]) == ["dark", "bright"]


def test_faces_are_cut_out_and_missing_ones_are_named(runs, found, tmp_path, capsys):
    found += [None, Face("drawing", (4.0, 4.0, 12.0, 12.0), 0.9), None]
    pictures = [save(tmp_path / f"{name}.png") for name in "abc"]
    assert run(["recognise", *pictures, f"--run={runs[0]}", "--json"]) == 5
    output = capsys.readouterr()
    (line,) = map(json.loads, output.out.splitlines())
    assert line["picture"] == pictures[1]
    assert line["face"] == {"detector": "drawing", "confidence": 0.9, "box": [4.0, 4.0, 12.0, 12.0]}
    assert f"{pictures[0]}: no face found; searched for auto faces" in output.err
    assert f"gan-jax: {pictures[2]}: no face found" in output.err


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_it(runs, tmp_path, capsys):
    first, last = save(tmp_path / "a.png"), save(tmp_path / "c.png")
    bad = [tmp_path / "b.png", tmp_path / "d.png"]
    for file in bad:
        file.write_text("no picture")
    arguments = ["recognise", str(tmp_path), f"--run={runs[0]}", "--face=none"]
    assert run(arguments) == 5
    output = capsys.readouterr()
    assert [line.split(": ")[0] for line in output.out.splitlines()] == [first, last]
    assert output.err.startswith(f"{bad[0]}: not a picture")
    assert f"gan-jax: {bad[1]}: not a picture" in output.err


def test_the_judge(tmp_path, capsys):
    """Reads of held-out avatars what they were drawn with."""
    images, _ = held_out()
    pictures = []
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        pictures.append(str(tmp_path / f"{index}.png"))
    assert run(["recognise", *pictures, "--face=none", "--json"]) == 0
    read = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    draw = jax.jit(partial(sample_avatar, SEED, SPLITS.index("test")))
    drawn = [draw(index) for index in range(len(images))]
    assert [one["expression"] for one in read] == [EXPRESSIONS[int(s.expression)] for s in drawn]
    for one, sample in zip(read, drawn, strict=True):
        assert sum(one["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
        shares = list(one["probabilities"].values())
        assert shares == sorted(shares, reverse=True) and shares[0] > 0.8
        assert one["strengths"]["intensity"] == pytest.approx(float(sample.intensity), abs=0.3)


@pytest.mark.slow
def test_a_face_is_found_before_it_is_read(tmp_path, capsys):
    picture, _ = scene(1, 150, 15, (300, 150), (320, 480))
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(held_out()[0][1]).save(tmp_path / "whole.png")
    small, whole = str(tmp_path / "a.png"), str(tmp_path / "whole.png")
    assert run(["recognise", small, whole, "--face=drawing", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["expression"] == second["expression"]
    assert first["face"]["detector"] == "drawing" and first["face"]["confidence"] > 0.7


def test_a_photograph_is_not_the_judges(found, tmp_path, capsys):
    found += [Face("photograph", (4.0, 4.0, 12.0, 12.0))]
    assert run(["recognise", save(tmp_path / "a.png")]) == 0
    output = capsys.readouterr()
    assert "the judge knows drawn avatars" in output.err and "(photograph)" in output.out


def test_bad_input_is_one_line(runs, tmp_path, capsys):
    picture = save(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no picture")
    cases = [
        (
            [picture, f"--run={runs[1]}"],
            2,
            "recognises nothing; without --run the",
        ),
        ([picture, f"--run={tmp_path}"], 2, "not a run directory"),
        ([picture, "--face=drawin"], 2, "no detector 'drawin'"),
        ([picture, "--face=mediapipe"], 2, "MediaPipe needs its model: --model=FILE.task"),
        ([picture, "--face=mediapipe", "--model=no.task"], 2, "no.task: there is no such file"),
        ([picture, "--step=3"], 2, "--step is that of a --run"),
        ([picture, "--config.seed=1"], 2, "no --config.KEY=VALUE here"),
        ([str(tmp_path / "no.png"), "--face=none"], 5, "no.png"),
        ([str(tmp_path / "text.png"), "--face=none"], 5, "text.png: not a picture"),
    ]
    for arguments, code, message in cases:
        assert run(["recognise", *arguments]) == code, arguments
        error = capsys.readouterr().err
        assert message in error and error.count("gan-jax:") == 1, error


def test_best_first():
    found = recognise.first_of(
        recognise.Recognised({"a": np.array([0.2]), "b": np.array([0.8])}, {"x": np.array([1.5])})
    )
    assert list(found["probabilities"].items()) == [("b", 0.8), ("a", 0.2)]
    assert found["expression"] == "b" and found["strengths"] == {"x": 1.5}

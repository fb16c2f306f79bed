"""`gan-jax translate`: pictures in, pictures out, conditions and references, bad input."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import translate
from gan_jax.cli import run
from gan_jax.errors import DataError, UsageError
from gan_jax.trained import load
from gan_jax.translation import Choice, Number, Translation

EXPERIMENT = '''
"""Adds a colour and a reference to a picture."""
import flax.linen as nn
import jax.numpy as jnp
import optax
from gan_jax.config import base_config
from gan_jax.recipe import Aux, Phase, Recipe
from gan_jax.recipes.paired import no_latents
from gan_jax.translation import Choice, Number, Translation

class Add(nn.Module):
    dtype: object = None
    @nn.compact
    def __call__(self, images, colour, *, train):
        bias = self.param("bias", nn.initializers.zeros, ())
        return jnp.clip(images + bias + colour[:, None, None, None], -1.0, 1.0)

def get_config(argument=""):
    config = base_config()
    config.batch_size = 4
    config.total = "1 steps"
    config.data.size = 8
    config.data.channels = 3
    config.samples.count = 4
    config.references = "REFERENCES"
    return config

def get_recipe(config):
    def loss(nets, extra, batch, key, values):
        out, nets = nets("add", batch["image"], jnp.zeros(4))
        return 0.0 * jnp.mean(out), Aux(nets, extra, {})

    def run(nets, batch):
        shift = jnp.where(batch["tone"] == 1, 1.0, -1.0) * batch["amount"]
        if "reference" in batch:
            shift = shift + jnp.mean(batch["reference"], axis=(1, 2, 3, 4))
        return nets("add", batch["image"], shift)[0]

    return Recipe(
        networks={"add": Add()},
        phases=(Phase(name="add", trains=("add",), loss=loss),),
        inputs=lambda batch: {"add": (batch["image"], jnp.zeros(len(batch["image"])))},
        given=("image",),
        latents=no_latents,
        generate=lambda nets, z, batch, t: nets("add", batch["image"], jnp.ones(len(z)))[0],
        translation=Translation(
            run=run,
            conditions={"tone": Choice(("dark", "bright"), 1), "amount": Number(0.0, 1.0, 0.25)},
            references=config.references,
        ),
    )

def get_optimizers(config):
    return {"add": optax.sgd(0.1)}
'''


@pytest.fixture(scope="module", params=["none", "required"])
def trained(request, tmp_path_factory):
    """A run directory, and what its recipe does with references."""
    folder = tmp_path_factory.mktemp(request.param)
    file = folder / "adder.py"
    file.write_text(textwrap.dedent(EXPERIMENT).replace("REFERENCES", request.param))
    assert run(["train", str(file), f"--workdir={folder / 'run'}", "--config.mesh.devices=1"]) == 0
    return folder / "run", request.param


def save(path: Path, level: int, size=(8, 8), mode="RGB") -> Path:
    colour = level if mode == "L" else (level,) * len(mode)
    Image.new(mode, size, colour).save(path)
    return path


def levels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_one_picture_and_several(trained, tmp_path, capsys):
    directory, references = trained
    first = save(tmp_path / "first.png", 100)
    second = save(tmp_path / "second.png", 60, (20, 10), "L")
    extra = []
    if references == "required":
        extra = [f"--reference={save(tmp_path / 'style.png', 51)}"]  # -0.6 in [-1, 1]
    shift = -76 if extra else 0
    arguments = ["translate", str(directory), str(first)]
    assert run([*arguments, *extra, f"--out={tmp_path / 'one.png'}"]) == 0
    one = levels(tmp_path / "one.png")
    assert one.shape == (8, 8, 3)
    np.testing.assert_allclose(one, np.clip(100 + 32 + shift, 0, 255), atol=1)
    assert run([*arguments, str(second), *extra, f"--out={tmp_path / 'two.png'}",
                "--condition.tone=dark", "--condition.amount", "0.1"]) == 0  # fmt: skip
    two = levels(tmp_path / "two.png")
    assert two.shape == (16, 16, 3)  # the pictures, and below them what became of them
    np.testing.assert_allclose(two[:8, :8], 100)
    np.testing.assert_allclose(two[8:, :8], max(0, 100 - 13 + shift), atol=1)
    np.testing.assert_allclose(two[8:, 8:], max(0, 60 - 13 + shift), atol=1)
    assert "second.png: 20x10 brought to 8x8" in capsys.readouterr().err
    assert run([*arguments, str(second), *extra, f"--out={tmp_path / 'folder'}"]) == 0
    assert sorted(f.name for f in (tmp_path / "folder").iterdir()) == ["first.png", "second.png"]


def test_a_strip_of_several_values(trained, tmp_path):
    directory, references = trained
    if references == "required":
        pytest.skip("the same with a reference")
    files = [str(save(tmp_path / f"{level}.png", level)) for level in (100, 60)]
    values = ["--condition.amount=0,0.1,0.4", "--condition.tone=bright"]
    assert run(["translate", str(directory), *files, *values, f"--out={tmp_path / 's.png'}"]) == 0
    strip = levels(tmp_path / "s.png")
    assert strip.shape == (16, 32, 3)
    for row, level in enumerate((100, 60)):
        found = strip[8 * row, ::8, 0]
        np.testing.assert_allclose(found, [level, level, level + 13, level + 51], atol=1)
    assert run(["translate", str(directory), *files, *values, f"--out={tmp_path / 'each'}"]) == 0
    names = {
        f"{level}-{amount}-bright.png" for level in (100, 60) for amount in ("0", "0.1", "0.4")
    }
    assert {file.name for file in (tmp_path / "each").iterdir()} == names
    wrong = [*values[:1], "--condition.tone=dark,brigth"]
    assert run(["translate", str(directory), *files, *wrong]) == 2


def test_no_picture_is_left_out_of_a_sheet():
    images = np.arange(11, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 1, 3), np.uint8)
    sheet = translate.sheet(images, [images + 100])
    assert sheet.shape == (4, 8, 3)
    np.testing.assert_array_equal(sheet[[0, 2], :, 0].reshape(-1)[:11], np.arange(11))
    np.testing.assert_array_equal(sheet[[1, 3], :, 0].reshape(-1)[:11], 100 + np.arange(11))
    assert (sheet[2:, 3:] == 255).all()


def test_more_pictures_than_are_translated_at_once(trained, monkeypatch):
    directory, references = trained
    run_directory = load(directory, say=lambda text: None)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    style = images[:2] if references == "required" else None
    conditions = {"tone": 0, "amount": 0.5}
    whole = translate.translate(run_directory, images, conditions, style)
    monkeypatch.setattr(translate, "AT_ONCE", 2)
    parts = translate.translate(run_directory, images, conditions, style)
    np.testing.assert_array_equal(whole, parts)


def test_bad_input_is_one_line(trained, tmp_path, capsys):
    directory, references = trained
    picture = str(save(tmp_path / "a.png", 100))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    style = ["--reference", picture] if references == "required" else []
    cases = [
        ([picture, *style, "--condition.tone=bride"], 2, "dark, bright; the nearest is bright"),
        ([picture, *style, "--condition.amount=2"], 2, "amount='2': must be a number from 0 to 1"),
        ([picture, *style, "--condition.amount=x"], 2, "must be a number from 0 to 1"),
        ([picture, *style, "--condition.tune=dark"], 2, "no condition 'tune'; the nearest is 't"),
        ([picture, *style, "--config.seed=1"], 2, "no --config.KEY=VALUE here"),
        ([picture, *style, "--out=a.gif"], 2, "must end in .png, or be a folder"),
        ([picture, *style, "--step=x"], 2, "--step='x': must be a number"),
        ([str(tmp_path / "no.png"), *style], 5, "no.png: there is no such picture"),
        ([str(tmp_path / "*.jpg"), *style], 5, "there is no such picture"),
        ([str(tmp_path / "empty"), *style], 5, "empty: the folder holds no pictures"),
        ([str(tmp_path / "text.png"), *style], 5, "text.png: not a picture"),
    ]
    if references == "required":
        cases.append(([picture], 2, "takes a style: give --reference"))
        cases.append(([picture, f"--reference={tmp_path}/empty"], 5, "holds no pictures"))
    else:
        cases.append(([picture, "--reference", picture], 2, "reads no --reference"))
    for arguments, code, message in cases:
        assert run(["translate", str(directory), *arguments]) == code, arguments
        error = capsys.readouterr().err
        assert message in error and error.count("gan-jax:") == 1


def test_a_recipe_that_translates_nothing(tmp_path, monkeypatch):
    class Bare:
        directory = tmp_path

        class program:
            class recipe:
                translation = None

    with pytest.raises(UsageError, match="translates no pictures of yours"):
        translate.translation_of(Bare)  # pyright: ignore


def test_conditions_have_defaults():
    translation = Translation(
        run=lambda nets, batch: batch["image"],
        conditions={"a": Choice(("x", "y")), "b": Number(0.0, 1.0, 0.5)},
    )
    assert translation.parse({}) == {"a": 0, "b": 0.5}
    assert translation.parse({"a": "y", "b": "1"}) == {"a": 1, "b": 1.0}
    asking = Translation(run=translation.run, conditions={"a": Choice(("x", "y"), None)})
    assert asking.parse({"a": "y"}) == {"a": 1}
    with pytest.raises(UsageError, match="--condition.a= is needed: one of x, y"):
        asking.parse({})
    with pytest.raises(UsageError, match="no condition 'c' .there are: a, b."):
        translation.parse({"c": "1"})
    with pytest.raises(DataError):
        translate.files_of(["/no/such/folder/*"])

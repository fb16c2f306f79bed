"""`gan-jax translate`: pictures in, pictures out, conditions and references, bad input."""

import dataclasses
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import faces_command, translate
from gan_jax.cli import run
from gan_jax.errors import DataError
from gan_jax.faces.face import Face
from gan_jax.trained import load

EXPERIMENT = '''
"""Adds a colour and a reference to a picture."""
import flax.linen as nn
import jax
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
        shift = shift + batch["noise"] * jax.random.normal(nets.key, shift.shape)
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
            conditions={
                "tone": Choice(("dark", "bright"), 1),
                "amount": Number(0.0, 1.0, 0.25),
                "noise": Number(0.0, 1.0, 0.0),
            },
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


def test_a_strip_of_several_values(trained, tmp_path, capsys):
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
    capsys.readouterr()
    assert run(["translate", str(directory), *files, *values]) == 0
    own = directory / "translated-1-0,0.1,0.4-bright.png"  # no other question's
    assert own.read_bytes() == (tmp_path / "s.png").read_bytes()
    ways = "2 pictures translated in 3 ways (0 bright, 0.1 bright, 0.4 bright)"
    assert ways in capsys.readouterr().err
    own.unlink()


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
    conditions = {"tone": 0, "amount": 0.5, "noise": 0.0}
    whole = translate.translate(run_directory, images, conditions, style)
    monkeypatch.setattr(translate, "AT_ONCE", 2)
    parts = translate.translate(run_directory, images, conditions, style)
    np.testing.assert_array_equal(whole, parts)


def test_every_block_draws_its_own_noise(trained, monkeypatch):
    directory, references = trained
    run_directory = load(directory, say=lambda text: None)
    monkeypatch.setattr(translate, "AT_ONCE", 2)
    images = np.full((4, 8, 8, 3), 128, np.uint8)
    style = images[:1] if references == "required" else None
    conditions = {"tone": 0, "amount": 0.0, "noise": 0.1}
    made = translate.translate(run_directory, images, conditions, style)
    assert len({int(picture[0, 0, 0]) for picture in made}) == 4


def test_what_is_drawn_has_a_seed(trained, tmp_path):
    directory, references = trained
    picture = str(save(tmp_path / "a.png", 128))
    style = ["--reference", picture] if references == "required" else []
    found = {}
    for name, flags in {"0": [], "same": ["--seed=0"], "1": ["--seed", "1"]}.items():
        asked = ["--condition.noise=0.1", f"--out={tmp_path / name}.png"]
        assert run(["translate", str(directory), picture, *style, *asked, *flags]) == 0
        found[name] = levels(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(found["0"], found["same"])
    assert not np.array_equal(found["0"], found["1"])


def test_pictures_of_one_name_get_files_of_their_own(trained, tmp_path):
    directory, references = trained
    files = []
    for level, name in ((60, "a/x.png"), (100, "b/x.png"), (140, "b/x.bmp")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        files.append(str(save(tmp_path / name, level)))
    style = ["--reference", files[0]] if references == "required" else []
    out, flags = tmp_path / "out", [*style, "--condition.amount=0"]
    assert run(["translate", str(directory), *files, *flags, f"--out={out}"]) == 0
    made = {str(path.relative_to(out)): int(levels(path)[0, 0, 0]) for path in out.rglob("*.png")}
    shift = 60 - 127.5 if style else 0
    assert set(made) == {"a/x.png", "b/x.png.png", "b/x.bmp.png"}
    wanted = np.clip(np.array([60, 100, 140]) + shift, 0, 255)
    found = [made[name] for name in ("a/x.png", "b/x.png.png", "b/x.bmp.png")]
    np.testing.assert_allclose(found, wanted, atol=1)


def test_given_pictures_are_not_written_over(trained, tmp_path, capsys):
    directory, references = trained
    picture, other = save(tmp_path / "a.png", 100), tmp_path / "other"
    other.mkdir()
    style = save(other / "style.png", 100)
    before = picture.read_bytes()
    flags = ["--reference", str(style)] if references == "required" else []
    cases = [
        ([str(tmp_path), f"--out={tmp_path}"], "holds given pictures, which could be written over"),
        ([str(picture), f"--out={picture}"], "is one of the given pictures; give another file"),
        ([str(picture), str(picture), f"--out={tmp_path / 'new'}"], "two pictures would be"),
    ]
    if flags:
        cases.append(([str(picture), f"--out={other}"], f"{other} holds given pictures"))
        cases.append(([str(picture), f"--out={style}"], "is one of the given pictures"))
    for arguments, message in cases:
        # Said before the run is even looked at.
        for place in (str(directory), str(tmp_path / "no_run")):
            assert run(["translate", place, *arguments, *flags]) == 2
            error = capsys.readouterr().err
            assert message in error and error.count("\n") == 1
    assert picture.read_bytes() == before and not (tmp_path / "new").exists()
    default = directory / "translated-1.png"
    default.write_bytes(before)
    assert run(["translate", str(directory), str(default), *flags]) == 2
    assert "is one of the given pictures" in capsys.readouterr().err
    default.unlink()


def test_faces_of_references_are_cut_out_too(trained, tmp_path, capsys, monkeypatch):
    directory, references = trained
    if references == "none":
        pytest.skip("the same without a reference")

    def detect(image):
        return Face("photograph", (2.0, 2.0, 6.0, 6.0)) if image[0, 0, 0] > 50 else None

    monkeypatch.setattr(faces_command, "open_detector", lambda name, model: (detect, "faces"))
    picture, style = save(tmp_path / "a.png", 100), save(tmp_path / "style.png", 60)
    arguments = ["translate", str(directory), str(picture), "--face=auto"]
    out = f"--out={tmp_path / 'out.png'}"
    assert run([*arguments, f"--reference={style}", out]) == 0
    errors = capsys.readouterr().err
    for name in ("a", "style"):
        assert f"{name}.png: photograph, 4x4 pixels, cut out at 8x8" in errors
    faceless = save(tmp_path / "faceless.png", 10)
    assert run([*arguments, f"--reference={style}", f"--reference={faceless}", out]) == 5
    assert "faceless.png: no face found; searched for faces" in capsys.readouterr().err
    asked = translate.translation_of
    painted = lambda trained: dataclasses.replace(asked(trained), like_faces=False)  # noqa: E731
    monkeypatch.setattr(translate, "translation_of", painted)
    assert run([*arguments, f"--reference={faceless}", out]) == 0  # any picture has a style


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
        ([picture, *style, "--out=a.jpg"], 2, "must end in .png, or be a folder"),
        ([picture, *style, "--seed=-1"], 2, "seed=-1: must be from 0 to"),
        (
            [picture, *style, "--condition.amount=0", "--condition.amount=1"],
            2,
            "--condition.amount= is given twice: several values stand in one, between commas",
        ),
        ([picture, "--reference="], 2, "--reference= is empty: give files"),
        (["", *style], 2, "a picture's name is empty"),
        ([picture, *style, "--step=x"], 2, "--step='x': must be a number"),
        ([str(tmp_path / "no.png"), *style], 5, "no.png: there is no such picture"),
        ([str(tmp_path / "*.jpg"), *style], 5, "there is no such picture"),
        ([str(tmp_path / "empty"), *style], 5, "empty: the folder holds no pictures"),
        ([str(tmp_path / "text.png"), *style], 5, "text.png: not a picture"),
    ]
    if references == "required":
        cases.append(([picture], 2, "needs pictures to be like: give --reference"))
        cases.append(([picture, f"--reference={tmp_path}/empty"], 5, "holds no pictures"))
    else:
        cases.append(([picture, "--reference", picture], 2, "reads no --reference"))
    for arguments, code, message in cases:
        assert run(["translate", str(directory), *arguments]) == code, arguments
        error = capsys.readouterr().err
        assert message in error and error.count("gan-jax:") == 1


def test_a_pattern_without_pictures():
    with pytest.raises(DataError, match="there is no such picture"):
        translate.files_of(["/no/such/folder/*"])

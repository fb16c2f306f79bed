"""`gan-jax latents TOOL …` on runs of two steps: a dense one on z, a styled one with classes."""

import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax.cli import run
from gan_jax.latents_command import project
from tests.test_images import decoded


def cells(path, columns):
    """`[R, columns, 8, 8]`."""
    picture = np.asarray(Image.open(path))
    rows = picture.shape[0] // 8
    return picture.reshape(rows, 8, columns, 8).swapaxes(1, 2)


@pytest.mark.parametrize("which", ["z", "w"])
def test_interpolate(latents, runs, which):
    trained = gan_jax.load(runs[which], say=pytest.fail)
    sheet = cells(latents("interpolate", which, "--count=3", "--frames=4", "--seed=1"), 4)
    assert sheet.shape[0] == 2
    np.testing.assert_array_equal(sheet[0, 3], sheet[1, 0])  # where two stretches meet
    if which == "z":  # no noise: the ends are the pictures of `sample`
        ends = trained.sample(3, seed=1)[..., 0]
        np.testing.assert_allclose(sheet[:, 0], ends[:2], atol=1)
        np.testing.assert_allclose(sheet[1, 3], ends[2], atol=1)
    film = latents("interpolate", which, "--count=3", "--frames=2", "--walks=2", out="walk.gif")
    with Image.open(film) as opened:
        assert opened.n_frames == 5 and opened.size == (16, 8)
    ring = latents("interpolate", which, "--count=2", "--frames=2", "--loop", out="frames")
    assert sorted(path.name for path in ring.iterdir()) == [f"{i:06d}.png" for i in range(4)]


def test_a_cubic_walk_and_a_walk_in_z_of_a_styled_model(latents):
    latents("interpolate", "w", "--count=3", "--path=cubic", "--loop", "--truncation=0.5")
    latents("interpolate", "w", "--count=3", "--space=z", "--label=4")


def test_truncation(latents):
    sheet = cells(latents("truncation", "w", "--values=0,1", "--count=3", "--label=2"), 2)
    assert sheet.shape[0] == 3
    np.testing.assert_array_equal(sheet[0, 0], sheet[2, 0])
    assert not np.array_equal(sheet[0, 1], sheet[2, 1])
    latents("truncation", "z", "--values=-1,1")


def test_mixing(latents):
    flags = ("--rows=2", "--columns=3", "--layers=0-3")  # all four: each column is its source
    sheet = cells(latents("mixing", "w", *flags), 4)
    assert sheet.shape[0] == 3
    for row in (1, 2):
        np.testing.assert_array_equal(sheet[row, 1:], sheet[0, 1:])


def test_classes(latents):
    sheet = cells(latents("classes", "w", "--count=2"), 2)
    assert sheet.shape[0] == 10
    only = cells(latents("classes", "w", "--count=2", "--label=7"), 2)
    np.testing.assert_array_equal(only[0], sheet[7])


@pytest.mark.parametrize(("which", "size"), [("z", 100), ("w", 6)])
@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_directions(latents, which, size, method):
    path = latents("directions", which, f"--method={method}", "--count=2", "--steps=3")
    sheet = cells(path, 3)
    assert sheet.shape[0] == 2
    np.testing.assert_array_equal(sheet[0, 1], sheet[1, 1])  # the middle is left as it is
    stored = np.load(path.with_suffix(".npz"))
    assert stored["directions"].shape == (2, size) and stored["space"] == which
    np.testing.assert_allclose(np.linalg.norm(stored["directions"], axis=1), 1, rtol=1e-5)


def test_directions_as_a_film_and_as_numbers_alone(latents):
    film = latents("directions", "w", "--method=pca", "--steps=3", "--count=1", out="to.gif")
    with Image.open(film) as opened:
        assert opened.n_frames == 4 and opened.size == (8, 8)
    numbers = latents("directions", "w", "--method=sefa", "--layers=0,2", out="some.npz")
    assert np.load(numbers)["layers"] == "0,2"


@pytest.mark.parametrize("which", ["z", "w"])
def test_project(latents, runs, tmp_path, monkeypatch, which):
    monkeypatch.setattr(project, "CANDIDATES", 20)
    target = tmp_path / "mine.png"
    made = gan_jax.load(runs[which], say=pytest.fail).sample(1, seed=3)[0]
    Image.fromarray(made[..., 0]).save(target)
    path = latents("project", which, target, "--steps=30")
    sheet = cells(path, 1)
    np.testing.assert_array_equal(sheet[0, 0], made[..., 0])
    stored = np.load(path.with_suffix(".npz"))
    shape = {"z": (1, 100), "w": (1, 6)}[which]
    assert stored["space"] == which and stored[which].shape == shape
    assert ("label" in stored) == (which == "z") and (stored["from_mean"] > 0).all()


def test_project_into_w_plus_as_a_film(latents, tmp_path):
    target = tmp_path / "mine.png"
    Image.new("L", (8, 8), 200).save(target)
    film = latents("project", "w", target, "--steps=20", "--space=w+", out="film.gif")
    with Image.open(film) as opened:
        assert opened.n_frames <= 3 and opened.size == (8, 16)
    assert np.load(film.with_suffix(".npz"))["w"].shape == (1, 4, 6)


@pytest.mark.parametrize(
    ("tool", "which", "flags", "message"),
    [
        ("mixing", "z", (), "no intermediate latents w (its networks are MLPDiscriminator, MLP"),
        ("interpolate", "z", ("--space=w",), "no intermediate latents w"),
        ("interpolate", "z", ("--path=cubic",), "--path=cubic is for w"),
        ("interpolate", "z", ("--count=1",), "--count=1: must be at least 2"),
        ("interpolate", "z", ("--frames=1",), "--frames=1: must be at least 2"),
        ("interpolate", "z", ("--fps=0",), "--fps=0: must be a number from 1 to 240"),
        ("interpolate", "z", ("--fps=nan",), "--fps=nan: must be a number from 1 to 240"),
        ("truncation", "z", ("--values=a",), "--values=a: must be numbers, as 0,0.5,1"),
        ("mixing", "w", ("--layers=2-4",), "this generator has layers 0 to 3"),
        ("mixing", "w", ("--layers=2-1",), "--layers=2-1: 2-1 runs backwards: 1-2"),
        ("mixing", "w", ("--rows=0",), "--rows=0: must be at least 1"),
        ("mixing", "w", ("--truncation=nan",), "--truncation=nan: must be a number"),
        ("classes", "z", (), "has no classes"),
        ("classes", "w", ("--label=10",), "label 10: the model in"),
        ("directions", "z", ("--method=sefa", "--layers=0"), "no intermediate latents w"),
        ("directions", "w", ("--method=sefa", "--count=7"), "there are 1 to 6 directions"),
        ("directions", "z", (), "required: --method"),
        ("directions", "z", ("--method=pca", "--strength=nan"), "--strength=nan: must be a num"),
        ("directions", "z", ("--method=pca", "--strength=-inf"), "--strength=-inf: must be a"),
        ("project", "z", ("none.png",), "none.png: there is no such picture"),
        ("project", "z", ("x.png", "--space=w"), "no intermediate latents w"),
        ("project", "w", ("x.png", "--sphere"), "--sphere is for z"),
        ("project", "z", ("x.png", "--steps=0"), "--steps=0: must be at least 1"),
        ("project", "z", ("x.png", "--features=lpips"), "no weights of vgg16"),
        ("project", "z", ("x.png", "--rate=nan"), "--rate=nan: must be a number above 0"),
        ("project", "z", ("x.png", "--rate=-1"), "--rate=-1: must be a number above 0"),
        ("project", "z", ("x.png", "--rate=0"), "--rate=0: must be a number above 0"),
        ("project", "z", ("x.png", "--rate=inf"), "--rate=inf: must be a number above 0"),
        ("project", "z", ("x.png", "--weights=y"), "--weights=y: --features=pixels reads none"),
        ("truncation", "z", ("--step=x",), "--step='x': must be a number, latest or best"),
        ("truncation", "z", ("--config.seed=1",), "no --config.KEY=VALUE here"),
    ],
)
def test_what_cannot_be_done(latents, tmp_path, monkeypatch, tool, which, flags, message):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path / "no_weights"))
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    assert message in latents(tool, which, *flags)


@pytest.mark.parametrize(
    ("tool", "out", "message"),
    [
        ("truncation", "x.gif", "x.gif: must end in .png"),
        ("mixing", "folder", "folder: must end in .png"),
        ("interpolate", "x.webp", "must end in .png, .gif or .mp4, or be a folder"),
    ],
)
def test_forms_that_are_not_written(latents, tool, out, message):
    line = latents(tool, "w", out=out)
    assert message in line and ("folder" in message or not line.endswith("or be a folder"))


@pytest.mark.parametrize(
    ("out", "fps", "fastest"),
    [
        ("x.gif", "51", "50 in a .gif"),
        ("x.gif", "1e-9", "50 in a .gif"),
        ("x.mp4", "inf", "240 in a .mp4"),
        ("x.mp4", "1e9", "240 in a .mp4"),
        ("folder", "nan", "240"),
    ],
)
def test_frames_a_second_that_no_film_has(latents, monkeypatch, out, fps, fastest):
    monkeypatch.setattr("gan_jax.latents_command.opened.require_encoder", lambda path: "")
    line = latents("interpolate", "z", f"--fps={fps}", out=out)
    assert line.endswith(f"--fps={float(fps):g}: must be a number from 1 to {fastest}")


def test_a_projection_is_not_written_over_its_picture(latents, tmp_path, runs, capfd):
    target = tmp_path / "mine.png"
    Image.new("L", (8, 8), 200).save(target)
    before = target.read_bytes()
    assert run(["latents", "project", str(runs["z"]), str(target), f"--out={target}"]) == 2
    assert "is one of the given pictures" in capfd.readouterr().err
    assert target.read_bytes() == before


def test_a_film_without_the_encoder(latents, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    line = latents("interpolate", "z", out="x.mp4")
    assert "pip install 'gan-jax[video]'; .gif and a folder of PNG files work without" in line


def test_a_run_sampled_as_a_film(runs, tmp_path, capfd):
    pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "walk.mp4"
    assert run(["sample", str(runs["z"]), "--count=4", "--frames=5", f"--out={path}"]) == 0
    frames, about = decoded(path, 16, 16)
    assert len(frames) == 5 and "25 fps" in about
    assert run(["sample", str(runs["z"]), f"--out={tmp_path / 'x.webp'}"]) == 2
    assert "must end in .png, .gif or .mp4, or be a folder" in capfd.readouterr().err


def test_no_tool(capfd):
    assert run(["latents"]) == 2
    assert "required: TOOL" in capfd.readouterr().err


def test_a_run_that_generates_nothing(tmp_path, capfd, runs):
    assert run(["latents", "classes", str(tmp_path)]) == 2
    assert "not a run directory" in capfd.readouterr().err

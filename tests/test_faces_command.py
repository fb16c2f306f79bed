"""`gan-jax data faces`, and `gan-jax translate --face`."""

import csv

import numpy as np
import pytest
from PIL import Image

from gan_jax import faces_command
from gan_jax.cli import run
from gan_jax.console import Console
from gan_jax.data.geometry import Geometry
from gan_jax.errors import UsageError
from gan_jax.faces.face import CANONICAL, Face, face_of_landmarks
from tests.faces.scenes import scene


def by_colour(image):
    """Instead of searching: a red picture has a drawn face, a green one a photographed one."""
    red, green, _ = image[0, 0]
    if red > 200:
        return face_of_landmarks("drawing", 100 * CANONICAL, 0.95)
    return Face("photograph", (20.0, 20.0, 78.0, 78.0)) if green > 200 else None


@pytest.fixture
def detected(monkeypatch):
    def open_detector(name, model=None):
        return by_colour, "a red or green face"

    monkeypatch.setattr(faces_command, "open_detector", open_detector)


def save(path, colour, size=(100, 100)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_a_folder(detected, tmp_path, capsys):
    source, out = tmp_path / "source", tmp_path / "out"
    save(source / "happy" / "a.png", (255, 0, 0))
    save(source / "happy" / "a.bmp", (255, 0, 0))
    save(source / "sad" / "b.bmp", (0, 255, 0))
    save(source / "sad" / "c.png", (0, 0, 255))
    (source / "sad" / "d.png").write_text("no picture")
    assert run(["data", "faces", str(source), f"--out={out}", "--size=32"]) == 0
    errors = capsys.readouterr().err
    assert f"{source}/sad/c.png: no face found\n" in errors
    assert f"{source}/sad/d.png: not a picture" in errors
    last = "1 cannot be read; 1 without one: searched for a red or green face"
    assert f"faces cut out of 3 of 5 pictures: {out}; {last}\n" in errors
    assert "5/5" in errors
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert made == ["faces.csv", "happy/a.bmp.png", "happy/a.png.png", "sad/b.png"]
    assert np.asarray(Image.open(out / "sad" / "b.png")).shape == (32, 32, 3)
    rows = list(csv.DictReader((out / "faces.csv").read_text().splitlines()))
    assert [row["picture"] for row in rows] == ["happy/a.bmp", "happy/a.png", "sad/b.bmp"]
    first, _, last = rows
    assert first["file"] == "happy/a.bmp.png" and first["detector"] == "drawing"
    assert first["confidence"] == "0.9500" and first["chin_x"] == "50.00"
    assert (last["left"], last["bottom"], last["confidence"]) == ("20.0", "78.0", "")
    assert last["chin_x"] == ""


def test_no_face_at_all(detected, tmp_path, capsys):
    save(tmp_path / "source" / "a.png", (0, 0, 0))
    arguments = ["data", "faces", str(tmp_path / "source"), f"--out={tmp_path / 'out'}"]
    assert run(arguments) == 5
    errors = capsys.readouterr().err
    assert "source/a.png: no face found" in errors
    # What was searched for may say what is missing: the library that finds photographs.
    last = "no face found in its pictures (1); searched for a red or green face\n"
    assert errors.endswith(last)
    (tmp_path / "source" / "b.png").write_text("no picture")
    assert run(arguments) == 5
    errors = capsys.readouterr().err
    assert "source/b.png: not a picture" in errors
    assert "in its pictures (2, of which 1 cannot be read); searched for" in errors
    (tmp_path / "source" / "a.png").write_text("no picture")
    assert run(arguments) == 5
    assert capsys.readouterr().err.endswith("source: none of its pictures can be read (2)\n")
    assert not (tmp_path / "out").exists()


def test_faces_are_not_written_over_the_pictures(detected, tmp_path, capsys):
    inner = tmp_path / "source"
    save(inner / "source" / "a.png", (255, 0, 0))
    save(inner / "a.png", (255, 0, 0))
    before = (inner / "a.png").read_bytes()
    assert run(["data", "faces", str(inner), f"--out={tmp_path}"]) == 2
    assert "holds given pictures, which could be written over" in capsys.readouterr().err
    assert (inner / "a.png").read_bytes() == before


def test_bad_input_is_one_line(tmp_path, capsys):
    save(tmp_path / "source" / "a.png", (255, 0, 0))
    source = str(tmp_path / "source")
    cases = [
        ([source], 2, "faces go to a folder: --out=FOLDER"),
        ([source, "--out=a.png"], 2, "faces go to a folder"),
        ([source, f"--out={source}/faces"], 2, "its faces would be searched"),
        ([source, f"--out={tmp_path}/o", "--detector=photo"], 2, "the nearest is photograph"),
        ([source, f"--out={tmp_path}/o", "--detector=none"], 2, "no detector 'none'"),
        ([source, f"--out={tmp_path}/o", "--size=0"], 2, "--size=0: must be at least 1"),
        ([source, f"--out={tmp_path}/o", "--detector=mediapipe"], 2, "--model=FILE.task"),
        ([f"{source}/no", f"--out={tmp_path}/o"], 5, "there is no such folder"),
        ([f"{source}/a.png", f"--out={tmp_path}/o"], 5, "a.png: a file: give the folder that"),
    ]
    for arguments, code, message in cases:
        assert run(["data", "faces", *arguments]) == code, arguments
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, error


class Given:
    face, model = "auto", None


def test_pictures_of_a_translation(detected, tmp_path, capsys):
    """In the run's own form, with one line about each."""
    save(tmp_path / "a.png", (255, 0, 0))
    read = faces_command.face_reader(Given)  # pyright: ignore
    images = read([tmp_path / "a.png"], Geometry(size=16, channels=1), Console())
    assert images.shape == (1, 16, 16, 1) and images.dtype == np.uint8
    assert "a.png: drawing, 95 % sure, 45x38 pixels, cut out at 16x16" in capsys.readouterr().err
    save(tmp_path / "b.png", (0, 0, 0))
    with pytest.raises(faces_command.NoFaceError, match="b.png: no face found; searched for a red"):
        read([tmp_path / "a.png", tmp_path / "b.png"], Geometry(size=16, channels=3), Console())


def test_a_translation_takes_pictures_whole_unless_asked():
    class Whole:
        face, model = "none", None

    assert faces_command.face_reader(Whole) is None  # pyright: ignore
    Whole.model = "a.task"
    with pytest.raises(UsageError, match="--model is read with --face=mediapipe"):
        faces_command.face_reader(Whole)  # pyright: ignore


@pytest.mark.slow
def test_real_faces(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    picture, _ = scene(1, 150, 15, (300, 150), (320, 480))
    Image.fromarray(picture).save(source / "a.png")
    save(source / "b.png", (90, 120, 40), (300, 200))
    assert run(["data", "faces", str(source), f"--out={out}", "--detector=drawing"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "faces.csv"]
    with Image.open(out / "a.png") as made:
        assert made.size == (256, 256)

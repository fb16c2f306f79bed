"""The choice of a detector, and a picture without a face."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.faces import detection
from gan_jax.faces.detection import cut_face, described, find_face, open_detector
from gan_jax.faces.face import Face

BOX = (10.0, 20.0, 68.0, 78.0)


@pytest.fixture
def found(monkeypatch):
    """By detector: what it finds; anything else is not there."""
    answers = {}

    def photograph():
        if "photograph" not in answers:
            raise UsageError("pip install it")
        return lambda image: answers["photograph"]

    monkeypatch.setattr(detection, "drawing_detector", lambda: lambda image: answers["drawing"])
    monkeypatch.setattr(detection, "photograph_detector", photograph)
    monkeypatch.setattr(detection, "mesh_detector", lambda model: lambda image: answers[str(model)])
    return answers


IMAGE = np.zeros((100, 100, 4), np.uint8)


def test_auto_takes_a_drawing_first(found):
    found |= {"drawing": Face("drawing", BOX, 0.9), "photograph": Face("photograph", BOX)}
    assert find_face(open_detector("auto"), IMAGE, "a.png").detector == "drawing"
    found["drawing"] = None
    assert find_face(open_detector("auto"), IMAGE, "a.png").detector == "photograph"
    found["m.task"] = Face("mediapipe", BOX)
    assert find_face(open_detector("auto", "m.task"), IMAGE, "a.png").detector == "mediapipe"


def test_no_face_names_the_picture_and_what_was_searched_for(found):
    found |= {"drawing": None, "photograph": None}
    with pytest.raises(DataError, match="^a.png: no face found; searched for a face, drawn or ph"):
        find_face(open_detector("auto"), IMAGE, "a.png")
    with pytest.raises(
        DataError, match=r"searched for a drawn face \(--face=none takes it whole\)$"
    ):
        find_face(open_detector("drawing"), IMAGE, "a.png")
    del found["photograph"]
    with pytest.raises(DataError, match=r"searched for a drawn face \(pip install it\) \(--face"):
        find_face(open_detector("auto"), IMAGE, "a.png")
    with pytest.raises(UsageError, match="^pip install it"):
        open_detector("photograph")


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("drawings", None, "no detector 'drawings': there are auto, .*; the nearest is drawing"),
        ("xyz", None, "mediapipe$"),
        ("drawing", "m.task", "the detector drawing reads no --model"),
    ],
)
def test_wrong_choices(name, model, message):
    with pytest.raises(UsageError, match=message):
        open_detector(name, model)


def test_cut_out(found):
    found["drawing"] = Face("drawing", BOX, 0.912)
    image = np.full((100, 100, 1), 40, np.uint8)
    picture, face = cut_face(open_detector("drawing"), image, "a.png", 50, (1, 2, 3))
    assert picture.shape == (50, 50, 3) and (picture[25, 25] == 40).all()
    assert (picture[:4, :4] == (1, 2, 3)).all()  # the frame leaves the picture there
    assert described(face) == "drawing, 91 % sure, 58x58 pixels"

"""MediaPipe's FaceLandmarker behind our wrapper: a fake module with its interface."""

import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.errors import UsageError
from gan_jax.faces.face import CANONICAL, frame_of
from gan_jax.faces.mesh import MESH_POINTS, mesh_detector


class Point(NamedTuple):
    x: float
    y: float


def fake_mediapipe(monkeypatch, meshes):
    """`mediapipe` and `mediapipe.tasks.python` with what the wrapper uses; `asked` is filled."""
    asked = {}

    class Landmarker:
        @classmethod
        def create_from_options(cls, options):
            if options.base_options == b"broken":
                raise ValueError("Unable to open zip archive.\nat line 3")
            asked["options"] = options
            return cls()

        def detect(self, picture):
            asked["picture"] = picture
            return types.SimpleNamespace(face_landmarks=meshes)

    vision = types.SimpleNamespace(
        FaceLandmarker=Landmarker,
        FaceLandmarkerOptions=lambda **given: types.SimpleNamespace(**given),
        RunningMode=types.SimpleNamespace(IMAGE="image"),
    )
    python = types.ModuleType("mediapipe.tasks.python")
    python.BaseOptions = lambda model_asset_buffer: model_asset_buffer
    python.vision = vision
    whole = types.ModuleType("mediapipe")
    whole.Image = lambda image_format, data: (image_format, data)
    whole.ImageFormat = types.SimpleNamespace(SRGB="srgb")
    monkeypatch.setitem(sys.modules, "mediapipe", whole)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks", types.ModuleType("mediapipe.tasks"))
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", python)
    return asked


def model(tmp_path, content=b"model"):
    path = tmp_path / "face.task"
    path.write_bytes(content)
    return path


def test_a_mesh_becomes_our_landmarks(monkeypatch, tmp_path):
    mesh = [Point(-9.0, -9.0)] * 478
    for name, (x, y) in zip(LANDMARKS, CANONICAL, strict=True):
        mesh[MESH_POINTS[name]] = Point(0.25 + x / 2, 0.1 + y / 2)
    asked = fake_mediapipe(monkeypatch, [mesh])
    image = np.zeros((100, 200, 3), np.uint8)[:, ::-1]
    face = mesh_detector(model(tmp_path))(image)
    assert face.detector == "mediapipe" and face.confidence is None
    np.testing.assert_allclose(face.landmarks, (CANONICAL / 2 + (0.25, 0.1)) * (200, 100))
    assert frame_of(face).shape == (2, 3)
    assert asked["options"].base_options == b"model" and asked["options"].num_faces == 1
    assert asked["picture"][0] == "srgb" and asked["picture"][1].flags["C_CONTIGUOUS"]


def test_no_face(monkeypatch, tmp_path):
    fake_mediapipe(monkeypatch, [])
    assert mesh_detector(model(tmp_path))(np.zeros((8, 8, 3), np.uint8)) is None


def test_every_landmark_has_a_vertex_of_its_own():
    assert set(MESH_POINTS) == set(LANDMARKS)
    assert len(set(MESH_POINTS.values())) == len(LANDMARKS)
    assert max(MESH_POINTS.values()) < 478


def test_what_is_missing(monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="--model=FILE.task"):
        mesh_detector(None)
    with pytest.raises(UsageError, match="no.task: there is no such file"):
        mesh_detector(tmp_path / "no.task")
    fake_mediapipe(monkeypatch, [])
    with pytest.raises(UsageError, match="cannot use it: Unable to open zip archive.$"):
        mesh_detector(model(tmp_path, b"broken"))
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UsageError, match=r"pip install 'gan-jax\[mediapipe\]'"):
        mesh_detector(model(tmp_path))


def test_the_real_one_refuses_what_is_no_model(tmp_path):
    """That names and arguments are MediaPipe's own; its model is not ours to bring."""
    mediapipe = pytest.importorskip("mediapipe")
    assert mediapipe.Image and mediapipe.ImageFormat.SRGB is not None
    with pytest.raises(UsageError, match="MediaPipe cannot use it"):
        mesh_detector(model(tmp_path))

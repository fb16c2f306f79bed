"""Faces in photographs, by scikit-image's cascade."""

import sys

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.faces.face import frame_of
from gan_jax.faces.photograph import LONGEST, photograph_detector, shrunk


def test_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UsageError, match=r"pip install 'gan-jax\[faces\]'"):
        photograph_detector()


def test_shrunk():
    small, scale = shrunk(np.zeros((600, 960, 3), np.uint8))
    assert small.shape == (300, LONGEST, 3) and scale == 0.5
    image = np.zeros((20, 30, 3), np.uint8)
    assert shrunk(image)[0] is image


def test_finds_a_portrait_and_no_face_in_noise():
    pytest.importorskip("skimage")
    from skimage.data import astronaut

    detect = photograph_detector()
    portrait = astronaut()
    face = detect(portrait)
    assert face is not None and face.confidence is None and face.landmarks is None
    left, top, right, bottom = face.box
    for x, y in ((203, 106), (242, 106), (222, 145)):  # eyes and mouth
        assert left < x < right and top < y < bottom
    assert 80 < right - left < 140
    frame = frame_of(face)
    assert np.linalg.norm(frame[:, 0]) == pytest.approx((right - left) / 0.58, rel=1e-6)
    twice = detect(portrait.repeat(2, axis=0).repeat(2, axis=1))  # shrunk again to be searched
    np.testing.assert_allclose(np.array(twice.box) / 2, face.box, atol=4)
    random = np.random.default_rng(0)
    assert detect(random.integers(0, 256, (200, 260, 3), dtype=np.uint8)) is None
    assert detect(np.zeros((12, 300, 3), np.uint8)) is None

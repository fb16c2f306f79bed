"""A face in any picture, by the detector of the user's choice."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gan_jax.errors import DataError, UsageError
from gan_jax.faces.drawing import drawing_detector
from gan_jax.faces.face import Face, frame_of
from gan_jax.faces.mesh import mesh_detector
from gan_jax.faces.photograph import photograph_detector
from gan_jax.faces.warp import WHITE, as_rgb, cut_out

DETECTORS = ("auto", "drawing", "photograph", "mediapipe")

Detect = Callable[[np.ndarray], Face | None]
"""`uint8 RGB [H, W, 3] -> Face`, or None where there is none."""


class NoFaceError(DataError):
    """A picture in which no face was found."""


def open_detector(name: str, model: Path | None = None) -> tuple[Detect, str]:
    """A detector, and what it searches for, in words.

    `auto` takes a drawn face where there is one, else a photographed one if scikit-image is there
    to find it, or MediaPipe and its model are given.

    Raises:
        UsageError: no such detector, `model` where it is not read, or what a detector lacks.
    """
    if name not in DETECTORS:
        close = difflib.get_close_matches(name, DETECTORS, n=1, cutoff=0.5)
        nearest = f"; the nearest is {close[0]}" if close else ""
        raise UsageError(f"no detector {name!r}: there are {', '.join(DETECTORS)}{nearest}")
    if model is not None and name in ("drawing", "photograph"):
        raise UsageError(f"the detector {name} reads no --model; mediapipe does")
    if name == "drawing":
        return drawing_detector(), "a drawn face"
    if name == "photograph":
        return photograph_detector(), "a photographed, upright face"
    if name == "mediapipe":
        return mesh_detector(model), "a face, by MediaPipe"
    return automatic_detector(model)


def automatic_detector(model: Path | None) -> tuple[Detect, str]:
    drawn = drawing_detector()
    if model is not None:
        photographed, searched = mesh_detector(model), "a face, drawn or (by MediaPipe) not"
    else:
        try:
            photographed, searched = photograph_detector(), "a face, drawn or photographed"
        except UsageError as error:
            return drawn, f"a drawn face ({error})"

    def detect(image: np.ndarray) -> Face | None:
        return drawn(image) or photographed(image)

    return detect, searched


def find_face(detector: tuple[Detect, str], image: np.ndarray, name: str) -> Face:
    """The face in uint8 `[H, W, 1..4]`; alpha is laid over white.

    Raises:
        NoFaceError: there is none; names the picture.
    """
    detect, searched = detector
    face = detect(as_rgb(image))
    if face is None:
        raise NoFaceError(
            f"{name}: no face found; searched for {searched} (--face=none takes it whole)"
        )
    return face


def described(face: Face) -> str:
    """`drawing, 97 % sure, 120 x 104 pixels`."""
    left, top, right, bottom = face.box
    sure = "" if face.confidence is None else f", {100 * face.confidence:.0f} % sure"
    return f"{face.detector}{sure}, {right - left:.0f}x{bottom - top:.0f} pixels"


def cut_face(
    detector: tuple[Detect, str],
    image: np.ndarray,
    name: str,
    size: int,
    background: tuple[int, int, int] = WHITE,
) -> tuple[np.ndarray, Face]:
    """The face in uint8 `[H, W, 1..4]` as a picture of its own, uint8 RGB `[size, size, 3]`,
    upright and where the avatars have theirs; and the face as it was found.

    Alpha is laid over the background, which also stands where the picture ends. Errors as of
    `find_face`.
    """
    face = find_face(detector, image, name)
    return cut_out(as_rgb(image, background), frame_of(face), size, background), face

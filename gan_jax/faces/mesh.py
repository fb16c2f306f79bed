"""Faces in photographs, by MediaPipe's FaceLandmarker and the user's own copy of its model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.errors import UsageError
from gan_jax.faces.face import Face, face_of_landmarks

MESH_POINTS = {
    **{"contourRight0": 234, "contourRight1": 58, "contourRight2": 136, "contourRight3": 149},
    "chin": 152,
    **{"contourLeft3": 378, "contourLeft2": 365, "contourLeft1": 288, "contourLeft0": 454},
    **{"browRightInner": 107, "browRightMiddle": 105, "browRightOuter": 70},
    **{"browLeftInner": 336, "browLeftMiddle": 334, "browLeftOuter": 300},
    **{"eyeRightInnerCorner": 133, "eyeRightOuterCorner": 33, "eyeRightUpperLid": 159},
    **{"eyeRightLowerLid": 145, "eyeRightPupil": 468},
    **{"eyeLeftInnerCorner": 362, "eyeLeftOuterCorner": 263, "eyeLeftUpperLid": 386},
    **{"eyeLeftLowerLid": 374, "eyeLeftPupil": 473},
    "noseTip": 1,
    **{"mouthCornerRight": 61, "mouthCornerLeft": 291, "upperLip": 13, "lowerLip": 14},
    **{"upperLipRight": 81, "upperLipLeft": 311, "lowerLipRight": 178, "lowerLipLeft": 402},
}
"""Of `LANDMARKS`, the vertices of MediaPipe's mesh of 478 that lie there; right is the face's own
right, at the picture's left, in both."""


def mesh_detector(model: Path | None) -> Callable[[np.ndarray], Face | None]:
    """`uint8 RGB [H, W, 3] -> Face` with landmarks, or None. The mesh comes with no confidence.

    Args:
        model: FaceLandmarker's `.task` file, which Google publishes.

    Raises:
        UsageError: no such file, one that cannot be used, or MediaPipe is not installed.
    """
    if model is None:
        raise UsageError(
            "MediaPipe needs its model: --model=FILE.task (Google's face_landmarker.task)"
        )
    if not model.is_file():
        raise UsageError(f"--model={model}: there is no such file")
    try:
        import mediapipe  # pyright: ignore[reportMissingImports]
        from mediapipe.tasks.python import BaseOptions, vision  # pyright: ignore
    except ImportError as error:
        raise UsageError(
            "the detector mediapipe needs MediaPipe: pip install 'gan-jax[mediapipe]'"
        ) from error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=1,
    )
    try:
        landmarker = vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"--model={model}: MediaPipe cannot use it: {first_line(error)}"
        ) from error
    numbers = [MESH_POINTS[name] for name in LANDMARKS]

    def detect(image: np.ndarray) -> Face | None:
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(image)
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        meshes = landmarker.detect(picture).face_landmarks
        if not meshes:
            return None
        shares = np.array([(meshes[0][number].x, meshes[0][number].y) for number in numbers])
        return face_of_landmarks("mediapipe", shares * [width, height], None)

    return detect


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

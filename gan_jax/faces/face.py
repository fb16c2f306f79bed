"""A face in a picture, and the frame that it is cut out by: the one that avatars are drawn in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_jax.data.avatars.landmarks import LANDMARKS

CANONICAL = np.array(
    [
        (0.277, 0.531), (0.306, 0.601), (0.346, 0.660), (0.397, 0.709), (0.500, 0.772),
        (0.603, 0.709), (0.654, 0.660), (0.694, 0.601), (0.723, 0.531),
        (0.443, 0.393), (0.382, 0.388), (0.321, 0.409),
        (0.557, 0.393), (0.618, 0.388), (0.679, 0.409),
        (0.460, 0.541), (0.313, 0.531), (0.387, 0.470), (0.387, 0.573), (0.387, 0.528),
        (0.540, 0.541), (0.687, 0.531), (0.613, 0.470), (0.613, 0.573), (0.613, 0.528),
        (0.500, 0.611),
        (0.442, 0.673), (0.558, 0.673), (0.500, 0.667), (0.500, 0.703),
        (0.471, 0.668), (0.529, 0.668), (0.471, 0.697), (0.529, 0.697),
    ]
)  # fmt: skip
"""`[L, 2]`: where `LANDMARKS` lie on average over the avatars, as shares of the picture; made alike
on both sides."""
MIRRORED = tuple(
    LANDMARKS.index(name.replace("Right", "-").replace("Left", "Right").replace("-", "Left"))
    for name in LANDMARKS
)
"""Each landmark's number in the mirror image."""
ANCHORS = tuple(
    LANDMARKS.index(name)
    for name in (
        *("eyeRightOuterCorner", "eyeRightInnerCorner"),
        *("eyeLeftInnerCorner", "eyeLeftOuterCorner", "chin"),
    )
)
"""What a face is brought into place by: expressions hardly move it."""
BOX_WIDTH = 0.58
BOX_CENTRE = (0.5, 0.6)
"""Of the square that a cascade draws about a face, from the brows to the chin, as shares of the
frame: looser than landmarks allow, for nothing else is known of the face."""


@dataclass(frozen=True)
class Face:
    """A face that was found.

    Attributes:
        detector: that found it.
        box: left, top, right, bottom in pixels of the picture.
        confidence: in [0, 1]; None where the detector only says yes or no.
        landmarks: `[L, 2]` (x, y) in pixels, in the order of `LANDMARKS`; None where only the box
            is known.
    """

    detector: str
    box: tuple[float, float, float, float]
    confidence: float | None = None
    landmarks: np.ndarray | None = None


def face_of_landmarks(detector: str, landmarks: np.ndarray, confidence: float | None) -> Face:
    """Its box is the smallest about all landmarks `[L, 2]`."""
    (left, top), (right, bottom) = landmarks.min(axis=0), landmarks.max(axis=0)
    box = float(left), float(top), float(right), float(bottom)
    return Face(detector, box, confidence, landmarks)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift `[2, 3]` that bring points `[N, 2]` closest to others, by least
    squares: `target ≈ source @ m[:, :2].T + m[:, 2]` (Umeyama 1991; never a mirror image).

    In the plane that is a linear problem: with a = s cos, b = s sin, centred on both sides.
    """
    middle, wanted = source.mean(axis=0), target.mean(axis=0)
    (x, y), (u, v) = (source - middle).T, (target - wanted).T
    size = np.sum(x**2 + y**2)
    if size == 0:
        raise ValueError("points that are all the same have no turn and no size")
    a, b = np.sum(x * u + y * v) / size, np.sum(x * v - y * u) / size
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, wanted - turn @ middle])


def frame_of(face: Face) -> np.ndarray:
    """`[2, 3]`: from shares of the frame, (0, 0) its top left and (1, 1) its bottom right, to
    pixels of the picture."""
    if face.landmarks is not None:
        anchors = list(ANCHORS)
        return similarity(CANONICAL[anchors], face.landmarks[anchors])
    left, top, right, bottom = face.box
    side = (right - left + bottom - top) / 2 / BOX_WIDTH
    x, y = (left + right) / 2 - BOX_CENTRE[0] * side, (top + bottom) / 2 - BOX_CENTRE[1] * side
    return np.array([[side, 0.0, x], [0.0, side, y]])


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points `[..., 2]` under a map `[2, 3]`."""
    return points @ matrix[:, :2].T + matrix[:, 2]

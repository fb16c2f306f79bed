"""Faces in drawings: the landmark finder over the picture at several sizes, then straight at the
best places."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image

from gan_jax.faces.face import (
    CANONICAL,
    MIRRORED,
    Face,
    face_of_landmarks,
    moved,
    similarity,
)
from gan_jax.faces.warp import cut_out
from gan_jax.networks.landmark_finder import (
    SIZE,
    STRIDE,
    LandmarkFinder,
    confidence,
    soft_argmax,
)
from gan_jax.ops.pixels import to_float
from gan_jax.weights.folder import SHIPPED
from gan_jax.weights.store import find_weights

NETWORK = "avatar_landmarks"
SEARCHED = {208: (48, 72, 108, 162), 400: (243, 364)}
"""By the side of the canvas, pixels of the picture's longer side on it: the finder knows faces of a
frame of 0.5 to 1.2 times `SIZE`, so each is about right in two of them, if its frame takes an
eighth of the picture or more."""
MARGIN = 18
CELLS = SIZE // STRIDE
HOP = 4
"""Cells from one window to the next."""
SMALLEST, LARGEST = 0.08, 2.5
"""Sides of a face's frame, as shares of the picture's longer side: what the search can find."""
LOOKS = 2
"""How often the finder looks straight at a place."""


class Places(NamedTuple):
    """The surest window of each canvas.

    Attributes:
        points: `[N, L, 2]` in pixels of the canvas.
        confidence: `[N]`.
    """

    points: Array
    confidence: Array


@jax.jit
def search(variables: Any, canvases: Array) -> Places:
    """uint8 `[N, S, S, 3]` → in each the window of `SIZE` in which the landmarks are
    surest on average."""
    logits = LandmarkFinder().apply(variables, to_float(canvases), train=False)
    assert isinstance(logits, Array)
    peaks = jnp.mean(jax.nn.sigmoid(largest_in_windows(logits)), axis=-1)
    columns = peaks.shape[2]
    best = jnp.argmax(peaks.reshape(len(peaks), -1), axis=1)
    corners = HOP * jnp.stack(jnp.divmod(best, columns), axis=-1)

    def window(maps: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(maps, (corner[0], corner[1], 0), (CELLS, CELLS, maps.shape[2]))

    windows = jax.vmap(window)(logits, corners)
    points = SIZE * soft_argmax(windows) + STRIDE * corners[:, None, ::-1]
    return Places(points, confidence(windows))


def largest_in_windows(maps: Array) -> Array:
    """`[N, h, w, L]` → the largest of every window of `CELLS` rows and columns, `HOP` apart."""
    count, height, width, landmarks = maps.shape
    blocks = maps.reshape(count, height // HOP, HOP, width // HOP, HOP, landmarks)
    blocks = blocks.max(axis=(2, 4))
    for axis in (1, 2):
        last = blocks.shape[axis] - CELLS // HOP + 1
        shifts = [jax.lax.slice_in_dim(blocks, i, i + last, axis=axis) for i in range(CELLS // HOP)]
        blocks = jnp.max(jnp.stack(shifts), axis=0)
    return blocks


@jax.jit
def look(variables: Any, windows: Array) -> Places:
    """uint8 `[N, SIZE, SIZE, 3]` → landmarks in shares of the window."""
    logits = LandmarkFinder().apply(variables, to_float(windows), train=False)
    assert isinstance(logits, Array)
    return Places(soft_argmax(logits), confidence(logits))


def look_twice(variables: Any, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows and their mirror images: the mean of the landmarks `[N, L, 2]`, the lower of the two
    confidences `[N]`."""
    here, there = look(variables, windows), look(variables, windows[:, :, ::-1])
    back = np.asarray(there.points, np.float64)[:, list(MIRRORED)] * (-1, 1) + (1, 0)
    sure = np.minimum(np.asarray(here.confidence), np.asarray(there.confidence))
    return (np.asarray(here.points, np.float64) + back) / 2, sure


def surest_face(variables: Any, image: np.ndarray) -> Face:
    """The best guess in uint8 RGB `[H, W, 3]`, with how sure it is.

    What the search finds at each size is cut out upright at the size of the training pictures, and
    read again, at last together with its mirror image, which many a thing that merely looks like a
    face does not stand; of these readings the surest is it.
    """
    fill = border_colour(image)
    points = []
    for whole, sides in SEARCHED.items():
        canvases = np.stack([canvas(image, side, whole, fill) for side in sides])
        found = np.asarray(search(variables, canvases).points, np.float64)
        scales = np.array(sides) / max(image.shape[:2])
        points += list((found - MARGIN) / scales[:, None, None])
    sure, frames = np.zeros(len(points)), []
    for _ in range(LOOKS):
        frames = [similarity(CANONICAL, each) for each in points]
        windows = np.stack([cut_out(image, frame, SIZE, fill) for frame in frames])
        shares, sure = look_twice(variables, windows)
        points = [moved(frame, each) for frame, each in zip(frames, shares, strict=True)]
    sizes = [np.sqrt(np.linalg.det(frame[:, :2])) / max(image.shape[:2]) for frame in frames]
    # Enlarged far enough, all things are as smooth as a face.
    sure = np.where([SMALLEST <= size <= LARGEST for size in sizes], sure, 0.0)
    best = int(np.argmax(sure))
    return face_of_landmarks("drawing", points[best], float(sure[best]))


def canvas(
    image: np.ndarray, side: int, whole: int, fill: tuple[float, float, float]
) -> np.ndarray:
    """uint8 `[whole, whole, 3]`: the picture with its longer side at `side` pixels, at the top left
    but for a margin."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    shrinks = scale < 1
    kernel = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    result = np.empty((whole, whole, 3), np.uint8)
    result[:] = np.rint(fill)
    small = np.asarray(Image.fromarray(image).resize(sides, kernel))
    result[MARGIN : MARGIN + sides[1], MARGIN : MARGIN + sides[0]] = small
    return result


def border_colour(image: np.ndarray) -> tuple[float, float, float]:
    """The median of the outermost pixels."""
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    red, green, blue = np.median(np.concatenate(edges), axis=0)
    return float(red), float(green), float(blue)


def drawing_detector() -> Callable[[np.ndarray], Face | None]:
    """`uint8 RGB [H, W, 3] -> Face`, or None where the surest face is less sure than the weights'
    card asks for."""
    weights = find_weights(NETWORK, SHIPPED / f"{NETWORK}.safetensors")
    variables = jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), weights.variables)
    threshold = json.loads(weights.path.with_suffix(".json").read_text())["threshold"]

    def detect(image: np.ndarray) -> Face | None:
        face = surest_face(variables, image)
        return face if (face.confidence or 0.0) >= threshold else None

    return detect

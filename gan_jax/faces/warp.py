"""A turned, scaled and shifted square cut out of a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan_jax.data.geometry import composite

WHITE = (255, 255, 255)


def as_rgb(image: np.ndarray, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """uint8 `[H, W, 1..4]` → `[H, W, 3]`; straight alpha is laid over the background."""
    if image.shape[-1] in (2, 4):
        return composite(image, background)
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def cut_out(
    image: np.ndarray,
    frame: np.ndarray,
    size: int,
    background: tuple[float, float, float] = WHITE,
) -> np.ndarray:
    """uint8 RGB `[H, W, 3]` → `[size, size, 3]`, what lies in the frame.

    Args:
        image: the picture.
        frame: `[2, 3]`, from shares of the frame to the picture's pixels, of which the first has
            its centre at 0.5.
        size: pixels a side.
        background: where the frame leaves the picture.

    Interpolated bilinearly; a picture that shrinks is first brought to about the right size by a
    filter as wide as that asks for (Lanczos), so that nothing is left out between the pixels.
    """
    shrink = np.sqrt(abs(np.linalg.det(frame[:, :2]))) / size
    image, frame = _near(image, frame, margin=int(4 * shrink) + 4)
    if shrink > 1:
        height, width = image.shape[:2]
        sides = max(1, round(width / shrink)), max(1, round(height / shrink))
        image = np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.LANCZOS))
        frame = frame * np.array([[sides[0] / width], [sides[1] / height]])
    centres = (np.arange(size) + 0.5) / size
    shares = np.stack(np.meshgrid(centres, centres), axis=-1)
    at = shares @ frame[:, :2].T + frame[:, 2] - 0.5
    return np.clip(np.rint(bilinear(image, at, background)), 0, 255).astype(np.uint8)


def bilinear(image: np.ndarray, at: np.ndarray, background: tuple[float, float, float]):
    """`[H, W, 3]` at (x, y) `[..., 2]`, 0 the first pixel's centre → float `[..., 3]`; every pixel
    beyond the edge is the background."""
    wide = np.empty((image.shape[0] + 2, image.shape[1] + 2, 3))
    wide[:] = background
    wide[1:-1, 1:-1] = image
    limits = np.array([image.shape[1], image.shape[0]])
    at = np.clip(at, -1.0, limits) + 1
    low = np.minimum(np.floor(at).astype(int), limits)
    (x, y), (u, v) = np.moveaxis(low, -1, 0), np.moveaxis(at - low, -1, 0)[..., None]
    upper = wide[y, x] * (1 - u) + wide[y, x + 1] * u
    lower = wide[y + 1, x] * (1 - u) + wide[y + 1, x + 1] * u
    return upper * (1 - v) + lower * v


def _near(image: np.ndarray, frame: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture about the frame, at least one pixel, and the frame in it."""
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) @ frame[:, :2].T + frame[:, 2]
    height, width = image.shape[:2]
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin
    left, top = np.clip(low, 0, [width - 1, height - 1])
    right, bottom = np.clip(high, [left + 1, top + 1], [width, height])
    shift = np.array([left, top])
    part = image[top:bottom, left:right]
    return part, np.column_stack([frame[:, :2], frame[:, 2] - shift])

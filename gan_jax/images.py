"""Pictures on disk: grids, PNG files and GIF animations, written whole or not at all."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax import durable
from gan_jax.errors import StorageError


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """uint8 `[N, H, W, C]` -> one picture `[rows * H, columns * W, C]`; black where none is left.

    `columns` defaults to the smallest square that holds them all.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    cells = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return cells.reshape(rows * height, columns * width, channels)


def as_pil(image: np.ndarray) -> Image.Image:
    """uint8 `[H, W, C]` with 1 (grey), 3 (RGB) or 4 (RGBA) channels."""
    return Image.fromarray(image[:, :, 0] if image.shape[-1] == 1 else image)


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 `[H, W, C]`; raises StorageError where it cannot."""
    buffer = io.BytesIO()
    as_pil(image).save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def save_gif(path: Path, frames: Sequence[np.ndarray], frames_per_second: float) -> None:
    """Writes uint8 frames `[H, W, C]` as an endless animation; raises StorageError."""
    buffer = io.BytesIO()
    first, *rest = [as_pil(frame) for frame in frames]
    duration = round(1000 / frames_per_second)
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    write_whole(path, buffer.getvalue())


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that nobody meets half of it; raises StorageError where it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, content)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error

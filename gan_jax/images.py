"""Pictures on disk: grids, PNG files, GIF animations and MP4 films, written whole or not at all."""

from __future__ import annotations

import io
import math
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax import durable
from gan_jax.errors import StorageError, UsageError


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


def save_frames(path: Path, frames: Sequence[np.ndarray], frames_per_second: float) -> None:
    """Writes uint8 frames `[H, W, C]` as `path` asks for: FILE.gif, FILE.mp4, or a folder of
    `000000.png` and so on; errors as of the three."""
    suffix = path.suffix.lower()
    if suffix in (".gif", ".mp4"):
        save = save_gif if suffix == ".gif" else save_mp4
        save(path, frames, frames_per_second)
        return
    for index, frame in enumerate(frames):
        save_png(path / f"{index:06d}.png", frame)


def save_mp4(path: Path, frames: Sequence[np.ndarray], frames_per_second: float) -> None:
    """Writes uint8 frames `[H, W, C]` as H.264 that every player shows (4:2:0, BT.709).

    Sides are filled up to even numbers by their last row or column; alpha is laid over white.

    Raises:
        UsageError: the library that brings the encoder is not installed.
        StorageError: the file cannot be written.
    """
    encoder = require_encoder(path)
    pixels = [_even_rgb(frame) for frame in frames]
    height, width, _ = pixels[0].shape
    given = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {frames_per_second:g} -i -"
    tags = "colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    filters = f"-vf scale=out_color_matrix=bt709:out_range=tv,setparams={tags}"
    made = "-c:v libx264 -crf 12 -pix_fmt yuv420p -movflags +faststart"
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        command = [encoder, "-loglevel", "error", *f"{given} {filters} {made}".split(), str(film)]
        raw = b"".join(frame.tobytes() for frame in pixels)
        result = subprocess.run(
            command, input=raw, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if result.returncode:
            reason = " ".join(result.stderr.decode(errors="replace").split())
            raise StorageError(f"{path} cannot be encoded: {reason}")
        write_whole(path, film.read_bytes())


def require_encoder(path: Path) -> str:
    """The program that encodes films; raises UsageError, about `path`, where it is missing."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UsageError(
            f"{path}: films need imageio-ffmpeg: pip install 'gan-jax[video]'; .gif and a folder "
            "of PNG files work without"
        ) from error


def _even_rgb(frame: np.ndarray) -> np.ndarray:
    """uint8 `[H, W, C]` as RGB with even sides."""
    channels = frame.shape[-1]
    if channels == 4:
        alpha = frame[..., 3:].astype(np.float32) / 255.0
        over_white = frame[..., :3] * alpha + 255.0 * (1.0 - alpha)
        frame = np.round(over_white).astype(np.uint8)
    elif channels == 1:
        frame = frame.repeat(3, axis=-1)
    missing = [(0, side % 2) for side in frame.shape[:2]]
    return np.pad(frame, (*missing, (0, 0)), mode="edge")


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that nobody meets half of it; raises StorageError where it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, content)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error

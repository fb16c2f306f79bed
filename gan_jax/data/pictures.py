"""Any picture file or its bytes → uint8 `[H, W, C]`, or one clear reason why not."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_jax.data.png import decode_plain
from gan_jax.errors import DataError

MAX_PIXELS = 64_000_000
"""Pictures larger than this by their header are refused before anything is decoded."""

SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .bmp .dib .gif .tif .tiff .avif"
    " .jp2 .j2k .jpx .tga .pbm .pgm .ppm .pnm .qoi".split()
)
"""File names that end so (in either case) are pictures; all others are passed over."""

# Not everything that Pillow knows: its EPS reader runs Ghostscript, and others only call stubs.
_FORMATS = (
    *("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF"),
    *("JPEG2000", "PPM", "TGA", "QOI"),
)
Image.init()
_READABLE = tuple(name for name in _FORMATS if name in Image.OPEN)

# Pillow only warns of a decompression bomb, above a limit of its own, and of damaged metadata that
# does not touch the pixels. `read_picture` decides both cases itself. A filter is process-wide, but
# `warnings.catch_warnings` is not safe in the threads that decode.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class PictureError(DataError):
    """One picture that cannot be used: `name` says which, `reason` why."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    image: uint8 `[H, W, C]`, C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha (straight).
    mode: what the file held, in Pillow's words (`CMYK`, `I;16`, `P`, …).
    """

    image: np.ndarray
    mode: str


def read_picture(file: Path | bytes, name: str | None = None) -> Picture:
    """Decodes `file` (a path, or the encoded bytes), upright, 8 bits a channel, first frame.

    `name` is what an error calls the picture; a path's own name if None.

    Raises:
      PictureError: empty, not a picture, damaged, or more than `MAX_PIXELS` by its header.
    """
    name = str(file) if name is None and isinstance(file, Path) else name or "picture"
    data = _read_bytes(file, name) if isinstance(file, Path) else file
    if not data:
        raise PictureError(name, "the file is empty (0 bytes)")
    plain = decode_plain(data)
    if plain is not None:
        return Picture(*plain)
    try:
        return _decode(data, name)
    except PictureError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        reason = f"more than {MAX_PIXELS / 1e6:.0f} megapixels by its header"
        raise PictureError(name, reason) from error
    except UnidentifiedImageError as error:
        raise PictureError(name, _what_it_is(data)) from error
    except Exception as error:  # a damaged file leaves Pillow in a dozen classes of exception
        reason = str(error) or type(error).__name__
        raise PictureError(name, f"cannot be decoded: {reason}") from error


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(name, f"cannot be read: {error.strerror}") from error


def _what_it_is(data: bytes) -> str:
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page, not a picture"
    return "not a picture in a format that can be read"


def _decode(data: bytes, name: str) -> Picture:
    with Image.open(io.BytesIO(data), formats=_READABLE) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            size = f"{width}×{height} = {width * height / 1e6:.1f} megapixels by its header"
            raise PictureError(name, f"{size}, and {MAX_PIXELS / 1e6:.0f} are allowed")
        mode = opened.mode
        opened.load()
        return Picture(_to_bytes(_upright(opened)), mode)


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged metadata: the pixels are fine, so the picture is used as stored
        return picture


def _to_bytes(picture: Image.Image) -> np.ndarray:
    """→ uint8 `[H, W, C]`. Pillow clips 16 bits where it should scale, so that is done here."""
    if picture.mode.startswith("I"):
        array = _scaled_integers(np.asarray(picture))
    elif picture.mode == "F":
        array = _scaled_floats(np.asarray(picture))
    else:
        array = np.array(picture.convert(_mode_of_8_bits(picture)))
    return array if array.ndim == 3 else array[..., None]


def _mode_of_8_bits(picture: Image.Image) -> str:
    if picture.mode in ("L", "LA", "RGB", "RGBA"):
        colour = picture.mode
    else:
        colour = {"1": "L", "La": "LA"}.get(picture.mode, "RGB")
    if picture.has_transparency_data and not colour.endswith("A"):
        return "RGBA"  # a palette or one colour declared transparent; Pillow resolves it to RGBA
    return colour


def _scaled_integers(values: np.ndarray) -> np.ndarray:
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"integers from {values.min()} to {values.max()}, outside 16 bits")
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _scaled_floats(values: np.ndarray) -> np.ndarray:
    if not (values.min() >= 0 and values.max() <= 1):  # False for NaN too
        raise ValueError(f"floats from {values.min()} to {values.max()}, outside [0, 1]")
    return np.rint(values * 255).astype(np.uint8)

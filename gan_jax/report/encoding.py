"""Pictures small enough to be carried inside a page."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from pathlib import Path

from PIL import Image

QUALITY = 80
SMALL_FILE = 16_384
"""Bytes up to which a PNG is carried as it is: nothing is gained by losing its details."""

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow throws at a file that is no picture, or half of one."""


def encode(path: Path, side: int) -> str:
    """A `data:` address of the picture, at most `side` pixels a side.

    WebP, or the file's own bytes where that is a PNG that is smaller.

    Raises:
        one of UNREADABLE.
    """
    original = path.read_bytes()
    with warnings.catch_warnings():
        # A grid of large pictures is no attack; Pillow still refuses what is twice as large.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(original)) as image:
            image.load()
            is_png, size = image.format == "PNG", image.size
            fits = max(size) <= side
            if is_png and fits and len(original) <= SMALL_FILE:
                return _address("image/png", original)
            smaller = _webp(image, side)
    if is_png and fits and len(original) <= len(smaller):
        return _address("image/png", original)
    return _address("image/webp", smaller)


def _webp(image: Image.Image, side: int) -> bytes:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    image = image.convert("RGBA" if has_alpha else "RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


class Album:
    """Encoded pictures, each kept once however often it is shown.

    Attributes:
        addresses: the `data:` addresses, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, address: str) -> int:
        """The picture's index in `addresses`."""
        digest = hashlib.sha256(address.encode()).hexdigest()
        if digest not in self._places:
            self._places[digest] = len(self.addresses)
            self.addresses.append(address)
        return self._places[digest]

"""Small plain PNG pictures, decoded by libspng in half of Pillow's time, to the same pixels.

A data set of 64×64 pictures is read at the rate of what each call costs, and Pillow's calls cost
more than the pixels do. Whatever is not plain, or not in order, is left to Pillow and its reasons.
"""

from __future__ import annotations

import zlib

import numpy as np
import pyspng

LARGEST = 256 * 256
"""Pixels; Pillow's zlib-ng is the faster one past about this."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {b"\x08\x00": "L", b"\x08\x02": "RGB", b"\x08\x06": "RGBA"}  # bits, then colour type

# Chunks of a picture in which nothing but IDAT says what its pixels are and which way up they
# stand: no palette, transparent colour, orientation or animation.
_PLAIN = frozenset(
    (b"IHDR", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"sBIT", b"tIME")
)


def decode_plain(data: bytes) -> tuple[np.ndarray, str] | None:
    """uint8 `[H, W, 1, 3 or 4]` and Pillow's word for its mode, or None: let Pillow read it.

    A plain one is grey, RGB or RGBA of 8 bits and at most `LARGEST` pixels, whole, and every
    checksum of it (PNG 1.2, section 3.4) is right.
    """
    if not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        return None
    mode = _MODES.get(data[24:26])
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if mode is None or width * height > LARGEST or not _is_plain(data):
        return None
    try:
        image = pyspng.load(data)
    except Exception:  # whatever it dislikes, Pillow says it in the words of all other formats
        return None
    return (image[..., None] if image.ndim == 2 else image), mode


def _is_plain(data: bytes) -> bool:
    view, at, kind = memoryview(data), len(_SIGNATURE), b""
    while kind != b"IEND":
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")  # length, type, body, checksum
        kind = bytes(view[at + 4 : at + 8])
        checksum = int.from_bytes(view[end - 4 : end], "big")
        if end > len(data) or kind not in _PLAIN or zlib.crc32(view[at + 4 : end - 4]) != checksum:
            return False
        at = end
    return True

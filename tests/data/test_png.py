"""Plain pictures come out of libspng as out of Pillow; others, and damaged ones, do not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import png
from gan_jax.data.pictures import PictureError, read_picture
from gan_jax.data.png import decode_plain

NOISE = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
COLOUR = Image.fromarray(NOISE[..., :3])


def file_of(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """`data` with one more chunk after the header."""
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + struct.pack(">I", len(body)) + kind + body + checksum + data[33:]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_plain_pictures_have_pillows_pixels(mode, level):
    picture = Image.fromarray(NOISE).convert(mode)
    found, name = decode_plain(file_of(picture, compress_level=level)) or pytest.fail("not plain")
    assert name == mode and found.dtype == np.uint8 and found.ndim == 3
    np.testing.assert_array_equal(found.squeeze(), np.asarray(picture))


GAMMA = b"gAMA", struct.pack(">I", 220_000)
SIGNIFICANT_BITS = b"sBIT", b"\5" * 3


@pytest.mark.parametrize("kind, body", [GAMMA, SIGNIFICANT_BITS])
def test_what_pillow_leaves_alone_is_left_alone(kind, body):
    found, _ = decode_plain(with_chunk(file_of(COLOUR), kind, body)) or pytest.fail("not plain")
    np.testing.assert_array_equal(found, np.asarray(COLOUR))


def test_all_others_are_left_to_pillow():
    orientation = Image.Exif()
    orientation[0x0112] = 6
    others = [
        file_of(COLOUR.convert("P")),
        file_of(COLOUR.convert("LA")),
        file_of(COLOUR.convert("1")),
        file_of(Image.fromarray(np.full((3, 3), 1000, np.uint16))),
        file_of(COLOUR, exif=orientation),
        file_of(COLOUR, save_all=True, append_images=[COLOUR.rotate(180)]),
        with_chunk(file_of(COLOUR), b"tRNS", b"\0\1\0\2\0\3"),
        b"\xff\xd8\xff\xe0 a JPEG",
        b"",
    ]
    assert [decode_plain(data) for data in others] == [None] * len(others)
    turned = read_picture(file_of(COLOUR, exif=orientation)).image
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(COLOUR), -1))


def test_no_damage_passes():
    """Every byte in turn is changed, and the file cut off at every length: what libspng alone
    would decode to other pixels (it checks no checksum of the data) must not get through."""
    data = file_of(COLOUR)
    damaged = [bytes([*data[:i], data[i] ^ 1, *data[i + 1 :]]) for i in range(len(data))]
    for file in [*damaged, *(data[:length] for length in range(len(data)))]:
        assert decode_plain(file) is None
    with pytest.raises(PictureError, match="one: .*broken"):
        read_picture(damaged[60], "one")


def test_large_pictures_are_left_to_pillow(monkeypatch):
    monkeypatch.setattr(png, "LARGEST", 34)
    assert decode_plain(file_of(COLOUR)) is None

"""Every kind of picture file is read rightly, and every bad one is named with its reason."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.pictures import MAX_PIXELS, PictureError, read_picture

GRADIENT = np.stack(np.meshgrid(np.arange(24), np.arange(16)), axis=-1) * [10, 15]
RGB = np.concatenate([GRADIENT, np.full((16, 24, 1), 90)], axis=-1).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
DEEP = np.linspace(0, 65535, 16 * 24).astype(np.uint16).reshape(16, 24)


def encoded(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "TGA", "PPM", "GIF", "WEBP", "JPEG2000"])
def test_lossless_formats_return_the_stored_pixels(format):
    picture = Image.fromarray(RGB)
    if format == "GIF":
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE)
    read = read_picture(
        encoded(picture, format, **({"lossless": True} if format == "WEBP" else {}))
    )
    np.testing.assert_array_equal(read.image, np.asarray(picture.convert("RGB")))
    assert read.image.dtype == np.uint8


def test_grey_and_one_bit():
    grey = Image.fromarray(RGB).convert("L")
    read = read_picture(encoded(grey, "PNG"))
    np.testing.assert_array_equal(read.image[..., 0], np.asarray(grey))
    assert read.image.shape == (16, 24, 1) and read.mode == "L"
    bits = grey.point(lambda value: 255 * (value > 90), mode="1")
    read = read_picture(encoded(bits, "PNG"))
    assert read.mode == "1" and set(np.unique(read.image)) == {0, 255}
    np.testing.assert_array_equal(read.image[..., 0] > 0, np.asarray(bits))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_sixteen_bits_are_scaled_not_clipped(format):
    read = read_picture(encoded(Image.fromarray(DEEP), format))
    np.testing.assert_array_equal(read.image[..., 0], np.rint(DEEP / 257))
    assert (read.image.min(), read.image.max()) == (0, 255)


def test_floats_between_zero_and_one_are_scaled_and_others_refused():
    values = (DEEP / 65535).astype(np.float32)
    read = read_picture(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(read.image[..., 0], np.rint(values * 255))
    for bad in (values * 300, np.full_like(values, np.nan)):
        with pytest.raises(PictureError, match=r"outside \[0, 1\]"):
            read_picture(encoded(Image.fromarray(bad), "TIFF"))
    with pytest.raises(PictureError, match="outside 16 bits"):
        read_picture(encoded(Image.fromarray(DEEP.astype(np.int32) * 9), "TIFF"))


def test_cmyk_is_read_in_its_colours():
    flat = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    for format in ("JPEG", "TIFF"):
        read = read_picture(encoded(Image.fromarray(flat).convert("CMYK"), format))
        assert read.mode == "CMYK" and read.image.shape == (16, 16, 3)
        assert np.abs(read.image.astype(int) - flat).max() <= 4


def test_alpha_stays_straight():
    alpha = np.dstack([RGB, np.arange(16 * 24).reshape(16, 24) % 256]).astype(np.uint8)
    np.testing.assert_array_equal(read_picture(encoded(Image.fromarray(alpha), "PNG")).image, alpha)
    grey = Image.fromarray(alpha).convert("LA")
    np.testing.assert_array_equal(read_picture(encoded(grey, "PNG")).image, np.asarray(grey))


def test_transparency_of_palettes_and_of_one_colour():
    palette = Image.fromarray(RGB).quantize(8)
    index = np.asarray(palette)
    read = read_picture(encoded(palette, "PNG", transparency=3))
    np.testing.assert_array_equal(read.image[..., 3] == 0, index == 3)
    steps = bytes(range(0, 256, 32))
    read = read_picture(encoded(palette, "PNG", transparency=steps))
    np.testing.assert_array_equal(read.image[..., 3], np.frombuffer(steps, np.uint8)[index])
    read = read_picture(
        encoded(Image.fromarray(RGB), "PNG", transparency=tuple(RGB[2, 3].tolist()))
    )
    np.testing.assert_array_equal(read.image[..., 3] == 0, (RGB == RGB[2, 3]).all(-1))
    read = read_picture(encoded(palette, "PNG"))
    np.testing.assert_array_equal(read.image, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize(
    "orientation, upright",
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(orientation, upright, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    read = read_picture(encoded(Image.fromarray(RGB), format, exif=exif, **options))
    np.testing.assert_array_equal(read.image, upright(RGB))


DAMAGED_EXIF = (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0x", b"Exif\0\0rubbish")


@pytest.mark.parametrize("exif", DAMAGED_EXIF)
@pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # as `gan_jax.data.pictures` sets it up outside pytest
def test_damaged_metadata_does_not_cost_the_picture(exif):
    plain = read_picture(encoded(Image.fromarray(RGB), "JPEG"))
    read = read_picture(encoded(Image.fromarray(RGB), "JPEG", exif=exif))
    np.testing.assert_array_equal(read.image, plain.image)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "MPO"])
def test_an_animation_gives_its_first_frame(format):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if format == "WEBP" else {}
    read = read_picture(encoded(first, format, save_all=True, append_images=[second], **options))
    assert np.abs(read.image.astype(int) - (255, 0, 0)).max() <= 2


def test_a_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(path)
    assert path.stat().st_size < 80_000
    # The pixels themselves are cut away: only the header can have been read.
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PictureError, match="9000×9000 = 81.0 megapixels by its header") as caught:
        read_picture(path)
    assert caught.value.name == str(path) and caught.value.exit_code == 5


def test_the_cap_is_64_megapixels_sharp():
    assert MAX_PIXELS == 64_000_000
    allowed = read_picture(encoded(Image.new("1", (8000, 8000)), "PNG"))
    assert allowed.image.shape == (8000, 8000, 1)
    with pytest.raises(PictureError, match="megapixels"):
        read_picture(encoded(Image.new("1", (8001, 8000)), "PNG"))


def test_no_warning_of_pillow_reaches_the_user(tmp_path):
    for side in (10_000, 20_000):  # above the sizes at which Pillow warns, and raises
        Image.new("1", (side, side)).save(tmp_path / f"{side}.png")
        with pytest.raises(PictureError, match="megapixels"):
            read_picture(tmp_path / f"{side}.png")
    for number, exif in enumerate(DAMAGED_EXIF):
        Image.fromarray(RGB).save(tmp_path / f"{number}.jpg", exif=exif)
    code = """if True:
        import pathlib, sys
        from gan_jax.data.pictures import PictureError, read_picture
        for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
            try:
                print(read_picture(path).image.shape)
            except PictureError as error:
                print(error)
    """
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.count("megapixels") == 2 and run.stdout.count("(16, 24, 3)") == 2


HTML = b"\xef\xbb\xbf\n <!DOCTYPE html><html><body>404</body></html>"


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (HTML, "HTML page"),
        (b'{"error": "not found"}', "not a picture"),
        (bytes(1000), "not a picture"),
        (encoded(Image.fromarray(RGB), "JPEG")[:-20], "truncated"),
        (encoded(Image.fromarray(NOISE), "PNG")[:-80], "truncated"),
        (encoded(Image.fromarray(RGB), "WEBP")[:-40], "cannot be decoded"),
        (encoded(Image.fromarray(RGB), "TIFF")[:400], "cannot be decoded"),
        (encoded(Image.fromarray(RGB), "EPS"), "not a picture"),
    ],
)
def test_bad_files_are_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "cat.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=reason) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PictureError, match="No such file"):
        read_picture(tmp_path / "gone.png")


def test_every_flipped_byte_gives_a_picture_or_a_picture_error():
    """A damaged file must never end in any other exception."""
    for format in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM"):
        data = encoded(Image.fromarray(RGB[:6, :8]), format)
        for position in range(0, len(data), max(1, len(data) // 60)):
            damaged = bytearray(data)
            damaged[position] ^= 0xFF
            try:
                image = read_picture(bytes(damaged)).image
            except PictureError:
                continue
            assert image.dtype == np.uint8 and image.ndim == 3

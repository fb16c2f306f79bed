"""The shape in which pictures reach a network: crop, size, channels, background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from gan_jax.errors import UsageError

Crop = Literal["centre", "none"]

PIXELS_AT_ONCE = 2**15
"""Of pictures converted together: with what `composite` makes of them half a megabyte."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What every picture of a source is brought to: uint8 `[size, size, channels]`.

    size: pixels a side.
    channels: 1 grey, 3 RGB, 4 RGB and straight alpha.
    crop: "centre" takes the largest square from the middle; "none" squeezes the whole picture.
    background: RGB in [0, 255] on which a picture with alpha is laid, unless `channels` is 4.

    Raises:
      UsageError: a value that is not one of these.
    """

    size: int
    channels: int
    crop: Crop = "centre"
    background: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self):
        if self.size < 1:
            raise UsageError(f"size {self.size}: must be at least 1 pixel")
        if self.channels not in (1, 3, 4):
            raise UsageError(f"channels {self.channels}: must be 1 (grey), 3 (RGB) or 4 (RGBA)")
        if self.crop not in get_args(Crop):
            raise UsageError(f"crop {self.crop!r}: must be one of {', '.join(get_args(Crop))}")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise UsageError(f"background {self.background}: must be three numbers in 0..255")


def fit(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """uint8 `[H, W, C]`, C in 1..4 as in `Picture` → uint8 `[size, size, channels]`."""
    return with_channels(_sized(image, geometry), geometry)


def fit_all(images: Sequence[np.ndarray], geometry: Geometry) -> np.ndarray:
    """`fit` of each, stacked: uint8 `[B, size, size, channels]`. Pictures that follow one another
    are converted together, as many as the caches hold: in a third of the time."""
    result = np.empty((len(images), geometry.size, geometry.size, geometry.channels), np.uint8)
    at_once = max(1, PIXELS_AT_ONCE // geometry.size**2)
    for start in range(0, len(images), at_once):
        sized = [_sized(image, geometry) for image in images[start : start + at_once]]
        converted = result[start : start + at_once]
        if len({image.shape for image in sized}) == 1:
            converted[:] = with_channels(np.stack(sized), geometry)
        else:
            converted[:] = [with_channels(image, geometry) for image in sized]
    return result


def _sized(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    if geometry.crop == "centre":
        image = centre_square(image)
    return resize(image, geometry.size)


def is_smaller(image: np.ndarray, geometry: Geometry) -> bool:
    """Whether `fit` has to enlarge `image` `[H, W, C]`, in either direction."""
    return min(image.shape[:2]) < geometry.size


def centre_square(image: np.ndarray) -> np.ndarray:
    """`[H, W, C]` → the middle `[S, S, C]`, S = min(H, W)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 `[H, W, C]` → `[size, size, C]`, antialiased: Lanczos to shrink, bicubic to enlarge.

    Pillow resizes colour premultiplied by alpha, so what lies hidden under transparent pixels
    does not bleed into the edges.
    """
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) > size
    kernel = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    resized = np.array(_to_pillow(image).resize((size, size), kernel))
    return resized.reshape(size, size, image.shape[2])


def with_channels(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """uint8 `[..., H, W, 1..4]` → `[..., H, W, geometry.channels]`.

    Colour under alpha 0 says nothing; in RGBA it is made black, so that equal pictures are equal.
    """
    has_alpha = image.shape[-1] in (2, 4)
    if has_alpha and geometry.channels != 4:
        image = composite(image, geometry.background)
    if image.shape[-1] == geometry.channels != 4:
        return image
    if geometry.channels == 1:
        tall = image.reshape(-1, *image.shape[-2:])
        luma = np.array(_to_pillow(tall).convert("L"))  # ITU-R 601
        return luma.reshape(*image.shape[:-1], 1)
    colour = _as_rgb(image)
    if geometry.channels == 3:
        return colour
    alpha = image[..., -1:] if has_alpha else np.full_like(image[..., :1], 255)
    return np.concatenate([np.where(alpha > 0, colour, 0), alpha], axis=-1)


def composite(image: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """uint8 `[..., H, W, 2 or 4]` over one RGB colour → uint8 `[..., H, W, 3]`.

    `a·colour + (1 - a)·background` with straight alpha (Porter and Duff 1984, "over"), on the
    stored sRGB values as browsers and paint programs do, rounded to nearest.
    """
    result = np.empty((*image.shape[:-1], 3), np.uint8)
    alpha = image[..., -1].astype(np.uint16)
    for channel, under in enumerate(background):
        # a·c + (255 - a)·b is a·(c - b) + 255·b: in 16 bits it wraps around and comes back.
        blend = _as_rgb(image[..., :-1])[..., channel].astype(np.uint16)
        blend -= np.uint16(under)
        blend *= alpha
        # v / 255 rounded is (t + t // 256) // 256 for t = v + 128; no v is a tie, for 255 is odd.
        blend += np.uint16(255 * under + 128)
        blend += blend >> 8
        blend >>= 8
        result[..., channel] = blend
    return result


def _as_rgb(image: np.ndarray) -> np.ndarray:
    return image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)


def _to_pillow(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))

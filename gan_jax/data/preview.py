"""`gan-jax data preview`: a sheet of examples with the names of their classes."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax.data.source import Example, Source

_SMALLEST_TILE = 64
_GAP = 4
_CAPTION = 14
_INK, _PAPER = (40, 40, 48), (250, 250, 252)


def preview(source: Source, count: int) -> np.ndarray:
    """uint8 RGB `[H, W, 3]`: `count` examples (fewer if there are fewer), evenly spaced over the
    source, row by row. Alpha is shown over a chequered ground. Small ones are enlarged unsmoothed.
    """
    count = min(count, len(source))
    examples = [source[index * len(source) // count] for index in range(count)]
    tiles = [_tile(example, source.class_names) for example in examples]
    height, width = tiles[0].shape[:2]
    columns = min(count, math.ceil(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    sheet = np.empty((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), np.uint8)
    sheet[:] = _PAPER
    for index, tile in enumerate(tiles):
        top = _GAP + index // columns * (height + _GAP)
        left = _GAP + index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _tile(example: Example, class_names: tuple[str, ...] | None) -> np.ndarray:
    picture = _on_chequers(np.asarray(example["image"]))
    enlarge = math.ceil(_SMALLEST_TILE / picture.shape[1])
    picture = picture.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    if class_names is None or "label" not in example:
        return picture
    return np.concatenate(
        [picture, _caption(class_names[int(example["label"])], picture.shape[1])], axis=0
    )


def _on_chequers(image: np.ndarray) -> np.ndarray:
    """uint8 `[H, W, 1, 3 or 4]` → `[H, W, 3]`."""
    colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
    if image.shape[-1] != 4:
        return colour
    square = max(1, image.shape[0] // 8)
    rows, columns = np.indices(image.shape[:2]) // square
    ground = np.where((rows + columns) % 2, 255, 216)[..., None]
    alpha = image[..., 3:] / 255.0
    return np.rint(alpha * colour + (1 - alpha) * ground).astype(np.uint8)


def _caption(text: str, width: int) -> np.ndarray:
    """Black on paper, centred, `[_CAPTION, width, 3]`; what does not fit is cut."""
    caption = Image.new("RGB", (width, _CAPTION), _PAPER)
    draw, font = ImageDraw.Draw(caption), ImageFont.load_default()
    left = max(1, (width - int(draw.textlength(text, font=font))) // 2)
    draw.text((left, 1), text, fill=_INK, font=font)
    return np.asarray(caption)

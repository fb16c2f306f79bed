"""One picture that shows what the avatars vary in."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image, ImageDraw, ImageFont

from gan_jax.data.avatars.expressions import EXPRESSIONS, express
from gan_jax.data.avatars.parameters import (
    EYEWEAR,
    FACTOR_NAMES,
    HAIR_BACK,
    HAIR_FRONT,
    HEADWEAR,
    HIGH,
    LOW,
    STYLES,
    replace,
)
from gan_jax.data.avatars.renderer import render_batch
from gan_jax.data.avatars.sampling import sample_split

COLUMNS = 8
BACKGROUND = (245, 246, 250)
TILE = (231, 235, 244)
INK = (70, 66, 90)
Tile = tuple[str, Array]  # caption, parameters


def contact_sheet(size: int = 128, seed: int = 0, random_rows: int = 2) -> np.ndarray:
    """`[H, W, 3]` uint8: random avatars, then expressions, styles, poses, hair and accessories.

    `size` is the side of a tile in pixels, `seed` picks the random avatars.
    """
    tiles = [*_random(seed, COLUMNS * random_rows), *_systematic()]
    pictures = np.asarray(render_batch(jnp.stack([vector for _, vector in tiles]), size))
    gap, strip = size // 16, max(size // 7, 12)
    rows = len(tiles) // COLUMNS
    extent = COLUMNS * (size + gap) + gap, rows * (size + strip + gap) + gap
    sheet = Image.new("RGB", extent, BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=max(0.66 * strip, 8))
    for number, ((caption, _), picture) in enumerate(zip(tiles, pictures, strict=True)):
        row, column = divmod(number, COLUMNS)
        left, top = gap + column * (size + gap), gap + row * (size + strip + gap)
        sheet.paste(over(picture, TILE), (left, top))
        pen.text((left + size / 2, top + size + strip / 8), caption, INK, font, anchor="ma")
    return np.asarray(sheet)


def _random(seed: int, count: int) -> list[Tile]:
    sample = sample_split(seed, 0, count)
    return [
        (EXPRESSIONS[int(expression)], vector)
        for vector, expression in zip(sample.parameters, sample.expression, strict=True)
    ]


def _character(**values: float) -> Array:
    """One face, changed in the named parameters."""
    middle = jnp.asarray((LOW + HIGH) / 2)
    discrete = {name: 0.0 for name in FACTOR_NAMES}
    look = {"style": 1, "hairFront": 4, "hairBack": 1, "hairPalette": 7, "clothesPalette": 6}
    at_rest = express(replace(middle, **discrete), 0)
    return replace(at_rest, **{**look, "skinPalette": 1, "eyePalette": 2, "clothes": 1, **values})


def _systematic() -> list[Tile]:
    """Rows of eight: expressions; styles and poses; fringes; back hair; accessories."""
    turns = [
        ("yaw -30", -30, 0, 0),
        ("yaw 30", 30, 0, 0),
        ("pitch 20", 0, 20, 0),
        ("roll 20", 0, 0, 20),
    ]
    return [
        *((name, express(_character(), i)) for i, name in enumerate(EXPRESSIONS)),
        *((name, _character(style=i, hairPalette=6, hairBack=3)) for i, name in enumerate(STYLES)),
        *(
            (
                name,
                _character(headYaw=yaw, headPitch=pitch, headRoll=roll, hairPalette=3, hairBack=5),
            )
            for name, yaw, pitch, roll in turns
        ),
        *(
            (name, _character(hairFront=i, hairPalette=i, hairBack=2))
            for i, name in enumerate(HAIR_FRONT)
        ),
        *(
            (name, _character(hairBack=i, hairPalette=i + 6, hairFront=6, clothes=2))
            for i, name in enumerate(HAIR_BACK)
        ),
        *(
            (name, _character(headwear=i, hairPalette=8, clothes=i % 4, clothesPalette=i))
            for i, name in enumerate(HEADWEAR[1:], 1)
        ),
        *(
            (name, _character(eyewear=i, hairPalette=2, clothes=3))
            for i, name in enumerate(EYEWEAR[1:], 1)
        ),
    ]


def over(picture: np.ndarray, background: tuple[int, int, int]) -> Image.Image:
    """`[H, W, 4]` uint8 with straight alpha, laid on one colour."""
    tile = Image.new("RGBA", (picture.shape[1], picture.shape[0]), (*background, 255))
    tile.alpha_composite(Image.fromarray(picture))
    return tile.convert("RGB")

"""Curated colours. Each row is one harmonious set; the style then tones all of them at once."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.data.avatars.styles import Style


def _table(*rows: str) -> np.ndarray:
    """Rows of hexadecimal sRGB colours -> `[N, K, 3]` in [0, 1]."""
    return np.array(
        [
            [[int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)] for colour in row.split()]
            for row in rows
        ],
        np.float32,
    )


# base, shadow, blush, lip
SKIN = _table(
    "fff1e8 f6cfc4 ff9d9d e0797d",
    "ffe6d5 f2bfa8 ff9287 d86c69",
    "fdd9bd e8ac8a f7876f c95f55",
    "f1c59a d3976a e8795a b4523f",
    "d9a273 b37449 d0654a 9a4334",
    "a87150 80503a b0523f 6f2f28",
)
# base, shadow, light, tip
HAIR = _table(
    "3d3846 272334 7d7695 4a4560",  # black
    "6b4a3a 4a3029 a97f66 7d5744",  # brown
    "9c5f3f 733f2e d79a6f b47450",  # chestnut
    "f3d38a d6a75c fff3cc f8dfa2",  # blond
    "e2854a b85b33 ffc08a f09c5e",  # ginger
    "bcc4d4 8e97b0 f2f6ff d0d8e6",  # silver
    "f79fc0 d56c9c ffd6e6 ffc2d4",  # pink
    "b9a0e8 8c70c4 e6d8ff d9bdf2",  # lavender
    "7fbdec 4f8bc8 cdeaff a5ddf0",  # sky
    "8adcc0 55ae9a d8fff0 b8f0c8",  # mint
    "c8414f 922a42 f58a86 e0645f",  # crimson
    "3f5488 293863 7f9bd8 5a7fc0",  # navy
    "ffb59a e0806e ffe2d2 ffd0a8",  # peach
    "f4f0f4 c9c3d8 ffffff e8dcf0",  # white
)
# dark, mid, light
EYE = _table(
    "4a2518 8f5230 e0a066", "1d3c8c 3c82dd 9fe0ff", "12543f 2fa36b b4f2a0",
    "8a3d0c e08a1e ffe08a", "43217f 8a55d6 e0b4ff", "7a0f2c d6385a ffab9c",
    "0b4a5c 1fa3ac a6f5e4", "8f1f63 e65aa4 ffc4e0", "323848 707c94 ccd8e6",
    "7a5a08 d4aa22 fff3a0",
)  # fmt: skip
# main, shadow, second, accent
CLOTHES = _table(
    "3a4a7c 27335c f6f4fa e2586a",
    "f3e9d8 d3c1a8 8b6a55 d88a5a",
    "e88a9e c0607c fff4f2 8a4a6a",
    "92d3bd 61a595 fbfff8 f2a65e",
    "b3a1e0 8672bd fdf8ff f0c35a",
    "4a4a58 31313f d8d8e2 4fc3c0",
    "8cc4f0 5b93c8 ffffff f5d04f",
    "e6b84c b98a34 fff8e6 5a6aa8",
    "8f3550 65223a f8ece6 d8b25a",
    "4f7d5f 365a46 f4f1e2 e08a4a",
)


class Palette(NamedTuple):
    """Every colour of one avatar, each `[3]` in [0, 1]."""

    skin: Array
    skin_shadow: Array
    blush: Array
    lip: Array
    hair: Array
    hair_shadow: Array
    hair_light: Array
    hair_tip: Array
    iris_dark: Array
    iris: Array
    iris_light: Array
    clothes: Array
    clothes_shadow: Array
    second: Array
    accent: Array
    accent_shadow: Array
    sclera: Array
    sclera_shadow: Array
    mouth: Array
    tongue: Array
    teeth: Array
    lash: Array
    brow: Array
    ink: Array


def mix(a: Array, b: Array | float, t: Array | float) -> Array:
    """From `a` at 0 to `b` at 1."""
    return a + (b - a) * t


def _fixed(colour: str) -> Array:
    return jnp.asarray(_table(colour)[0, 0])


def palette(parameters: dict[str, Array], style: Style) -> Palette:
    """The colours that the palette indices choose, toned by the style."""

    def row(table: np.ndarray, name: str) -> Array:
        return jnp.asarray(table)[jnp.round(parameters[name]).astype(jnp.int32)]

    skin, hair = row(SKIN, "skinPalette"), row(HAIR, "hairPalette")
    eye, clothes = row(EYE, "eyePalette"), row(CLOTHES, "clothesPalette")
    ink = _fixed("2a2036")
    colours = Palette(
        *skin, *hair, *eye, *clothes,
        accent_shadow=clothes[3] * jnp.array([0.72, 0.66, 0.76]),
        sclera=_fixed("ffffff"),
        sclera_shadow=_fixed("c9cbe2"),
        mouth=_fixed("8a2f3c"),
        tongue=_fixed("f0808a"),
        teeth=_fixed("ffffff"),
        lash=mix(ink, hair[1], 0.22),
        brow=mix(hair[1] * 0.8, ink, 0.25),
        ink=ink,
    )  # fmt: skip
    return Palette(*_tone(jnp.stack(colours), style))


def _tone(colours: Array, style: Style) -> Array:
    """`[N, 3]` -> `[N, 3]`: saturation, then lightening towards white."""
    grey = colours @ jnp.array([0.299, 0.587, 0.114])
    colours = mix(grey[:, None], colours, style.saturation)
    return jnp.clip(mix(colours, 1.0, style.lightness), 0, 1)

"""The names, groups and ranges of an avatar's parameter vector `[P]`.

Expression parameters carry the names of ARKit's blend shapes. Gaze is one pair, `eyeLookX`
(positive: to the picture's right) and `eyeLookY` (up), as trackers send it; `cheekBlush`, `tears`
and `gloom` (the shadow of a fright) are effects that drawn faces have. *Left* is the avatar's own
left, which stands on the picture's right. Discrete choices are stored as the choice's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

STYLES = ("flat", "cel", "outlined", "pastel")
HAIR_FRONT = (
    "straight bangs", "side swept", "curtain", "spiky", "between the eyes", "long sweep",
    "short bangs", "choppy",
)  # fmt: skip
HAIR_BACK = (
    "long straight", "bob", "short", "twin tails", "ponytail", "long wavy", "buns", "low tails",
)  # fmt: skip
HEADWEAR = ("none", "cat ears", "ribbon", "headphones", "hair clip", "beret", "flower")
EYEWEAR = ("none", "round glasses", "square glasses")
CLOTHES = ("crew neck", "sailor collar", "hoodie", "blazer")
SKIN_PALETTES = ("porcelain", "fair", "peach", "honey", "tan", "umber")
HAIR_PALETTES = (
    "black", "brown", "chestnut", "blond", "ginger", "silver",
    "pink", "lavender", "sky", "mint", "crimson", "navy", "peach", "white",
)  # fmt: skip
EYE_PALETTES = (
    "brown", "blue", "green", "amber", "violet", "red", "teal", "pink", "grey", "gold",
)  # fmt: skip
CLOTHES_PALETTES = (
    "navy", "cream", "rose", "mint", "lavender", "charcoal", "sky", "mustard", "wine", "forest",
)  # fmt: skip


class Parameter(NamedTuple):
    """One entry of the vector: its range, and the names of its choices where it is discrete."""

    name: str
    group: str
    low: float
    high: float
    choices: tuple[str, ...] = ()


def _choice(name: str, choices: tuple[str, ...], group: str = "identity") -> Parameter:
    return Parameter(name, group, 0.0, float(len(choices) - 1), choices)


def _unit(group: str, *names: str, low: float = 0.0) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, group, low, 1.0) for name in names)


PARAMETERS: tuple[Parameter, ...] = (
    _choice("style", STYLES, "style"),
    _choice("skinPalette", SKIN_PALETTES),
    _choice("hairPalette", HAIR_PALETTES),
    _choice("eyePalette", EYE_PALETTES),
    _choice("clothesPalette", CLOTHES_PALETTES),
    _choice("hairFront", HAIR_FRONT),
    _choice("hairBack", HAIR_BACK),
    _choice("headwear", HEADWEAR),
    _choice("eyewear", EYEWEAR),
    _choice("clothes", CLOTHES),
    *_unit(
        "identity",
        "faceWidth", "chinLength", "jawWidth",
        "eyeWidth", "eyeHeight", "eyeTilt", "eyeSpacing", "eyeLevel", "eyeRoundness", "irisSize",
        "browThickness", "browArch", "noseSize", "mouthWidth", "mouthLevel",
        "hairLength", "hairVolume", low=-1.0,
    ),
    *_unit("identity", "blush"),
    *_unit(
        "expression",
        "eyeBlinkLeft", "eyeBlinkRight", "eyeSquintLeft", "eyeSquintRight",
        "eyeWideLeft", "eyeWideRight",
    ),
    *_unit("expression", "eyeLookX", "eyeLookY", low=-1.0),
    *_unit(
        "expression",
        "browInnerUp", "browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight",
        "cheekPuff", "noseSneerLeft", "noseSneerRight",
        "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
        "mouthPucker", "mouthFunnel", "mouthStretchLeft", "mouthStretchRight",
        "mouthUpperUpLeft", "mouthUpperUpRight",
        "tongueOut", "cheekBlush", "tears", "gloom",
    ),
    Parameter("headYaw", "pose", -30.0, 30.0),
    Parameter("headPitch", "pose", -20.0, 20.0),
    Parameter("headRoll", "pose", -20.0, 20.0),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(parameter.name for parameter in PARAMETERS)
INDEX: Mapping[str, int] = {name: index for index, name in enumerate(NAMES)}
FACTORS: tuple[Parameter, ...] = tuple(parameter for parameter in PARAMETERS if parameter.choices)
FACTOR_NAMES: tuple[str, ...] = tuple(parameter.name for parameter in FACTORS)
CONTINUOUS = np.array([i for i, parameter in enumerate(PARAMETERS) if not parameter.choices])
CONTINUOUS_NAMES: tuple[str, ...] = tuple(NAMES[i] for i in CONTINUOUS)
LOW = np.array([parameter.low for parameter in PARAMETERS], np.float32)
HIGH = np.array([parameter.high for parameter in PARAMETERS], np.float32)


def group(name: str) -> np.ndarray:
    """Indices of the parameters in the group `identity`, `expression`, `pose` or `style`."""
    return np.array([i for i, parameter in enumerate(PARAMETERS) if parameter.group == name])


def named(vector: Array) -> dict[str, Array]:
    """`[..., P]` -> one `[...]` array per name."""
    return {name: vector[..., index] for index, name in enumerate(NAMES)}


def neutral() -> Array:
    """`[P]`: the first choice of everything, an average face at rest, looking at the viewer."""
    return jnp.zeros(len(NAMES), jnp.float32)


def replace(vector: Array, **values) -> Array:
    """The vector `[..., P]` with the named entries set."""
    for name, value in values.items():
        vector = vector.at[..., INDEX[name]].set(value)
    return vector


def factors(vector: Array) -> Array:
    """`[..., P]` -> `[..., F]` int32: the discrete choices, in the order of `FACTOR_NAMES`."""
    indices = np.array([INDEX[name] for name in FACTOR_NAMES])
    return jnp.round(vector[..., indices]).astype(jnp.int32)


def shares(vector: Array) -> Array:
    """`[..., P]` -> `[..., C]`: the continuous parameters, in the order of `CONTINUOUS_NAMES`, as
    shares of their ranges: 0 at the low end, 1 at the high one."""
    low, high = LOW[CONTINUOUS], HIGH[CONTINUOUS]
    return (vector[..., CONTINUOUS] - low) / (high - low)

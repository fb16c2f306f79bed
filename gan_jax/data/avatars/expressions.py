"""Named expressions as templates over the continuous expression parameters."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.data.avatars.parameters import INDEX, NAMES, group


def _both(**values: float) -> dict[str, float]:
    """The value on the avatar's left and right side."""
    return {name + side: value for name, value in values.items() for side in ("Left", "Right")}


TEMPLATES: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {
        **_both(mouthSmile=1.0, eyeSquint=0.35, browOuterUp=0.35),
        "browInnerUp": 0.3, "jawOpen": 0.62, "cheekBlush": 0.8,
    },
    "sad": {
        **_both(mouthFrown=1.0, eyeBlink=0.32),
        "browInnerUp": 1.0, "eyeLookY": -0.45, "tears": 1.0,
    },
    "angry": {
        **_both(browDown=1.0, mouthFrown=0.75, eyeSquint=0.3, noseSneer=0.3, mouthStretch=0.2),
        "jawOpen": 0.2, "cheekBlush": 0.25,
    },
    "surprised": {
        **_both(eyeWide=1.0, browOuterUp=1.0),
        "browInnerUp": 0.9, "jawOpen": 0.75, "mouthFunnel": 0.85,
    },
    "scared": {
        **_both(eyeWide=0.9, mouthStretch=0.8, mouthFrown=0.6),
        "browInnerUp": 1.0, "jawOpen": 0.42, "gloom": 1.0,
    },
    "disgusted": {
        **_both(browDown=0.6, eyeSquint=0.9, noseSneer=1.0),
        "eyeBlinkLeft": 0.35, "eyeBlinkRight": 0.35,
        "mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 0.35,
        "mouthFrownLeft": 0.35, "mouthFrownRight": 0.9, "jawOpen": 0.08, "gloom": 0.35,
        "eyeLookX": 0.4, "browOuterUpLeft": 0.5,
    },
    "wink": {
        "eyeBlinkLeft": 1.0, "mouthSmileLeft": 1.0, "mouthSmileRight": 0.8, "eyeSquintLeft": 0.8,
        "browDownLeft": 0.25, "browOuterUpRight": 0.6, "jawOpen": 0.22, "tongueOut": 0.75,
        "cheekBlush": 0.6,
    },
}  # fmt: skip

EXPRESSIONS: tuple[str, ...] = tuple(TEMPLATES)
TEMPLATE_VECTORS = np.zeros((len(EXPRESSIONS), len(NAMES)), np.float32)
for _row, _template in enumerate(TEMPLATES.values()):
    for _name, _value in _template.items():
        TEMPLATE_VECTORS[_row, INDEX[_name]] = _value


def express(vector: Array, expression: int | Array, intensity: float | Array = 1.0) -> Array:
    """The same avatar `[P]` making the expression of that number, at an intensity in [0, 1]."""
    indices = group("expression")
    template = jnp.asarray(TEMPLATE_VECTORS)[expression]
    return vector.at[indices].set(template[indices] * intensity)


def _mirror() -> np.ndarray:
    """For each parameter the index of its counterpart on the other side."""
    swap = {"Left": "Right", "Right": "Left"}
    mirrored = []
    for name in NAMES:
        side = next((side for side in swap if name.endswith(side)), None)
        mirrored.append(INDEX[name.removesuffix(side) + swap[side]] if side else INDEX[name])
    return np.array(mirrored)


MIRROR = _mirror()

"""Pictures beside the true ones, pixel by pixel and in the features of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax.evaluators.perceptual import Perceptual
from gan_jax.metrics.reconstruction import l1, psnr, psnr_cap
from gan_jax.metrics.structural_similarity import K1, K2, SIGMA, WINDOW, ssim

OF_PIXELS = ("l1", "psnr", "ssim")
OF_TRUTH = (*OF_PIXELS, "perceptual")
RANGE = 255
CEILINGS = {"l1": 0.0, "ssim": 1.0, "perceptual": 0.0}
"""Of the true picture itself. PSNR has none: equal pictures have no noise, and the protocol says
at how many dB it is cut off."""


def measured(
    true: np.ndarray, drawn: np.ndarray, perceptual: Perceptual | None = None
) -> dict[str, float]:
    """The means of `OF_PIXELS`, and with the distance of `OF_TRUTH`, of uint8 `[N, H, W, C]`."""
    found = {
        "l1": l1(true, drawn),
        "psnr": psnr(true, drawn),
        "ssim": np.asarray(ssim(true, drawn, data_range=RANGE)),
    }
    if perceptual is not None:
        found["perceptual"] = perceptual.distance(true, drawn)
    return {name: float(np.mean(values)) for name, values in found.items()}


def compared(
    true: np.ndarray,
    drawn: np.ndarray,
    floor: Mapping[str, float],
    perceptual: Perceptual | None = None,
) -> dict[str, dict[str, float]]:
    """`measured`, each value beside its `floor`, that of pictures that nothing was done for, and
    where it has one its `ceiling`, that of the true pictures themselves."""
    found = {}
    for name, value in measured(true, drawn, perceptual).items():
        ceiling = {"ceiling": CEILINGS[name]} if name in CEILINGS else {}
        found[name] = {"value": value, **ceiling, "floor": floor[name]}
    return found


def of_pixels(true: np.ndarray, perceptual: Perceptual | None = None) -> dict[str, Any]:
    """What the numbers depend on, for rows; `true` as in `measured`."""
    protocol = {
        "pixels": "uint8",
        "psnr": {"range": RANGE, "cap_db": round(psnr_cap(true[0].size), 2)},
        "ssim": {
            "range": RANGE,
            "window": f"{WINDOW}x{WINDOW} Gaussian, sigma {SIGMA}, inside the picture",
            "k": [K1, K2],
        },
    }
    return protocol | ({"perceptual": dict(perceptual.describe)} if perceptual else {})

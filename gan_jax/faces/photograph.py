"""Faces in photographs: scikit-image's cascade of local binary patterns, which comes with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from gan_jax.errors import UsageError
from gan_jax.faces.face import Face

LONGEST = 480
"""Pixels of the longer side that is searched; a larger picture is shrunk first."""
SMALLEST = 1 / 10
"""Of a face, as a share of the shorter side."""


def photograph_detector() -> Callable[[np.ndarray], Face | None]:
    """`uint8 RGB [H, W, 3] -> Face`, the largest upright frontal one, or None. The cascade only
    says yes or no, so there is no confidence.

    Raises:
        UsageError: scikit-image is not installed.
    """
    try:
        from skimage.data import lbp_frontal_face_cascade_filename  # pyright: ignore
        from skimage.feature import Cascade  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError(
            "faces in photographs are found by scikit-image: pip install 'gan-jax[faces]'"
        ) from error
    cascade = Cascade(lbp_frontal_face_cascade_filename())

    def detect(image: np.ndarray) -> Face | None:
        small, scale = shrunk(image)
        shorter = min(small.shape[:2])
        smallest = max(24, int(SMALLEST * shorter))
        if shorter < 24:  # less than the cascade's own window
            return None
        found = cascade.detect_multi_scale(
            img=small,
            scale_factor=1.1,
            step_ratio=1,
            min_size=(smallest, smallest),
            max_size=(shorter, shorter),
        )
        if not found:
            return None
        box = max(found, key=lambda each: each["width"])
        left, top = box["c"] / scale, box["r"] / scale
        return Face(
            "photograph", (left, top, left + box["width"] / scale, top + box["height"] / scale)
        )

    return detect


def shrunk(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture with its longer side at most `LONGEST`, and its scale."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    if scale == 1.0:
        return image, scale
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.LANCZOS)), scale

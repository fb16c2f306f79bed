"""Differences of pictures that should be the same, pixel by pixel."""

from __future__ import annotations

import numpy as np


def l1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference `[N]` of uint8 `[N, H, W, C]`, as a share of the range of 255."""
    return np.mean(np.abs(_levels(a) - _levels(b)), axis=(1, 2, 3)) / 255


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio `[N]` in dB of uint8 `[N, H, W, C]`: 10 log10(255² / mean squared
    difference), at most `psnr_cap`, for equal pictures have no noise."""
    squares = np.mean(np.square(_levels(a) - _levels(b)), axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(squares, 1 / a[0].size))


def psnr_cap(values: int) -> float:
    """dB of pictures of H W C `values` of which one is one level off: what equal pictures get."""
    return float(10 * np.log10(255**2 * values))


def _levels(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float64)

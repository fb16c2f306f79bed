"""The power spectrum of pictures, averaged around: where up-sampling leaves its traces (Durall et
al. 2020; Dzanic et al. 2020).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError, UsageError

PICTURES = 64  # transformed at a time
FLOOR = 1e-12  # added to the power: the logarithm of a flat picture is finite

Window = Literal["none", "hann"]


def log_power_spectrum(images: ArrayLike, *, window: Window) -> np.ndarray:
    """Of pictures `[B, H, W, C]` in [-1, 1]: float64 `[B, min(H, W) // 2 + 1]`, log10 of the power
    a pixel (|FFT|^2 / (H W), the mean over the window's weight, channels averaged) at 0, 1, 2 …
    cycles per shorter side, averaged over all directions. At the last index stands Nyquist's
    frequency of the shorter side; the corners beyond it are left out.

    `window`: "none" sees the picture as periodic, its borders as edges; "hann" fades them out.
    """
    images = np.asarray(images)
    if images.ndim != 4 or 0 in images.shape or min(images.shape[1:3]) < 2:
        raise DataError(f"spectrum of pictures {images.shape}; [B, H, W, C] of 2 px or more needed")
    parts = [
        _of_block(images[start : start + PICTURES].astype(np.float64), window)
        for start in range(0, len(images), PICTURES)
    ]
    return np.concatenate(parts)


def spectrum_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Root mean squared difference, in decades of power, of the mean spectra of `[N, R]` and
    `[M, R]` (as from `log_power_spectrum`), the constant at index 0 left out."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1:] != second.shape[1:]:
        raise DataError(
            f"spectra of shapes {first.shape} and {second.shape}; [N, R] and [M, R] needed"
        )
    difference = first.mean(axis=0) - second.mean(axis=0)
    if not np.isfinite(difference).all():
        raise DataError("spectra hold NaN or infinity; look at the pictures")
    return float(np.sqrt(np.mean(difference[1:] ** 2)))


def _of_block(images: np.ndarray, window: Window) -> np.ndarray:
    height, width = images.shape[1:3]
    weights = np.outer(_window(window, height), _window(window, width))
    transformed = np.fft.fft2(images * weights[None, :, :, None], axes=(1, 2))
    power = np.mean(np.abs(transformed) ** 2, axis=3) / np.sum(weights**2)
    radius = _radius(height, width).ravel()
    last = min(height, width) // 2
    kept = radius <= last
    counts = np.bincount(radius[kept], minlength=last + 1)
    flat = power.reshape(len(images), -1)[:, kept]
    sums = np.stack([np.bincount(radius[kept], row, minlength=last + 1) for row in flat])
    return np.log10(sums / counts + FLOOR)


def _window(window: Window, size: int) -> np.ndarray:
    if window == "none":
        return np.ones(size)
    if window == "hann":  # periodic: its own spectrum is three lines
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    raise UsageError(f"window {window!r}; it is none or hann")


def _radius(height: int, width: int) -> np.ndarray:
    """int `[H, W]`: cycles per shorter side, to the nearest whole one."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    return np.rint(np.hypot(rows, columns) * min(height, width)).astype(np.int64)

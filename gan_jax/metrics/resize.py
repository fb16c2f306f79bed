"""The four ways in which reference tools bring pictures to the size of a feature network.

All are linear and separable: a matrix per axis, made on the host, and two matrix products. So one
code resizes NumPy arrays of any size without compilation and JAX arrays inside `jit`, equally.

    tf1                 TensorFlow 1: no half-pixel centres, no antialiasing (StyleGAN)
    bilinear            PyTorch's interpolate: half-pixel centres, no antialiasing (pytorch-fid)
    bilinear_antialias  the same with antialiasing (torchmetrics)
    bicubic_antialias   Pillow's bicubic of float pictures, clipped to 0..255 (clean-fid)

Where a reference computes its coordinates in float32 this does so too: at 1024 px their rounding
alone moves a value by 0.01 of 255.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import DataError, UsageError

Resize = Literal["tf1", "bilinear", "bilinear_antialias", "bicubic_antialias"]
AnyArray = TypeVar("AnyArray", np.ndarray, Array)


@lru_cache(maxsize=64)
def resize_matrix(kind: Resize, size_in: int, size_out: int) -> np.ndarray:
    """float32 `[size_out, size_in]`, read-only; every row adds up to 1."""
    if kind not in get_args(Resize):
        raise UsageError(f"resize {kind!r}; it is one of {', '.join(get_args(Resize))}")
    if min(size_in, size_out) < 1:
        raise DataError(f"resize from {size_in} to {size_out} px; at least 1 px needed")
    if kind == "tf1":
        matrix = _between_two(_edge_coordinates(size_in, size_out), size_in)
    elif kind == "bilinear":
        matrix = _between_two(_centre_coordinates(size_in, size_out), size_in)
    elif kind == "bilinear_antialias":
        matrix = _antialiased(size_in, size_out, support=1.0, exact=np.float32)
    else:
        matrix = _antialiased(size_in, size_out, support=2.0, exact=np.float64)
    matrix = matrix.astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def resize(images: AnyArray, size: int | tuple[int, int], kind: Resize) -> AnyArray:
    """`[B, H, W, C]`, uint8 or float in 0..255 -> float32 `[B, *size, C]`; not rounded."""
    if images.ndim != 4:
        raise DataError(f"resize of shape {images.shape}; [B, H, W, C] needed")
    height, width = (size, size) if isinstance(size, int) else size
    rows = resize_matrix(kind, images.shape[1], height)
    columns = resize_matrix(kind, images.shape[2], width)
    floats = images.astype(np.float32)
    matmul = np.matmul if isinstance(floats, np.ndarray) else _matmul_highest
    resized = _apply(matmul, floats, rows, columns)
    return resized.clip(0.0, 255.0) if kind == "bicubic_antialias" else resized


def _matmul_highest(a, b):
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _apply(matmul: Callable[..., Any], images: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    batch, height, width, channels = images.shape
    tall = matmul(rows, images.reshape(batch, height, width * channels))
    # Channels before columns: one large product instead of one of `channels` columns a row.
    wide = tall.reshape(batch, len(rows), width, channels).swapaxes(2, 3)
    return matmul(wide, columns.T).swapaxes(2, 3)


def _edge_coordinates(size_in: int, size_out: int) -> np.ndarray:
    """Of output i: i * in / out, in float32."""
    return np.arange(size_out, dtype=np.float32) * np.float32(size_in / size_out)


def _centre_coordinates(size_in: int, size_out: int) -> np.ndarray:
    """Of output i: (i + 1/2) * in / out - 1/2, not before the first pixel. The quotient is rounded
    to float32, then the whole once more: PyTorch's is a fused multiply-add."""
    scale = np.float64(np.float32(size_in) / np.float32(size_out))
    centres = ((np.arange(size_out) + 0.5) * scale - 0.5).astype(np.float32)
    return np.maximum(centres, np.float32(0.0))


def _between_two(coordinates: np.ndarray, size_in: int) -> np.ndarray:
    """Linear between the pixels around each coordinate; the last pixel stands for those beyond."""
    below = np.minimum(coordinates.astype(np.int64), size_in - 1)
    above = np.minimum(below + 1, size_in - 1)
    share = coordinates - below.astype(np.float32)
    matrix = np.zeros((len(coordinates), size_in))
    outputs = np.arange(len(coordinates))
    np.add.at(matrix, (outputs, below), 1.0 - share.astype(np.float64))
    np.add.at(matrix, (outputs, above), share)
    return matrix


def _antialiased(size_in: int, size_out: int, support: float, exact: type) -> np.ndarray:
    """A filter as wide as an output pixel, about its centre; what lies outside counts nothing.
    Worked out in the precision `exact`, as the reference does."""
    scale = exact(size_in) / exact(size_out)
    stretch, half = max(scale, exact(1.0)), exact(0.5)
    centres = (np.arange(size_out, dtype=exact) + half) * scale
    reach = exact(support) * stretch
    first = np.maximum(np.trunc(centres - reach + half), 0)[:, None]
    end = np.minimum(np.trunc(centres + reach + half), size_in)[:, None]
    pixels = np.arange(size_in, dtype=exact)[None, :]
    distances = np.abs(pixels - centres[:, None] + half) * (exact(1.0) / stretch)
    weights = _cubic(distances) if support == 2.0 else np.maximum(exact(1.0) - distances, 0.0)
    weights = np.where((first <= pixels) & (pixels < end), weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys 1981 with a = -1/2, of distances >= 0."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))

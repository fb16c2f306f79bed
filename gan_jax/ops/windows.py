"""Where a convolution's windows lie, and moving pixels into and out of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import jax.numpy as jnp
from jax import Array, lax

Pair = tuple[int, int]
BANDS = 2


@dataclass(frozen=True)
class Geometry:
    """The static shape of a convolution `[B, H, W, I]` → `[B, h, w, O]`; pairs are rows, columns.

    Blocks of `strides` pixels, counted from the padded corner, make it a convolution of stride 1
    over `blocks` with `taps`.
    """

    size: Pair
    kernel: Pair
    strides: Pair
    padding: tuple[Pair, Pair]

    @cached_property
    def output(self) -> Pair:
        """Height and width of the output."""
        axes = zip(self.size, self.kernel, self.strides, self.padding, strict=True)
        return _pair((n + sum(padding) - k) // stride + 1 for n, k, stride, padding in axes)

    @cached_property
    def block(self) -> Pair:
        """Pixels of a block; a kernel that fits only once is one block."""
        axes = zip(self.output, self.kernel, self.strides, strict=True)
        return _pair(k if output == 1 else stride for output, k, stride in axes)

    @cached_property
    def taps(self) -> Pair:
        """The kernel's size in blocks."""
        return _pair(-(-k // block) for k, block in zip(self.kernel, self.block, strict=True))

    @cached_property
    def blocks(self) -> Pair:
        """The padded input's size in blocks."""
        return _pair(n + taps - 1 for n, taps in zip(self.output, self.taps, strict=True))

    @cached_property
    def edges(self) -> tuple[Pair, Pair]:
        """Padding that makes the input whole blocks; negative where the input is not reached."""
        axes = zip(self.blocks, self.block, self.size, self.padding, strict=True)
        return _pair((low, blocks * block - n - low) for blocks, block, n, (low, _) in axes)

    @cached_property
    def waste(self) -> float:
        """Multiplications over blocks, relative to those that the convolution needs."""
        over_blocks = prod(self.blocks) * prod(self.taps) * prod(self.block)
        return over_blocks / (prod(self.output) * prod(self.kernel))


def windows(x: Array, window: Pair, steps: Pair, count: Pair) -> list[Array]:
    """Every window of `[B, H, W, C]`, side by side, in bands of rows: `[B, rows, w, window² · C]`.

    Gathers, because XLA:CPU copies their rows whole where it walks slices element by element. At
    least two, because it fuses what has one user, and would then compute every pixel once for each
    window that holds it.
    """
    batch, height, width, channels = x.shape
    if window == (height, width) or (window == (1, 1) and count == (height, width)):
        return [x.reshape(batch, *count, -1)]
    x = x.reshape(batch, height, width * channels)
    bounds = [count[0] * band // BANDS for band in range(BANDS + 1)]
    return [
        _gather(x, range(start, stop), window, steps, count[1], channels)
        for start, stop in pairwise(bounds)
        if stop > start
    ]


def _gather(x: Array, rows: range, window: Pair, steps: Pair, columns: int, channels: int) -> Array:
    corners = jnp.stack(
        jnp.meshgrid(
            jnp.arange(rows.start, rows.stop) * steps[0],
            jnp.arange(columns) * steps[1] * channels,
            indexing="ij",
        ),
        axis=-1,
    )
    patches = lax.gather(
        x,
        jnp.broadcast_to(corners, (x.shape[0], *corners.shape)),
        lax.GatherDimensionNumbers(
            offset_dims=(3, 4),
            collapsed_slice_dims=(),
            start_index_map=(1, 2),
            operand_batching_dims=(0,),
            start_indices_batching_dims=(0,),
        ),
        (1, window[0], window[1] * channels),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    return patches.reshape(x.shape[0], len(rows), columns, -1)


def gather_taps(geometry: Geometry, y: Array) -> list[Array]:
    """The outputs that every block of the input reaches: `[B, rows, columns, taps · taps · O]`."""
    around = _pair((taps - 1, taps - 1) for taps in geometry.taps)
    return windows(pad(y, around), geometry.taps, (1, 1), geometry.blocks)


def add_taps(geometry: Geometry, patches: Array) -> Array:
    """The adjoint of windows over blocks, `[B, h, w, taps · taps · C]` to `[B, *blocks, C]`."""
    (height, width), (rows, columns) = geometry.output, geometry.blocks
    views = jnp.split(patches, prod(geometry.taps), axis=3)
    shifts = [
        (row, column) for row in range(geometry.taps[0]) for column in range(geometry.taps[1])
    ]
    placed = (
        pad(view, ((row, rows - height - row), (column, columns - width - column)))
        for view, (row, column) in zip(views, shifts, strict=True)
    )
    return sum(placed, start=jnp.zeros((), patches.dtype))


def pad(x: Array, edges: tuple[Pair, Pair]) -> Array:
    """Zeros around rows and columns; a negative edge crops."""
    if edges == ((0, 0), (0, 0)):
        return x
    config = [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def to_blocks(geometry: Geometry, x: Array) -> Array:
    """Pads `[B, H, W, I]` and moves blocks into the channels: `[B, *blocks, block · block · I]`."""
    (rows, columns), (height, width) = geometry.blocks, geometry.block
    x = pad(x, geometry.edges)
    x = x.reshape(x.shape[0], rows, height, columns, width, x.shape[-1])
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], rows, columns, -1)


def from_blocks(geometry: Geometry, x: Array) -> Array:
    """The adjoint of `to_blocks`."""
    (rows, columns), (height, width) = geometry.blocks, geometry.block
    x = x.reshape(x.shape[0], rows, columns, height, width, -1).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(x.shape[0], rows * height, columns * width, -1)
    return pad(x, _pair((-low, -high) for low, high in geometry.edges))


def kernel_to_blocks(geometry: Geometry, kernel: Array) -> Array:
    """`[kh, kw, I, O]` to `[taps, taps, block · block · I, O]`, zeros where a block sticks out."""
    (rows, columns), (height, width) = geometry.taps, geometry.block
    missing = ((0, rows * height - kernel.shape[0]), (0, columns * width - kernel.shape[1]))
    kernel = jnp.pad(kernel, (*missing, (0, 0), (0, 0)))
    kernel = kernel.reshape(rows, height, columns, width, *kernel.shape[2:])
    return kernel.transpose(0, 2, 1, 3, 4, 5).reshape(rows, columns, -1, kernel.shape[-1])


def kernel_from_blocks(geometry: Geometry, weights: Array) -> Array:
    """The adjoint of `kernel_to_blocks`."""
    (rows, columns), (height, width) = geometry.taps, geometry.block
    kernel = weights.reshape(rows, columns, height, width, -1, weights.shape[-1])
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(rows * height, columns * width, -1, weights.shape[-1])
    return kernel[: geometry.kernel[0], : geometry.kernel[1]]


def _pair(values) -> tuple:
    first, second = values
    return first, second

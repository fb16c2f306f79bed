"""The static shape of a convolution, and how blocks of pixels take its stride away.

With blocks of `strides` pixels moved into the channels (space to depth), a strided convolution is
one of stride 1 with fewer taps over wider channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """A convolution of `[B, H, W, I]` to `[B, h, w, O]`; every pair is of rows and columns.

    With several groups, each makes its share of the outputs from its share of the inputs.
    """

    size: Pair
    kernel: Pair
    strides: Pair
    padding: tuple[Pair, Pair]
    groups: int = 1

    @cached_property
    def output(self) -> Pair:
        """Height and width of the output."""
        axes = zip(self.size, self.kernel, self.strides, self.padding, strict=True)
        return pair((n + sum(padding) - k) // stride + 1 for n, k, stride, padding in axes)

    @cached_property
    def block(self) -> Pair:
        """Pixels of a block; a kernel that fits only once is one block."""
        axes = zip(self.output, self.kernel, self.strides, strict=True)
        return pair(k if output == 1 else stride for output, k, stride in axes)

    @cached_property
    def taps(self) -> Pair:
        """The kernel's size in blocks."""
        return pair(-(-k // block) for k, block in zip(self.kernel, self.block, strict=True))

    @cached_property
    def blocks(self) -> Pair:
        """The padded input's size in blocks."""
        return pair(n + taps - 1 for n, taps in zip(self.output, self.taps, strict=True))

    @cached_property
    def edges(self) -> tuple[Pair, Pair]:
        """Padding that makes the input whole blocks; negative where the input is not reached."""
        return self._edges((0, 0), self.blocks)

    @cached_property
    def first(self) -> Pair:
        """The first block, of rows and of columns, that holds an input pixel and not only zeros."""
        axes = zip(self.padding, self.block, strict=True)
        return pair(max(low, 0) // block for (low, _), block in axes)

    @cached_property
    def filled(self) -> Pair:
        """How many blocks from `first` on hold input pixels."""
        axes = zip(self.padding, self.size, self.block, self.blocks, self.first, strict=True)
        return pair(
            max(min(-(-(low + n) // block), blocks) - first, 0)
            for (low, _), n, block, blocks, first in axes
        )

    @cached_property
    def filled_edges(self) -> tuple[Pair, Pair]:
        """Padding that makes the input these blocks alone."""
        return self._edges(self.first, self.filled)

    def _edges(self, first: Pair, count: Pair) -> tuple[Pair, Pair]:
        axes = zip(first, count, self.block, self.size, self.padding, strict=True)
        return pair(
            (low - start * block, (start + blocks) * block - n - low)
            for start, blocks, block, n, (low, _) in axes
        )


def pair(values: Iterable[Any]) -> Any:
    """Exactly two values as a tuple."""
    first, second = values
    return first, second


def pad(x: Array, edges: tuple[Pair, Pair]) -> Array:
    """Zeros around rows and columns; a negative edge crops."""
    config = [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def to_blocks(x: Array, block: Pair, edges: tuple[Pair, Pair]) -> Array:
    """Pads `[B, H, W, I]` and moves blocks into the channels: `[B, h, w, block · block · I]`."""
    x = pad(x, edges)
    batch, height, width, channels = x.shape
    rows, columns = height // block[0], width // block[1]
    x = x.reshape(batch, rows, block[0], columns, block[1], channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, prod(block) * channels)


def from_blocks(x: Array, block: Pair, edges: tuple[Pair, Pair]) -> Array:
    """The adjoint of `to_blocks`."""
    batch, rows, columns, width = x.shape
    channels = width // prod(block)
    x = x.reshape(batch, rows, columns, *block, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, rows * block[0], columns * block[1], channels)
    return pad(x, pair((-low, -high) for low, high in edges))


def gather_windows(x: Array, window: Pair, steps: Pair, count: Pair) -> Array:
    """Every window of `[B, H, W, C]`, side by side: `[B, *count, window · window · C]`.

    A gather of whole rows, which XLA:CPU copies as such; of slices it copies single elements.
    """
    batch, height, width, channels = x.shape
    if window == (height, width) or (window == (1, 1) and count == (height, width)):
        return x.reshape(batch, *count, prod(window) * channels)
    rows, columns = (jnp.arange(n) * step for n, step in zip(count, steps, strict=True))
    corners = jnp.stack(jnp.meshgrid(rows, columns * channels, indexing="ij"), axis=-1)
    windows = lax.gather(
        x.reshape(batch, height, width * channels),
        jnp.broadcast_to(corners, (batch, *corners.shape)),
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
    return windows.reshape(batch, *count, prod(window) * channels)


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


def product(left: Array, right: Array, left_axis: int, right_axis: int) -> Array:
    """Contracts one axis of each; half precision accumulates in float32 and stays there."""
    accumulator = jnp.promote_types(left.dtype, jnp.float32)
    axes = (((left_axis,), (right_axis,)), ((), ()))
    return lax.dot_general(left, right, axes, preferred_element_type=accumulator)


def product_over_pixels(left: Array, right: Array) -> Array:
    """Contracts all but the channels, `[..., C]` and `[..., D]` to `[C, D]`.

    XLA:CPU is up to twice as fast with the narrower operand on the left; where few pixels are
    contracted, turning the result costs more than that.
    """
    left, right = left.reshape(-1, left.shape[-1]), right.reshape(-1, right.shape[-1])
    if left.shape[1] <= max(right.shape[1], left.shape[0] // 4):
        return product(left, right, 0, 0)
    return lax.optimization_barrier(product(right, left, 0, 0)).T

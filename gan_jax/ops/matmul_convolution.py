"""Convolution as one matrix product, for backends whose own convolution is slow.

A stride is first removed: blocks of `strides` pixels move into the channels (space to depth), which
leaves a convolution of stride 1 with fewer, wider taps. Its taps are then either gathered from the
input before one product, or added up from one product's output after it.

A convolution is linear in the input and in the kernel, so it has three faces (output, input
gradient, kernel gradient), each linear in its two arguments, and the gradients of each are the
other two. They refer to one another here, which makes every order of derivative a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax


@dataclass(frozen=True)
class Geometry:
    """The static shape of a convolution `[B, H, W, I]` → `[B, h, w, O]`, rows then columns."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the output."""
        return tuple(
            (size + low + high - kernel) // stride + 1
            for size, kernel, stride, (low, high) in self._axes()
        )

    @property
    def blocks(self) -> tuple[int, int]:
        """Pixels that move into the channels; a kernel that fits once is one block."""
        return tuple(
            kernel if output == 1 else stride
            for output, kernel, stride in zip(self.output, self.kernel, self.strides, strict=True)
        )

    @property
    def taps(self) -> tuple[int, int]:
        """Height and width of the kernel in blocks."""
        return tuple(-(-k // b) for k, b in zip(self.kernel, self.blocks, strict=True))

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width in blocks of the padded input."""
        return tuple(n + taps - 1 for n, taps in zip(self.output, self.taps, strict=True))

    @property
    def shifts(self) -> list[tuple[int, int]]:
        """Row and column of every tap."""
        return [(row, column) for row in range(self.taps[0]) for column in range(self.taps[1])]

    @property
    def edges(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Padding in pixels that makes the input a whole number of blocks; negative crops."""
        return tuple(
            (low, blocks * block - size - low)
            for blocks, block, size, (low, _) in zip(
                self.padded, self.blocks, self.size, self.padding, strict=True
            )
        )

    def _axes(self):
        return zip(self.size, self.kernel, self.strides, self.padding, strict=True)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I, O]`."""
    patches = _gather(geometry, _to_blocks(geometry, x))
    weights = _kernel_to_blocks(geometry, kernel)
    y = _product(patches, weights.reshape(-1, kernel.shape[-1]), (3,), (0,))
    return y.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    weights = _kernel_to_blocks(geometry, kernel)
    patches = _product(y, weights.reshape(-1, kernel.shape[-1]), (3,), (1,))
    return _from_blocks(geometry, _scatter(geometry, patches)).astype(y.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, I, O]`."""
    patches = _gather(geometry, _to_blocks(geometry, x))
    weights = _product(patches, y, (0, 1, 2), (0, 1, 2))
    return _kernel_from_blocks(geometry, weights).astype(x.dtype)


def _product(left: Array, right: Array, left_axes, right_axes) -> Array:
    """Contracts the named axes; half precision accumulates in float32 and stays there."""
    accumulator = jnp.promote_types(left.dtype, jnp.float32)
    return lax.dot_general(
        left, right, ((left_axes, right_axes), ((), ())), preferred_element_type=accumulator
    )


def _to_blocks(geometry: Geometry, x: Array) -> Array:
    """Pads, and moves blocks of pixels into the channels."""
    (rows, columns), (height, width) = geometry.padded, geometry.blocks
    batch, channels = x.shape[0], x.shape[-1]
    no_padding = (0, 0, 0)
    edges = [no_padding, *((low, high, 0) for low, high in geometry.edges), no_padding]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    if geometry.blocks == (1, 1):
        return x
    x = x.reshape(batch, rows, height, columns, width, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)


def _from_blocks(geometry: Geometry, x: Array) -> Array:
    """The adjoint of `_to_blocks`."""
    (rows, columns), (height, width) = geometry.padded, geometry.blocks
    batch = x.shape[0]
    if geometry.blocks != (1, 1):
        x = x.reshape(batch, rows, columns, height, width, -1).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(batch, rows * height, columns * width, -1)
    edges = [(0, 0, 0), *((-low, -high, 0) for low, high in geometry.edges), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _kernel_to_blocks(geometry: Geometry, kernel: Array) -> Array:
    """`[kh, kw, I, O]` to `[taps, taps, block · block · I, O]`, zeros where a block sticks out."""
    (rows, columns), (height, width) = geometry.taps, geometry.blocks
    channels = kernel.shape[2:]
    missing = (rows * height - kernel.shape[0], columns * width - kernel.shape[1])
    kernel = jnp.pad(kernel, [(0, missing[0]), (0, missing[1]), (0, 0), (0, 0)])
    kernel = kernel.reshape(rows, height, columns, width, *channels)
    return kernel.transpose(0, 2, 1, 3, 4, 5).reshape(rows, columns, -1, channels[-1])


def _kernel_from_blocks(geometry: Geometry, weights: Array) -> Array:
    """The adjoint of `_kernel_to_blocks`."""
    (rows, columns), (height, width) = geometry.taps, geometry.blocks
    features = weights.shape[-1]
    kernel = weights.reshape(rows, columns, height, width, -1, features)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(rows * height, columns * width, -1, features)
    return kernel[: geometry.kernel[0], : geometry.kernel[1]]


def _gather(geometry: Geometry, x: Array) -> Array:
    """Every tap's view of the blocks, side by side: `[B, h, w, taps · taps · C]`."""
    height, width = geometry.output
    views = [x[:, row : row + height, column : column + width] for row, column in geometry.shifts]
    return lax.concatenate(views, 3) if len(views) > 1 else views[0]


def _scatter(geometry: Geometry, patches: Array) -> Array:
    """The adjoint of `_gather`: every tap's view put back in its place and added up."""
    (height, width), (rows, columns) = geometry.output, geometry.padded
    views = jnp.split(patches, len(geometry.shifts), 3)
    zero = jnp.zeros((), patches.dtype)
    placed = [
        lax.pad(
            view,
            zero,
            [
                (0, 0, 0),
                (row, rows - height - row, 0),
                (column, columns - width - column, 0),
                (0, 0, 0),
            ],
        )
        for view, (row, column) in zip(views, geometry.shifts, strict=True)
    ]
    return sum(placed[1:], start=placed[0])


def _convolve_forward(geometry, x, kernel):
    return convolve(geometry, x, kernel), (x, kernel)


def _convolve_backward(geometry, saved, y):
    x, kernel = saved
    return input_gradient(geometry, y, kernel), kernel_gradient(geometry, x, y)


def _input_gradient_forward(geometry, y, kernel):
    return input_gradient(geometry, y, kernel), (y, kernel)


def _input_gradient_backward(geometry, saved, x):
    y, kernel = saved
    return convolve(geometry, x, kernel), kernel_gradient(geometry, x, y)


def _kernel_gradient_forward(geometry, x, y):
    return kernel_gradient(geometry, x, y), (x, y)


def _kernel_gradient_backward(geometry, saved, kernel):
    x, y = saved
    return input_gradient(geometry, y, kernel), convolve(geometry, x, kernel)


convolve.defvjp(_convolve_forward, _convolve_backward)
input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)

"""A convolution's three faces by minimal filtering: as many matrix products as Winograd needs."""

from __future__ import annotations

from math import prod

import jax.numpy as jnp
from jax import Array

from gan_jax.ops.blocks import (
    Geometry,
    from_blocks,
    kernel_from_blocks,
    kernel_to_blocks,
    pad,
    pair,
    product,
    product_over_pixels,
    to_blocks,
)
from gan_jax.ops.winograd import (
    ALGORITHMS,
    Algorithms,
    Parts,
    each,
    map_inputs,
    map_inputs_adjoint,
    map_outputs,
    map_outputs_adjoint,
    map_taps,
    map_taps_adjoint,
)

# Measured on CPU: with fewer channels, or with fewer multiplications saved, the maps cost more. Of
# groups no number is too few: their narrow products take less than gathering windows for them.
FEWEST_CHANNELS = 32
LEAST_GAIN = 1.2
# Measured on CPU: with fewer pixels than this asks for, the kernel's gradient takes up to five
# times as long where blocks are strides.
PARAMETERS_A_PIXEL = 1024


def pays(geometry: Geometry, inputs: int, features: int, array: Array) -> bool:
    """Whether this is the faster form for pictures `array` `[B, …]`; never in half precision,
    which the maps' sums would hurt."""
    if jnp.finfo(array.dtype).bits < 32 or any(taps not in ALGORITHMS for taps in geometry.taps):
        return False
    channels = min(prod(geometry.block) * inputs, features)
    if geometry.groups == 1 and channels < FEWEST_CHANNELS:
        return False
    algorithms = _algorithms(geometry)
    products = prod(algorithm.products for algorithm in algorithms)
    tiles = prod(-(-n // a.tile) for n, a in zip(geometry.output, algorithms, strict=True))
    needed = prod(geometry.output) * prod(geometry.kernel)
    return needed > LEAST_GAIN * products * tiles * prod(geometry.block)


def kernel_gradient_pays(geometry: Geometry, x: Array, y: Array) -> bool:
    """Of what otherwise pays: whether taking the blocks of a kernel apart again is worth it."""
    pixels = len(y) * prod(geometry.output)
    parameters = prod(geometry.kernel) * x.shape[-1] // geometry.groups * y.shape[-1]
    return geometry.block == (1, 1) or PARAMETERS_A_PIXEL * pixels >= parameters


def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I, O]`."""
    parts = each(
        lambda inputs, taps: product(inputs, taps, 3, 0),
        _inputs(geometry, x),
        _taps(geometry, kernel),
    )
    y = map_outputs(_algorithms(geometry), parts)
    return y[:, : geometry.output[0], : geometry.output[1]]


def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    parts = each(
        lambda outputs, taps: product(outputs, taps, 3, 1),
        _outputs(geometry, y),
        _taps(geometry, kernel),
    )
    x = map_inputs_adjoint(_algorithms(geometry), parts)
    x = x[:, : geometry.blocks[0], : geometry.blocks[1]]
    return from_blocks(x, geometry.block, geometry.edges)


def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, I, O]`."""
    parts = each(product_over_pixels, _inputs(geometry, x), _outputs(geometry, y))
    return kernel_from_blocks(geometry, map_taps_adjoint(_algorithms(geometry), parts))


def _algorithms(geometry: Geometry) -> Algorithms:
    return pair(ALGORITHMS[taps] for taps in geometry.taps)


def _inputs(geometry: Geometry, x: Array) -> Parts:
    blocks = pad(to_blocks(x, geometry.block, geometry.edges), _to_whole_tiles(geometry))
    return map_inputs(_algorithms(geometry), blocks)


def _taps(geometry: Geometry, kernel: Array) -> Parts:
    return map_taps(_algorithms(geometry), kernel_to_blocks(geometry, kernel))


def _outputs(geometry: Geometry, y: Array) -> Parts:
    return map_outputs_adjoint(_algorithms(geometry), pad(y, _to_whole_tiles(geometry)))


def _to_whole_tiles(geometry: Geometry):
    axes = zip(geometry.output, _algorithms(geometry), strict=True)
    return pair((0, -n % algorithm.tile) for n, algorithm in axes)

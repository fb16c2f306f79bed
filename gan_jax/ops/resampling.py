"""FIR resampling of pictures: zeros put in, a separable filter, every n-th pixel kept.

The zeros are never made: each output is the sum of the few inputs that meet a tap (polyphase), so
the whole is shifted, strided slices added up, which cost the same inside a loop as outside. The
adjoint is such a resampling again, which gives every order of derivative the same form.
Conventions, paddings and defaults are those of StyleGAN2 (Karras et al. 2020, section 2 and code).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN2's filter; StyleGAN (2019) blurs with (1, 2, 1)."""


def resample(
    x: Array,
    taps: Sequence[float],
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int] = (0, 0),
    gain: float = 1.0,
) -> Array:
    """Puts `up - 1` zeros after each pixel, pads, convolves with the filter, keeps every `down`-th.

    Args:
        x: `[B, H, W, C]`.
        taps: of one axis, brought to the sum 1; the filter is their outer product.
        up: factor of the zeros put in.
        down: factor of the pixels kept.
        padding: zeros before and after both axes, counted after `up`; negative ones crop.
        gain: of the whole filter; `up ** 2` keeps a picture's brightness.

    Returns:
        `[B, h, w, C]` in the input's dtype, h = (H · up + sum(padding) - taps) // down + 1.

    Raises:
        ValueError: the padded picture is smaller than the filter.
    """
    scale = gain**0.5 / sum(taps)
    # A convolution turns its filter round.
    weights = tuple(float(tap) * scale for tap in reversed(taps))
    for dimension in (1, 2):
        size = x.shape[dimension]
        count = (size * up + sum(padding) - len(weights)) // down + 1
        if count < 1:
            raise ValueError(f"a filter of {len(weights)} taps is larger than the padded {x.shape}")
        x = _along(Polyphase(weights, up, down, padding[0], size, count), dimension, x)
    return x


def upsample(x: Array, taps: Sequence[float] = BINOMIAL, factor: int = 2) -> Array:
    """`[B, H, W, C]` to `[B, factor · H, factor · W, C]`, of the same brightness."""
    padding = upsampling_padding(len(taps), factor)
    return resample(x, taps, up=factor, padding=padding, gain=factor**2)


def downsample(x: Array, taps: Sequence[float] = BINOMIAL, factor: int = 2) -> Array:
    """`[B, H, W, C]` to `[B, H / factor, W / factor, C]`."""
    return resample(x, taps, down=factor, padding=downsampling_padding(len(taps), factor))


def blur(x: Array, taps: Sequence[float] = BINOMIAL) -> Array:
    """`[B, H, W, C]` filtered at its own size."""
    return resample(x, taps, padding=(len(taps) // 2, (len(taps) - 1) // 2))


def upsampling_padding(taps: int, factor: int) -> tuple[int, int]:
    """Before and after, so that the size is multiplied by `factor`."""
    return (taps + factor - 1) // 2, (taps - factor) // 2


def downsampling_padding(taps: int, factor: int) -> tuple[int, int]:
    """Before and after, so that the size is divided by `factor`."""
    return (taps - factor + 1) // 2, (taps - factor) // 2


class Polyphase(NamedTuple):
    """One axis: output m is the sum of `weights[k] · x[i]` over `i · up = m · down + k - low`."""

    weights: tuple[float, ...]
    up: int
    down: int
    low: int
    size: int
    count: int

    @property
    def adjoint(self) -> Polyphase:
        low = len(self.weights) - 1 - self.low
        return Polyphase(self.weights[::-1], self.down, self.up, low, self.count, self.size)

    @property
    def shifts(self) -> dict[int, list[float]]:
        """By the first input that it meets: the weight in each of the `up` phases of the output."""
        shifts: dict[int, list[float]] = {}
        for phase in range(self.up):
            for k, weight in enumerate(self.weights):
                place, rest = divmod(phase * self.down + k - self.low, self.up)
                if not rest:
                    shifts.setdefault(place, [0.0] * self.up)[phase] = weight
        return shifts


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _along(axis: Polyphase, dimension: int, x: Array) -> Array:
    """`[..., size, ...]` to `[..., count, ...]`; half precision is added up in float32."""
    accumulator = jnp.promote_types(x.dtype, jnp.float32)
    shifts = axis.shifts
    rounds = -(-axis.count // axis.up)
    span = (rounds - 1) * axis.down + 1
    edges = [(0, 0, 0)] * x.ndim
    edges[dimension] = (-min(shifts), max(shifts) + span - axis.size, 0)
    # Without the barrier the compiler may make the input anew for each tap.
    padded = lax.pad(lax.optimization_barrier(x), jnp.zeros((), x.dtype), edges)
    total = jnp.zeros((), accumulator)
    for place, weights in shifts.items():
        first = place - min(shifts)
        shifted = lax.slice_in_dim(padded, first, first + span, axis.down, dimension)
        phases = jnp.asarray(weights, accumulator).reshape(-1, *[1] * (x.ndim - dimension - 1))
        total = total + jnp.expand_dims(shifted.astype(accumulator), dimension + 1) * phases
    y = total.reshape(*x.shape[:dimension], rounds * axis.up, *x.shape[dimension + 1 :])
    return lax.slice_in_dim(y, 0, axis.count, axis=dimension).astype(x.dtype)


def _along_forward(axis: Polyphase, dimension: int, x: Array) -> tuple[Array, None]:
    return _along(axis, dimension, x), None


def _along_backward(axis: Polyphase, dimension: int, _: None, y: Array) -> tuple[Array]:
    return (_along(axis.adjoint, dimension, y),)


_along.defvjp(_along_forward, _along_backward)

"""Layers of an equalised learning rate (Karras et al. 2018, section 4.1).

Weights start at N(0, 1) and are scaled at run time by what He's initialiser would have started
them with, so that Adam moves all layers at one speed; `lr_multiplier` slows a layer down.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers
from flax.linen.dtypes import promote_dtype
from flax.typing import Dtype
from jax import Array

from gan_jax.ops.convolution import convolution


class EqualisedDense(nn.Module):
    """`[..., I]` to `[..., features]`: `x W · gain · lr_multiplier / sqrt(I) + b · lr_multiplier`.

    The kernel starts at N(0, 1 / lr_multiplier), the bias at `bias_init`.
    """

    features: int
    gain: float = 1.0
    lr_multiplier: float = 1.0
    bias_init: float = 0.0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        start = initializers.normal(1 / self.lr_multiplier)
        kernel = self.param("kernel", start, (x.shape[-1], self.features))
        bias = self.param("bias", initializers.constant(self.bias_init), (self.features,))
        kernel = kernel * (self.gain * self.lr_multiplier / sqrt(x.shape[-1]))
        x, kernel, bias = promote_dtype(x, kernel, bias * self.lr_multiplier, dtype=self.dtype)
        return x @ kernel + bias


class EqualisedConvolution(nn.Module):
    """`[B, H, W, I]` to `[B, h, w, features]`, by a kernel `[k, k, I, O]` · gain / sqrt(k · k · I).

    `convolve(x, kernel)` may resample; the bias starts at zero.
    """

    features: int
    kernel_size: int
    gain: float = 1.0
    use_bias: bool = True
    convolve: Callable[[Array, Array], Array] = convolution
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", initializers.normal(1.0), shape)
        bias = self.param("bias", initializers.zeros_init(), shape[3:]) if self.use_bias else None
        kernel = kernel * (self.gain / sqrt(self.kernel_size**2 * x.shape[-1]))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = self.convolve(x, kernel)
        return y if bias is None else y + bias


def scaled_leaky_relu(x: Array, gain: float = sqrt(2), clamp: float | None = None) -> Array:
    """LeakyReLU(0.2) times `gain`, cut at ± `clamp`; sqrt(2) keeps the second moment about 1."""
    return clamped(nn.leaky_relu(x, 0.2) * gain, clamp)


def clamped(x: Array, limit: float | None) -> Array:
    """Cut at ± `limit`, which keeps half precision from running away (Karras et al. 2020b)."""
    return x if limit is None else jnp.clip(x, -limit, limit)

"""Convolution layers with the parameters, names and initialisers of `flax.linen`.

`Convolution` takes the place of `nn.Conv` and `TransposedConvolution` that of `nn.ConvTranspose`:
the same key and layer name give the same values, and checkpoints fit one to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers
from flax.linen.dtypes import promote_dtype
from flax.typing import Dtype, Initializer
from jax import Array

from gan_jax.ops.convolution import Form, Padding, convolution, transposed_convolution


class Convolution(nn.Module):
    """A convolution of `[B, H, W, I]` to `[B, h, w, features]`; parameters of `nn.Conv`.

    `padding` is `"SAME"`, `"VALID"` or (low, high) pairs; `groups` is `feature_group_count`;
    `dtype` is that of the computation (None: the one that input and parameters promote to), `form`
    as in `ops.convolution`.
    """

    features: int
    kernel_size: Sequence[int]
    strides: Sequence[int] = (1, 1)
    padding: Padding = "SAME"
    groups: int = 1
    use_bias: bool = True
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    kernel_init: Initializer = initializers.lecun_normal()
    bias_init: Initializer = initializers.zeros_init()
    form: Form | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return _apply(self, partial(convolution, groups=self.groups), x, x.shape[-1] // self.groups)


class TransposedConvolution(nn.Module):
    """A transposed convolution of `[B, H, W, I]`; parameters of `nn.ConvTranspose`.

    `padding` is `"SAME"` (output is stride × input), `"VALID"`, or the (low, high) pairs around the
    spread-out input; the kernel is not flipped (`transpose_kernel=False`).
    """

    features: int
    kernel_size: Sequence[int]
    strides: Sequence[int] = (1, 1)
    padding: Padding = "SAME"
    use_bias: bool = True
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32
    kernel_init: Initializer = initializers.lecun_normal()
    bias_init: Initializer = initializers.zeros_init()
    form: Form | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return _apply(self, transposed_convolution, x, x.shape[-1])


def _apply(layer: Convolution | TransposedConvolution, operation, x: Array, inputs: int) -> Array:
    """Makes the layer's parameters, promotes dtypes as Flax does, convolves and adds the bias."""
    shape = (*layer.kernel_size, inputs, layer.features)
    kernel = layer.param("kernel", layer.kernel_init, shape, layer.param_dtype)
    bias = None
    if layer.use_bias:
        bias = layer.param("bias", layer.bias_init, (layer.features,), layer.param_dtype)
    x, kernel, bias = promote_dtype(x, kernel, bias, dtype=layer.dtype)
    y = operation(x, kernel, strides=layer.strides, padding=layer.padding, form=layer.form)
    return y if bias is None else y + bias

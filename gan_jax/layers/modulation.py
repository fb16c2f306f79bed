"""The modulated convolution as a layer: a dense layer makes each sample's style of its w."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import flax.linen as nn
from flax.linen import initializers
from flax.linen.dtypes import promote_dtype
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.equalised import EqualisedDense
from gan_jax.ops.convolution import convolution
from gan_jax.ops.modulation import modulated_convolution


class ModulatedConvolution(nn.Module):
    """`([B, H, W, I], w [B, W]) -> [B, h, w, features]` without bias (Karras et al. 2020, eq. 1-3).

    Where nothing demodulates, the learning rate is equalised: styles are over sqrt(k · k · I).
    Styles and demodulation are computed in the parameters' precision, the convolution in `dtype`.
    """

    features: int
    kernel_size: int
    demodulate: bool = True
    convolve: Callable[[Array, Array], Array] = convolution
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", initializers.normal(1.0), shape)
        styles = EqualisedDense(x.shape[-1], bias_init=1.0, name="affine")(w)
        if not self.demodulate:
            styles = styles / sqrt(self.kernel_size**2 * x.shape[-1])
        if self.dtype is None:
            x, kernel = promote_dtype(x, kernel)
        else:
            x = x.astype(self.dtype)
        return modulated_convolution(x, kernel, styles, self.convolve, demodulate=self.demodulate)

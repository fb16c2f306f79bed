"""The residual blocks of SNGAN, SAGAN and BigGAN: two 3x3 convolutions and a 1x1 shortcut.

`convolution` and `normalisation` are the layers they are made of, as functions that make a layer:
`convolution(features, kernel_size, …)` is called on `x`, `normalisation()` on `(x, condition)`.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
from flax.typing import Initializer
from jax import Array

from gan_jax.layers.pooling import average_pooling, nearest_upsampling


class GeneratorBlock(nn.Module):
    """`[B, H, W, C]` to `[B, 2H, 2W, features]` (Miyato et al. 2018, figure 9; Brock et al. 2019,
    figure 15b): normalise, ReLU, upsample, convolve, normalise, ReLU, convolve.

    Attributes:
        features: of the output.
        convolution, normalisation: as above.
        kernel_init: of the 3x3 kernels; the shortcut has the convolution's own.
    """

    features: int
    convolution: Callable[..., nn.Module]
    normalisation: Callable[..., nn.Module]
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: Array, condition: Array | None) -> Array:
        def convolve(x: Array) -> Array:
            return self.convolution(self.features, (3, 3), kernel_init=self.kernel_init)(x)

        h = nearest_upsampling(nn.relu(self.normalisation()(x, condition)))
        h = nn.relu(self.normalisation()(convolve(h), condition))
        # A 1x1 convolution and upsampling commute; this order costs a quarter.
        shortcut = self.convolution(self.features, (1, 1), name="shortcut")(x)
        return convolve(h) + nearest_upsampling(shortcut)


class DiscriminatorBlock(nn.Module):
    """`[B, H, W, C]` to `[B, H/2, W/2, features]`, or `[B, H, W, features]` without `down`
    (Miyato et al. 2018, figure 9; Brock et al. 2019, figure 15c).

    ReLU, convolve, ReLU, convolve, average. The shortcut is the identity where nothing changes.

    Attributes:
        features: of the output.
        hidden: features between the two convolutions.
        down: averages 2 x 2 pixels at the end.
        first: the block at the picture, which has no ReLU before its first convolution.
        convolution: as above.
        normalisation: makes a layer called on `x` before each ReLU, or None.
        kernel_init: of the 3x3 kernels; the shortcut has the convolution's own.
    """

    features: int
    hidden: int
    down: bool
    first: bool
    convolution: Callable[..., nn.Module]
    normalisation: Callable[..., nn.Module] | None
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: Array) -> Array:
        def convolve(features: int, x: Array) -> Array:
            return self.convolution(features, (3, 3), kernel_init=self.kernel_init)(x)

        def activate(x: Array) -> Array:
            return nn.relu(x if self.normalisation is None else self.normalisation()(x))

        h = convolve(self.hidden, x if self.first else activate(x))
        h = convolve(self.features, activate(h))
        if self.down:
            # Averaging and a 1x1 convolution commute; this order costs a quarter.
            h, x = average_pooling(h), average_pooling(x)
        if self.down or x.shape[-1] != self.features:
            x = self.convolution(self.features, (1, 1), name="shortcut")(x)
        return h + x

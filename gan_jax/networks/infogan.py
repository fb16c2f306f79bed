"""InfoGAN's discriminator (Chen et al. 2016), which also says which codes a picture was made of.

The recognition network Q shares all convolutions with the discriminator; both are DCGAN's of its
sizes. The generator is `dcgan.DCGANGenerator` of noise and codes put side by side.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.networks.dcgan import DCGANDiscriminator, batch_norm, weight_init


class Recognised(NamedTuple):
    """A discriminator's verdict and Q(codes | picture).

    Attributes:
        logits: `[B]` float32, positive for real.
        categorical: logits `[B, K_i]` float32 of each categorical code.
        mean: `[B, C]` float32, of the continuous codes.
        log_variance: `[B, C]` float32; 0 where the variance is fixed at 1.
    """

    logits: Array
    categorical: tuple[Array, ...]
    mean: Array
    log_variance: Array


class RecognitionHead(nn.Module):
    """`(features [B, F], label, *, train) -> Recognised`; the label is not read.

    A dense layer for the logits; for Q one of `hidden` with BatchNorm and LeakyReLU(0.1), then one
    for each code (appendix C). All of it is float32.

    Attributes:
        categorical: the number of choices K_i of each categorical code.
        continuous: C, the number of continuous codes.
        hidden: width of Q's own layer.
        learn_variance: of the continuous codes; else it is 1.

    Raises UsageError without any code, or for one of fewer than two choices.
    """

    categorical: tuple[int, ...]
    continuous: int
    hidden: int = 128
    learn_variance: bool = False

    @nn.compact
    def __call__(self, features: Array, label: Array | None = None, *, train: bool) -> Recognised:
        if min(self.categorical, default=2) < 2 or not (self.categorical or self.continuous):
            raise UsageError(
                "InfoGAN needs a categorical code of two choices or more, or a continuous one, "
                f"not {self.categorical} and {self.continuous}"
            )
        features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
        x = _dense(self.hidden, "hidden", use_bias=False)(features)
        x = nn.leaky_relu(batch_norm(train, None)(x), 0.1)
        zeros = jnp.zeros((len(x), self.continuous), x.dtype)
        return Recognised(
            logits=_dense(1, "logits")(features)[:, 0],
            categorical=tuple(
                _dense(choices, f"categorical{index}")(x)
                for index, choices in enumerate(self.categorical)
            ),
            mean=_dense(self.continuous, "mean")(x) if self.continuous else zeros,
            log_variance=(
                _dense(self.continuous, "log_variance")(x)
                if self.continuous and self.learn_variance
                else zeros
            ),
        )


class InfoGANDiscriminator(nn.Module):
    """`images [B, size, size, C] in [-1, 1] -> Recognised`.

    DCGAN's discriminator (`trunk`), ended by a `RecognitionHead` (`head`) on all pixels of all of
    its features.

    Attributes:
        size: 28, 32, 64 or 128; anything else raises UsageError.
        categorical: the number of choices of each categorical code; one of 10 for MNIST.
        continuous: the number of continuous codes; 2 for MNIST.
        width: features of the layer nearest the picture.
        learn_variance: of the continuous codes; else it is 1.
        dtype: of the trunk's computation; parameters and the head are float32.
    """

    size: int
    categorical: tuple[int, ...]
    continuous: int
    width: int = 64
    learn_variance: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Recognised:
        head = RecognitionHead(
            self.categorical, self.continuous, learn_variance=self.learn_variance, name="head"
        )
        trunk = DCGANDiscriminator(self.size, self.width, head=head, dtype=self.dtype, name="trunk")
        return cast(Recognised, trunk(images, train=train))


def _dense(features: int, name: str, use_bias: bool = True) -> nn.Dense:
    return nn.Dense(features, use_bias=use_bias, kernel_init=weight_init, name=name)

"""Conditional BatchNorm (Dumoulin et al. 2017; de Vries et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array


class ConditionalBatchNorm(nn.Module):
    """BatchNorm of `[B, H, W, C]`, then times 1 + gain(condition), plus bias(condition).

    `linear(features, name=...)` makes the layers that map a condition to gain and bias:

    - `partial(LabelEmbedding, num_classes, embedding_init=zeros)` for a label: a gain per class
      that starts at 1, and a bias from 0 (Miyato and Koyama 2018; Zhang et al. 2019);
    - `partial(SpectralDense, use_bias=False, train=train)` for a vector `[B, E]` of embedding and
      latents (Brock et al. 2019, section 3 and appendix B);
    - None for plain BatchNorm, with a scale and a bias of its own; the condition is not read.

    Attributes:
        train: normalises by the batch and moves `batch_stats`, else by `batch_stats`.
        linear: as above.
        momentum: what running averages keep.
        epsilon: added to the variance.
        dtype: of the computation; statistics are float32.
    """

    train: bool
    linear: Callable[..., nn.Module] | None
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, condition: Array | None) -> Array:
        x = nn.BatchNorm(
            use_running_average=not self.train,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_scale=self.linear is None,
            use_bias=self.linear is None,
            dtype=self.dtype,
        )(x)
        if self.linear is None:
            return x
        gain = 1.0 + self.linear(x.shape[-1], name="gain")(condition)
        bias = self.linear(x.shape[-1], name="bias")(condition)
        return x * _over_pixels(gain, x) + _over_pixels(bias, x)


def _over_pixels(vectors: Array, x: Array) -> Array:
    """`[B, C]` as `[B, 1, 1, C]` in the dtype of x."""
    return jnp.asarray(vectors, x.dtype)[:, None, None, :]

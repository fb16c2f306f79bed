"""The normalisations that image-to-image networks choose from, by name."""

from __future__ import annotations

from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.adain import instance_norm

Normalisation = Literal["batch", "instance", "instance_affine", "none"]
EPSILON = 1e-5


class PictureNormalisation(nn.Module):
    """`[B, H, W, C]` normalised; variances are biased, of centred values, in float32.

    Attributes:
        kind: "batch" is BatchNorm, whose running averages keep 0.9 and whose scale starts at
            N(1, 0.02); "instance" is over each sample's pixels, without parameters (Ulyanov et al.
            2016); "instance_affine" has a scale from 1 and a bias from 0; "none" is the identity.
            Anything else raises UsageError.
        train: BatchNorm normalises by the batch and moves `batch_stats`, else by `batch_stats`.
        dtype: of the computation; statistics and parameters are float32.
    """

    kind: Normalisation
    train: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        match self.kind:
            case "batch":
                return nn.BatchNorm(
                    use_running_average=not self.train,
                    momentum=0.9,
                    epsilon=EPSILON,
                    scale_init=_near_one,
                    use_fast_variance=False,
                    dtype=self.dtype,
                )(x)
            case "instance":
                return instance_norm(x, EPSILON)
            case "instance_affine":
                return nn.InstanceNorm(epsilon=EPSILON, use_fast_variance=False, dtype=self.dtype)(
                    x
                )
            case "none":
                return x
        known = ", ".join(get_args(Normalisation))
        raise UsageError(f"normalisation is one of {known}, not {self.kind!r}")


def _near_one(key: Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)

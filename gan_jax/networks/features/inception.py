"""The Inception-v3 whose features make FID, KID and the Inception score.

It is the TensorFlow network of 2015-12-05 (Szegedy et al., "Rethinking the Inception Architecture",
2015, as used by Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017), not that of
torchvision: 1008 classes, average pools that do not count their padding, and a max pool in the last
block. Layers carry the names of the usual weight files.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.convolution import Convolution

CLASSES = 1008
FEATURES = 2048
SIZE = 299
EPSILON = 1e-3
TAPS = ("64", "192", "768", "2048", "logits", "logits_unbiased")

Pool = Callable[[Array], Array]


class Unit(nn.Module):
    """Convolution without bias, batch norm with stored statistics, ReLU."""

    features: int
    kernel_size: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        strides = (self.stride, self.stride)
        convolution = Convolution(
            self.features,
            self.kernel_size,
            strides,
            self.padding,
            use_bias=False,
            dtype=self.dtype,
            name="conv",
        )
        norm = nn.BatchNorm(use_running_average=True, epsilon=EPSILON, dtype=self.dtype, name="bn")
        return nn.relu(norm(convolution(x)))


def average_pool(x: Array) -> Array:
    """3×3, stride 1; a border pixel is the mean of the pixels that exist."""
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def max_pool(x: Array) -> Array:
    """3×3, stride 1, same size."""
    return nn.max_pool(x, (3, 3), (1, 1), "SAME")


def halving_pool(x: Array) -> Array:
    """Maximum of 3×3, stride 2, no padding."""
    return nn.max_pool(x, (3, 3), (2, 2))


class MixedA(nn.Module):
    """5b, 5c, 5d: `[B, 35, 35, C]` to `[B, 35, 35, 224 + pool_features]`."""

    pool_features: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        one = Unit(64, (1, 1), dtype=self.dtype, name="branch1x1")(x)
        five = Unit(48, (1, 1), dtype=self.dtype, name="branch5x5_1")(x)
        five = Unit(64, (5, 5), dtype=self.dtype, name="branch5x5_2")(five)
        double = Unit(64, (1, 1), dtype=self.dtype, name="branch3x3dbl_1")(x)
        double = Unit(96, (3, 3), dtype=self.dtype, name="branch3x3dbl_2")(double)
        double = Unit(96, (3, 3), dtype=self.dtype, name="branch3x3dbl_3")(double)
        pool = average_pool(x)
        pool = Unit(self.pool_features, (1, 1), dtype=self.dtype, name="branch_pool")(pool)
        return jnp.concatenate((one, five, double, pool), -1)


class MixedB(nn.Module):
    """6a: `[B, 35, 35, 288]` to `[B, 17, 17, 768]`."""

    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        three = Unit(384, (3, 3), 2, "VALID", dtype=self.dtype, name="branch3x3")(x)
        double = Unit(64, (1, 1), dtype=self.dtype, name="branch3x3dbl_1")(x)
        double = Unit(96, (3, 3), dtype=self.dtype, name="branch3x3dbl_2")(double)
        double = Unit(96, (3, 3), 2, "VALID", dtype=self.dtype, name="branch3x3dbl_3")(double)
        return jnp.concatenate((three, double, halving_pool(x)), -1)


class MixedC(nn.Module):
    """6b to 6e: `[B, 17, 17, 768]` to the same, through `width` channels of 1×7 and 7×1."""

    width: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        c, dtype = self.width, self.dtype
        one = Unit(192, (1, 1), dtype=dtype, name="branch1x1")(x)
        seven = Unit(c, (1, 1), dtype=dtype, name="branch7x7_1")(x)
        seven = Unit(c, (1, 7), dtype=dtype, name="branch7x7_2")(seven)
        seven = Unit(192, (7, 1), dtype=dtype, name="branch7x7_3")(seven)
        double = Unit(c, (1, 1), dtype=dtype, name="branch7x7dbl_1")(x)
        double = Unit(c, (7, 1), dtype=dtype, name="branch7x7dbl_2")(double)
        double = Unit(c, (1, 7), dtype=dtype, name="branch7x7dbl_3")(double)
        double = Unit(c, (7, 1), dtype=dtype, name="branch7x7dbl_4")(double)
        double = Unit(192, (1, 7), dtype=dtype, name="branch7x7dbl_5")(double)
        pool = Unit(192, (1, 1), dtype=dtype, name="branch_pool")(average_pool(x))
        return jnp.concatenate((one, seven, double, pool), -1)


class MixedD(nn.Module):
    """7a: `[B, 17, 17, 768]` to `[B, 8, 8, 1280]`."""

    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        three = Unit(192, (1, 1), dtype=self.dtype, name="branch3x3_1")(x)
        three = Unit(320, (3, 3), 2, "VALID", dtype=self.dtype, name="branch3x3_2")(three)
        seven = Unit(192, (1, 1), dtype=self.dtype, name="branch7x7x3_1")(x)
        seven = Unit(192, (1, 7), dtype=self.dtype, name="branch7x7x3_2")(seven)
        seven = Unit(192, (7, 1), dtype=self.dtype, name="branch7x7x3_3")(seven)
        seven = Unit(192, (3, 3), 2, "VALID", dtype=self.dtype, name="branch7x7x3_4")(seven)
        return jnp.concatenate((three, seven, halving_pool(x)), -1)


class MixedE(nn.Module):
    """7b and 7c: `[B, 8, 8, C]` to `[B, 8, 8, 2048]`; they differ in `pool`."""

    pool: Pool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        dtype = self.dtype
        one = Unit(320, (1, 1), dtype=dtype, name="branch1x1")(x)
        three = Unit(384, (1, 1), dtype=dtype, name="branch3x3_1")(x)
        three_a = Unit(384, (1, 3), dtype=dtype, name="branch3x3_2a")(three)
        three_b = Unit(384, (3, 1), dtype=dtype, name="branch3x3_2b")(three)
        double = Unit(448, (1, 1), dtype=dtype, name="branch3x3dbl_1")(x)
        double = Unit(384, (3, 3), dtype=dtype, name="branch3x3dbl_2")(double)
        double_a = Unit(384, (1, 3), dtype=dtype, name="branch3x3dbl_3a")(double)
        double_b = Unit(384, (3, 1), dtype=dtype, name="branch3x3dbl_3b")(double)
        pool = Unit(192, (1, 1), dtype=dtype, name="branch_pool")(self.pool(x))
        return jnp.concatenate((one, three_a, three_b, double_a, double_b, pool), -1)


class FIDInception(nn.Module):
    """Always in inference mode: batch norms use the stored statistics.

    Attributes:
        dtype: of the computation; features are at least float32.
    """

    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> dict[str, Array]:
        """Features of images that are resized and normalised already.

        Args:
            images: `[B, 299, 299, 3]` in [-1, 1], as the protocol normalises them.
            train: changes nothing; taken because every network takes it.

        Returns:
            `"64"`, `"192"`, `"768"`, `"2048"`: spatial means `[B, D]`; `"logits"` and
            `"logits_unbiased"` (without the bias, for the Inception score): `[B, 1008]`.
        """
        if images.shape[1:] != (SIZE, SIZE, 3):
            raise ValueError(f"Inception reads [B, {SIZE}, {SIZE}, 3], not {list(images.shape)}")
        # TF32 and bfloat16 products would move features by 1e-3 and 3e-2.
        with jax.default_matmul_precision("highest"):
            return self._taps(jnp.asarray(images, self.dtype))

    def _taps(self, x: Array) -> dict[str, Array]:
        x = Unit(32, (3, 3), 2, "VALID", dtype=self.dtype, name="Conv2d_1a_3x3")(x)
        x = Unit(32, (3, 3), 1, "VALID", dtype=self.dtype, name="Conv2d_2a_3x3")(x)
        x = Unit(64, (3, 3), dtype=self.dtype, name="Conv2d_2b_3x3")(x)
        x = halving_pool(x)
        taps = {"64": self._mean(x)}
        x = Unit(80, (1, 1), dtype=self.dtype, name="Conv2d_3b_1x1")(x)
        x = Unit(192, (3, 3), 1, "VALID", dtype=self.dtype, name="Conv2d_4a_3x3")(x)
        x = halving_pool(x)
        taps["192"] = self._mean(x)
        for letter, pool_features in zip("bcd", (32, 64, 64), strict=True):
            x = MixedA(pool_features, self.dtype, name=f"Mixed_5{letter}")(x)
        x = MixedB(self.dtype, name="Mixed_6a")(x)
        for letter, width in zip("bcde", (128, 160, 160, 192), strict=True):
            x = MixedC(width, self.dtype, name=f"Mixed_6{letter}")(x)
        taps["768"] = self._mean(x)
        x = MixedD(self.dtype, name="Mixed_7a")(x)
        x = MixedE(average_pool, self.dtype, name="Mixed_7b")(x)
        x = MixedE(max_pool, self.dtype, name="Mixed_7c")(x)
        taps["2048"] = self._mean(x)
        return taps | self._classify(taps["2048"])

    def _mean(self, x: Array) -> Array:
        return x.mean((1, 2), dtype=jnp.promote_types(self.dtype, jnp.float32))

    def _classify(self, x: Array) -> dict[str, Array]:
        dense = nn.Dense(CLASSES, dtype=x.dtype, name="fc")
        logits = dense(x)
        return {"logits": logits, "logits_unbiased": logits - dense.variables["params"]["bias"]}

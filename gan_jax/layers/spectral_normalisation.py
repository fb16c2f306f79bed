"""Spectral normalisation (Miyato et al. 2018): layers whose weight has largest singular value 1.

`SpectralConvolution(64, (3, 3), train=train)(x)` takes the place of `Convolution(64, (3, 3))(x)`:
parameters, names and initialisers are the layer's own. Beside them it keeps a vector `u` in the
collection `spectral`, which starts as random normal noise and is warm from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.label_embedding import LabelEmbedding


def largest_singular_value(
    matrix: Array, u: Array, *, iterations: int, eps: float
) -> tuple[Array, Array]:
    """Power iteration (Miyato et al. 2018, algorithm 1): `iterations` times
    v = W u / |W u|, u = W' v / |W' v|; then sigma = v' W u.

    sigma is differentiated with u and v constant, so that d sigma / d W = v u' and the gradient
    of what uses W / sigma is the paper's equation 12.

    Args:
        matrix: W, `[M, O]`.
        u: where to start, `[O]`, of any length but 0.
        iterations: at least 1.
        eps: the least length that a vector is divided by.

    Returns:
        sigma `[]`, and u `[O]` of length 1.

    Raises:
        UsageError: no iteration.
    """
    if iterations < 1:
        raise UsageError(f"spectral normalisation takes 1 iteration or more, not {iterations}")
    fixed = lax.stop_gradient(matrix)
    v = jnp.zeros(())
    for _ in range(iterations):
        v = _unit(_product(fixed, u), eps)
        u = _unit(_product(v, fixed), eps)
    return _product(v, _product(matrix, u)), u


def _unit(vector: Array, eps: float) -> Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), eps)


def _product(left: Array, right: Array) -> Array:
    # Accelerators round float32 products; sigma scales the whole layer.
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


class SpectralWeight(nn.Module, kw_only=True):
    """To be inherited beside a layer: its `kernel` or `embedding` is read divided by sigma.

    A weight `[..., O]` counts as the matrix `[rest, O]`. Every call iterates; `u` keeps what comes
    of it only in calls with `train`, other than the first that makes it. So a call with
    `train=False` is the very function that one with `train=True` is at the same state, and the
    EMA of weights gets a sigma of its own from the vector of the live ones.

    Attributes:
        train: whether `u` moves.
        iterations: of the power method in a call; the paper's is 1.
        eps: the least length, and the least sigma, that is divided by.
    """

    train: bool
    iterations: int = 1
    eps: float = 1e-12

    @nn.nowrap
    def param(
        self,
        name: str,
        init_fn: Callable[..., Any],
        *init_args: Any,
        unbox: bool = True,
        **init_kwargs: Any,
    ) -> Any:
        """What the layer asks for: its weight normalised, all else as it is."""
        value: Any = super().param(name, init_fn, *init_args, unbox=unbox, **init_kwargs)
        return self._normalised(value) if name in ("kernel", "embedding") else value

    @nn.nowrap
    def _normalised(self, weight: Array) -> Array:
        matrix = weight.reshape(-1, weight.shape[-1])

        def start() -> Array:
            return jax.random.normal(self.make_rng("params"), matrix.shape[1:], matrix.dtype)

        u = self.variable("spectral", "u", start)
        sigma, moved = largest_singular_value(
            matrix, u.value, iterations=self.iterations, eps=self.eps
        )
        if self.train and not self.is_initializing():
            u.value = moved
        return weight / jnp.maximum(sigma, self.eps)


class SpectralConvolution(SpectralWeight, Convolution):
    """`Convolution` with a spectrally normalised kernel."""


class SpectralTransposedConvolution(SpectralWeight, TransposedConvolution):
    """`TransposedConvolution` with a spectrally normalised kernel."""


class SpectralDense(SpectralWeight, nn.Dense):
    """`nn.Dense` with a spectrally normalised kernel."""


class SpectralEmbed(SpectralWeight, nn.Embed):
    """`nn.Embed` with a spectrally normalised table."""


class SpectralLabelEmbedding(SpectralWeight, LabelEmbedding):
    """`LabelEmbedding` with a spectrally normalised table."""

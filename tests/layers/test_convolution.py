"""The layers against those of Flax: the same parameters from a key, the same outputs."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.convolution import Convolution, TransposedConvolution

PAIRS = [
    (
        Convolution(5, (4, 4), strides=(2, 2), padding=((1, 1), (1, 1))),
        nn.Conv(5, (4, 4), strides=(2, 2), padding=((1, 1), (1, 1))),
    ),
    (
        Convolution(5, (3, 3), use_bias=False, kernel_init=nn.initializers.normal(0.02)),
        nn.Conv(5, (3, 3), use_bias=False, kernel_init=nn.initializers.normal(0.02)),
    ),
    (
        Convolution(5, (4, 4), padding="VALID", bias_init=nn.initializers.ones),
        nn.Conv(5, (4, 4), padding="VALID", bias_init=nn.initializers.ones),
    ),
    (
        Convolution(5, (3, 3), dtype=jnp.bfloat16),
        nn.Conv(5, (3, 3), dtype=jnp.bfloat16),
    ),
    (
        Convolution(6, (3, 3), groups=3),
        nn.Conv(6, (3, 3), feature_group_count=3),
    ),
    (
        TransposedConvolution(5, (4, 4), strides=(2, 2)),
        nn.ConvTranspose(5, (4, 4), strides=(2, 2)),
    ),
    (
        TransposedConvolution(5, (5, 5), strides=(2, 2), use_bias=False),
        nn.ConvTranspose(5, (5, 5), strides=(2, 2), use_bias=False),
    ),
    (
        TransposedConvolution(5, (4, 4), padding="VALID"),
        nn.ConvTranspose(5, (4, 4), padding="VALID"),
    ),
    (
        TransposedConvolution(5, (3, 3), strides=(2, 2), padding=((1, 2), (1, 2))),
        nn.ConvTranspose(5, (3, 3), strides=(2, 2), padding=((1, 2), (1, 2))),
    ),
]


@pytest.mark.parametrize("form", ["matmul", "lax"])
@pytest.mark.parametrize(("ours", "flax"), PAIRS, ids=lambda layer: type(layer).__name__)
def test_equals_flax(ours, flax, form):
    x = jax.random.normal(jax.random.key(1), (2, 6, 7, 3))
    variables = ours.clone(form=form).init(jax.random.key(0), x)
    expected = flax.init(jax.random.key(0), x)
    assert jax.tree.structure(variables) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    found = ours.clone(form=form).apply(variables, x)
    reference = flax.apply(expected, x)
    assert found.dtype == reference.dtype
    tolerance = 1e-5 if found.dtype == jnp.float32 else 2e-2
    np.testing.assert_allclose(
        found.astype(jnp.float32), reference.astype(jnp.float32), atol=tolerance
    )


def test_a_named_layer_starts_as_its_flax_twin():
    class Two(nn.Module):
        layer: type[nn.Module]

        @nn.compact
        def __call__(self, x):
            x = self.layer(4, (3, 3), name="first")(x)
            return self.layer(2, (3, 3), name="second")(x)

    x = jnp.ones((1, 5, 5, 3))
    ours, flax = (Two(layer).init(jax.random.key(3), x) for layer in (Convolution, nn.Conv))
    jax.tree.map(np.testing.assert_array_equal, ours, flax)

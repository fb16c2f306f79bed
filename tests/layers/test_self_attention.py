"""Self-attention against its formula in numpy, pixel by pixel."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.convolution import Convolution
from gan_jax.layers.self_attention import SelfAttention
from gan_jax.layers.spectral_normalisation import SpectralConvolution

random = np.random.default_rng(0)
X = random.normal(size=(2, 4, 6, 16)).astype(np.float32)


def variables(gamma):
    def kernel(inputs, outputs):
        return {"kernel": random.normal(0, 0.5, (1, 1, inputs, outputs)).astype(np.float32)}

    params = {"query": kernel(16, 2), "key": kernel(16, 2), "value": kernel(16, 8)}
    return {"params": {**params, "output": kernel(8, 16), "gamma": np.float32(gamma)}}


def formula(params, *, gamma, scale=1.0, axis=-1, pool=np.max):
    def pointwise(name):
        return X @ params[name]["kernel"][0, 0]

    def pooled(x):
        return pool(x.reshape(2, 2, 2, 3, 2, -1), axis=(2, 4)).reshape(2, 6, -1)

    query = pointwise("query").reshape(2, 24, -1)
    energy = scale * np.einsum("bqc,bkc->bqk", query, pooled(pointwise("key")))
    weights = np.exp(energy) / np.exp(energy).sum(axis, keepdims=True)
    attended = np.einsum("bqk,bkc->bqc", weights, pooled(pointwise("value"))).reshape(2, 4, 6, 8)
    return X + gamma * (attended @ params["output"]["kernel"][0, 0])


def test_formula():
    state = variables(0.7)
    out = SelfAttention(Convolution).apply(state, X)
    np.testing.assert_allclose(out, formula(state["params"], gamma=0.7), rtol=1e-4, atol=1e-5)
    mutations = (
        formula(state["params"], gamma=1.0),
        formula(state["params"], gamma=0.7, scale=2**-0.5),
        formula(state["params"], gamma=0.7, axis=1),
        formula(state["params"], gamma=0.7, pool=np.mean),
    )
    for mutation in mutations:
        assert np.abs(out - mutation).max() > 1e-2


@pytest.mark.slow
def test_it_starts_as_the_identity_and_gamma_learns():
    module = SelfAttention(Convolution)
    out, state = module.init_with_output(jax.random.key(0), X)
    assert jnp.array_equal(out, X)
    assert set(state["params"]) == {"query", "key", "value", "output", "gamma"}
    gradient = jax.grad(lambda params: jnp.sum(module.apply({"params": params}, X) ** 2))
    assert abs(gradient(state["params"])["gamma"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
def test_with_spectral_normalisation(dtype):
    convolution = partial(SpectralConvolution, train=True, dtype=dtype)
    x = X.astype(dtype or jnp.float32)
    out, state = SelfAttention(convolution).init_with_output(jax.random.key(0), x)
    assert out.dtype == x.dtype and len(jax.tree.leaves(state["spectral"])) == 4

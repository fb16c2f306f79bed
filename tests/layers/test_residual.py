"""Residual and bottleneck blocks against their figures, written with Flax's own layers."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.bottleneck import BottleneckDiscriminatorBlock, BottleneckGeneratorBlock
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.residual import DiscriminatorBlock, GeneratorBlock

random = np.random.default_rng(0)
X = random.normal(size=(2, 4, 4, 8)).astype(np.float32)
CONDITION = random.normal(size=(2, 3)).astype(np.float32)
glorot = nn.initializers.glorot_uniform()
normalisation = partial(
    ConditionalBatchNorm, train=True, linear=partial(nn.Dense, use_bias=False), epsilon=1e-5
)


def made(module, *inputs):
    """Its parameters, drawn at random, and what it makes of the inputs."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs))
    state = jax.tree.map(
        lambda leaf: random.normal(0.0, 0.5, leaf.shape).astype(np.float32), shapes
    )
    out, _ = module.apply(state, *inputs, mutable=["batch_stats"])
    return state["params"], np.asarray(out)


def convolved(params, x):
    kernel = params["kernel"]
    module = nn.Conv(kernel.shape[-1], kernel.shape[:2])
    return np.asarray(module.apply({"params": params}, x))


def normalised(params, x):
    x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    gain, bias = (CONDITION @ params[name]["kernel"] for name in ("gain", "bias"))
    return np.maximum(x * (1 + gain)[:, None, None] + bias[:, None, None], 0)


def doubled(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def halved(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def test_generator_block():
    params, out = made(GeneratorBlock(5, Convolution, normalisation, glorot), X, CONDITION)
    h = convolved(params["Convolution_0"], doubled(normalised(params["ConditionalBatchNorm_0"], X)))
    h = convolved(params["Convolution_1"], normalised(params["ConditionalBatchNorm_1"], h))
    shortcut = convolved(params["shortcut"], doubled(X))
    assert out.shape == (2, 8, 8, 5)
    np.testing.assert_allclose(out, h + shortcut, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("features", "down"), [(6, True), (8, True), (6, False), (8, False)])
def test_discriminator_block(features, down, first):
    block = DiscriminatorBlock(features, 7, down, first, Convolution, None, glorot)
    params, out = made(block, X)
    h = convolved(params["Convolution_0"], X if first else np.maximum(X, 0))
    h = convolved(params["Convolution_1"], np.maximum(h, 0))
    shortcut = X
    if down or features != 8:
        shortcut = convolved(params["shortcut"], X)
    assert ("shortcut" in params) == (down or features != 8)
    expected = halved(h) + halved(shortcut) if down else h + shortcut
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_layer_norm_is_over_a_whole_picture():
    layer_norm = partial(nn.LayerNorm, reduction_axes=(1, 2, 3), feature_axes=-1)
    block = DiscriminatorBlock(8, 8, False, False, Convolution, layer_norm, glorot)
    params, out = made(block, X)

    def activated(name, x):
        axes = {"axis": (1, 2, 3), "keepdims": True}
        x = (x - x.mean(**axes)) / np.sqrt(x.var(**axes) + 1e-6)
        return np.maximum(x * params[name]["scale"] + params[name]["bias"], 0)

    h = convolved(params["Convolution_0"], activated("LayerNorm_0", X))
    h = convolved(params["Convolution_1"], activated("LayerNorm_1", h))
    np.testing.assert_allclose(out, h + X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("features", "up"), [(8, False), (4, True)])
def test_bottleneck_generator_block(features, up):
    block = BottleneckGeneratorBlock(features, up, Convolution, normalisation)
    params, out = made(block, X, CONDITION)
    resize = doubled if up else np.asarray

    def step(index, x, resize=np.asarray):
        x = resize(normalised(params[f"ConditionalBatchNorm_{index}"], x))
        return convolved(params[f"Convolution_{index}"], x)

    h = step(3, step(2, step(1, step(0, X), resize)))
    assert [params[f"Convolution_{index}"]["kernel"].shape for index in range(4)] == [
        (1, 1, 8, 2), (3, 3, 2, 2), (3, 3, 2, 2), (1, 1, 2, features)
    ]  # fmt: skip
    np.testing.assert_allclose(out, h + resize(X[..., :features]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("features", "down"), [(8, False), (12, True)])
def test_bottleneck_discriminator_block(features, down):
    params, out = made(BottleneckDiscriminatorBlock(features, down, Convolution), X)
    resize = halved if down else np.asarray

    def step(index, x, resize=np.asarray):
        return convolved(params[f"Convolution_{index}"], resize(np.maximum(x, 0)))

    h = step(3, step(2, step(1, step(0, X))), resize)
    shortcut = resize(X)
    if features > 8:
        shortcut = np.concatenate([shortcut, convolved(params["shortcut"], shortcut)], axis=-1)
    assert ("shortcut" in params) == (features > 8)
    np.testing.assert_allclose(out, h + shortcut, rtol=1e-4, atol=1e-4)


def test_kernels_start_as_they_are_asked_to():
    def constant(value):
        return nn.initializers.constant(value)

    convolution = partial(Convolution, kernel_init=constant(3.0))
    block = DiscriminatorBlock(6, 7, True, True, convolution, None, constant(2.0))
    params = block.init(jax.random.key(0), X)["params"]
    assert jnp.all(params["shortcut"]["kernel"] == 3.0)
    assert jnp.all(params["Convolution_1"]["kernel"] == 2.0)

"""The ResNet family's layers and blocks against PyTorch, with copied weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from functools import partial  # noqa: E402

from torch.nn import functional  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm  # noqa: E402
from gan_jax.layers.convolution import Convolution  # noqa: E402
from gan_jax.layers.residual import DiscriminatorBlock, GeneratorBlock  # noqa: E402
from gan_jax.layers.self_attention import SelfAttention  # noqa: E402
from gan_jax.layers.spectral_normalisation import (  # noqa: E402
    SpectralConvolution,
    SpectralDense,
    SpectralTransposedConvolution,
)

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
both_precisions = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def drawn(shape, dtype, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0.0, scale, shape).astype(dtype)


def agree(ours, theirs, dtype):
    """To the tolerance, relative to the largest."""
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert np.asarray(ours).dtype == dtype and theirs.dtype == dtype
    difference = np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()
    assert difference <= TOLERANCE[dtype], difference


def nchw(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def nhwc(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def oihw(kernel):
    """`[kh, kw, I, O]` in PyTorch's layout."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))


def random_like(shapes, dtype, scale=0.3):
    """Random variables; every one of another seed."""
    leaves, tree = jax.tree.flatten(shapes)
    draws = [drawn(leaf.shape, dtype, 10 + n, scale) for n, leaf in enumerate(leaves)]
    return jax.tree.unflatten(tree, draws)


def normalised(weight, u, iterations=1):
    """W / sigma with W `[O, rest]`, u `[O]`; sigma, u and v by a loop over the algorithm."""
    matrix = weight.reshape(weight.shape[0], -1)
    with torch.no_grad():
        for _ in range(iterations):
            v = matrix.T @ u
            v = v / v.norm()
            u = matrix @ v
            u = u / u.norm()
    return weight / (u @ matrix @ v), u


@both_precisions
@pytest.mark.parametrize("iterations", [1, 3])
def test_spectral_convolution_and_its_gradient(dtype, iterations):
    x, kernel = drawn((2, 6, 5, 3), dtype), drawn((3, 3, 3, 4), dtype, 1)
    bias, u = drawn(4, dtype, 2), drawn(4, dtype, 3)
    layer = SpectralConvolution(4, (3, 3), train=True, iterations=iterations, param_dtype=dtype)

    def loss(kernel, x):
        state = {"params": {"kernel": kernel, "bias": bias}, "spectral": {"u": u}}
        out, moved = layer.apply(state, x, mutable=["spectral"])
        return jnp.sum(out**2), (out, moved["spectral"]["u"])

    gradients, (out, moved) = jax.grad(loss, argnums=(0, 1), has_aux=True)(kernel, x)

    weight, inputs = oihw(kernel).requires_grad_(), nchw(x).requires_grad_()
    divided, after = normalised(weight, torch.from_numpy(u), iterations)
    expected = functional.conv2d(inputs, divided, torch.from_numpy(bias), padding=1)
    expected.square().sum().backward()
    agree(out, nhwc(expected), dtype)
    agree(moved, after, dtype)
    agree(gradients[0], weight.grad.numpy().transpose(2, 3, 1, 0), dtype)
    agree(gradients[1], nhwc(inputs.grad), dtype)


@both_precisions
@pytest.mark.parametrize("iterations", [1, 2])
def test_spectral_dense_against_torchs_own(dtype, iterations):
    """PyTorch iterates u before v: seen along the other axis, its v is our u."""
    x, kernel, u = drawn((3, 5), dtype), drawn((5, 4), dtype, 1), drawn(4, dtype, 2)
    u = u / np.linalg.norm(u)
    linear = torch.nn.Linear(5, 4, bias=False, dtype=getattr(torch, np.dtype(dtype).name))
    linear.weight.data = torch.from_numpy(kernel.T.copy())
    linear = parametrizations.spectral_norm(linear, n_power_iterations=iterations, dim=1)
    norm = linear.parametrizations.weight[0]
    state = {"params": {"kernel": kernel}, "spectral": {"u": u}}
    linear.train()
    norm._v.copy_(torch.from_numpy(u))
    for _ in range(3):  # warm from call to call
        layer = SpectralDense(4, train=True, use_bias=False, iterations=iterations)
        out, moved = layer.apply(state, x, mutable=["spectral"])
        expected = linear(torch.from_numpy(x))
        agree(out, expected, dtype)
        agree(moved["spectral"]["u"], norm._v, dtype)
        state = {**state, **moved}


@both_precisions
def test_spectral_transposed_convolution(dtype):
    x, kernel, u = drawn((2, 4, 3, 5), dtype), drawn((4, 4, 5, 6), dtype, 1), drawn(6, dtype, 2)
    layer = SpectralTransposedConvolution(6, (4, 4), (2, 2), train=True, use_bias=False)
    state = {"params": {"kernel": kernel}, "spectral": {"u": u}}
    out, _ = layer.apply(state, x, mutable=["spectral"])
    divided, _ = normalised(oihw(kernel), torch.from_numpy(u))
    # PyTorch's transposed convolution is [I, O, kh, kw], and flips.
    weight = divided.permute(1, 0, 2, 3).flip(2, 3)
    agree(out, nhwc(functional.conv_transpose2d(nchw(x), weight, stride=2, padding=1)), dtype)


def batch_norm(params, stats, x, condition, train):
    """PyTorch's BatchNorm without weights, then gain and bias."""
    mean, variance = (torch.from_numpy(stats[name].copy()) for name in ("mean", "var"))
    h = functional.batch_norm(nchw(x) if isinstance(x, np.ndarray) else x, mean, variance,
                              training=train, momentum=0.1, eps=1e-5)  # fmt: skip
    gain, bias = (torch.from_numpy(condition @ params[name]["kernel"]) for name in ("gain", "bias"))
    return h * (1 + gain)[:, :, None, None] + bias[:, :, None, None]


def linear(dtype):
    return partial(nn.Dense, use_bias=False, param_dtype=dtype)


@both_precisions
@pytest.mark.parametrize("train", [True, False])
def test_conditional_batch_norm(dtype, train):
    x, condition = drawn((3, 4, 5, 6), dtype), drawn((3, 4), dtype, 1)
    module = ConditionalBatchNorm(train=train, linear=linear(dtype))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, condition))
    params = random_like(shapes["params"], dtype)
    stats = {"mean": drawn(6, dtype, 5), "var": np.exp(drawn(6, dtype, 6))}
    state = {"params": params, "batch_stats": {"BatchNorm_0": stats}}
    out, _ = module.apply(state, x, condition, mutable=["batch_stats"])
    agree(out, nhwc(batch_norm(params, stats, x, condition, train)), dtype)


@both_precisions
def test_self_attention(dtype):
    x = drawn((2, 4, 6, 16), dtype)
    module = SelfAttention(partial(Convolution, param_dtype=dtype))
    params = random_like(jax.eval_shape(lambda: module.init(jax.random.key(0), x))["params"], dtype)
    out = module.apply({"params": params}, x)

    def pointwise(name, x):
        return functional.conv2d(x, oihw(params[name]["kernel"]))

    inputs = nchw(x)
    query = pointwise("query", inputs).flatten(2)
    key = functional.max_pool2d(pointwise("key", inputs), 2).flatten(2)
    value = functional.max_pool2d(pointwise("value", inputs), 2).flatten(2)
    weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
    attended = (value @ weights.transpose(1, 2)).reshape(2, 8, 4, 6)
    expected = inputs + torch.from_numpy(np.asarray(params["gamma"])) * pointwise(
        "output", attended
    )
    agree(out, nhwc(expected), dtype)


@both_precisions
def test_generator_block(dtype):
    x, condition = drawn((2, 4, 4, 8), dtype), drawn((2, 3), dtype, 1)
    module = GeneratorBlock(
        6,
        partial(Convolution, param_dtype=dtype),
        partial(ConditionalBatchNorm, train=True, linear=linear(dtype)),
        nn.initializers.glorot_uniform(),
    )
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, condition))
    params = random_like(shapes["params"], dtype)
    stats = random_like(shapes["batch_stats"], dtype)
    state = {"params": params, "batch_stats": stats}
    out, _ = module.apply(state, x, condition, mutable=["batch_stats"])

    def convolved(name, x, padding):
        layer = params[name]
        return functional.conv2d(
            x, oihw(layer["kernel"]), torch.from_numpy(layer["bias"]), padding=padding
        )

    def activated(name, x):
        of_layer = stats[name]["BatchNorm_0"]
        return functional.relu(batch_norm(params[name], of_layer, x, condition, True))

    upsample = partial(functional.interpolate, scale_factor=2, mode="nearest")
    h = upsample(activated("ConditionalBatchNorm_0", nchw(x)))
    h = activated("ConditionalBatchNorm_1", convolved("Convolution_0", h, 1))
    expected = convolved("Convolution_1", h, 1) + convolved("shortcut", upsample(nchw(x)), 0)
    agree(out, nhwc(expected), dtype)


@both_precisions
@pytest.mark.parametrize("first", [True, False])
def test_discriminator_block_with_spectral_normalisation(dtype, first):
    x = drawn((2, 8, 8, 4), dtype)
    module = DiscriminatorBlock(
        6, 5, True, first,
        partial(SpectralConvolution, train=True, param_dtype=dtype), None,
        nn.initializers.glorot_uniform(),
    )  # fmt: skip
    state = random_like(jax.eval_shape(lambda: module.init(jax.random.key(0), x)), dtype)
    out, _ = module.apply(state, x, mutable=["spectral"])

    def convolved(name, x, padding):
        layer, u = state["params"][name], state["spectral"][name]["u"]
        weight, _ = normalised(oihw(layer["kernel"]), torch.from_numpy(u))
        return functional.conv2d(x, weight, torch.from_numpy(layer["bias"]), padding=padding)

    inputs = nchw(x)
    h = convolved("SpectralConvolution_0", inputs if first else functional.relu(inputs), 1)
    h = convolved("SpectralConvolution_1", functional.relu(h), 1)
    # The published order of the shortcut: convolve, then average.
    shortcut = functional.avg_pool2d(convolved("shortcut", inputs, 0), 2)
    agree(out, nhwc(functional.avg_pool2d(h, 2) + shortcut), dtype)

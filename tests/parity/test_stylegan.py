"""The StyleGAN family against PyTorch written naively from the papers, with the same weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from gan_jax.layers.minibatch_stddev import minibatch_stddev  # noqa: E402
from gan_jax.networks import stylegan  # noqa: E402
from gan_jax.networks.stylegan2.discriminator import StyleGAN2Discriminator  # noqa: E402
from gan_jax.networks.stylegan2.synthesis import Synthesis  # noqa: E402
from gan_jax.ops.modulation import modulated_convolution  # noqa: E402
from gan_jax.ops.resampled_convolution import doubling_convolution  # noqa: E402
from gan_jax.ops.resampling import blur, downsample, upsample  # noqa: E402

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)]
)
BINOMIAL = (1.0, 3.0, 3.0, 1.0)


def draw(shape, seed, dtype):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def chw(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1)))


def hwc(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def tensor(x):
    return x if isinstance(x, torch.Tensor) else torch.from_numpy(np.array(x))


def oihw(kernel):
    return tensor(kernel).permute(3, 2, 0, 1)


def close(found, expected, tolerance):
    """Relative to the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def upfirdn(x, taps, up, down, padding, gain=1.0):
    batch, channels, height, width = x.shape
    stuffed = x.new_zeros(batch, channels, height * up, width * up)
    stuffed[:, :, ::up, ::up] = x
    low, high = padding
    padded = F.pad(stuffed, (low, high, low, high))
    taps = torch.tensor(taps, dtype=x.dtype)
    filter_ = torch.outer(taps, taps).flip(0, 1) * gain / taps.sum() ** 2
    weight = filter_.expand(channels, 1, len(taps), len(taps))
    return F.conv2d(padded, weight, groups=channels)[:, :, ::down, ::down]


def lrelu(x, gain):
    return F.leaky_relu(x, 0.2) * gain


def variables_of(module, *arguments, dtype, **keywords):
    """Random ones of the shapes that `module` makes."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments, **keywords))
    random = np.random.default_rng(7)
    return jax.tree.map(lambda s: random.normal(0.2, 0.8, s.shape).astype(dtype), shapes)


def run(module, variables, *arguments, **keywords):
    return jax.jit(lambda v, *a: module.apply(v, *a, **keywords))(variables, *arguments)


@PRECISIONS
@pytest.mark.parametrize("taps", [BINOMIAL, (1.0, 2.0, 5.0, 3.0)])
def test_resampling(taps, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        x = draw((2, 6, 8, 3), 0, dtype)
        for operation, up, down, padding in (
            (upsample, 2, 1, (2, 1)),
            (downsample, 1, 2, (1, 1)),
            (blur, 1, 1, (2, 1)),
        ):
            found = jax.jit(operation, static_argnums=1)(jnp.asarray(x), taps)
            close(found, hwc(upfirdn(chw(x), taps, up, down, padding, up**2)), tolerance)


def modulated(x, kernel, styles, demodulate, up):
    """One grouped convolution with a kernel for each sample."""
    batch, inputs, height, width = x.shape
    kernels = kernel[None] * styles[:, None, :, None, None]
    if demodulate:
        kernels = kernels / (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    outputs, k = kernel.shape[0], kernel.shape[2]
    joined = x.reshape(1, batch * inputs, height, width)
    if up:
        # A convolution of the picture with zeros put in, filtered first: the order of the paper.
        joined = upfirdn(joined, BINOMIAL, 2, 1, (3, 2), 4.0)
    y = F.conv2d(joined, kernels.flatten(0, 1), groups=batch, padding=0 if up else k // 2)
    return y.reshape(batch, outputs, *y.shape[2:])


@PRECISIONS
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution(demodulate, up, dtype, tolerance):
    x, kernel, styles = (
        draw(shape, seed, dtype) for seed, shape in enumerate([(3, 4, 5, 6), (3, 3, 6, 7), (3, 6)])
    )
    expected = modulated(chw(x), oihw(kernel), tensor(styles), demodulate, up)
    with jax.enable_x64(dtype == "float64"):
        operation = {"convolve": doubling_convolution} if up else {}
        found = jax.jit(lambda *a: modulated_convolution(*a, **operation, demodulate=demodulate))(
            *map(jnp.asarray, (x, kernel, styles))
        )
        close(found, hwc(expected), tolerance)


def stddev(x, group, channels=1):
    batch, features, height, width = x.shape
    y = x.reshape(group, -1, channels, features // channels, height, width)
    deviation = (y.var(dim=0, unbiased=False) + 1e-8).sqrt().mean((2, 3, 4))
    planes = deviation[:, :, None, None].repeat(group, 1, height, width)
    return torch.cat([x, planes], dim=1)


@PRECISIONS
def test_minibatch_stddev(dtype, tolerance):
    x = draw((8, 3, 5, 6), 0, dtype)
    with jax.enable_x64(dtype == "float64"):
        found = jax.jit(minibatch_stddev, static_argnums=(1, 2))(x, 4, 2)
        close(found, hwc(stddev(chw(x), 4, 2)), tolerance)


def dense(x, p, gain=1.0):
    return x @ tensor(p["kernel"]) * (gain / np.sqrt(x.shape[1])) + tensor(p["bias"])


def styled(x, w, p, noise, up):
    convolution = p["convolution"]
    styles = dense(w, convolution["affine"])
    x = modulated(x, oihw(convolution["kernel"]), styles, True, up)
    x = x + tensor(noise["plane"])[..., 0] * tensor(p["noise"]["strength"])
    return lrelu(x + tensor(p["bias"])[:, None, None], np.sqrt(2))


def to_picture(x, w, p):
    styles = dense(w, p["convolution"]["affine"]) / np.sqrt(x.shape[1])
    x = modulated(x, oihw(p["convolution"]["kernel"]), styles, False, False)
    return x + tensor(p["bias"])[:, None, None]


@PRECISIONS
def test_synthesis(dtype, tolerance):
    """The whole of StyleGAN2's, at 16 pixels: which w goes where, noise, skips."""
    module = Synthesis(16, 3, channel_base=80, channel_max=8)
    ws = draw((2, module.num_ws, 6), 1, dtype)
    variables = variables_of(module, ws, "constant", dtype=dtype)
    p = variables["params"]
    planes = {name: layer["noise"] for name, layer in variables["noise"].items()}
    w = tensor(ws)
    x = chw(np.broadcast_to(p["constant"], (2, *p["constant"].shape)))
    x = styled(x, w[:, 0], p["4_same"], planes["4_same"], False)
    image = to_picture(x, w[:, 1], p["4_picture"])
    for index, side in ((1, 8), (3, 16)):
        x = styled(x, w[:, index], p[f"{side}_up"], planes[f"{side}_up"], True)
        x = styled(x, w[:, index + 1], p[f"{side}_same"], planes[f"{side}_same"], False)
        image = upfirdn(image, BINOMIAL, 2, 1, (2, 1), 4.0)
        image = image + to_picture(x, w[:, index + 2], p[f"{side}_picture"])
    with jax.enable_x64(dtype == "float64"):
        close(run(module, variables, ws, noise="constant"), hwc(image), tolerance)


def convolved(x, p, gain=1.0, filtered=None):
    kernel = oihw(p["kernel"])
    kernel = kernel * (gain / np.sqrt(kernel[0].numel()))
    k = kernel.shape[2]
    if filtered is not None:
        x = upfirdn(x, BINOMIAL, 1, 1, (1 + k // 2, 1 + k // 2))
        y = F.conv2d(x, kernel)[:, :, ::2, ::2]
    else:
        y = F.conv2d(x, kernel, padding=k // 2)
    return y if "bias" not in p else y + tensor(p["bias"])[:, None, None]


def last(x, p, group, dense_gain, activation_gain):
    """Minibatch stddev, convolution, two dense layers; ours flattens channels last."""
    x = stddev(x, group)
    x = lrelu(convolved(x, p["last"], dense_gain), activation_gain)
    x = lrelu(dense(x.permute(0, 2, 3, 1).flatten(1), p["dense"], dense_gain), activation_gain)
    return dense(x, p["logit"])[:, 0]


@PRECISIONS
@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_discriminator(architecture, dtype, tolerance):
    """The whole of StyleGAN2's, at 8 pixels, and R1's gradient in a kernel by double backward."""
    module = StyleGAN2Discriminator(
        8, channel_base=48, channel_max=8, architecture=architecture, group_size=2
    )
    images = draw((4, 8, 8, 3), 2, dtype)
    variables = variables_of(module, images, train=True, dtype=dtype)
    p = jax.tree.map(tensor, variables["params"])
    kernel = p["8"]["same"]["convolution"]["kernel"].requires_grad_()
    root = np.sqrt(2)

    def reference(x):
        x = lrelu(convolved(x, p["from_picture"]["convolution"]), root)
        half = np.sqrt(0.5) if architecture == "resnet" else 1.0
        y = lrelu(convolved(x, p["8"]["same"]["convolution"]), root)
        y = lrelu(convolved(y, p["8"]["down"]["convolution"], filtered=BINOMIAL), root * half)
        if architecture == "resnet":
            y = y + half * convolved(x, p["8"]["shortcut"], filtered=BINOMIAL)
        return last(y, {**p, "last": p["last"]["convolution"]}, 2, 1.0, root)

    x = chw(images).requires_grad_()
    logits = reference(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    penalty = gradient.square().sum((1, 2, 3)).mean()
    (second,) = torch.autograd.grad(penalty, kernel)

    def ours(variables, images):
        def total(images, variables):
            return jnp.sum(module.apply(variables, images, train=True))

        def r1(variables):
            return jnp.mean(jnp.sum(jax.grad(total)(images, variables) ** 2, (1, 2, 3)))

        logits = module.apply(variables, images, train=True)
        second = jax.grad(r1)(variables)["params"]["8"]["same"]["convolution"]["kernel"]
        return logits, jax.grad(total)(images, variables), second

    with jax.enable_x64(dtype == "float64"):
        found = jax.jit(ours)(variables, images)
        close(found[0], logits.detach().numpy(), tolerance)
        close(found[1], hwc(gradient), tolerance)
        # Two derivatives on, the roundings of float32 have added up.
        close(found[2], second.numpy(), 1e-4 if dtype == "float32" else tolerance)


@PRECISIONS
def test_stylegan(dtype, tolerance):
    """StyleGAN's (2019) synthesis and discriminator at 8 pixels."""
    root = np.sqrt(2)
    taps = (1.0, 2.0, 1.0)
    module = stylegan.StyleGANSynthesis(8, 3, channel_base=48, channel_max=8)
    ws = draw((2, 4, 6), 3, dtype)
    variables = variables_of(module, ws, "constant", dtype=dtype)
    p, w = variables["params"], tensor(ws)

    def epilogue(x, index, name):
        plane = tensor(variables["noise"][f"{name}_noise"]["plane"])[..., 0]
        x = x + plane * tensor(p[f"{name}_noise"]["strength"])[:, None, None]
        x = lrelu(x + tensor(p[f"{name}_bias"])[:, None, None], 1.0)
        scale, shift = dense(w[:, index], p[f"{name}_adain"]["affine"])[..., None, None].chunk(2, 1)
        return F.instance_norm(x, eps=1e-8) * (1 + scale) + shift

    x = epilogue(chw(np.broadcast_to(p["constant"], (2, *p["constant"].shape))), 0, "4_constant")
    x = epilogue(convolved(x, p["4_same_convolution"], root), 1, "4_same")
    x = convolved(F.interpolate(x, scale_factor=2), p["8_up_convolution"], root)
    x = epilogue(upfirdn(x, taps, 1, 1, (1, 1)), 2, "8_up")
    x = epilogue(convolved(x, p["8_same_convolution"], root), 3, "8_same")
    image = convolved(x, p["picture"])
    with jax.enable_x64(dtype == "float64"):
        close(run(module, variables, ws, noise="constant"), hwc(image), tolerance)

    judge = stylegan.StyleGANDiscriminator(8, channel_base=48, channel_max=8, group_size=2)
    images = draw((4, 8, 8, 3), 4, dtype)
    variables = variables_of(judge, images, train=True, dtype=dtype)
    p = variables["params"]
    x = lrelu(convolved(chw(images), p["from_picture"], root), 1.0)
    x = lrelu(convolved(x, p["8_same"], root), 1.0)
    kernel_only = {"kernel": p["8_down"]["kernel"]}
    x = F.avg_pool2d(convolved(upfirdn(x, taps, 1, 1, (1, 1)), kernel_only, root), 2)
    x = lrelu(x + tensor(p["8_down"]["bias"])[:, None, None], 1.0)
    logits = last(x, p, 2, root, 1.0)
    with jax.enable_x64(dtype == "float64"):
        close(run(judge, variables, images, train=True), logits.numpy(), tolerance)

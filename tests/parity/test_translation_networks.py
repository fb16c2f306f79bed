"""The networks of pix2pix and CycleGAN against PyTorch layers, with copied weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gan_jax.networks.patchgan import PatchGAN  # noqa: E402
from gan_jax.networks.resnet_translator import ResNetTranslator  # noqa: E402
from gan_jax.networks.unet import UNet  # noqa: E402
from tests.parity.agreement import assert_agree, precision  # noqa: E402

CASES = pytest.mark.parametrize(
    ("dtype", "tolerance", "normalisation", "train"),
    [
        ("float32", 1e-5, "batch", True),
        ("float64", 1e-10, "batch", True),
        ("float64", 1e-10, "batch", False),
        ("float64", 1e-10, "instance", True),
        ("float64", 1e-10, "instance_affine", True),
    ],
)
WIDTH = 4


def drawn(shape, dtype, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def variables_of(module, *arguments, dtype):
    """Random ones, of a size that keeps activations near 1."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        if path[-1].key in ("scale", "var"):
            return random.uniform(0.5, 1.5, shape).astype(dtype)
        spread = np.prod(shape[:-1]) ** -0.5 if path[-1].key == "kernel" else 0.3
        return random.normal(0, spread, shape).astype(dtype)

    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments, train=True))
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


def reflecting(inputs, features, kernel, bias):
    edge = kernel // 2
    return nn.Conv2d(inputs, features, kernel, 1, edge, bias=bias, padding_mode="reflect")


def norm_of(normalisation, features):
    if normalisation == "batch":
        return nn.BatchNorm2d(features)
    return nn.InstanceNorm2d(features, affine=normalisation == "instance_affine")


def doubling(inputs, features, upsample, bias):
    if upsample == "resize":
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(inputs, features, 3, 1, 1, bias=bias),
        )
    return nn.ConvTranspose2d(inputs, features, 4, 2, 1, bias=bias)


class TorchUNet(nn.Module):
    """For 16 pixels: four halvings, to 4, 8, 16 and 32 features."""

    def __init__(self, channels, normalisation, upsample):
        super().__init__()
        bias = normalisation != "batch"

        def down(inputs, features):
            return nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(inputs, features, 4, 2, 1, bias=bias))

        def up(inputs, features):
            layer = doubling(inputs, features, upsample, bias)
            return nn.Sequential(nn.ReLU(), layer, norm_of(normalisation, features))

        self.down1 = nn.Conv2d(channels, 4, 4, 2, 1, bias=bias)
        self.down2 = nn.Sequential(down(4, 8), norm_of(normalisation, 8))
        self.down3 = nn.Sequential(down(8, 16), norm_of(normalisation, 16))
        self.down4 = down(16, 32)
        self.up4, self.up3, self.up2 = up(32, 16), up(2 * 16, 8), up(2 * 8, 4)
        self.up1 = nn.Sequential(nn.ReLU(), doubling(2 * 4, 3, upsample, True), nn.Tanh())

    def forward(self, x):
        down1 = self.down1(x)
        down2 = self.down2(down1)
        down3 = self.down3(down2)
        up = self.up4(self.down4(down3))
        up = self.up3(torch.cat([down3, up], 1))
        up = self.up2(torch.cat([down2, up], 1))
        return self.up1(torch.cat([down1, up], 1))


def torch_patchgan(channels, normalisation):
    """C4-C8-C16-C32: three layers of stride 2 and two of stride 1."""
    bias = normalisation != "batch"
    return nn.Sequential(
        nn.Conv2d(channels, 4, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1, bias=bias),
        norm_of(normalisation, 8),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 16, 4, 2, 1, bias=bias),
        norm_of(normalisation, 16),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 1, 1, bias=bias),
        norm_of(normalisation, 32),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4, 1, 1),
    )


class Residual(nn.Module):
    def __init__(self, normalisation, bias):
        super().__init__()
        self.inner = nn.Sequential(
            reflecting(16, 16, 3, bias),
            norm_of(normalisation, 16),
            nn.ReLU(),
            reflecting(16, 16, 3, bias),
            norm_of(normalisation, 16),
        )

    def forward(self, x):
        return x + self.inner(x)


def torch_resnet(channels, normalisation):
    """c7s1-4, d8, d16, R16, R16, u8, u4, c7s1-3."""
    bias = normalisation != "batch"
    return nn.Sequential(
        reflecting(channels, 4, 7, bias),
        norm_of(normalisation, 4),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, 2, 1, bias=bias),
        norm_of(normalisation, 8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2, 1, bias=bias),
        norm_of(normalisation, 16),
        nn.ReLU(),
        Residual(normalisation, bias),
        Residual(normalisation, bias),
        nn.ConvTranspose2d(16, 8, 3, 2, 1, output_padding=1, bias=bias),
        norm_of(normalisation, 8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1, bias=bias),
        norm_of(normalisation, 4),
        nn.ReLU(),
        reflecting(4, 3, 7, True),
        nn.Tanh(),
    )


KINDS = {"Convolution": nn.Conv2d, "TransposedConvolution": nn.ConvTranspose2d}


def in_torchs_layout(kernel, transposed):
    """`[kh, kw, I, O]` as O, I, kh, kw; a transposed one as I, O, kh, kw, which PyTorch flips."""
    if transposed:
        return kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    return kernel.transpose(3, 2, 0, 1)


def layers_of(network, kind):
    """In the order in which ours are numbered."""
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def copy(variables, network):
    """Ours into PyTorch's."""

    def fill(target, value):
        with torch.no_grad():
            target.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    params, moved = variables["params"], variables.get("batch_stats", {})
    for name, kind in KINDS.items():
        for index, layer in enumerate(layers_of(network, kind)):
            ours = params[f"{name}_{index}"]
            fill(layer.weight, in_torchs_layout(ours["kernel"], kind is nn.ConvTranspose2d))
            assert (layer.bias is not None) == ("bias" in ours)
            if layer.bias is not None:
                fill(layer.bias, ours["bias"])
    for index, layer in enumerate(layers_of(network, (nn.BatchNorm2d, nn.InstanceNorm2d))):
        ((_, ours),) = params.get(f"PictureNormalisation_{index}", {"": {}}).items()
        assert (layer.weight is not None) == bool(ours)
        if ours:
            fill(layer.weight, ours["scale"])
            fill(layer.bias, ours["bias"])
        if isinstance(layer, nn.BatchNorm2d):
            statistics = moved[f"PictureNormalisation_{index}"]["BatchNorm_0"]
            fill(layer.running_mean, statistics["mean"])
            fill(layer.running_var, statistics["var"])
    return network


def channels_first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def compare(module, network, images, condition, train, tolerance):
    """Outputs; gradients of a weighted sum of them in the images and in every kernel; and the
    running means (PyTorch's running variance is that of a sample)."""
    inputs = (images,) if condition is None else (images, condition)
    variables = variables_of(module, *inputs, dtype=images.dtype)
    network = copy(variables, network.to(getattr(torch, images.dtype.name))).train(train)
    tensor = channels_first(np.concatenate(inputs[::-1], axis=-1)).requires_grad_()
    expected = network(tensor).permute(0, 2, 3, 1)
    weights = drawn(expected.shape, images.dtype, seed=9)
    (expected * torch.from_numpy(weights)).sum().backward()

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # compiles sooner
    @partial(jax.grad, argnums=(0, 1), has_aux=True)
    def ours(params, images, *others):
        state = variables | {"params": params}
        out, moved = module.apply(state, images, *others, train=train, mutable=["batch_stats"])
        out = out.reshape(weights.shape)
        return jnp.sum(out * weights), (out, moved)

    gradients, (found, moved) = ours(variables["params"], *inputs)
    assert_agree(found, expected, tolerance)
    of_images = tensor.grad.permute(0, 2, 3, 1)[..., -images.shape[-1] :]
    assert_agree(gradients[1], of_images, 10 * tolerance)
    for name, kind in KINDS.items():
        for index, layer in enumerate(layers_of(network, kind)):
            kernel = np.asarray(gradients[0][f"{name}_{index}"]["kernel"])
            kernel = in_torchs_layout(kernel, kind is nn.ConvTranspose2d)
            assert_agree(kernel, layer.weight.grad, 10 * tolerance)
    for index, layer in enumerate(layers_of(network, nn.BatchNorm2d)):
        statistics = moved["batch_stats"][f"PictureNormalisation_{index}"]["BatchNorm_0"]
        assert_agree(statistics["mean"], layer.running_mean, tolerance)


def compare_unet(dtype, tolerance, normalisation, train, upsample="transposed"):
    with precision(dtype):
        settings = {"normalisation": normalisation, "upsample": upsample, "dropout": 0.0}
        network = TorchUNet(5, normalisation, upsample)
        images = drawn((3, 16, 16, 5), dtype)
        compare(UNet(16, 3, width=WIDTH, **settings), network, images, None, train, tolerance)


@CASES
def test_unet(dtype, tolerance, normalisation, train):
    compare_unet(dtype, tolerance, normalisation, train)


def test_resizing_unet():
    compare_unet("float64", 1e-10, "batch", True, "resize")


@CASES
def test_patchgan(dtype, tolerance, normalisation, train):
    with precision(dtype):
        images, condition = drawn((2, 32, 40, 3), dtype), drawn((2, 32, 40, 2), dtype, 1)
        module = PatchGAN(width=WIDTH, normalisation=normalisation)
        network = torch_patchgan(5, normalisation)
        compare(module, network, images, condition, train, tolerance)


@CASES
def test_resnet_translator(dtype, tolerance, normalisation, train):
    with precision(dtype):
        module = ResNetTranslator(3, width=WIDTH, blocks=2, normalisation=normalisation)
        network = torch_resnet(5, normalisation)
        compare(module, network, drawn((2, 16, 24, 5), dtype), None, train, tolerance)

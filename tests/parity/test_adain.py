"""AdaIN's encoder and decoder against the same lists of torch layers, weights carried over."""

import functools

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from gan_jax.networks.adain import AdaINDecoder  # noqa: E402
from gan_jax.networks.features.style_vgg import TAPS, StyleVGG  # noqa: E402
from gan_jax.style_losses import adain  # noqa: E402
from tests.networks.random_weights import he_variables  # noqa: E402
from tests.networks.style import pictures  # noqa: E402
from tests.parity.references import channels_first  # noqa: E402
from tests.parity.test_style_losses import torch_adain  # noqa: E402

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def convolution(inputs, outputs):
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]


def pool():
    return nn.MaxPool2d(2, 2, ceil_mode=True)


def up():
    return nn.Upsample(scale_factor=2, mode="nearest")


def torch_encoder(w):
    """The normalised VGG-19 as far as relu4_1; its first ReLUs of a block are 3, 10, 17, 30."""
    layers, inputs = [nn.Conv2d(3, 3, 1)], 3
    for outputs in (w, w, pool, 2 * w, 2 * w, pool, *[4 * w] * 4, pool, 8 * w):
        if outputs is pool:
            layers.append(pool())
            continue
        layers += [*convolution(inputs, outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers)


def torch_decoder(w):
    layers, inputs = [], 8 * w
    for outputs in (4 * w, up, *[4 * w] * 3, 2 * w, up, 2 * w, w, up, w, 3):
        if outputs is up:
            layers.append(up())
            continue
        layers += [*convolution(inputs, outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers[:-1])


ENCODER = "conv0 conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv3_4 conv4_1".split()


def carry(variables, names, module, dtype):
    """Our kernels into torch's convolutions, in their order."""
    convolutions = [layer for layer in module if isinstance(layer, nn.Conv2d)]
    for name, layer in zip(names, convolutions, strict=True):
        ours = variables["params"][name]
        layer.weight.data = torch.tensor(ours["kernel"].transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(ours["bias"])
    return module.to(getattr(torch, dtype))


def assert_near(found, expected, dtype):
    expected = expected.detach().permute(0, 2, 3, 1).numpy()
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 50)])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_stylising(dtype, height, width):
    """Every tap of content and style, what AdaIN makes of them, and the picture."""
    encoder, decoder = StyleVGG(width=8), AdaINDecoder(width=8)
    small = np.zeros((1, 32, 32, 3), np.float32)
    encoding = he_variables(encoder, small)
    decoding = he_variables(decoder, np.zeros((1, 4, 4, 64), np.float32), train=False)
    theirs = carry(encoding, ENCODER, torch_encoder(8), dtype)
    back = carry(decoding, ENCODER[:0:-1], torch_decoder(8), dtype)
    content, style = (images[:, :height, :width].astype(dtype) for images in (
        pictures(64, batch=2), pictures(64, batch=4)[2:] ** 3))  # fmt: skip
    with jax.enable_x64(dtype == "float64"):
        encoding, decoding = jax.tree.map(lambda leaf: leaf.astype(dtype), (encoding, decoding))

        @jax.jit
        def ours(content, style):
            found = [encoder.apply(encoding, images, taps=TAPS) for images in (content, style)]
            mixed = adain(found[0]["relu4_1"], found[1]["relu4_1"])
            return found, mixed, decoder.apply(decoding, mixed, train=False)

        found, mixed, picture = jax.device_get(ours(content, style))
    deepest = []
    for images, maps in zip((content, style), found, strict=True):
        x = channels_first((images + 1) / 2)
        for index, layer in enumerate(theirs):
            x = layer(x)
            if index in (3, 10, 17, 30):
                assert_near(maps[TAPS[(3, 10, 17, 30).index(index)]], x, dtype)
        deepest.append(x)
    assert_near(mixed, torch_adain(*deepest), dtype)
    assert_near(picture, back(torch_adain(*deepest)), dtype)


@pytest.mark.parametrize(
    ("module", "count"), [(torch_encoder, 3_505_740), (torch_decoder, 3_505_219)]
)
def test_the_references_are_as_large_as_published(module, count):
    with torch.device("meta"):
        assert sum(leaf.numel() for leaf in module(64).parameters()) == count


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_decoder_s_gradient(dtype):
    """By its input, through mirrored borders."""
    decoder = AdaINDecoder(width=4)
    features = np.abs(pictures(5, channels=32)).astype(dtype)
    decoding = he_variables(decoder, features.astype(np.float32), train=False)
    back = carry(decoding, ENCODER[:0:-1], torch_decoder(4), dtype)
    x = channels_first(features).requires_grad_()
    with jax.enable_x64(dtype == "float64"):
        decoding = jax.tree.map(lambda leaf: leaf.astype(dtype), decoding)
        make = functools.partial(decoder.apply, decoding, train=True)
        gradient = jax.jit(jax.grad(lambda features: (make(features) ** 2).mean()))(features)
    (expected,) = torch.autograd.grad((back(x) ** 2).mean(), x)
    assert_near(np.asarray(gradient), expected, dtype)

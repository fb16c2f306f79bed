"""StarGAN, GANimation and StarGAN v2 against PyTorch's own layers, put together as the papers'
tables say, with our weights: outputs, and gradients in every weight and floating input.

Layers have our names, by which weights find them.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.stargan import StarGANDiscriminator, StarGANTranslator
from gan_jax.networks.starganv2 import (
    MappingNetwork,
    StarGANv2Discriminator,
    StarGANv2Generator,
    StyleEncoder,
)
from tests.parity.agreement import PRECISIONS, assert_agree, precision

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
relu = functional.relu
leaky = functools.partial(functional.leaky_relu, negative_slope=0.2)


class Named(nn.Module):
    """Made of layers by name."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def numbered(self, kind):
        """All layers `kind_0`, `kind_1`, …"""
        count = sum(name.startswith(f"{kind}_") for name, _ in self.named_children())
        return [getattr(self, f"{kind}_{index}") for index in range(count)]


def number(kind, layers):
    return {f"{kind}_{index}": layer for index, layer in enumerate(layers)}


def norms(*features):
    layers = [nn.InstanceNorm2d(count, affine=True) for count in features]
    return number("PictureNormalisation", layers)


class Residual(Named):
    """StarGAN's."""

    def __init__(self, features):
        settings = {"padding": 1, "bias": False}
        convolutions = [nn.Conv2d(features, features, 3, **settings) for _ in range(2)]
        super().__init__(**number("Convolution", convolutions), **norms(features, features))

    def forward(self, x):
        h = relu(self.PictureNormalisation_0(self.Convolution_0(x)))
        return x + self.PictureNormalisation_1(self.Convolution_1(h))


class Translator(Named):
    """StarGAN's generator with GANimation's two heads, or with the first alone."""

    def __init__(self, inputs, width, mask):
        halving = {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False}
        wide = {"kernel_size": 7, "padding": 3, "bias": False}
        down = [
            nn.Conv2d(inputs, width, **wide),
            nn.Conv2d(width, 2 * width, **halving),
            nn.Conv2d(2 * width, 4 * width, **halving),
        ]
        up = [
            nn.ConvTranspose2d(4 * width, 2 * width, **halving),
            nn.ConvTranspose2d(2 * width, width, **halving),
        ]
        super().__init__(
            **number("Convolution", down),
            **number("TranslatorBlock", [Residual(4 * width), Residual(4 * width)]),
            **number("TransposedConvolution", up),
            **norms(width, 2 * width, 4 * width, 2 * width, width),
            colour=nn.Conv2d(width, 3, **wide),
            **({"mask": nn.Conv2d(width, 1, **wide)} if mask else {}),
        )

    def forward(self, images, condition):
        if condition.ndim == 2:
            condition = condition[:, :, None, None].expand(-1, -1, *images.shape[2:])
        x = torch.cat([images, condition], 1)
        normalise = self.numbered("PictureNormalisation")
        for layer, norm in zip(self.numbered("Convolution"), normalise[:3], strict=True):
            x = relu(norm(layer(x)))
        x = self.TranslatorBlock_1(self.TranslatorBlock_0(x))
        for layer, norm in zip(self.numbered("TransposedConvolution"), normalise[3:], strict=True):
            x = relu(norm(layer(x)))
        colour = torch.tanh(self.colour(x))
        if not hasattr(self, "mask"):
            return (colour,)
        mask = torch.sigmoid(self.mask(x))
        return mask * images + (1 - mask) * colour, mask, colour


class Judge(Named):
    """StarGAN's discriminator at 16 pixels."""

    def __init__(self, width, outputs):
        features = [3, width, 2 * width, 4 * width]
        pairs = zip(features, features[1:], strict=False)
        layers = [nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in pairs]
        super().__init__(
            **number("Convolution", layers),
            logits=nn.Conv2d(features[-1], 1, 3, padding=1, bias=False),
            condition=nn.Conv2d(features[-1], outputs, 2, bias=False),
        )

    def forward(self, x):
        for layer in self.numbered("Convolution"):
            x = functional.leaky_relu(layer(x), 0.01)
        return self.logits(x)[:, 0], self.condition(x)[:, :, 0, 0]


def around(inputs, features):
    layer = nn.Conv2d(inputs, features, 1, bias=False)
    return {"shortcut": layer} if inputs != features else {"shortcut": nn.Identity()}


class Block(Named):
    """StarGAN v2's."""

    def __init__(self, inputs, features, *, down, normalised):
        convolutions = [nn.Conv2d(inputs, o, 3, padding=1) for o in (inputs, features)]
        normalise = norms(inputs, inputs) if normalised else {}
        super().__init__(
            **number("HeConvolution", convolutions), **normalise, **around(inputs, features)
        )
        self.resize = nn.AvgPool2d(2) if down else nn.Identity()
        self.normalised = normalised

    def forward(self, x):
        h = self.PictureNormalisation_0(x) if self.normalised else x
        h = self.resize(self.HeConvolution_0(leaky(h)))
        h = self.PictureNormalisation_1(h) if self.normalised else h
        return (self.resize(self.shortcut(x)) + self.HeConvolution_1(leaky(h))) / math.sqrt(2)


class Stylise(Named):
    def __init__(self, style, features):
        super().__init__(affine=nn.Linear(style, 2 * features))
        self.norm = nn.InstanceNorm2d(features)

    def forward(self, x, style):
        scale, shift = self.affine(style)[:, :, None, None].chunk(2, 1)
        return (1 + scale) * self.norm(x) + shift


class StyledBlock(Named):
    def __init__(self, style, inputs, features, *, up, residual):
        convolutions = [nn.Conv2d(i, features, 3, padding=1) for i in (inputs, features)]
        super().__init__(
            **number("StyleNormalisation", [Stylise(style, inputs), Stylise(style, features)]),
            **number("HeConvolution", convolutions),
            **(around(inputs, features) if residual else {}),
        )
        self.resize = nn.Upsample(scale_factor=2, mode="nearest") if up else nn.Identity()

    def forward(self, x, style):
        h = self.HeConvolution_0(self.resize(leaky(self.StyleNormalisation_0(x, style))))
        h = self.HeConvolution_1(leaky(self.StyleNormalisation_1(h, style)))
        if not hasattr(self, "shortcut"):
            return h
        return (self.shortcut(self.resize(x)) + h) / math.sqrt(2)


class Generator(Named):
    """StarGAN v2's, of features at the picture, half of it, … on the way down."""

    def __init__(self, style, features, high_pass):
        pairs, last = list(zip(features, features[1:], strict=False)), features[-1]
        down = [Block(i, o, down=True, normalised=True) for i, o in pairs]
        stay = [Block(last, last, down=False, normalised=True) for _ in range(2)]
        styled = functools.partial(StyledBlock, style, residual=not high_pass)
        styled_stay = [styled(last, last, up=False) for _ in range(2)]
        up = [styled(o, i, up=True) for i, o in reversed(pairs)]
        super().__init__(
            HeConvolution_0=nn.Conv2d(3, features[0], 3, padding=1),
            **number("ResidualBlock", down + stay),
            **number("StyledBlock", styled_stay + up),
            **norms(features[0]),
            Convolution_0=nn.Conv2d(features[0], 3, 1),
        )
        self.high_pass = high_pass

    def forward(self, images, style, masks=None):
        x, kept = self.HeConvolution_0(images), {}
        for block in self.numbered("ResidualBlock"):
            kept.setdefault(x.shape[2], x)
            x = block(x)
        for index, block in enumerate(self.numbered("StyledBlock")):
            x = block(x, style)
            if masks is not None and index >= 2 and x.shape[2] in (32, 64, 128):
                mask = masks[:, :1] if x.shape[2] == 32 else masks[:, 1:]
                x = x + self.skip(mask, kept[x.shape[2]])
        return (self.Convolution_0(leaky(self.PictureNormalisation_0(x))),)

    def skip(self, mask, x):
        mask = functional.interpolate(mask, x.shape[2:], mode="bilinear", align_corners=False)
        kernel = -torch.ones(3, 3, dtype=x.dtype)
        kernel[1, 1] = 8.0
        kernel = (kernel / self.high_pass).expand(x.shape[1], 1, 3, 3)
        return functional.conv2d(mask * x, kernel, padding=1, groups=x.shape[1])


class Dense(Named):
    def __init__(self, *features):
        pairs = zip(features, features[1:], strict=False)
        super().__init__(**number("Dense", [nn.Linear(i, o) for i, o in pairs]))

    def forward(self, x):
        *hidden, last = self.numbered("Dense")
        for layer in hidden:
            x = relu(layer(x))
        return last(x)


def of_label(values, label):
    """`[B, D, …]` to `[B, …]`."""
    return values[torch.arange(len(label)), label]


class Mapping(Named):
    def __init__(self, z, width, style, domains):
        each = [Dense(width, width, width, width, style) for _ in range(domains)]
        super().__init__(shared=Dense(z, width, width, width, width), domains=nn.ModuleList(each))

    def forward(self, z, label):
        x = relu(self.shared(z))
        return (of_label(torch.stack([domain(x) for domain in self.domains], 1), label),)


class PictureFeatures(Named):
    def __init__(self, *features):
        pairs = zip(features, features[1:], strict=False)
        blocks = [Block(i, o, down=True, normalised=False) for i, o in pairs]
        super().__init__(
            HeConvolution_0=nn.Conv2d(3, features[0], 3, padding=1),
            **number("ResidualBlock", blocks),
            last=nn.Conv2d(features[-1], features[-1], 4),
        )

    def forward(self, x):
        x = self.HeConvolution_0(x)
        for block in self.numbered("ResidualBlock"):
            x = block(x)
        return leaky(self.last(leaky(x)))[:, :, 0, 0]


class OfPictures(Named):
    """Style encoder and discriminator: `[B, F]`, or `[B]` without `outputs`."""

    def __init__(self, features, domains, outputs=None):
        super().__init__(
            PictureFeatures_0=PictureFeatures(*features),
            domains=nn.Linear(features[-1], domains * (outputs or 1)),
        )
        self.shape = (domains,) if outputs is None else (domains, outputs)

    def forward(self, images, label):
        values = self.domains(self.PictureFeatures_0(images))
        return (of_label(values.unflatten(1, self.shape), label),)


def carried(module, name, leaf):
    """A leaf of ours in the layout of a layer of theirs."""
    if name != "kernel":
        return leaf.reshape(-1)
    if isinstance(module, nn.Linear):
        return leaf.reshape(len(leaf), -1).T
    if isinstance(module, nn.ConvTranspose2d):
        return leaf[::-1, ::-1].transpose(2, 3, 0, 1)
    return leaf.transpose(3, 2, 0, 1)


def carry(module, params, read):
    """Ours into theirs, or with `read` the gradients of theirs in the shape of ours."""
    found = {}
    for name, value in params.items():
        if isinstance(value, dict):
            inner = module if name == "InstanceNorm_0" else getattr(module, name)
            found[name] = carry_into(inner, value, read)
            continue
        tensor = module.bias if name == "bias" else module.weight
        if read:
            found[name] = back(module, name, tensor.grad, value.shape)
        else:
            with torch.no_grad():
                copied = np.ascontiguousarray(carried(module, name, value))
                tensor.copy_(torch.from_numpy(copied))
            tensor.filled = True
    return found


def carry_into(module, params, read):
    if not isinstance(module, nn.ModuleList):
        return carry(module, params, read)
    each = [
        carry(inner, jax.tree.map(lambda leaf, d=d: leaf[d], params), read)
        for d, inner in enumerate(module)
    ]
    return jax.tree.map(lambda *leaves: torch.stack(leaves), *each) if read else {}


def back(module, name, grad, shape):
    if name != "kernel":
        return grad.reshape(shape)
    if isinstance(module, nn.Linear):
        return grad.T.reshape(shape)
    if isinstance(module, nn.ConvTranspose2d):
        return grad.permute(2, 3, 0, 1).flip(0, 1)
    return grad.permute(2, 3, 1, 0)


def channels_first(value):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(value, -1, 1)))


def given(value):
    """An input of ours as one of theirs, to be differentiated if it is floating."""
    tensor = channels_first(value) if value.ndim == 4 else torch.from_numpy(value)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def channels_last(tensor):
    return tensor.movedim(1, -1) if tensor.ndim == 4 else tensor


def random_params(module, values, dtype):
    """No zeros and no nice numbers; outputs about as large as inputs."""
    random = np.random.default_rng(3)

    def draw(path, shape):
        shape, kernel = shape.shape, path[-1].key == "kernel"
        spread = math.sqrt(2 / math.prod(shape[:-1])) if kernel else 0.3
        return random.normal(0.0 if kernel else 0.5, spread, shape).astype(dtype)

    make = functools.partial(module.init, jax.random.key(0), train=True)
    shapes = jax.eval_shape(make, *values)["params"]
    return jax.tree_util.tree_map_with_path(draw, shapes)


RANDOM = np.random.default_rng(5)
SMALL, LARGE = (RANDOM.uniform(-1, 1, (2, side, side, 3)) for side in (16, 64))
VECTORS, MAPS = RANDOM.normal(size=(2, 5)), RANDOM.normal(size=(2, 16, 16, 5))
STYLES, MASKS = RANDOM.normal(size=(2, 6)), RANDOM.uniform(0, 1, (2, 16, 16, 2))
LABELS = np.array([2, 0])
NARROW = {"channel_base": 256, "channel_max": 10}
WIDTHS = [4, 8, 10, 10, 10]
NETWORKS = {
    "StarGAN": (StarGANTranslator(3, 4, 2), (SMALL, VECTORS), Translator(8, 4, False)),
    "GANimation": (StarGANTranslator(3, 4, 2, "mask"), (SMALL, MAPS), Translator(8, 4, True)),
    "StarGAN's discriminator": (StarGANDiscriminator(4, 16, 5), (SMALL,), Judge(4, 5)),
    "generator": (StarGANv2Generator(64, **NARROW), (LARGE, STYLES), Generator(6, WIDTHS[:3], 0)),
    "generator with skips": (
        StarGANv2Generator(64, high_pass=0.5, **NARROW),
        (LARGE, STYLES, MASKS),
        Generator(6, WIDTHS[:4], 0.5),
    ),
    "mapping": (MappingNetwork(3, 6, width=8), (VECTORS, LABELS), Mapping(5, 8, 6, 3)),
    "style encoder": (StyleEncoder(64, 3, 6, **NARROW), (LARGE, LABELS), OfPictures(WIDTHS, 3, 6)),
    "discriminator": (
        StarGANv2Discriminator(64, 3, **NARROW),
        (LARGE, LABELS),
        OfPictures(WIDTHS, 3),
    ),
}


def assert_slopes_agree(found, expected, tolerance):
    """Where a normalisation takes a bias away, both are rounding errors about 0."""
    expected = jax.tree.map(lambda leaf: leaf.numpy(), expected)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    noise = tolerance * 1e-2 * largest

    def agree(path, ours, theirs):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, path
        scale = np.abs(theirs).max()
        if path[-1].key == "bias" and scale < noise:
            assert np.abs(ours).max() < noise, path
        else:
            assert np.abs(ours - theirs).max() <= tolerance * scale, path

    jax.tree_util.tree_map_with_path(agree, found, expected)


@PRECISIONS
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network(name, dtype, tolerance):
    module, values, theirs = NETWORKS[name]
    values = [v.astype(dtype) if v.dtype == np.float64 else v for v in values]
    params = random_params(module, values, dtype)
    floating = [index for index, v in enumerate(values) if v.dtype == dtype]

    def ours(params, *inputs):
        arguments = list(values)
        for index, value in zip(floating, inputs, strict=True):
            arguments[index] = value
        return jax.tree.leaves(module.apply({"params": params}, *arguments, train=True))

    @jax.jit
    def both_ways(params, *inputs):
        outputs, pullback = jax.vjp(ours, params, *inputs)
        return outputs, pullback([jnp.cos(y) for y in outputs])

    with precision(dtype):
        outputs, (by_params, *by_inputs) = both_ways(params, *[values[i] for i in floating])
    theirs = theirs.to(getattr(torch, dtype))
    carry(theirs, params, read=False)
    assert all(getattr(leaf, "filled", False) for leaf in theirs.parameters())
    theirs.zero_grad()
    arguments = [given(value) for value in values]
    expected = theirs(*arguments)
    torch.autograd.backward(expected, [torch.cos(y.detach()) for y in expected])

    assert_agree(outputs, [channels_last(y) for y in expected], tolerance)
    by_theirs = [channels_last(arguments[index].grad) for index in floating]
    assert_agree(by_inputs, by_theirs, tolerance)
    assert_slopes_agree(by_params, carry(theirs, params, read=True), 10 * tolerance)

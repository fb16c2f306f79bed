"""StarGAN v2: published sizes, and its layers written out in plain lax."""

from __future__ import annotations

import functools
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.networks.starganv2 import (
    MappingNetwork,
    StarGANv2Discriminator,
    StarGANv2Generator,
    StyleEncoder,
)
from gan_jax.networks.starganv2.blocks import StyledBlock, StyleNormalisation
from gan_jax.networks.starganv2.generator import resized, without_low_frequencies
from gan_jax.networks.starganv2.mapping import of_domain

RANDOM = np.random.default_rng(1)
PICTURES = RANDOM.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
STYLES = RANDOM.normal(size=(2, 6)).astype(np.float32)
MASKS = RANDOM.uniform(0, 1, (2, 16, 16, 2)).astype(np.float32)
Z = RANDOM.normal(size=(2, 5)).astype(np.float32)
LABELS = np.array([2, 0], np.int32)
NARROW = {"channel_base": 128, "channel_max": 8}

GENERATORS = {
    "plain": (StarGANv2Generator(32, **NARROW), (PICTURES, STYLES)),
    "skips": (StarGANv2Generator(32, high_pass=0.5, **NARROW), (PICTURES, STYLES, MASKS)),
}
OTHERS = {
    "mapping": (MappingNetwork(3, 6, width=8), (Z, LABELS)),
    "style encoder": (StyleEncoder(32, 3, 6, **NARROW), (PICTURES, LABELS)),
    "discriminator": (StarGANv2Discriminator(32, 3, **NARROW), (PICTURES, LABELS)),
}
NETWORKS = GENERATORS | OTHERS


def shapes_of(module, *values):
    make = functools.partial(module.init_with_output, jax.random.key(0), train=True)
    return jax.eval_shape(make, *values)


def count(module, *values):
    _, variables = shapes_of(module, *values)
    assert list(variables) == ["params"]
    leaves = jax.tree.leaves(variables)
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    return sum(leaf.size for leaf in leaves)


def variables_of(module, *values):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(4)

    def leaf(path, shape):
        shape, name = shape.shape, path[-1].key
        if name == "scale":
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        stacked = "domains" in [key.key for key in path] and len(shape) == 3
        fan_in = shape[-2] if stacked else np.prod(shape[:-1])
        spread = 0.3 if name == "bias" else sqrt(2 / fan_in)
        return random.normal(0, spread, shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes_of(module, *values)[1])


@functools.partial(jax.jit, static_argnames=("module", "train"))
def apply(module, variables, *values, train=False):
    return module.apply(variables, *values, train=train)


UNUSED = 64 * 128 + 128 * 256 + 256 * 512
"""The published generator with skips has the 1x1 kernels of shortcuts that it does not take."""


@pytest.mark.parametrize(
    ("size", "domains", "high_pass", "made", "mapping", "encoder", "judge"),
    [
        (256, 2, 1.0, 43_467_395 - UNUSED, 2_438_272, 20_916_928, 20_852_290),
        (256, 3, 0.0, 33_892_995, 3_259_072, 20_949_760, 20_852_803),
        (128, 3, 0.0, 33_632_003, 3_259_072, 20_832_576, 20_735_619),
    ],
)
def test_parameter_counts_are_the_published_ones(
    size, domains, high_pass, made, mapping, encoder, judge
):
    pictures, label = jnp.zeros((2, size, size, 3)), jnp.zeros(2, jnp.int32)
    masks = [jnp.zeros((2, 64, 64, 2))] if high_pass else []
    generator = StarGANv2Generator(size, high_pass=high_pass)
    assert count(generator, pictures, jnp.zeros((2, 64)), *masks) == made
    assert count(MappingNetwork(domains), jnp.zeros((2, 16)), label) == mapping
    assert count(StyleEncoder(size, domains), pictures, label) == encoder
    assert count(StarGANv2Discriminator(size, domains), pictures, label) == judge


@pytest.mark.parametrize("high_pass", [0.0, 1.0])
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_shapes(size, high_pass):
    """Of the two lowest features too: 16 x 16 and 4 x 4 pixels wherever a picture starts."""
    settings = {"channel_base": 16 * size, "channel_max": 64}
    pictures, label = jnp.zeros((2, size, size, 4)), jnp.zeros(2, jnp.int32)
    masks = [jnp.zeros((2, 64, 64, 2))] if high_pass else []
    generator = StarGANv2Generator(size, 4, high_pass, **settings)
    images, variables = shapes_of(generator, pictures, jnp.zeros((2, 64)), *masks)
    assert images.shape == pictures.shape and images.dtype == jnp.float32
    halvings = int(np.log2(size)) - 4 + (high_pass > 0)
    assert len([name for name in variables["params"] if "Block" in name]) == 2 * halvings + 4
    assert variables["params"]["HeConvolution_0"]["kernel"].shape == (3, 3, 4, 16)
    style, variables = shapes_of(StyleEncoder(size, 2, **settings), pictures, label)
    assert style.shape == (2, 64) and style.dtype == jnp.float32
    assert len(variables["params"]["PictureFeatures_0"]) == 2 + int(np.log2(size)) - 2
    logits, _ = shapes_of(StarGANv2Discriminator(size, 2, **settings), pictures, label)
    assert logits.shape == (2,) and logits.dtype == jnp.float32


def convolve(x, p, padding="SAME"):
    dimensions = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, p["kernel"], (1, 1), padding, dimension_numbers=dimensions)
    return y + p.get("bias", 0.0)


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def halve(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def double(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def standard(x):
    x = x - x.mean((1, 2), keepdims=True)
    return x / jnp.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5)


def normalise(x, p):
    p = p["InstanceNorm_0"]
    return standard(x) * p["scale"] + p["bias"]


def stylise(x, p, style):
    scale, shift = jnp.split(dense(style, p["affine"])[:, None, None], 2, -1)
    return (1 + scale) * standard(x) + shift


def around(x, p):
    return convolve(x, p["shortcut"]) if "shortcut" in p else x


def plain_block(p, x, resize=lambda x: x, normalised=True):
    """Normalise, LeakyReLU, 3x3, resize, the same again without resizing."""
    norms = [p.get(f"PictureNormalisation_{index}") for index in range(2)]
    h = convolve(leaky(normalise(x, norms[0]) if normalised else x), p["HeConvolution_0"])
    h = resize(h)
    h = convolve(leaky(normalise(h, norms[1]) if normalised else h), p["HeConvolution_1"])
    return (resize(around(x, p)) + h) / np.sqrt(2)


def plain_styled_block(p, x, style, resize=lambda x: x, residual=True):
    """Stylise, LeakyReLU, resize, 3x3, the same again without resizing."""
    h = resize(leaky(stylise(x, p["StyleNormalisation_0"], style)))
    h = convolve(h, p["HeConvolution_0"])
    h = convolve(leaky(stylise(h, p["StyleNormalisation_1"], style)), p["HeConvolution_1"])
    return (around(resize(x), p) + h) / np.sqrt(2) if residual else h


@jax.jit
def plain_features(p, x):
    x = convolve(x, p["HeConvolution_0"])
    for index in range(3):
        x = plain_block(p[f"ResidualBlock_{index}"], x, halve, normalised=False)
    return leaky(convolve(leaky(x), p["last"], "VALID"))[:, 0, 0]


def agree(found, expected, tolerance=1e-5):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    assert np.std(expected) > 0.05


def test_the_epsilon_of_a_style():
    """Of inputs so small that it counts."""
    x = RANDOM.normal(0, 3e-3, (2, 4, 6, 4)).astype(np.float32)
    module = StyleNormalisation()
    shapes = jax.eval_shape(functools.partial(module.init, jax.random.key(0)), x, STYLES)
    p = jax.tree.map(lambda leaf: RANDOM.normal(0, 0.3, leaf.shape), shapes)
    agree(module.apply(p, x, STYLES), stylise(x, p["params"], STYLES))


def laplacian(x):
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    shifts = [x[:, r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
    return 9 * shifts[4] - sum(shifts)


def test_the_high_pass_filter():
    x = RANDOM.normal(size=(2, 5, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(without_low_frequencies(jnp.asarray(x)), laplacian(x), atol=1e-4)


def test_masks_are_interpolated():
    ramp = np.arange(4, dtype=np.float32)[None, :, None, None] * np.ones((1, 4, 4, 1), np.float32)
    eight = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    np.testing.assert_allclose(resized(ramp, 8)[0, :, 3, 0], eight, atol=1e-6)
    np.testing.assert_allclose(resized(ramp, 2)[0, :, 1, 0], [0.5, 2.5], atol=1e-6)


@functools.partial(jax.jit, static_argnames="skips")
def plain_generator(p, pictures, style, masks=None, *, skips):
    """At 32 pixels: one block down and up; with skips, which are only at 32 here, two."""
    x = first = convolve(pictures, p["HeConvolution_0"])
    downs = 1 + skips
    for index in range(downs + 2):
        x = plain_block(p[f"ResidualBlock_{index}"], x, halve if index < downs else lambda x: x)
    for index in range(2 + downs):
        resize = double if index >= 2 else lambda x: x
        x = plain_styled_block(p[f"StyledBlock_{index}"], x, style, resize, not skips)
    if skips:
        mask = jax.image.resize(masks[..., :1], (2, 32, 32, 1), "bilinear")
        x = x + laplacian(mask * first) / 0.5
    picture = leaky(normalise(x, p["PictureNormalisation_0"]))
    return convolve(picture, p["Convolution_0"])


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_generator_is_the_written_architecture(kind):
    module, values = GENERATORS[kind]
    variables = variables_of(module, *values)
    expected = plain_generator(variables["params"], *values, skips=kind == "skips")
    agree(apply(module, variables, *values), expected)


def test_skips_without_masks_keep_all():
    module = StarGANv2Generator(32, high_pass=0.5, **NARROW)
    variables = variables_of(module, PICTURES, STYLES)
    bare = apply(module, variables, PICTURES, STYLES)
    np.testing.assert_array_equal(
        bare, apply(module, variables, PICTURES, STYLES, np.ones_like(MASKS))
    )
    assert np.any(bare != apply(module, variables, PICTURES, STYLES, np.zeros_like(MASKS)))


@pytest.mark.slow
def test_which_mask_is_for_which_skip():
    """At 64 pixels the first mask is seen by the skip at 32 alone, the second by the other."""
    module = StarGANv2Generator(64, high_pass=1.0, channel_base=256, channel_max=4)
    pictures = RANDOM.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    masks = np.ones((1, 16, 16, 2), np.float32)
    variables = variables_of(module, pictures, STYLES[:1], masks)

    @jax.jit
    def picture(masks):
        return module.apply(variables, pictures, STYLES[:1], masks, train=False)

    left = masks.copy()
    left[:, :, :8] = 0
    whole = picture(masks)
    coarse = np.abs(picture(np.stack([left[..., 0], masks[..., 1]], -1)) - whole)
    fine = np.abs(picture(np.stack([masks[..., 0], left[..., 1]], -1)) - whole)
    # The skip at 32 pixels goes through a styled block, whose normalisation spreads it everywhere;
    # the last one reaches the other half through the final normalisation alone.
    assert coarse.mean() > 1e-3 and fine.mean() > 1e-3
    assert fine[:, :, 40:].mean() < 0.5 * fine[:, :, :24].mean()


def test_the_mapping_is_the_written_architecture():
    module, values = OTHERS["mapping"]
    variables = variables_of(module, *values)
    p = variables["params"]
    x = Z
    for index in range(4):
        x = jax.nn.relu(dense(x, p["shared"][f"Dense_{index}"]))
    expected = []
    for sample, domain in enumerate(LABELS):
        style = x[sample]
        for index in range(4):
            layer = jax.tree.map(lambda leaf, d=domain: leaf[d], p["domains"][f"Dense_{index}"])
            style = dense(style, layer)
            style = jax.nn.relu(style) if index < 3 else style
        expected.append(style)
    agree(apply(module, variables, *values), np.stack(expected))


def test_the_style_encoder_is_the_written_architecture():
    module, values = OTHERS["style encoder"]
    variables = variables_of(module, *values)
    p = variables["params"]
    features = plain_features(p["PictureFeatures_0"], PICTURES)
    kernel, bias = p["domains"]["kernel"], p["domains"]["bias"]
    expected = [f @ kernel[:, d] + bias[d] for f, d in zip(features, LABELS, strict=True)]
    agree(apply(module, variables, *values), np.stack(expected))


def test_the_discriminator_is_the_written_architecture():
    module, values = OTHERS["discriminator"]
    variables = variables_of(module, *values)
    p = variables["params"]
    logits = dense(plain_features(p["PictureFeatures_0"], PICTURES), p["domains"])
    agree(apply(module, variables, *values), logits[np.arange(2), LABELS])


def test_a_domain_is_picked():
    values = jnp.arange(24.0).reshape(2, 3, 4)
    picked = of_domain(values, np.array([1, 2]))
    np.testing.assert_array_equal(picked, [values[0, 1], values[1, 2]])
    beyond = of_domain(values, np.array([3, 0]))
    assert np.all(np.isnan(beyond[0])) and not np.any(np.isnan(beyond[1]))
    for label in (np.array([1.0, 2.0]), np.array([1, 2, 0]), np.array([[1], [2]])):
        with pytest.raises(UsageError, match=r"int32 \[2\] here"):
            of_domain(values, label)


def assert_he(kernels):
    for kernel, fan_in in kernels:
        assert np.std(kernel) == pytest.approx(sqrt(2 / fan_in), rel=0.05)
        assert np.abs(kernel).max() > 2.5 * np.std(kernel)  # not truncated at 2


def start(module, *values, **keywords):
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly
    params = jax.jit(functools.partial(module.init, **keywords))(key, *values)["params"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        assert path[-1].key != "bias" or not np.any(leaf)
    return params


def test_weights_start_as_he_has_them():
    block = start(StyledBlock(32), jnp.zeros((1, 4, 4, 64)), jnp.zeros((1, 64)))
    mapping = start(MappingNetwork(5, width=128), Z, LABELS, train=True)
    domains = mapping["domains"]["Dense_1"]["kernel"]
    assert_he(
        [
            (block["HeConvolution_0"]["kernel"], 9 * 64),
            (block["shortcut"]["kernel"], 64),
            (block["StyleNormalisation_0"]["affine"]["kernel"], 64),
            (mapping["shared"]["Dense_1"]["kernel"], 128),
            (domains, 128),
        ]
    )
    assert np.mean(domains[0] == domains[1]) < 1e-3


@pytest.mark.slow
def test_weights_of_the_ends_start_as_he_has_them():
    module = StyleEncoder(32, 5, 64, channel_base=1024, channel_max=64)
    encoder = start(module, PICTURES, LABELS, train=True)
    last = encoder["PictureFeatures_0"]["last"]["kernel"]
    assert_he([(last, 16 * 64), (encoder["domains"]["kernel"], 64)])


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind == "skips" else ()) for kind in NETWORKS],
)
def test_every_parameter_learns_and_training_changes_nothing_else(kind):
    module, values = NETWORKS[kind]
    variables = variables_of(module, *values)

    @jax.jit
    def gradient(variables):
        def loss(variables):
            trained = module.apply(variables, *values, train=True)
            return jnp.sum(jnp.sin(trained)), trained

        return jax.grad(loss, has_aux=True)(variables)

    slopes, trained = gradient(variables)
    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
        seen = leaf
        if kind == "mapping" and path[1].key == "domains":
            seen, unseen = leaf[LABELS], leaf[1]
            assert not np.any(unseen), path
        assert np.any(seen), path
    np.testing.assert_allclose(trained, apply(module, variables, *values), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_half_precision_stays_near(kind):
    module, values = NETWORKS[kind]
    variables = variables_of(module, *values)
    exact = apply(module, variables, *values)
    rough = apply(module.clone(dtype=jnp.bfloat16), variables, *values)
    assert rough.dtype == jnp.float32
    assert 1e-4 < np.sqrt(np.mean((rough - exact) ** 2) / np.mean(exact**2)) < 0.05


@pytest.mark.parametrize("size", [16, 48, 100])
def test_other_sizes_are_refused(size):
    pictures = jnp.zeros((2, size, size, 3))
    for module, value in (
        (StarGANv2Generator(size), STYLES),
        (StyleEncoder(size, 3), LABELS),
        (StarGANv2Discriminator(size, 3), LABELS),
    ):
        with pytest.raises(UsageError, match=f"not {size}: set data.size"):
            shapes_of(module, pictures, value)


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        ({"size": 64}, (PICTURES, STYLES), "64 x 64 pixels got 32 x 32"),
        ({"channel_base": 16}, (PICTURES, STYLES), "leave no features"),
        ({"high_pass": 1.0}, (PICTURES, STYLES, MASKS[..., :1]), r"not \[2, 16, 16, 1\]"),
        ({}, (PICTURES, STYLES, MASKS), "without high_pass"),
    ],
)
def test_what_the_generator_refuses(settings, values, message):
    with pytest.raises(UsageError, match=message):
        shapes_of(StarGANv2Generator(**({"size": 32} | settings)), *values)

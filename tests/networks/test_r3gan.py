"""R3GAN: shapes, published sizes, and what fix-up initialisation makes of the start."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.r3gan.blocks import stage_dtypes
from gan_jax.networks.r3gan.discriminator import DiscriminatorStage, R3GANDiscriminator
from gan_jax.networks.r3gan.generator import GeneratorStage, R3GANGenerator
from gan_jax.ops.resampling import downsample, upsample

TINY = {"size": 8, "widths": (16, 8), "group_width": 8, "blocks": 1}
BLOCKLESS = {"size": 16, "widths": (24, 16, 8), "blocks": 0}
LABELS = np.array([0, 1, 2])
Z = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
PICTURES = np.random.default_rng(2).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)
IMAGENET = {"group_width": 32, "num_classes": 1000}

# Millions of parameters, generator and discriminator: all six of the paper's table 9 ("G params",
# "D params"); those of FFHQ-256 also stand in its table 2 as 23.058M and 23.010M.
PUBLISHED = [
    ("Stacked MNIST", 32, {}, 20.73, 20.68),
    ("CIFAR-10", 32, {"num_classes": 10}, 20.78, 21.28),
    ("FFHQ-64", 64, {}, 22.43, 22.38),
    ("FFHQ-256", 256, {}, 23.06, 23.01),
    ("ImageNet-32", 32, {"widths": (1536,) * 4, **IMAGENET}, 82.91, 86.55),
    ("ImageNet-64", 64, {"widths": (1536,) * 5, **IMAGENET}, 103.57, 107.21),
]
# To the last parameter, derived from table 9's widths, blocks and groups.
BLOCKS = {
    width: 2 * (4 * width**2 + 2 * width * 9 * 16 + 4 * width) for width in (768, 384, 192, 96)
}
ENDS = {  # pictures to features, features to logit or z to features, 4x4 basis
    "generator": 3 * 96 + 64 * 768 + 16 * 768,
    "discriminator": 3 * 96 + 768 + 16 * 768,
}


def count(module, *arguments) -> int:
    make = functools.partial(module.init, jax.random.key(0), train=True)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(make, *arguments)))


@pytest.mark.parametrize(("name", "size", "settings", "millions_g", "millions_d"), PUBLISHED)
def test_parameters_of_the_published_networks(name, size, settings, millions_g, millions_d):
    label = LABELS if "num_classes" in settings else None
    pictures = np.zeros((3, size, size, 3), np.float32)
    generator = count(R3GANGenerator(size, 3, **settings), Z, label)
    discriminator = count(R3GANDiscriminator(size, **settings), pictures, label)
    assert round(generator / 1e6, 2) == millions_g
    assert round(discriminator / 1e6, 2) == millions_d


def test_parameters_of_ffhq_256_one_by_one():
    transitions = 768 * 384 + 384 * 192 + 192 * 96
    trunk = 4 * BLOCKS[768] + BLOCKS[384] + BLOCKS[192] + BLOCKS[96] + transitions
    pictures = np.zeros((1, 256, 256, 3), np.float32)
    assert count(R3GANGenerator(256, 3), Z) == trunk + ENDS["generator"] == 23_057_952
    assert count(R3GANDiscriminator(256), pictures) == trunk + ENDS["discriminator"] == 23_009_568


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize(("size", "channels"), [(32, 1), (64, 3), (256, 4)])
def test_shapes(size, channels, classes):
    label = LABELS if classes else None
    pictures = np.zeros((3, size, size, channels), np.float32)
    for module, value, shape in (
        (R3GANGenerator(size, channels, num_classes=classes), Z, (3, size, size, channels)),
        (R3GANDiscriminator(size, num_classes=classes), pictures, (3,)),
    ):
        out, variables = jax.eval_shape(
            lambda m=module, v=value: m.init_with_output(jax.random.key(0), v, label, train=True)
        )
        assert out.shape == shape and out.dtype == jnp.float32
        assert list(variables) == ["params"]
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))


def key():
    return jax.random.key(0, impl="unsafe_rbg")  # compiles quickly


@functools.partial(jax.jit, static_argnums=0)
def start(module, value, label=None):
    """The first output and the variables."""
    return module.init_with_output(key(), value, label, train=True)


@functools.partial(jax.jit, static_argnums=0)
def apply(module, variables, value, label=None):
    return module.apply(variables, value, label, train=False)


@pytest.mark.slow
def test_the_generator_starts_as_its_basis_interpolated():
    found, variables = start(R3GANGenerator(channels=3, **TINY), Z)
    p = variables["params"]
    x = (Z @ p["stage_4"]["basis"]["Dense_0"]["kernel"])[:, None, None] * p["stage_4"]["basis"][
        "basis"
    ]
    x = upsample(x @ p["stage_8"]["width"]["kernel"][0, 0])
    np.testing.assert_allclose(found, x @ p["picture"]["kernel"][0, 0], atol=1e-5)


@pytest.mark.slow
def test_the_discriminator_starts_linear():
    found, variables = start(R3GANDiscriminator(**TINY), PICTURES)
    p = variables["params"]
    x = PICTURES @ p["picture"]["kernel"][0, 0]
    x = downsample(x) @ p["stage_8"]["width"]["kernel"][0, 0]
    basis = p["stage_4"]["basis"]
    x = jnp.sum(x * basis["Convolution_0"]["kernel"][:, :, 0], (1, 2)) @ basis["Dense_0"]["kernel"]
    np.testing.assert_allclose(found, x[:, 0], atol=1e-5)


@pytest.mark.parametrize("stage", [GeneratorStage, DiscriminatorStage])
def test_a_stage_starts_as_its_resampling(stage):
    x = np.random.default_rng(4).normal(size=(2, 8, 8, 16)).astype(np.float32)
    module = stage(16, depth=6)
    found, _ = jax.jit(module.init_with_output)(key(), x)
    expected = upsample(x) if stage is GeneratorStage else downsample(x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 16])
def test_weights_start_at_their_fix_up_scale(depth):
    """depth^(-1/4) of sqrt(2 / 1.04) / sqrt(fan in), where a group's fan in is its own."""
    module = GeneratorStage(128, depth=depth, blocks=1)
    params = jax.jit(module.init)(key(), jnp.zeros((1, 4, 4, 64)))["params"]
    block = params["ResidualBlock_0"]
    gain = math.sqrt(2 / 1.04) * depth**-0.25
    assert np.std(block["widen"]["kernel"]) == pytest.approx(gain / math.sqrt(128), rel=0.02)
    assert block["grouped"]["kernel"].shape == (3, 3, 16, 256)
    assert np.std(block["grouped"]["kernel"]) == pytest.approx(gain / math.sqrt(9 * 16), rel=0.02)
    assert np.std(params["width"]["kernel"]) == pytest.approx(1 / math.sqrt(64), rel=0.03)
    assert not np.any(block["narrow"]["kernel"])
    assert not np.any(block["widen"]["bias"]) and not np.any(block["grouped"]["bias"])


@pytest.mark.slow
def test_embeddings_start_at_their_scale():
    """1 / sqrt(K) in the generator; in the discriminator 1 / sqrt(K · features)."""
    pictures = np.zeros((3, 16, 16, 3), np.float32)
    _, g = start(R3GANGenerator(channels=3, num_classes=40, **BLOCKLESS), Z, LABELS)
    _, d = start(R3GANDiscriminator(num_classes=40, **BLOCKLESS), pictures, LABELS)
    embedding = g["params"]["label"]["embedding"]
    assert embedding.shape == (40, 64)
    assert np.std(embedding) == pytest.approx(1 / math.sqrt(40), rel=0.05)
    embedding = d["params"]["label"]["embedding"]
    assert embedding.shape == (40, 24)
    assert np.std(embedding) == pytest.approx(1 / math.sqrt(40 * 24), rel=0.08)


@pytest.mark.slow
def test_a_class_is_its_attribute_vector():
    one_hot = np.eye(4, dtype=np.float32)[LABELS]
    for module, value in (
        (R3GANGenerator(channels=3, num_classes=4, **BLOCKLESS), Z),
        (R3GANDiscriminator(8, widths=(16, 8), blocks=0, num_classes=4), PICTURES),
    ):
        by_class, variables = start(module, value, LABELS)
        by_vector = apply(module, variables, value, one_hot)
        np.testing.assert_allclose(by_class, by_vector, atol=1e-5)
        other = apply(module, variables, value, np.array([3, 1, 2]))
        changed = np.any(np.abs(other - by_class).reshape(3, -1) > 1e-3, axis=1)
        assert changed.tolist() == [True, False, False]


@pytest.mark.slow
def test_every_parameter_learns_once_the_last_convolutions_moved():
    def learns(variables, module, value):
        gradient = jax.grad(lambda v: jnp.sum(apply(module, v, value) ** 2))
        moved = jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf + 0.1 if path[-2].key == "narrow" else leaf, variables
        )
        return [np.any(leaf) for leaf in jax.tree.leaves(jax.jit(gradient)(moved))]

    for module, value in (
        (R3GANGenerator(channels=3, **TINY), Z),
        (R3GANDiscriminator(**TINY), PICTURES),
    ):
        _, variables = start(module, value)
        assert all(learns(variables, module, value))


def jittered(leaf):
    noise = np.random.default_rng(5).normal(0, 0.02, leaf.shape)
    return (leaf + noise).astype(np.float32)


@pytest.mark.slow
def test_half_precision_stays_near():
    for module, value in (
        (R3GANGenerator(channels=3, **TINY), Z),
        (R3GANDiscriminator(**TINY), PICTURES),
    ):
        _, variables = start(module, value)
        variables = jax.tree.map(jittered, variables)
        full = apply(module, variables, value)
        half = apply(module.clone(dtype=jnp.bfloat16), variables, value)
        assert half.dtype == full.dtype == jnp.float32
        assert 0 < np.linalg.norm(half - full) < 0.03 * np.linalg.norm(full)


@pytest.mark.parametrize(
    ("stages", "low"), [(4, [8, 16, 32]), (5, [8, 16, 32, 64]), (7, [32, 64, 128, 256])]
)
def test_half_precision_is_that_of_the_highest_resolutions(stages, low):
    dtypes = stage_dtypes(stages, jnp.bfloat16)
    assert [4 << index for index, dtype in enumerate(dtypes) if dtype is not None] == low


def test_what_it_cannot_make_is_refused():
    refused = functools.partial(pytest.raises, UsageError)
    with refused(match="not 128: give its widths"):
        R3GANGenerator(128, 3).init(key(), Z, train=True)
    with refused(match="16 pixels of 3 widths, not 32"):
        R3GANGenerator(32, 3, widths=(8, 8, 8)).init(key(), Z, train=True)
    with refused(match="not 48"):
        R3GANDiscriminator(48, widths=(8,) * 4).init(key(), np.zeros((1, 48, 48, 3)), train=True)
    with refused(match="pictures"):
        R3GANDiscriminator(**TINY).init(key(), PICTURES[:, :4], train=True)
    with refused(match="groups of 16 do not divide 24"):
        jax.eval_shape(lambda: R3GANGenerator(4, 3, widths=(12,)).init(key(), Z, train=True))
    with refused(match="labels"):
        R3GANGenerator(channels=3, num_classes=3, **TINY).init(key(), Z, train=True)

"""StyleGAN2: published sizes, what moves when, styles, noise and labels."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.stylegan2.configurations import (
    CIFAR,
    CONFIG_F,
    PAPER_256,
    PAPER_512,
    PAPER_1024,
    automatic,
)
from gan_jax.networks.stylegan2.discriminator import StyleGAN2Discriminator
from gan_jax.networks.stylegan2.generator import StyleGAN2Generator
from gan_jax.networks.stylegan2.mapping import Mapping
from tests.networks.style import CLASSES, apply, parameter_count, pictures, variables_of, z_of

SMALL = {"w_features": 8, "mapping_layers": 2, "channel_base": 64, "channel_max": 8}
NARROW = {"channel_base": 64, "channel_max": 8}


def generator(size=8, **settings):
    module = StyleGAN2Generator(size, **{**SMALL, **settings})
    label = (CLASSES,) if module.num_classes else ()
    return module, variables_of(module, z_of(), *label)


def discriminator(size=8, **settings):
    module = StyleGAN2Discriminator(size, **{**NARROW, **settings})
    label = (CLASSES,) if module.num_classes else ()
    return module, variables_of(module, pictures(size), *label)


# Totals that the releases print at the start of a training: at 1024 D 29,012,513 and G 28,794,124
# by stylegan2-ada-pytorch with two mapping layers, so 30,370,060 with config F's eight; at 256
# (`auto`) G 23,191,522 by stylegan2-ada. The others are added up from the layers of those lists,
# from 512 to 512 features: styled convolution 2,622,465, picture 264,195, constant 8,192; in D
# convolution 2,359,808, the first one 2,048, the last three 2,364,416, 4,194,816 and 513.
STYLED, PICTURE, DENSE, PLAIN = 2_622_465, 264_195, 262_656, 2_359_808
LAST = 2_364_416 + 4_194_816
CIFAR_GENERATOR = 2 * DENSE + 8_192 + 7 * STYLED + 4 * PICTURE
CIFAR_DISCRIMINATOR = 2_048 + 6 * PLAIN + LAST + 513
EMBEDDING = 10 * 512 + 512


def halved(width, half):
    """A residual block's two convolutions and shortcut."""
    return 9 * width * width + width + 9 * width * half + half + width * half


# 64 features at 256 pixels, 128, 256, and 512 from 32 pixels on.
DISCRIMINATOR_256 = (
    (3 * 64 + 64)
    + halved(64, 128)
    + halved(128, 256)
    + halved(256, 512)
    + 3 * halved(512, 512)
    + LAST
    + 513
)
COUNTS = [
    (CONFIG_F, 1024, 0, 28_794_124 + 6 * DENSE, 29_012_513),
    (PAPER_1024, 1024, 0, 30_370_060, 29_012_513),
    (PAPER_256, 256, 0, 23_191_522 + 6 * DENSE, DISCRIMINATOR_256),
    (automatic(256), 256, 0, 23_191_522, DISCRIMINATOR_256),
    (CIFAR, 32, 0, CIFAR_GENERATOR, CIFAR_DISCRIMINATOR),
    # Labels: an embedding, a first dense layer of 1024 inputs; in D a mapping of eight layers.
    (
        CIFAR,
        32,
        10,
        CIFAR_GENERATOR + EMBEDDING + 512 * 512,
        CIFAR_DISCRIMINATOR - 513 + DENSE + EMBEDDING + 8 * DENSE,
    ),
]


@pytest.mark.parametrize(("configuration", "size", "classes", "made", "judge"), COUNTS)
def test_parameter_counts(configuration, size, classes, made, judge):
    label = (jnp.zeros(2, jnp.int32),) if classes else ()
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    generator = configuration.generator(size, num_classes=classes)
    discriminator = configuration.discriminator(size, classes)
    assert parameter_count(generator, jnp.zeros((2, 512)), *label) == made
    assert parameter_count(discriminator, images, *label) == judge


def test_the_heuristic_of_auto():
    """The release's figures for one device at 256 and eight at 1024."""
    one = automatic(256)
    assert (one.batch_size, one.group_size, one.learning_rate, one.ema_kimg) == (16, 4, 0.0025, 5)
    assert one.r1_gamma == pytest.approx(0.8192)
    eight = automatic(1024, devices=8)
    assert (eight.batch_size, eight.channel_base, eight.learning_rate) == (32, 32768, 0.002)
    assert eight.r1_gamma == pytest.approx(6.5536)
    assert (PAPER_512.r1_gamma, PAPER_512.channel_base) == (0.5, 32768)


@pytest.mark.slow
def test_1024_traces_forward_and_backward():
    """In half precision, through R1, without the memory."""
    made = CONFIG_F.generator(1024, dtype=jnp.bfloat16)
    judge = CONFIG_F.discriminator(1024, dtype=jnp.bfloat16)

    def loss(z):
        images, g = made.init_with_output(jax.random.key(0), z, train=True)
        logits, d = judge.init_with_output(jax.random.key(1), images, train=True)

        def of_parameters(parameters):
            mutable = {name: value for name, value in g.items() if name != "params"}
            images, _ = made.apply(
                {"params": parameters, **mutable},
                z,
                train=True,
                rngs={"noise": jax.random.key(2)},
                mutable=list(mutable),
            )
            r1 = jax.grad(lambda x: jnp.sum(judge.apply(d, x, train=True)))(images)
            return jnp.mean(judge.apply(d, images, train=True)) + jnp.mean(r1**2)

        return images, logits, g["params"], jax.grad(of_parameters)(g["params"])

    z = jax.ShapeDtypeStruct((4, 512), jnp.float32)
    images, logits, parameters, gradient = jax.eval_shape(loss, z)
    assert images.shape == (4, 1024, 1024, 3) and images.dtype == jnp.float32
    assert logits.shape == (4,) and logits.dtype == jnp.float32
    assert jax.tree.map(lambda x: (x.shape, x.dtype), gradient) == jax.tree.map(
        lambda x: (x.shape, jnp.dtype(jnp.float32)), parameters
    )


@pytest.mark.parametrize("size", [8, 16, 32])
def test_shapes(size):
    module, variables = generator(size, channels=1)
    made = jax.eval_shape(lambda v, z: apply(module, v, z, train=False), variables, z_of())
    assert made.shape == (4, size, size, 1) and made.dtype == jnp.float32
    assert module.num_ws == 2 * int(np.log2(size)) - 2


@pytest.mark.parametrize("size", [4, 48, 2048])
def test_another_size_is_refused(size):
    for module, value in (
        (StyleGAN2Generator(size, **SMALL), z_of()),
        (StyleGAN2Discriminator(size, **NARROW), jnp.zeros((4, 8, 8, 3))),
    ):
        with pytest.raises(UsageError, match=f"512, 1024 pixels, not {size}: set data.size"):
            jax.eval_shape(lambda m=module, v=value: m.init(jax.random.key(0), v, train=True))


def test_a_base_too_small_is_refused():
    with pytest.raises(
        UsageError, match="channel_base 64 and channel_max 8 leave no features at 128"
    ):
        jax.eval_shape(
            lambda: StyleGAN2Discriminator(128, **NARROW).init(
                jax.random.key(0), jnp.zeros((4, 128, 128, 3)), train=True
            )
        )


def test_pictures_of_another_size_are_refused():
    with pytest.raises(UsageError, match="takes 16x16 pixels"):
        StyleGAN2Discriminator(16).init(jax.random.key(0), pictures(8), train=True)


def test_mapping_by_hand():
    """The formula in numpy: normalised z and embedded label, slow equalised layers."""
    module = Mapping(6, 2, num_classes=3)
    z = z_of()
    variables = jax.tree.map(
        lambda s: np.random.default_rng(s.size).normal(0.3, 0.7, s.shape).astype(np.float32),
        jax.eval_shape(module.init, jax.random.key(0), z, CLASSES),
    )
    p = variables["params"]

    def norm(x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)

    embedded = np.eye(3)[CLASSES] @ p["embedding"]["kernel"] / np.sqrt(3) + p["embedding"]["bias"]
    w = np.concatenate([norm(z), norm(embedded)], -1)
    for name in ("dense0", "dense1"):
        w = 0.01 * (w @ p[name]["kernel"] / np.sqrt(w.shape[1]) + p[name]["bias"])
        w = np.sqrt(2) * np.where(w > 0, w, 0.2 * w)
    np.testing.assert_allclose(module.apply(variables, z, CLASSES), w, rtol=2e-5, atol=1e-9)
    np.testing.assert_allclose(
        module.apply(variables, z, np.eye(3, dtype=np.float32)[CLASSES]), w, rtol=2e-5, atol=1e-9
    )


def test_the_average_w_moves_in_train_calls_only():
    module, variables = generator()
    before = variables["w_avg"]["mapping"]["w_avg"]
    ws, moved = apply(
        module, variables, z_of(), train=True, method="map", mutable=("w_avg", "noise")
    )
    expected = 0.995 * before + 0.005 * np.mean(ws[:, 0], axis=0)
    np.testing.assert_allclose(moved["w_avg"]["mapping"]["w_avg"], expected, rtol=1e-5)
    np.testing.assert_array_equal(
        moved["noise"]["synthesis"]["4_same"]["noise"]["plane"],
        variables["noise"]["synthesis"]["4_same"]["noise"]["plane"],
    )
    _, still = apply(module, variables, z_of(), train=False, method="map", mutable=("w_avg",))
    np.testing.assert_array_equal(still["w_avg"]["mapping"]["w_avg"], before)
    _, still = apply(module, variables, ws, train=True, method="synthesise", mutable=("w_avg",))
    np.testing.assert_array_equal(still["w_avg"]["mapping"]["w_avg"], before)


def test_it_starts_at_zero_and_takes_no_gradient():
    module = StyleGAN2Generator(8, **SMALL)

    def average(parameters, stats):
        variables = {"params": parameters, "w_avg": stats}
        _, moved = module.apply(variables, z_of(), train=True, method="map", mutable="w_avg")
        return jnp.sum(moved["w_avg"]["mapping"]["w_avg"])

    @jax.jit
    def start():
        variables = module.init(jax.random.key(0), z_of(), train=True, method="map")
        return variables["w_avg"], jax.grad(average)(variables["params"], variables["w_avg"])

    stats, gradient = start()
    np.testing.assert_array_equal(stats["mapping"]["w_avg"], np.zeros(8))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_truncation_and_cutoff():
    module, variables = generator()
    average = variables["w_avg"]["mapping"]["w_avg"]
    settings = {"train": False, "method": "map"}
    ws = apply(module, variables, z_of(), **settings)
    assert ws.shape == (4, 4, 8)
    np.testing.assert_array_equal(ws, np.repeat(ws[:, :1], 4, axis=1))
    half = apply(module, variables, z_of(), truncation=jnp.float32(0.5), **settings)
    np.testing.assert_allclose(half, 0.5 * (ws + average), atol=1e-6)
    np.testing.assert_allclose(
        apply(module, variables, z_of(), truncation=jnp.float32(0.0), **settings),
        np.broadcast_to(average, ws.shape),
        atol=1e-6,
    )
    cut = apply(module, variables, z_of(), truncation=jnp.float32(0.5), cutoff=2, **settings)
    np.testing.assert_allclose(cut[:, :2], half[:, :2], atol=1e-6)
    np.testing.assert_allclose(cut[:, 2:], ws[:, 2:], atol=1e-6)


def test_a_call_is_mapping_then_synthesis():
    module, variables = generator()
    image = apply(module, variables, z_of(), train=False, truncation=jnp.float32(0.7), seed=5)
    ws = apply(
        module, variables, z_of(), train=False, truncation=jnp.float32(0.7), method="map", seed=5
    )
    again = apply(module, variables, ws, train=False, method="synthesise", seed=5)
    np.testing.assert_allclose(image, again, atol=1e-5)


def test_every_w_counts():
    """What style mixing rests on."""
    module, variables = generator()
    ws = apply(module, variables, z_of(), train=False, method="map")
    settings = {"train": False, "noise": "none", "method": "synthesise"}
    image = apply(module, variables, ws, **settings)
    for index in range(module.num_ws):
        other = ws.at[:, index].add(1.0)
        assert np.abs(apply(module, variables, other, **settings) - image).max() > 1e-3, index


def test_noise_modes():
    module, variables = generator()
    draw = functools.partial(apply, module, variables, z_of(), train=False)
    first, second = draw(seed=0), draw(seed=1)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(draw(seed=0, noise="constant"), draw(seed=1, noise="constant"))
    assert not np.allclose(draw(noise="constant"), draw(noise="none"))
    silent = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if path[-1].key == "strength" else leaf, variables
    )
    np.testing.assert_allclose(
        apply(module, silent, z_of(), train=False), draw(noise="none"), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("method", [None, "map"])
def test_a_label_is_needed_and_counts(method):
    module, variables = generator(num_classes=3)
    draw = functools.partial(apply, module, variables, z_of(), train=False, method=method, seed=0)
    changed = draw(CLASSES) != draw(np.array([1, 1, 2, 1], np.int32))
    assert np.any(changed[0]) and not np.any(changed[1:])
    for label, message in (
        (None, "made for 3 classes and got no label"),
        (np.ones((4, 2), np.float32), "not float32"),
    ):
        with pytest.raises(UsageError, match=message):
            module.apply(variables, z_of(), label, train=False)


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_discriminator_with_labels(architecture):
    module, variables = discriminator(num_classes=3, architecture=architecture, group_size=1)
    images = pictures(8)
    logits = apply(module, variables, images, CLASSES, train=True)
    assert logits.shape == (4,) and logits.dtype == jnp.float32
    changed = apply(module, variables, images, np.array([1, 1, 2, 1], np.int32), train=True)
    assert changed[0] != logits[0]
    np.testing.assert_allclose(changed[1:], logits[1:], rtol=1e-5)
    with pytest.raises(UsageError, match="got no label"):
        module.apply(variables, images, train=True)


def test_logits_depend_on_the_group():
    module, variables = discriminator(group_size=2)
    images = pictures(8)
    logits = apply(module, variables, images, train=True)
    other = images.copy()
    other[0] *= -1
    changed = ~np.isclose(apply(module, variables, other, train=True), logits, rtol=1e-6)
    # Groups of two in a batch of four: 0 with 2, 1 with 3.
    np.testing.assert_array_equal(changed, [True, False, True, False])


def test_shortcuts_are_the_difference_of_the_architectures():
    (_, residual), (_, plain) = discriminator(), discriminator(architecture="orig")
    assert set(residual["params"]["8"]) == {"same", "down", "shortcut"}
    assert set(plain["params"]["8"]) == {"same", "down"}


def test_the_clamp_limits_activations():
    module, variables = generator(clamp=1e-3)
    image = apply(module, variables, z_of(), train=False)
    # Of each picture at most the clamp, upsampled and summed over the two resolutions.
    assert 0 < np.abs(image).max() <= 2 * 1e-3 * 1.0001
    module, variables = discriminator(clamp=1e-3)
    low = apply(module, variables, pictures(8), train=True)
    np.testing.assert_allclose(low, np.mean(low), atol=0.05)


def test_bfloat16_stays_near_float32():
    images = []
    for dtype in (None, jnp.bfloat16):
        module, variables = generator(clamp=256.0, dtype=dtype)
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
        images.append(apply(module, variables, z_of(), train=False, noise="constant"))
        assert images[-1].dtype == jnp.float32
    error = np.abs(images[1] - images[0]).max() / np.abs(images[0]).max()
    assert 0 < error < 0.05


def test_the_highest_four_resolutions_are_in_half_precision():
    """As the release prints at 128 pixels: float32 up to 8, pictures summed in float32."""
    settings = {"channel_base": 256, "channel_max": 8, "dtype": jnp.bfloat16}
    for module, value in (
        (StyleGAN2Generator(128, w_features=8, mapping_layers=1, **settings), z_of()),
        (StyleGAN2Discriminator(128, **settings), pictures(128)),
    ):

        def outputs(module=module, value=value):
            _, variables = module.init_with_output(
                jax.random.key(0), value, train=True, capture_intermediates=True
            )
            return variables["intermediates"]

        tree = jax.eval_shape(outputs)
        tree = tree.get("synthesis", tree)
        assert tree["__call__"][0].dtype == jnp.float32
        found = {
            name: layer["__call__"][0].dtype for name, layer in tree.items() if name[0].isdigit()
        }
        expected = {
            name: jnp.float32 if int(name.split("_")[0]) <= 8 else jnp.bfloat16 for name in found
        }
        assert len(found) >= 5 and found == expected

"""Shapes, what is computed, and numbers that torchvision was seen to give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.features.vgg import (
    LPIPS_ALEXNET,
    LPIPS_VGG16,
    SIZE,
    STYLE,
    VGG,
    VGG16,
    VGG19,
    AlexNet,
    tap_names,
)
from gan_jax.weights.convert import convert, flat_shapes
from gan_jax.weights.feature_networks import network_names, network_shapes
from gan_jax.weights.vgg_names import first_dense
from tests.networks.features.structured import (
    golden,
    images,
    structured_state,
    summary,
    worst,
)


def shapes(module, size, taps):
    batch = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    made = jax.eval_shape(
        lambda key, x: module.init_with_output(key, x, taps=taps), jax.random.key(0), batch
    )
    return flat_shapes(made[0]), flat_shapes(made[1])


def test_every_tap_of_both():
    for blocks, layers in ((VGG16, 13), (VGG19, 16)):
        names = tap_names(blocks)
        found, _ = shapes(VGG(blocks), SIZE, names)
        assert len(names) == layers + 3 and set(found) == set(names)
        assert found["relu1_1"] == (2, 224, 224, 64) and found["relu3_1"] == (2, 56, 56, 256)
        assert found["relu5_1"] == (2, 14, 14, 512)
        assert found["fc2_relu"] == (2, 4096) and found["logits"] == (2, 1000)
    assert set(LPIPS_VGG16) < set(tap_names(VGG16)) and set(STYLE) < set(tap_names(VGG19))


@pytest.mark.parametrize(
    ("network", "count"), [("vgg16", 138_357_544), ("vgg19", 143_667_240), ("alexnet", 2_469_696)]
)
def test_as_many_numbers_as_published(network, count):
    """AlexNet: of its convolutions."""
    assert sum(int(np.prod(shape)) for shape in network_shapes(network).values()) == count


def test_nothing_beyond_the_last_tap():
    found, variables = shapes(VGG(VGG19), 32, ("relu2_1", "relu1_2"))
    assert list(found) == ["relu1_2", "relu2_1"]
    layers = {path.split("/")[1] for path in variables}
    assert layers == {"conv1_1", "conv1_2", "conv2_1"}
    _, variables = shapes(AlexNet(), 64, ("relu2",))
    assert {path.split("/")[1] for path in variables} == {"conv1", "conv2"}


@pytest.mark.parametrize("taps", [("relu6_1",), (), ("relu1_1", "fc3")])
def test_unknown_taps(taps):
    with pytest.raises(ValueError, match="relu1_1"):
        shapes(VGG(), 32, taps)


def test_dense_layers_want_their_size():
    with pytest.raises(ValueError, match="224"):
        shapes(VGG(), 256, ("fc2_relu",))


def test_the_first_dense_layer_reads_channels_last():
    features = np.random.default_rng(0).normal(size=(512, 7, 7)).astype(np.float32)
    kernel = np.random.default_rng(1).normal(size=(3, 512 * 7 * 7)).astype(np.float32)
    ours = features.transpose(1, 2, 0).reshape(-1) @ first_dense(kernel)
    np.testing.assert_allclose(ours, kernel @ features.reshape(-1), rtol=1e-3, atol=1e-2)


def features_only(network):
    """The variables of the convolutions; the dense layers are large and proved with torch."""
    state = structured_state(network, only="features.")
    names = {key: t for key, t in network_names(network, ()).items() if key in state}
    paths = {target.path for target in names.values() if target}
    leaves = {path: shape for path, shape in network_shapes(network).items() if path in paths}
    return convert(state, names, leaves, network)


def check_golden(network, module, taps, size):
    apply = jax.jit(lambda variables, x: module.apply(variables, x, taps=taps))
    found = apply(features_only(network), images(size))
    wanted = {tap: np.array(golden(network)[tap]) for tap in taps}
    errors = worst(summary(found), wanted)
    assert max(errors.values()) <= 5e-6, errors


def test_golden_numbers():
    """What tests/parity proved of the references, here without torch."""
    check_golden("vgg16", VGG(VGG16), LPIPS_VGG16[:2], 32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "module", "taps", "size"),
    [
        ("vgg16", VGG(VGG16), LPIPS_VGG16, 32),
        ("vgg19", VGG(VGG19), STYLE, 32),
        ("alexnet", AlexNet(), LPIPS_ALEXNET, 64),
    ],
)
def test_all_golden_numbers(network, module, taps, size):
    check_golden(network, module, taps, size)

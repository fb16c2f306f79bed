"""AdaIN's decoder: size, the mirror of either encoder, its borders."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.adain import AdaINDecoder
from gan_jax.networks.features.style_vgg import StyleVGG
from gan_jax.networks.style_encoder import AvatarEncoder
from tests.networks.random_weights import he_variables
from tests.networks.style import parameter_count

NARROW = AdaINDecoder(width=2)


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def kernels(module, value):
    make = functools.partial(module.init, jax.random.key(0), train=True)
    layers = jax.eval_shape(make, value)["params"]
    return {name: layer["kernel"].shape for name, layer in layers.items()}


def test_as_many_numbers_as_published():
    assert parameter_count(AdaINDecoder(), spec(2, 4, 4, 512)) == 3_505_219


@pytest.mark.parametrize("encoder", [StyleVGG(), AvatarEncoder()])
def test_it_mirrors_its_encoder(encoder):
    """Every 3x3 kernel of one has its like in the other, inputs for outputs."""
    decoder = AdaINDecoder(encoder.width, encoder.multiples, encoder.blocks)
    images = spec(2, 64, 64, 3)
    there = kernels(encoder, images)
    there.pop("conv0", None)
    features = spec(2, 8, 8, there["conv4_1"][-1])
    back = kernels(decoder, features)
    assert back == {name: (3, 3, o, i) for name, (_, _, i, o) in there.items()}
    out = jax.eval_shape(
        lambda x: decoder.init_with_output(jax.random.key(0), x, train=True)[0], features
    )
    assert out.shape == images.shape and out.dtype == jnp.float32


class PlainDecoder(nn.Module):
    """For a width of 2, written out."""

    @nn.compact
    def __call__(self, x):
        def convolved(x, width, name):
            x = jnp.concatenate([x[:, 1:2], x, x[:, -2:-1]], axis=1)
            x = jnp.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)
            return nn.Conv(width, (3, 3), padding="VALID", name=name)(x)

        layers = ("conv4_1 8 up conv3_4 8 conv3_3 8 conv3_2 8 conv3_1 4 up conv2_2 4 conv2_1 2 up "
                  "conv1_2 2 conv1_1 3").split()  # fmt: skip
        while layers:
            name = layers.pop(0)
            if name == "up":
                x = x.repeat(2, axis=1).repeat(2, axis=2)
                continue
            x = convolved(x, int(layers.pop(0)), name)
            x = jnp.where(x > 0, x, 0) if layers else x
        return x


@pytest.mark.parametrize("shape", [(4, 4), (2, 3)])
def test_it_is_that_of_plain_layers(shape):
    features = np.abs(np.random.default_rng(0).normal(size=(2, *shape, 16))).astype(np.float32)
    variables = he_variables(NARROW, features, train=False)
    found = jax.jit(lambda x: NARROW.apply(variables, x, train=False))(features)
    expected = jax.jit(lambda x: PlainDecoder().apply(variables, x))(features)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert found.shape == (2, 8 * shape[0], 8 * shape[1], 3)
    assert np.min(found) < 0 < np.max(found)  # no ReLU at the end
    assert np.std(found[0] - found[1]) > 1e-3  # and not all behind the others dead


def test_other_channels():
    layers = kernels(NARROW.clone(channels=4), spec(1, 2, 2, 16))
    assert layers["conv1_1"] == (3, 3, 2, 4) and layers["conv1_2"] == (3, 3, 2, 2)


def test_bfloat16_computes_near_float32():
    decoder = AdaINDecoder(width=8)
    features = np.abs(np.random.default_rng(0).normal(size=(2, 4, 4, 64))).astype(np.float32)
    variables = he_variables(decoder, features, train=False)
    full, half = (
        jax.jit(functools.partial(decoder.clone(dtype=dtype).apply, train=False))(
            variables, features
        )
        for dtype in (None, jnp.bfloat16)
    )
    assert half.dtype == jnp.float32 and not np.array_equal(full, half)
    np.testing.assert_allclose(half, full, atol=0.03 * np.abs(full).max())


def test_a_map_that_is_too_small_is_one_clear_line():
    with pytest.raises(UsageError, match="1 x 4 has no reflection"):
        kernels(NARROW, spec(1, 1, 4, 16))

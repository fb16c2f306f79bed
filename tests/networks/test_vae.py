"""The VAE's networks against their written architecture, and against the same in plain layers."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.vae import VAEDecoder, VAEEncoder
from tests.networks.random_weights import he_variables
from tests.networks.style import parameter_count, pictures, z_of

SIZES = (28, 32, 64, 128)


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def apply(module, variables, value):
    return module.apply(variables, value, train=False)


def shapes(module, value):
    out, variables = jax.eval_shape(
        lambda x: module.init_with_output(jax.random.key(0), x, train=True), value
    )
    assert {leaf.dtype for leaf in jax.tree.leaves((out, variables))} == {jnp.dtype("float32")}
    return jax.tree.map(lambda leaf: leaf.shape, out)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_shapes(size, channels):
    images = spec(3, size, size, channels)
    assert shapes(VAEEncoder(10, 8, size), images) == ((3, 10), (3, 10))
    z = spec(3, 10)
    assert shapes(VAEDecoder(size, channels, 8), z) == (images.shape, ())
    assert shapes(VAEDecoder(size, channels, 8, outputs=2), z) == (images.shape, images.shape)


# Layer by layer at width 64: kernels, biases, and the scales and biases of the norms.
MIDDLE = {
    28: [64, 128],
    32: [64, 128, 256],
    64: [64, 128, 256, 512],
    128: [64, 128, 256, 512, 1024],
}
FLAT = {28: 49 * 128, 32: 16 * 256, 64: 16 * 512, 128: 16 * 1024}


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts(size):
    widths, flat = MIDDLE[size], FLAT[size]
    convolutions = sum(16 * a * b for a, b in zip([3, *widths], widths, strict=False))
    encoder = convolutions + sum(widths) + 2 * sum(widths[1:]) + 2 * (flat * 32 + 32)
    assert parameter_count(VAEEncoder(32, 64, size), spec(2, size, size, 3)) == encoder
    decoder = 32 * flat + flat + convolutions + sum(widths[:-1]) + 3 + 2 * sum(widths)
    assert parameter_count(VAEDecoder(size, 3, 64), spec(2, 32)) == decoder + 1  # log_scale
    fixed = VAEDecoder(size, 3, 64, learn_scale=False)
    assert parameter_count(fixed, spec(2, 32)) == decoder
    both = VAEDecoder(size, 3, 64, outputs=2)
    assert parameter_count(both, spec(2, 32)) == decoder + 1 + 16 * 64 * 3 + 3


class PlainEncoder(nn.Module):
    size: int

    @nn.compact
    def __call__(self, x, train):
        for index in range({28: 2, 32: 3, 64: 4, 128: 5}[self.size]):
            x = nn.Conv(8 * 2**index, (4, 4), (2, 2), padding=1)(x)
            if index:
                x = nn.GroupNorm(8, epsilon=1e-5, use_fast_variance=False)(x)
            x = x / (1 + jnp.exp(-x))
        x = x.reshape(len(x), -1)
        return nn.Dense(10, name="mean")(x), nn.Dense(10, name="log_variance")(x)


class PlainDecoder(nn.Module):
    size: int
    outputs: int

    @nn.compact
    def __call__(self, z, train):
        layers = {28: 2, 32: 3, 64: 4, 128: 5}[self.size]
        base = 7 if self.size == 28 else 4
        x = nn.Dense(base * base * 4 * 2**layers)(z).reshape(-1, base, base, 4 * 2**layers)
        for index in reversed(range(layers)):
            x = nn.GroupNorm(8, epsilon=1e-5, use_fast_variance=False)(x)
            x = x / (1 + jnp.exp(-x))
            width = 4 * 2**index if index else 3 * self.outputs
            x = nn.ConvTranspose(width, (4, 4), (2, 2), padding="SAME")(x)
        log_scale = self.param("log_scale", nn.initializers.zeros, ())
        if self.outputs == 2:
            log_scale = -6 + jnp.logaddexp(0, x[..., 3:] + log_scale + 6)
        return jnp.tanh(x[..., :3]), log_scale


def renamed(variables):
    """Our variables under the names of Flax's own layers."""
    names = {"TransposedConvolution": "ConvTranspose", "Convolution": "Conv"}

    def plain(name):
        kind, _, index = name.rpartition("_")
        return f"{names[kind]}_{index}" if kind in names else name

    return {"params": {plain(name): value for name, value in variables["params"].items()}}


@pytest.mark.parametrize(
    "size", [28, 32, *(pytest.param(size, marks=pytest.mark.slow) for size in (64, 128))]
)
def test_they_are_those_of_plain_layers(size):
    z = z_of()
    cases = [(VAEEncoder(10, 8, size), PlainEncoder(size), pictures(size))] + [
        (VAEDecoder(size, 3, 8, outputs=count), PlainDecoder(size, count), z) for count in (1, 2)
    ]
    for module, plain, value in cases:
        variables = he_variables(module, value, train=True)
        found, expected = apply(module, variables, value), apply(plain, renamed(variables), value)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_a_picture_s_posterior_is_its_own():
    """Other pictures in the batch, or training, change nothing."""
    module, images = VAEEncoder(10, 8, 32), pictures(32)
    variables = he_variables(module, images, train=True)
    together = apply(module, variables, images)
    alone = jax.jit(functools.partial(module.apply, train=True))(variables, images[:1])
    for whole, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, whole[:1], rtol=1e-4, atol=1e-4)
        assert not np.allclose(whole[0], whole[1])
    assert set(variables) == {"params"}


def test_the_posterior_sees_contrast():
    module, images = VAEEncoder(10, 8, 32), pictures(32)
    variables = he_variables(module, images, train=True)
    full, half = (apply(module, variables, share * images).mean for share in (1.0, 0.5))
    assert np.abs(full - half).max() > 0.05 * np.abs(full).max()


def test_the_posterior_starts_with_variance_one():
    module, images = VAEEncoder(10, 8, 28), pictures(28)
    init = functools.partial(module.init_with_output, train=True)
    posterior, _ = jax.jit(init)(jax.random.key(0, impl="unsafe_rbg"), images)
    np.testing.assert_array_equal(posterior.log_variance, np.zeros((4, 10)))
    assert np.std(posterior.mean) > 0.1


class TestScale:
    def decoded(self, **settings):
        module = VAEDecoder(28, 1, 8, log_scale=-1.5, **settings)
        variables = he_variables(module, z_of(), train=True)
        if "log_scale" in variables["params"]:
            variables["params"]["log_scale"] = np.float32(-1.5)
        return module, variables, apply(module, variables, z_of()).log_scale

    def test_learnt(self):
        module, variables, log_scale = self.decoded()
        assert log_scale == -1.5
        init = functools.partial(module.init, train=True)
        started = jax.jit(init)(jax.random.key(0, impl="unsafe_rbg"), z_of())
        assert started["params"]["log_scale"] == -1.5
        gradient = jax.jit(jax.grad(lambda v: apply(module, v, z_of()).log_scale))(variables)
        assert gradient["params"]["log_scale"] == 1.0

    def test_fixed(self):
        _, variables, log_scale = self.decoded(learn_scale=False)
        assert log_scale == -1.5 and log_scale.dtype == jnp.float32
        assert "log_scale" not in variables["params"]

    def test_of_every_pixel(self):
        """Between that of all and the floor of -6, however low it is driven."""
        module, variables, log_scale = self.decoded(outputs=2)
        assert np.std(log_scale) > 0
        for level, expected in ((-100.0, -6.0), (3.0, 3.0)):
            variables["params"]["TransposedConvolution_1"] |= {
                "kernel": np.zeros((4, 4, 8, 2), np.float32),
                "bias": np.float32([0.0, level + 1.5]),
            }
            found = apply(module, variables, z_of()).log_scale
            np.testing.assert_allclose(found, np.full((4, 28, 28, 1), expected), atol=2e-4)


def test_linear_or_within_minus_one_and_one():
    module = VAEDecoder(28, 1, 8)
    variables = he_variables(module, z_of(), train=True)
    bounded = apply(module, variables, 10 * z_of()).mean
    linear = apply(module.clone(tanh=False), variables, 10 * z_of()).mean
    assert np.abs(linear).max() > 1
    np.testing.assert_allclose(bounded, np.tanh(linear), rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "value"), [(VAEEncoder(10, 8, 28), pictures(28)), (VAEDecoder(28, 3, 8), z_of())]
)
def test_bfloat16_computes_near_float32(module, value):
    variables = he_variables(module, value, train=True)
    half = apply(module.clone(dtype=jnp.bfloat16), variables, value)
    for full, found in zip(apply(module, variables, value), half, strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, full, atol=0.03 * max(np.abs(full).max(), 1e-6))
    assert not np.array_equal(half.mean, apply(module, variables, value).mean)


@pytest.mark.parametrize(
    ("module", "value", "message"),
    [
        (VAEEncoder(10, 8, 48), spec(1, 48, 48, 3), "28, 32, 64, 128 pixels, not 48: set data"),
        (VAEDecoder(256, 3, 8), spec(1, 10), "28, 32, 64, 128 pixels, not 256: set data"),
        (VAEEncoder(10, 12, 32), spec(1, 32, 32, 3), "multiple of 8, not 12"),
        (VAEDecoder(32, 3, 0), spec(1, 10), "multiple of 8, not 0"),
        (VAEEncoder(10, 8, 32), spec(1, 64, 64, 3), r"32 pixels was given \(64, 64\)"),
        (VAEDecoder(32, 3, 8, outputs=3), spec(1, 10), "1 or 2 outputs a pixel, not 3"),
    ],
)
def test_errors(module, value, message):
    with pytest.raises(UsageError, match=message):
        shapes(module, value)

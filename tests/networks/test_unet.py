"""pix2pix's U-Net against its written architecture, and against the same in plain Flax layers."""

import functools
from math import prod

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.unet import UNet

SIZES = (16, 32, 64, 128, 256)
QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiles in half the time."""


def pictures(size, channels=3, batch=2):
    shape = (batch, size, size, channels)
    return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


def shapes_of(module, images):
    """`(output, variables)`, without making them."""
    make = functools.partial(module.init_with_output, train=True)
    return jax.eval_shape(make, jax.random.key(0), images)


def variables_of(module, images):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        if path[-1].key in ("scale", "var"):
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        spread = prod(shape[:-1]) ** -0.5 if path[-1].key == "kernel" else 0.3
        return random.normal(0, spread, shape).astype(np.float32)

    shapes = shapes_of(module, images)[1]
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


@functools.partial(
    jax.jit,
    static_argnames=("module", "train"),
    compiler_options=QUICKLY,
)
def apply(module, variables, images, seed=0, *, train):
    rngs = {"dropout": jax.random.key(seed, impl="unsafe_rbg")}  # compiles quickly
    return module.apply(variables, images, train=train, rngs=rngs, mutable=["batch_stats"])


@pytest.mark.parametrize("size", SIZES)
def test_shapes(size):
    """Landmark maps, say, become pictures: other channels."""
    out, variables = shapes_of(UNet(size, 4, width=8), pictures(size, 7))
    assert out.shape == (2, size, size, 4) and out.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


# Inputs and outputs of every convolution, from the picture inwards and back.
DOWN_256 = [(3, 64), (64, 128), (128, 256), (256, 512), *4 * [(512, 512)]]
UP_256 = [(512, 512), *3 * [(1024, 512)], (1024, 256), (512, 128), (256, 64)]
DOWN_64, UP_64 = DOWN_256[:6], [(512, 512), (1024, 512), *UP_256[4:]]
DOWN_16, UP_16 = DOWN_256[:4], [(512, 256), (512, 128), (256, 64)]


def parameter_count(size, **settings):
    _, variables = shapes_of(UNet(size, 3, **settings), pictures(size))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("size", "down", "up"),
    [(256, DOWN_256, UP_256), (64, DOWN_64, UP_64), (16, DOWN_16, UP_16)],
)
def test_parameter_counts(size, down, up):
    kernels = 16 * sum(map(prod, [*down, *up, (128, 3)]))
    normalised = sum(features for _, features in [*down[1:-1], *up])
    count = kernels + 2 * normalised + 3
    assert parameter_count(size) == count
    if size == 256:
        assert count == 54_413_955  # published
    if size == 16:
        biases = sum(features for _, features in [*down, *up])
        assert parameter_count(size, normalisation="instance") == kernels + biases + 3
        assert parameter_count(size, normalisation="none") == kernels + biases + 3
        of_both = count + biases
        assert parameter_count(size, normalisation="instance_affine") == of_both
        smaller = 7 * sum(map(prod, [*up, (128, 3)]))  # of 4x4, those that are not in 3x3
        assert parameter_count(size, upsample="resize") == count - smaller


class Plain32(nn.Module):
    """The one for 32 pixels and width 2 of `flax.linen` layers, written out."""

    normalisation: str
    upsample: str

    @nn.compact
    def __call__(self, x, train):
        bias = self.normalisation != "batch"
        dropout = nn.Dropout(0.5, deterministic=not train)

        def norm(x):
            if self.normalisation == "batch":
                return nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5)(x)
            return nn.InstanceNorm(epsilon=1e-5, use_scale=False, use_bias=False)(x)

        def down(x, features):
            return nn.Conv(features, (4, 4), (2, 2), padding=1, use_bias=bias)(x)

        def up(x, features, bias=bias):
            if self.upsample == "resize":
                x = x.repeat(2, axis=1).repeat(2, axis=2)
                return nn.Conv(features, (3, 3), padding=1, use_bias=bias)(x)
            return nn.ConvTranspose(features, (4, 4), (2, 2), padding="SAME", use_bias=bias)(x)

        def leaky(x):
            return jnp.where(x > 0, x, 0.2 * x)

        def relu(x):
            return jnp.where(x > 0, x, 0.0)

        at_16 = down(x, 2)
        at_8 = norm(down(leaky(at_16), 4))
        at_4 = norm(down(leaky(at_8), 8))
        at_2 = norm(down(leaky(at_4), 16))
        at_1 = down(leaky(at_2), 16)
        x = jnp.concatenate([at_2, dropout(norm(up(relu(at_1), 16)))], -1)
        x = jnp.concatenate([at_4, norm(up(relu(x), 8))], -1)
        x = jnp.concatenate([at_8, norm(up(relu(x), 4))], -1)
        x = jnp.concatenate([at_16, norm(up(relu(x), 2))], -1)
        return jnp.tanh(up(relu(x), 3, bias=True))


def renamed(variables):
    """Our variables under the names of Flax's own layers."""
    names = {"TransposedConvolution": "ConvTranspose", "Convolution": "Conv"}

    def plain(name, layer):
        kind, _, index = name.rpartition("_")
        if kind == "PictureNormalisation":
            ((inner, layer),) = layer.items()
            kind = inner.removesuffix("_0")
        return f"{names.get(kind, kind)}_{index}", layer

    return {
        collection: dict(plain(name, layer) for name, layer in layers.items())
        for collection, layers in variables.items()
    }


@pytest.mark.parametrize(
    ("normalisation", "upsample", "train"),
    [
        ("batch", "transposed", True),
        ("batch", "transposed", False),
        ("batch", "resize", True),
        ("instance", "transposed", True),
    ],
)
def test_it_is_that_of_plain_layers(normalisation, upsample, train):
    """Outputs, with the same dropout, and the statistics that training moves."""
    images = pictures(32)
    module = UNet(32, 3, width=2, normalisation=normalisation, upsample=upsample)
    variables = variables_of(module, images)
    found, moved = apply(module, variables, images, train=train)
    plain = Plain32(normalisation, upsample)
    expected, moved_there = apply(plain, renamed(variables), images, train=train)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    moved = renamed(moved)
    assert jax.tree.structure(moved) == jax.tree.structure(moved_there)
    assert len(jax.tree.leaves(moved)) == (2 * 7 if normalisation == "batch" else 0)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4), moved, moved_there)


@pytest.mark.parametrize(
    ("size", "sides"), [(256, [2, 4, 8]), (128, [2, 4, 8]), (64, [2, 4]), (32, [2]), (16, [])]
)
def test_where_it_drops_out(size, sides):
    """The paper's CD512-CD512-CD512; below, those of them that are of 8 x width."""
    seen = []

    def watch(call, arguments, keywords, context):
        if isinstance(context.module, nn.Dropout):
            assert context.module.rate == 0.5
            seen.append(arguments[0].shape[1:])
        return call(*arguments, **keywords)

    with nn.intercept_methods(watch):
        shapes_of(UNet(size, 3, width=4), pictures(size))
    assert seen == [(side, side, 32) for side in sides]


def test_dropout_is_on_in_training_and_outside_of_it_only_as_noise():
    quiet, images = UNet(32, 3, width=2, normalisation="none"), pictures(32)
    noisy, variables = quiet.clone(noise=True), variables_of(quiet, images)

    def out(module, seed, train):
        return np.asarray(apply(module, variables, images, seed, train=train)[0])

    np.testing.assert_array_equal(out(quiet, 0, True), out(quiet, 0, True))
    assert not np.allclose(out(quiet, 0, True), out(quiet, 1, True))
    np.testing.assert_array_equal(out(quiet, 0, False), out(quiet, 1, False))
    np.testing.assert_array_equal(out(noisy, 0, False), out(quiet, 0, True))
    assert not np.allclose(out(noisy, 0, False), out(noisy, 1, False))
    jax.eval_shape(lambda: quiet.apply(variables, images, train=False))  # needs no key


def test_weights_start_as_published():
    """Kernels N(0, 0.02), BatchNorm scales N(1, 0.02), all biases 0."""
    module, scales = UNet(16, 3, width=8), []
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly
    init = jax.jit(functools.partial(module.init, train=True), compiler_options=QUICKLY)
    params = init(key, pictures(16))["params"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        kind = path[-1].key
        if kind == "bias":
            assert not np.any(leaf)
        elif kind == "scale":
            scales.append(leaf)
        else:
            # Five standard errors of a standard deviation and of a mean.
            np.testing.assert_allclose(np.std(leaf), 0.02, atol=5 * 0.02 / np.sqrt(2 * leaf.size))
            np.testing.assert_allclose(np.mean(leaf), 0, atol=5 * 0.02 / np.sqrt(leaf.size))
    scale = np.concatenate(scales)
    np.testing.assert_allclose(np.mean(scale), 1.0, atol=5 * 0.02 / np.sqrt(scale.size))
    np.testing.assert_allclose(np.std(scale), 0.02, atol=5 * 0.02 / np.sqrt(2 * scale.size))


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_every_layer_computes_in_the_given_dtype(upsample):
    made = []

    def watch(call, arguments, keywords, context):
        out = call(*arguments, **keywords)
        if context.method_name == "__call__":
            made.append(out.dtype)
        return out

    module = UNet(16, 3, width=4, upsample=upsample, dtype=jnp.bfloat16)
    with nn.intercept_methods(watch):
        _, variables = shapes_of(module, pictures(16))
    *layers, network = made
    assert set(layers) == {jnp.dtype("bfloat16")} and network == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_pictures_are_within_minus_one_and_one():
    module, images = UNet(16, 3, width=4, normalisation="instance"), pictures(16)
    out = apply(module, variables_of(module, images), 1e3 * images, train=False)[0]
    assert -1.0 <= out.min() < -0.99 and 0.99 < out.max() <= 1.0


@pytest.mark.parametrize("size", [0, 8, 48, 96, 255])
def test_another_size_is_refused(size):
    with pytest.raises(UsageError, match=f"2\\^n pixels from 16 on, not {size}: set data.size"):
        shapes_of(UNet(size, 3), pictures(64))


def test_pictures_of_another_size_are_refused():
    for images in (pictures(32), pictures(64)[:, :32]):
        with pytest.raises(UsageError, match="64 x 64 pixels and got 32 x"):
            shapes_of(UNet(64, 3), images)


def test_another_upsampling_or_normalisation_is_refused():
    with pytest.raises(UsageError, match="transposed, resize, not 'bilinear'"):
        shapes_of(UNet(16, 3, upsample="bilinear"), pictures(16))
    with pytest.raises(UsageError, match="batch, instance, instance_affine, none, not 'layer'"):
        shapes_of(UNet(16, 3, normalisation="layer"), pictures(16))

"""CycleGAN's generator against its written architecture, and against plain Flax layers."""

import functools
from math import prod

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.resnet_translator import ResNetTranslator


def pictures(height, width, channels=3, batch=2):
    shape = (batch, height, width, channels)
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
    compiler_options={"xla_backend_optimization_level": 0},  # compiles in half the time
)
def apply(module, variables, images, *, train):
    return module.apply(variables, images, train=train, mutable=["batch_stats"])


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize("size", [(8, 8), (32, 48), (256, 256)])
def test_shapes(size, upsample):
    """Landmark maps, say, become pictures: other channels."""
    module = ResNetTranslator(4, width=4, blocks=2, upsample=upsample)
    out, variables = shapes_of(module, pictures(*size, 7))
    assert out.shape == (2, *size, 4) and out.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def parameter_count(**settings):
    variables = shapes_of(ResNetTranslator(3, **settings), pictures(32, 32))[1]
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("blocks", [6, 9])
def test_parameter_counts(blocks):
    """c7s1-64, d128, d256, R256, u128, u64, c7s1-3."""
    hidden = 64 + 128 + 256 + blocks * 2 * 256 + 128 + 64
    ends = 49 * (3 * 64 + 64 * 3) + 3
    trunk = 9 * (64 * 128 + 128 * 256 + blocks * 2 * 256 * 256 + 256 * 128 + 128 * 64)
    for normalisation, of_each in (
        ("instance", 1),
        ("batch", 2),
        ("instance_affine", 3),
        ("none", 1),
    ):
        found = parameter_count(blocks=blocks, normalisation=normalisation)
        assert found == ends + trunk + of_each * hidden
    assert parameter_count(blocks=blocks, upsample="resize") == ends + trunk + hidden


def test_the_published_number_of_parameters():
    assert parameter_count() == 11_378_179


class Plain(nn.Module):
    """Of `flax.linen` layers, width 2 and two blocks, written out."""

    normalisation: str
    upsample: str

    @nn.compact
    def __call__(self, x, train):
        bias = self.normalisation != "batch"

        def norm(x):
            if self.normalisation == "batch":
                return nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5)(x)
            return nn.InstanceNorm(epsilon=1e-5, use_scale=False, use_bias=False)(x)

        def reflected(x, features, kernel, bias=bias):
            edge = kernel // 2
            rows, columns = (np.pad(np.arange(n), edge, mode="reflect") for n in x.shape[1:3])
            x = x[:, rows][:, :, columns]
            return nn.Conv(features, (kernel, kernel), padding="VALID", use_bias=bias)(x)

        def down(x, features):
            return norm(nn.Conv(features, (3, 3), (2, 2), padding=1, use_bias=bias)(x))

        def up(x, features):
            if self.upsample == "resize":
                return norm(reflected(x.repeat(2, axis=1).repeat(2, axis=2), features, 3))
            layer = nn.ConvTranspose(features, (3, 3), (2, 2), "VALID", use_bias=bias)
            return norm(layer(x)[:, 1:, 1:])  # PyTorch's padding of 1 and output padding of 1

        def relu(x):
            return jnp.where(x > 0, x, 0.0)

        x = relu(norm(reflected(x, 2, 7)))
        x = relu(down(x, 4))
        x = relu(down(x, 8))
        x = x + norm(reflected(relu(norm(reflected(x, 8, 3))), 8, 3))
        x = x + norm(reflected(relu(norm(reflected(x, 8, 3))), 8, 3))
        x = relu(up(x, 4))
        x = relu(up(x, 2))
        return jnp.tanh(reflected(x, 3, 7, bias=True))


def renamed(variables):
    """Our variables under the names of Flax's own layers."""
    names = {"TransposedConvolution": "ConvTranspose", "Convolution": "Conv"}

    def plain(name, layer):
        kind, _, index = name.rpartition("_")
        if kind == "PictureNormalisation":
            kind, layer = "BatchNorm", layer["BatchNorm_0"]
        return f"{names.get(kind, kind)}_{index}", layer

    return {
        collection: dict(plain(name, layer) for name, layer in layers.items())
        for collection, layers in variables.items()
    }


@pytest.mark.parametrize(
    ("normalisation", "upsample", "train"),
    [
        ("instance", "transposed", True),
        ("instance", "resize", True),
        ("batch", "transposed", True),
        ("batch", "transposed", False),
    ],
)
def test_it_is_that_of_plain_layers(normalisation, upsample, train):
    """Outputs, and the statistics that training moves."""
    images = pictures(16, 24)
    module = ResNetTranslator(3, width=2, blocks=2, normalisation=normalisation, upsample=upsample)
    variables = variables_of(module, images)
    found, moved = apply(module, variables, images, train=train)
    plain = Plain(normalisation, upsample)
    expected, moved_there = apply(plain, renamed(variables), images, train=train)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    moved = renamed(moved)
    assert jax.tree.structure(moved) == jax.tree.structure(moved_there)
    assert len(jax.tree.leaves(moved)) == (2 * 9 if normalisation == "batch" else 0)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4), moved, moved_there)


@pytest.mark.slow
def test_weights_start_as_published():
    """Kernels N(0, 0.02), all biases 0."""
    module = ResNetTranslator(3, width=8, blocks=1)
    init = jax.jit(functools.partial(module.init, train=True))
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly
    for layer in init(key, pictures(8, 8))["params"].values():
        kernel = layer["kernel"]
        # Five standard errors of a standard deviation and of a mean.
        np.testing.assert_allclose(np.std(kernel), 0.02, atol=5 * 0.02 / np.sqrt(2 * kernel.size))
        np.testing.assert_allclose(np.mean(kernel), 0, atol=5 * 0.02 / np.sqrt(kernel.size))
        assert not np.any(layer["bias"])


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_every_layer_computes_in_the_given_dtype(upsample):
    made = []

    def watch(call, arguments, keywords, context):
        out = call(*arguments, **keywords)
        if context.method_name == "__call__":
            made.append(out.dtype)
        return out

    settings = {"normalisation": "batch", "upsample": upsample, "dtype": jnp.bfloat16}
    with nn.intercept_methods(watch):
        _, variables = shapes_of(ResNetTranslator(3, blocks=1, **settings), pictures(8, 8))
    *layers, network = made
    assert set(layers) == {jnp.dtype("bfloat16")} and network == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_pictures_are_within_minus_one_and_one():
    module, images = ResNetTranslator(3, width=4, blocks=1), pictures(16, 16)
    loud = jax.tree.map(lambda leaf: 100 * leaf, variables_of(module, images))
    out = apply(module, loud, images, train=False)[0]
    assert -1.0 <= out.min() < -0.99 and 0.99 < out.max() <= 1.0


@pytest.mark.parametrize("size", [(30, 32), (32, 33), (4, 32), (32, 4)])
def test_another_size_is_refused(size):
    height, width = size
    with pytest.raises(UsageError, match=f"4 divides, not {height} x {width}: set data.size"):
        shapes_of(ResNetTranslator(3), pictures(*size))


def test_another_upsampling_or_normalisation_is_refused():
    with pytest.raises(UsageError, match="transposed, resize, not 'bilinear'"):
        shapes_of(ResNetTranslator(3, upsample="bilinear"), pictures(8, 8))
    with pytest.raises(UsageError, match="batch, instance, instance_affine, none, not 'layer'"):
        shapes_of(ResNetTranslator(3, normalisation="layer"), pictures(8, 8))

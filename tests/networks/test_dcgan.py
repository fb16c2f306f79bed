"""DCGAN against its written architecture, and against the same in plain Flax layers."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator

SIZES = (28, 32, 64, 128)
LABELS = np.array([0, 1, 2])
OTHERS = np.array([9, 1, 2])
"""The same but for the first."""
Z = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)


def pictures(size, channels):
    shape = (3, size, size, channels)
    return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


@functools.partial(jax.jit, static_argnames=("module", "train"))
def apply(module, variables, value, label=None, seed=0, *, train):
    """`(output, {"batch_stats": …})`; compiled once for each module and mode."""
    rngs = {"dropout": jax.random.key(seed, impl="unsafe_rbg")}  # compiles quickly
    return module.apply(variables, value, label, train=train, rngs=rngs, mutable=["batch_stats"])


def variables_of(module, value):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        positive = path[-1].key in ("scale", "var")
        draw = random.uniform(0.5, 1.5, shape) if positive else random.normal(0, 0.1, shape)
        return draw.astype(np.float32)

    make = functools.partial(module.init, jax.random.key(0), train=True)
    shapes = jax.eval_shape(make, value, LABELS)
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


def generator(size, **settings):
    """A narrow one, an input, and its variables."""
    module = DCGANGenerator(size, 3, width=4, **settings)
    return module, Z, variables_of(module, Z)


def discriminator(size, **settings):
    """A narrow one, an input, and its variables."""
    module = DCGANDiscriminator(size, width=4, **settings)
    return module, pictures(size, 3), variables_of(module, pictures(size, 3))


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_shapes(size, channels, classes):
    label = LABELS if classes else None
    for module, value, shape in (
        (DCGANGenerator(size, channels, num_classes=classes), Z, (3, size, size, channels)),
        (DCGANDiscriminator(size, num_classes=classes), pictures(size, channels), (3,)),
    ):
        out, _ = jax.eval_shape(
            lambda m=module, v=value: m.init_with_output(jax.random.key(0), v, label, train=True)
        )
        assert out.shape == shape and out.dtype == jnp.float32


# Kernels, BatchNorm scales and biases, and biases of the ends, layer by layer from the paper's
# description: 64 pixels is 100 -> 4x4x512 -> 256 -> 128 -> 64 -> 3.
TO_512 = 16 * (64 * 128 + 128 * 256 + 256 * 512)
GENERATORS = {
    (28, 1): 100 * 49 * 256
    + 25 * (256 * 128 + 128 * 64 + 64 * 1) + 1
    + 2 * (256 + 128 + 64),
    (32, 3): 100 * 16 * 256
    + 16 * (256 * 128 + 128 * 64 + 64 * 3) + 3
    + 2 * (256 + 128 + 64),
    (64, 3): 100 * 16 * 512
    + TO_512 + 16 * 64 * 3 + 3
    + 2 * (512 + 256 + 128 + 64),
    (128, 3): 100 * 16 * 1024
    + 16 * 1024 * 512 + TO_512 + 16 * 64 * 3 + 3
    + 2 * (1024 + 512 + 256 + 128 + 64),
}  # fmt: skip
DISCRIMINATORS = {
    (28, 1): 25 * (1 * 64 + 64 * 128) + 64 + 2 * 128 + 7 * 7 * 128 + 1,
    (32, 3): 16 * (3 * 64 + 64 * 128 + 128 * 256) + 64 + 2 * (128 + 256) + 16 * 256 + 1,
    (64, 3): 16 * 3 * 64 + 64 + TO_512 + 2 * (128 + 256 + 512) + 16 * 512 + 1,
    (128, 3): 16 * 3 * 64 + 64 + TO_512 + 16 * 512 * 1024
    + 2 * (128 + 256 + 512 + 1024) + 16 * 1024 + 1,
}  # fmt: skip


def size_of(module, *inputs):
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, train=True))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(("size", "channels"), GENERATORS)
def test_parameter_counts(size, channels):
    z, images = jnp.zeros((2, 100)), jnp.zeros((2, size, size, channels))
    made = size_of(DCGANGenerator(size, channels), z)
    assert made == GENERATORS[size, channels]
    judge = size_of(DCGANDiscriminator(size), images)
    assert judge == DISCRIMINATORS[size, channels]
    # The published 64-pixel networks, but for the biases of the layers at the ends.
    if size == 64:
        assert (made, judge) == (3_576_704 + 3, 2_765_568 + 64 + 1)


class PlainGenerator(nn.Module):
    """The same of `flax.linen` layers alone, written out by size."""

    size: int

    @nn.compact
    def __call__(self, z, label, train):
        small = self.size == 28
        side, kernel = (7, (5, 5)) if small else (4, (4, 4))
        widths = {28: [16, 8, 4], 32: [16, 8, 4], 64: [32, 16, 8, 4], 128: [64, 32, 16, 8, 4]}
        hidden = widths[self.size]
        x = nn.Dense(side * side * hidden[0], use_bias=False)(z).reshape(-1, side, side, hidden[0])
        for index, width in enumerate([*hidden[1:], 3]):
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)
            x = jnp.where(x > 0, x, (0.2 if small else 0.0) * x)
            stride = (1, 1) if small and index == 0 else (2, 2)
            x = nn.ConvTranspose(width, kernel, stride, use_bias=index == len(hidden) - 1)(x)
        return jnp.tanh(x)


class PlainDiscriminator(nn.Module):
    """The same of `flax.linen` layers alone, written out by size."""

    size: int

    @nn.compact
    def __call__(self, x, label, train):
        kernel = (5, 5) if self.size == 28 else (4, 4)
        widths = {28: [4, 8], 32: [4, 8, 16], 64: [4, 8, 16, 32], 128: [4, 8, 16, 32, 64]}
        for index, width in enumerate(widths[self.size]):
            x = nn.Conv(width, kernel, (2, 2), use_bias=index == 0)(x)
            if index:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)
            x = jnp.where(x > 0, x, 0.2 * x)
        return nn.Dense(1)(x.reshape(len(x), -1))[:, 0]


def renamed(variables):
    """Our variables under the names of Flax's own layers."""
    names = {"TransposedConvolution": "ConvTranspose", "Convolution": "Conv"}

    def plain(name):
        kind, _, index = name.rpartition("_")
        return f"{names.get(kind, kind)}_{index}"

    return {
        collection: {plain(name): value for name, value in layers.items()}
        for collection, layers in variables.items()
    }


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("make", [(generator, PlainGenerator), (discriminator, PlainDiscriminator)])
@pytest.mark.parametrize(
    "size", [28, 32, *(pytest.param(size, marks=pytest.mark.slow) for size in (64, 128))]
)
def test_they_are_those_of_plain_layers(size, make, train):
    """Outputs, and the statistics that training moves."""
    ours, plain = make
    module, value, variables = ours(size)
    out, moved = apply(module, variables, value, train=train)
    expected, expected_moved = apply(plain(size), renamed(variables), value, train=train)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    for name, layer in renamed(moved)["batch_stats"].items():
        for statistic, value in layer.items():
            theirs = expected_moved["batch_stats"][name][statistic]
            np.testing.assert_allclose(value, theirs, rtol=1e-4, atol=1e-6)


def test_without_batch_norm_every_convolution_has_a_bias():
    _, _, variables = discriminator(32, normalise=False)
    assert set(variables) == {"params"}
    layers = variables["params"]
    assert sorted(layers) == ["Convolution_0", "Convolution_1", "Convolution_2", "Dense_0"]
    assert all("bias" in layer for layer in layers.values())


@pytest.mark.parametrize("make", [generator, discriminator])
def test_statistics_move_in_training_and_only_there(make):
    module, value, variables = make(28)
    moved = [apply(module, variables, value, train=train)[1] for train in (True, False)]
    jax.tree.map(np.testing.assert_array_equal, moved[1]["batch_stats"], variables["batch_stats"])
    leaves = [jax.tree.leaves(tree["batch_stats"]) for tree in (moved[0], variables)]
    assert not any(np.any(a == b) for a, b in zip(*leaves, strict=True))


@pytest.mark.slow
def test_spectral_weights_have_largest_singular_value_one():
    network = DCGANDiscriminator(32, width=4, normalise=False, spectral=True)
    images = pictures(32, 3)
    variables = network.init(jax.random.key(0), images, train=False)
    start = jax.tree.map(lambda leaf: leaf * 7.0, variables["params"])
    for _ in range(60):  # rounds of power iteration
        _, moved = network.apply(
            variables | {"params": start}, images, train=True, mutable=["spectral"]
        )
        variables = variables | moved
    normalised = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            leaf / np.linalg.svd(leaf.reshape(-1, leaf.shape[-1]), compute_uv=False)[0]
            if path[-1].key == "kernel"
            else leaf
        ),
        start,
    )
    plain = DCGANDiscriminator(32, width=4, normalise=False)
    names = dict(zip(sorted(normalised), sorted(plain_names(plain, images)), strict=True))
    expected = plain.apply(
        {"params": {names[name]: leaf for name, leaf in normalised.items()}}, images, train=False
    )
    found = network.apply(variables | {"params": start}, images, train=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def plain_names(network, images):
    return jax.eval_shape(lambda key: network.init(key, images, train=False), jax.random.key(0))[
        "params"
    ]


def test_dropout_differs_by_key_and_is_off_in_evaluation():
    module, value, variables = discriminator(28, dropout=0.3)

    def logits(seed, train):
        return np.asarray(apply(module, variables, value, seed=seed, train=train)[0])

    np.testing.assert_array_equal(logits(0, True), logits(0, True))
    assert not np.allclose(logits(0, True), logits(1, True))
    np.testing.assert_array_equal(logits(0, False), logits(1, False))
    bare = apply(module.clone(dropout=0.0), variables, value, train=True)[0]
    assert not np.allclose(logits(0, True), bare)


@pytest.mark.parametrize("make", [generator, discriminator])
def test_the_label_matters(make):
    module, value, variables = make(28, num_classes=10)
    ours, others = (
        apply(module, variables, value, labels, train=False)[0] for labels in (LABELS, OTHERS)
    )
    assert not np.allclose(ours[0], others[0])
    np.testing.assert_allclose(ours[1:], others[1:], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("size", [28, pytest.param(64, marks=pytest.mark.slow)])
def test_weights_start_as_published(size):
    """Kernels N(0, 0.02), BatchNorm scales N(1, 0.02), all biases 0."""
    z = jnp.zeros((2, 100))
    kernels, scales = [], []
    for module, value in (
        (DCGANGenerator(size, 3, width=16), z),
        (DCGANDiscriminator(size, width=16), jnp.zeros((2, size, size, 3))),
    ):
        # A generator of random bits that compiles in a third of the time.
        key = jax.random.key(0, impl="unsafe_rbg")
        make = functools.partial(module.init, train=True)
        params = jax.jit(make)(key, value)["params"]
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            kind = path[-1].key
            if kind == "bias":
                assert not np.any(leaf)
            elif kind == "scale":
                scales.append(leaf)
            else:
                kernels.append(leaf.ravel())
    for kernel in kernels:
        # Five standard errors of a standard deviation and of a mean.
        np.testing.assert_allclose(np.std(kernel), 0.02, atol=5 * 0.02 / np.sqrt(2 * kernel.size))
        np.testing.assert_allclose(np.mean(kernel), 0.0, atol=5 * 0.02 / np.sqrt(kernel.size))
    scale = np.concatenate(scales)
    np.testing.assert_allclose(np.mean(scale), 1.0, atol=5 * 0.02 / np.sqrt(scale.size))
    np.testing.assert_allclose(np.std(scale), 0.02, atol=5 * 0.02 / np.sqrt(2 * scale.size))


@pytest.mark.parametrize("make", [generator, discriminator])
def test_bfloat16_computes_near_float32_with_float32_parameters(make):
    module, value, variables = make(28, dtype=jnp.bfloat16)
    init = functools.partial(module.init, train=True)
    made = jax.eval_shape(init, jax.random.key(0), value)
    assert {leaf.dtype for leaf in jax.tree.leaves(made)} == {jnp.dtype("float32")}
    full, half = (
        apply(made, variables, value, train=False)[0] for made in (module.clone(dtype=None), module)
    )
    assert half.dtype == jnp.float32
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(full, half, atol=0.02 * np.max(np.abs(full)))


def test_pictures_are_within_minus_one_and_one():
    module, value, variables = generator(28)
    out = apply(module, variables, 1e3 * value, train=False)[0]
    assert -1.0 <= out.min() < -0.99 and 0.99 < out.max() <= 1.0


@pytest.mark.parametrize("size", [16, 48, 256])
def test_another_size_is_refused(size):
    for module, value in (
        (DCGANGenerator(size, 3), Z),
        (DCGANDiscriminator(size), jnp.zeros((1, size, size, 3))),
    ):
        with pytest.raises(UsageError, match=f"28, 32, 64, 128 pixels, not {size}: set data.size"):
            jax.eval_shape(lambda m=module, v=value: m.init(jax.random.key(0), v, train=True))


@pytest.mark.parametrize("make", [generator, discriminator])
@pytest.mark.parametrize("train", [False, True])
def test_a_class_is_the_attribute_vector_that_is_one_there(make, train):
    module, value, variables = make(28, num_classes=10)
    embedded = variables["params"]["label"]["embedding"]
    assert embedded.shape == (10, 50 if make is generator else 28 * 28)
    of_classes, moved = apply(module, variables, value, LABELS, train=train)
    one_hot = np.eye(10, dtype=np.float32)[LABELS]
    of_vectors, moved_too = apply(module, variables, value, one_hot, train=train)
    np.testing.assert_array_equal(of_classes, of_vectors)
    jax.tree.map(np.testing.assert_array_equal, moved, moved_too)
    # A vector of several attributes is the sum of their rows.
    several = np.float32([[1, 0.5] + 8 * [0]])
    table = variables["params"]["label"] | {"embedding": several @ embedded}
    summed = variables | {"params": variables["params"] | {"label": table}}
    mixed, _ = apply(module, variables, value, np.repeat(several, 3, axis=0), train=False)
    one = module.clone(num_classes=1)
    expected, _ = apply(one, summed, value, np.zeros(3, np.int32), train=False)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [generator, discriminator])
def test_labels_that_are_neither_are_one_clear_line(make):
    module, value, variables = make(28, num_classes=10)
    for label in (None, np.zeros((3, 9), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(UsageError, match="label"):
            module.apply(variables, value, label, train=False)

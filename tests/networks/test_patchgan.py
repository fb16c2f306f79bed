"""PatchGAN against its written architecture, against plain Flax layers, and what its logits see."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.patchgan import PatchGAN, receptive_field

PATCHES = {0: 1, 1: 16, 2: 34, 3: 70, 4: 142, 5: 286}
"""Sides by layers; those of the paper's section 4.4 are 1, 16, 70 and 286."""


def pictures(height, width, channels=3, batch=2):
    shape = (batch, height, width, channels)
    return np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)


def shapes_of(module, *arguments):
    """`(logits, variables)`, without making them."""
    make = functools.partial(module.init_with_output, train=True)
    return jax.eval_shape(make, jax.random.key(0), *arguments)


def variables_of(module, *arguments):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        positive = path[-1].key in ("scale", "var")
        draw = random.uniform(0.5, 1.5, shape) if positive else random.normal(0, 0.2, shape)
        return draw.astype(np.float32)

    shapes = shapes_of(module, *arguments)[1]
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


@functools.partial(
    jax.jit,
    static_argnames=("module", "train"),
    compiler_options={"xla_backend_optimization_level": 0},  # compiles in half the time
)
def apply(module, variables, *arguments, train):
    return module.apply(variables, *arguments, train=train, mutable=["batch_stats"])


@pytest.mark.parametrize(
    ("layers", "size", "map_size"),
    [
        (0, (5, 6), (5, 6)),
        (1, (32, 32), (14, 14)),
        (3, (32, 48), (2, 4)),
        (3, (64, 64), (6, 6)),
        (3, (128, 128), (14, 14)),
        (3, (256, 256), (30, 30)),
        (5, (256, 256), (6, 6)),
    ],
)
def test_shapes(layers, size, map_size):
    logits, variables = shapes_of(PatchGAN(width=4, layers=layers), pictures(*size))
    assert logits.shape == (2, *map_size) and logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


# Of 3 and 3 channels, layer by layer, but for normalisation: kernels, biases of the ends, the rest.
TO_512 = 64 * 128 + 128 * 256 + 256 * 512
COUNTS = {
    0: (6 * 64 + 64 * 128 + 128 * 1, 64 + 1, 128),
    1: (16 * (6 * 64 + 64 * 128 + 128 * 1), 64 + 1, 128),
    3: (16 * (6 * 64 + TO_512 + 512 * 1), 64 + 1, 128 + 256 + 512),
    5: (
        16 * (6 * 64 + TO_512 + 2 * 512 * 512 + 512 * 1),
        64 + 1,
        128 + 256 + 512 + 512 + 512,
    ),
}


def parameter_count(*arguments, **settings):
    variables = shapes_of(PatchGAN(**settings), *arguments)[1]
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("layers", COUNTS)
def test_parameter_counts(layers):
    kernels, ends, hidden = COUNTS[layers]
    image = pictures(128, 128)
    for normalisation, of_each in (
        ("batch", 2),
        ("instance", 1),
        ("instance_affine", 3),
        ("none", 1),
    ):
        settings = {"layers": layers, "normalisation": normalisation}
        assert parameter_count(image, image, **settings) == kernels + ends + of_each * hidden


def test_the_published_numbers_of_parameters():
    image = pictures(64, 64)
    assert parameter_count(image, image) == 2_768_705
    assert parameter_count(image, normalisation="instance") == 2_764_737


class Plain(nn.Module):
    """Of `flax.linen` layers, width 2, by the layers of stride 2."""

    layers: int
    normalisation: str

    @nn.compact
    def __call__(self, x, train):
        widths = {0: [4], 1: [4], 3: [4, 8, 16], 5: [4, 8, 16, 16, 16]}[self.layers]
        kernel, edge = ((4, 4), 1) if self.layers else ((1, 1), 0)
        first = (2, 2) if self.layers else (1, 1)
        x = nn.Conv(2, kernel, first, padding=edge)(x)
        for index, width in enumerate(widths):
            x = jnp.where(x > 0, x, 0.2 * x)
            stride = (1, 1) if index == len(widths) - 1 else (2, 2)
            bias = self.normalisation == "instance"
            x = nn.Conv(width, kernel, stride, padding=edge, use_bias=bias)(x)
            if self.normalisation == "batch":
                x = nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5)(x)
            else:
                x = nn.InstanceNorm(epsilon=1e-5, use_scale=False, use_bias=False)(x)
        return nn.Conv(1, kernel, padding=edge)(jnp.where(x > 0, x, 0.2 * x))[..., 0]


def renamed(variables):
    """Our variables under the names of Flax's own layers."""

    def plain(name, layer):
        kind, _, index = name.rpartition("_")
        if kind == "PictureNormalisation":
            return f"BatchNorm_{index}", layer["BatchNorm_0"]
        return f"Conv_{index}", layer

    return {
        collection: dict(plain(name, layer) for name, layer in layers.items())
        for collection, layers in variables.items()
    }


@pytest.mark.parametrize(
    ("layers", "normalisation", "train"),
    [(0, "batch", True), (1, "batch", True), (3, "batch", True), (3, "batch", False)]
    + [(3, "instance", True), (5, "instance", False)],
)
def test_it_is_that_of_plain_layers(layers, normalisation, train):
    """Logits, of a condition and then the images, and the statistics that training moves."""
    size = 32 if layers < 5 else 96
    images, condition = pictures(size, size), pictures(size, size, 2)[::-1]
    module = PatchGAN(width=2, layers=layers, normalisation=normalisation)
    variables = variables_of(module, images, condition)
    found, moved = apply(module, variables, images, condition, train=train)
    joined = np.concatenate([condition, images], axis=-1)
    plain = Plain(layers, normalisation)
    expected, moved_there = apply(plain, renamed(variables), joined, train=train)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    moved = renamed(moved)
    assert jax.tree.structure(moved) == jax.tree.structure(moved_there)
    assert bool(moved) is (normalisation == "batch")
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4), moved, moved_there)


def test_without_a_condition_it_sees_the_images_alone():
    images = pictures(24, 24, 4)
    module = PatchGAN(width=2)
    variables = variables_of(module, images)
    alone, _ = apply(module, variables, images, train=True)
    split, _ = apply(module, variables, images[..., 1:], images[..., :1], train=True)
    np.testing.assert_array_equal(alone, split)


@pytest.mark.parametrize("layers", PATCHES)
def test_the_receptive_field(layers):
    assert receptive_field(layers) == PATCHES[layers]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_a_logit_has_a_gradient_in_its_patch_and_nowhere_else(layers):
    """In the middle one, which sees no edge; without a norm, which would see everything."""
    side = PATCHES[layers]
    images = pictures(96, 88, 1, batch=1)
    module = PatchGAN(width=2, layers=layers, normalisation="none")
    variables = variables_of(module, images)

    @jax.jit
    def sight(images):
        def logit(images):
            logits = module.apply(variables, images, train=True)
            return logits[0, logits.shape[1] // 2, logits.shape[2] // 2]

        return jax.grad(logit)(images)[0, :, :, 0]

    seen = np.asarray(sight(images)) != 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    for places, length in ((rows, 96), (columns, 88)):
        assert 0 < places[0] and places[-1] < length - 1  # no edge has cut it
        assert places[-1] - places[0] + 1 == side
    assert seen.sum() == side**2


def test_weights_start_as_published():
    """Kernels N(0, 0.02), all biases 0."""
    module = PatchGAN(width=16, layers=2, normalisation="instance")
    init = jax.jit(functools.partial(module.init, train=True))
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly
    for layer in init(key, pictures(32, 32))["params"].values():
        kernel = layer["kernel"]
        # Five standard errors of a standard deviation and of a mean.
        np.testing.assert_allclose(np.std(kernel), 0.02, atol=5 * 0.02 / np.sqrt(2 * kernel.size))
        np.testing.assert_allclose(np.mean(kernel), 0, atol=5 * 0.02 / np.sqrt(kernel.size))
        assert not np.any(layer["bias"])


def test_every_layer_computes_in_the_given_dtype():
    made = []

    def watch(call, arguments, keywords, context):
        out = call(*arguments, **keywords)
        if context.method_name == "__call__":
            made.append(out.dtype)
        return out

    with nn.intercept_methods(watch):
        _, variables = shapes_of(PatchGAN(dtype=jnp.bfloat16), pictures(24, 24))
    *layers, network = made
    assert set(layers) == {jnp.dtype("bfloat16")} and network == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(("layers", "smallest"), [(1, 6), (2, 12), (3, 24), (5, 96)])
def test_pictures_that_leave_no_logit_are_refused(layers, smallest):
    module = PatchGAN(width=2, layers=layers)
    logits, _ = shapes_of(module, pictures(smallest, smallest + 1))
    assert logits.shape[1] == 1
    with pytest.raises(UsageError, match=f"{layers} layers needs {smallest} x {smallest} pixels"):
        shapes_of(module, pictures(smallest + 1, smallest - 1))


def test_what_it_cannot_be_given_is_one_clear_line():
    images = pictures(32, 32)
    for condition in (images[:1], images[:, :16], images[:, :, :16], np.zeros((2, 3))):
        with pytest.raises(UsageError, match="condition is pictures like the images"):
            shapes_of(PatchGAN(), images, condition)
    with pytest.raises(UsageError, match="0 layers or more, not -1"):
        shapes_of(PatchGAN(layers=-1), images)
    with pytest.raises(UsageError, match="batch, instance, instance_affine, none, not 'layer'"):
        shapes_of(PatchGAN(normalisation="layer"), images)

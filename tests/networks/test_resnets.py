"""SNDCGAN, SNGAN, SAGAN, BigGAN and BigGAN-deep as networks: what every one of them keeps to."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.heads import AuxiliaryClassifierHead, ContrastiveHead, LinearHead
from gan_jax.layers.self_attention import SelfAttention
from gan_jax.networks.biggan import BigGANDiscriminator, BigGANGenerator
from gan_jax.networks.biggan_deep import BigGANDeepDiscriminator, BigGANDeepGenerator
from gan_jax.networks.sagan import SAGANDiscriminator, SAGANGenerator
from gan_jax.networks.sndcgan import SNDCGANDiscriminator, SNDCGANGenerator
from gan_jax.networks.sngan import SNGANDiscriminator, SNGANGenerator

GENERATORS = {
    SNDCGANGenerator: {32: 8, 48: 8, 64: 8},
    SNGANGenerator: {32: 8, 48: 8, 64: 8, 128: 8},
    SAGANGenerator: {32: 8, 64: 8, 128: 8},
    BigGANGenerator: {32: 8, 64: 10, 128: 12, 256: 14},
    BigGANDeepGenerator: {32: 8, 64: 8, 128: 8, 256: 8},
}
"""Sizes, and a length of z for each."""
DISCRIMINATORS = {
    SNDCGANDiscriminator: (32, 48, 64),
    SNGANDiscriminator: (32, 48, 64, 128),
    SAGANDiscriminator: (32, 64, 128),
    BigGANDiscriminator: (32, 64, 128, 256),
    BigGANDeepDiscriminator: (32, 64, 128, 256),
}
KINDS = GENERATORS | DISCRIMINATORS
LABELS = {
    "none": (0, None),
    "classes": (3, np.array([0, 2])),
    "attributes": (3, np.array([[1, 0, 1], [0, 0, 1]], np.float32)),
}
STATISTICS = ["batch_stats", "spectral"]


def value_of(kind, size, seed=0):
    random = np.random.default_rng(seed)
    if kind in GENERATORS:
        return random.normal(size=(2, GENERATORS[kind][size])).astype(np.float32)
    return random.uniform(-1, 1, (2, size, size, 3)).astype(np.float32)


def network(kind, size=32, labels="none", **settings):
    """The module, narrow, and its inputs."""
    num_classes, label = LABELS[labels]
    if kind in GENERATORS:
        settings["channels"] = 3
    module = kind(size=size, width=4, num_classes=num_classes, **settings)
    return module, value_of(kind, size), label


@functools.partial(
    jax.jit,
    static_argnames=("module", "train"),
    compiler_options={"xla_backend_optimization_level": 0},  # compiles in half the time
)
def apply(module, variables, value, label, *, train):
    return module.apply(variables, value, label, train=train, mutable=STATISTICS)


def variables_of(module, value, label, dtype=np.float32):
    """Random ones: orthogonal starts take long to compile."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        positive = path[-1].key in ("scale", "var")
        draw = random.uniform(0.5, 1.5, shape) if positive else random.normal(0, 0.3, shape)
        return draw.astype(dtype)

    make = functools.partial(module.init, jax.random.key(0), train=True)
    shapes = jax.eval_shape(make, value, label)
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


CASES = [
    pytest.param(kind, size, "classes", marks=[pytest.mark.slow] if size > 64 else [])
    for kind, sizes in KINDS.items()
    for size in sizes
]
CASES += [(kind, 32, labels) for kind in KINDS for labels in ("none", "attributes")]


@pytest.mark.parametrize(("kind", "size", "labels"), CASES)
def test_shapes(kind, size, labels):
    module, value, label = network(kind, size, labels)
    out, variables = jax.eval_shape(
        lambda: module.init_with_output(jax.random.key(0), value, label, train=True)
    )
    assert out.shape == ((2, size, size, 3) if kind in GENERATORS else (2,))
    assert out.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(kind):
    module, value, label = network(kind, labels="classes", dtype=jnp.bfloat16)
    out, variables = jax.eval_shape(
        lambda: module.init_with_output(jax.random.key(0), value, label, train=True)
    )
    assert out.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def moved(before, after):
    """By collection, whether each leaf differs."""
    return {
        name: [
            not np.array_equal(old, new)
            for old, new in zip(
                jax.tree.leaves(before[name]), jax.tree.leaves(after[name]), strict=True
            )
        ]
        for name in after
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_move_in_train_calls_alone_and_labels_matter(kind):
    module, value, label = network(kind, labels="classes")
    variables = variables_of(module, value, label)
    out, after = apply(module, variables, value, label, train=True)
    outside, kept = apply(module, variables, value, label, train=False)
    assert all(all(leaves) for leaves in moved(variables, after).values())
    assert not any(any(leaves) for leaves in moved(variables, kept).values())
    # Only SNGAN's and SNDCGAN's generators have plain weights, only discriminators no BatchNorm.
    plain = kind in (SNDCGANGenerator, SNGANGenerator)
    assert ("spectral" in after, "batch_stats" in after) == (not plain, kind in GENERATORS)
    if kind in DISCRIMINATORS:
        np.testing.assert_array_equal(out, outside)
    assert np.all(np.isfinite(out)) and out.std() > 0
    other, _ = apply(module, variables, value, np.array([1, 2]), train=False)
    assert not np.allclose(other[0], outside[0]) and np.allclose(other[1], outside[1])


def spectral_paths(module, value, label):
    """Shapes of the weights, and of the vectors, by the path of their layer."""
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), value, label, train=True))

    def layers(collection, names):
        return {
            jax.tree_util.keystr(path[:-1]): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path(variables.get(collection, {}))
            if path[-1].key in names
        }

    return layers("params", ("kernel", "embedding")), layers("spectral", ("u",))


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_normalised_where_the_paper_does(kind):
    weights, vectors = spectral_paths(*network(kind, labels="classes"))
    plain = set(weights) - set(vectors)
    if kind in DISCRIMINATORS:
        assert plain == set()
    elif kind in (SNDCGANGenerator, SNGANGenerator):
        assert vectors == {}
    elif kind is SAGANGenerator:  # gains and biases by class are no weights of a linear map
        assert all("gain" in path or "bias" in path for path in plain)
    else:
        assert plain == {"['classes']"}
    for path, u in vectors.items():
        assert u == weights[path][-1:]


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("kind", [SNDCGANDiscriminator, SNGANDiscriminator])
def test_plain_weights_for_gradient_penalties(kind, layer_norm):
    settings = {"layer_norm": layer_norm} if kind is SNGANDiscriminator else {}
    module, value, label = network(kind, labels="classes", spectral=False, **settings)
    assert spectral_paths(module, value, label)[1] == {}
    variables = variables_of(module, value, label)
    assert set(variables) == {"params"}
    names = str(jax.tree.structure(variables))
    assert ("LayerNorm" in names) == (layer_norm and kind is SNGANDiscriminator)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_heads_are_an_attribute(kind):
    value = value_of(kind, 32)
    label = np.array([0, 2])
    for head, field in (
        (LinearHead(spectral=True), None),
        (AuxiliaryClassifierHead(3, spectral=True), "class_logits"),
        (ContrastiveHead(3, spectral=True, embedding=8), "embedding"),
    ):
        module = kind(size=32, width=4, head=head)
        out, variables = jax.eval_shape(
            lambda module=module: module.init_with_output(
                jax.random.key(0), value, label, train=True
            )
        )
        assert "head" in variables["params"]
        logits = out if field is None else out.logits
        assert logits.shape == (2,)
        assert field is None or getattr(out, field).shape[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SAGANGenerator, BigGANGenerator, BigGANDeepGenerator])
def test_attention_is_at_the_published_sides(kind):
    published = {
        SAGANGenerator: {32: (16, 16), 64: (32, 32), 128: (32, 32)},
        BigGANGenerator: {32: (16, 16), 64: (32, 32), 128: (64, 64), 256: (128, 64)},
        BigGANDeepGenerator: {32: (16, 16), 64: (32, 32), 128: (64, 64), 256: (64, 64)},
    }[kind]
    discriminator = dict(zip(GENERATORS, DISCRIMINATORS, strict=True))[kind]
    for size, sides in published.items():
        for part, side in zip((kind, discriminator), sides, strict=True):
            module, value, _ = network(part, size)
            assert attended_sides(module, value) == [(side, side)], (part.__name__, size)


def attended_sides(module, value):
    """Height and width of every map that self-attention sees."""
    sides = []

    def note(call, arguments, keywords, context):
        if isinstance(context.module, SelfAttention):
            sides.append(arguments[0].shape[1:3])
        return call(*arguments, **keywords)

    with nn.intercept_methods(note):
        jax.eval_shape(lambda: module.init(jax.random.key(0), value, train=True))
    return sides


@pytest.mark.parametrize("kind", [BigGANGenerator, BigGANDiscriminator, BigGANDeepGenerator])
def test_attention_can_be_left_out(kind):
    module, value, label = network(kind, attention=False)
    assert not any("Attention" in path for path in spectral_paths(module, value, label)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [BigGANDiscriminator, pytest.param(BigGANGenerator, marks=pytest.mark.slow)]
)
def test_gradients_reach_every_parameter(kind):
    module, value, label = network(kind, labels="classes")
    variables = variables_of(module, value, label)

    def loss(params):
        state = {**variables, "params": params}
        out, _ = module.apply(state, value, label, train=True, mutable=STATISTICS)
        return jnp.sum(jnp.tanh(out) ** 2)

    gradient = jax.jit(jax.grad(loss))(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.all(np.isfinite(leaf)), path
        # BatchNorm takes away what the bias of a convolution before it adds.
        assert np.any(leaf != 0), path


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_it_cannot_make_is_one_clear_line(kind):
    module = kind(**({"channels": 3} if kind in GENERATORS else {}), size=40)
    value = jnp.zeros((2, 8) if kind in GENERATORS else (2, 40, 40, 3))
    with pytest.raises(UsageError, match=r"makes pictures of 32.* pixels, not 40: set data.size"):
        module.init(jax.random.key(0), value, train=True)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_pictures_of_another_size_are_one_clear_line(kind):
    with pytest.raises(UsageError, match="made for 32 x 32 pixels and got 64 x 32"):
        kind(size=32).init(jax.random.key(0), jnp.zeros((2, 64, 32, 3)), train=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_label_is_one_clear_line(kind):
    module, value, _ = network(kind, labels="classes")
    with pytest.raises(UsageError, match="made for 3 classes and got no label"):
        jax.eval_shape(lambda: module.init(jax.random.key(0), value, None, train=True))


def test_latents_that_do_not_split_are_one_clear_line():
    with pytest.raises(UsageError, match=r"splits z into 4: .* multiple of 4 \(the paper's is 80"):
        BigGANGenerator(32, 3).init(jax.random.key(0), jnp.zeros((2, 50)), train=True)

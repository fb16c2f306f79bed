"""The dense networks against their written architecture."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator

SHAPE = (6, 6, 1)
RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(5, 7)).astype(np.float32)
IMAGES = RANDOM.uniform(-1, 1, (5, *SHAPE)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 0])
OTHERS = np.array([3, 1, 2, 3, 0])
"""The same but for the first."""


def started(module, *inputs):
    """Initial variables, of random bits that compile quickly."""
    key = jax.random.key(0, impl="unsafe_rbg")
    return jax.jit(lambda: module.init(key, *inputs, train=True))()


@functools.partial(jax.jit, static_argnames=("module", "train"))
def apply(module, variables, value, label=None, seed=0, *, train):
    """`(output, {"batch_stats": …})`; compiled once for each module and mode."""
    rngs = {"dropout": jax.random.key(seed, impl="unsafe_rbg")}
    return module.apply(variables, value, label, train=train, rngs=rngs, mutable=["batch_stats"])


def count(module, *inputs):
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, train=True))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (16, 8, 3)])
@pytest.mark.parametrize("classes", [0, 4])
def test_shapes(shape, classes):
    z, label = jnp.zeros((5, 100)), LABELS if classes else None
    for made, expected in (
        (MLPGenerator(shape, num_classes=classes), shape),
        (MLPDiscriminator(num_classes=classes), ()),
    ):
        value = z if expected else jnp.zeros((5, *shape))
        out, _ = jax.eval_shape(
            lambda m=made, v=value: m.init_with_output(jax.random.key(0), v, label, train=True)
        )
        assert out.shape == (5, *expected) and out.dtype == jnp.float32


def test_parameter_counts():
    hidden = (100 * 256 + 256) + (256 * 512 + 512) + (512 * 1024 + 1024)
    norms = 2 * (256 + 512 + 1024)
    last = 1024 * 784 + 784
    assert count(MLPGenerator((28, 28, 1)), jnp.zeros((2, 100))) == hidden + norms + last
    bare = MLPGenerator((28, 28, 1), normalise=False)
    assert count(bare, jnp.zeros((2, 100))) == hidden + last
    judge = (784 * 512 + 512) + (512 * 256 + 256) + (256 + 1)
    assert count(MLPDiscriminator(), jnp.zeros((2, 28, 28, 1))) == judge
    embedded = 10 * 50 + 50 * 512
    conditional = MLPDiscriminator(num_classes=10)
    assert count(conditional, jnp.zeros((2, 28, 28, 1)), LABELS[:2]) == judge + embedded


def test_generator_written_by_hand():
    """LeakyReLU before BatchNorm, whose running variances and means keep 0.8."""
    module = MLPGenerator(SHAPE, hidden=(8, 9), num_classes=4)
    variables = started(module, Z, LABELS)
    params = variables["params"]
    out, moved = apply(module, variables, Z, LABELS, train=True)
    x = jnp.concatenate([Z, params["label"]["embedding"][LABELS]], axis=-1)
    for index in range(2):
        dense, norm = params[f"Dense_{index}"], params[f"BatchNorm_{index}"]
        x = x @ dense["kernel"] + dense["bias"]
        x = jnp.where(x > 0, x, 0.2 * x)
        mean, variance = jnp.mean(x, axis=0), jnp.var(x, axis=0)
        running = moved["batch_stats"][f"BatchNorm_{index}"]
        np.testing.assert_allclose(running["mean"], 0.2 * mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(running["var"], 0.8 + 0.2 * variance, rtol=1e-4, atol=1e-6)
        x = (x - mean) / jnp.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
    x = x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"]
    np.testing.assert_allclose(out, jnp.tanh(x).reshape(5, *SHAPE), rtol=1e-4, atol=1e-5)
    # Evaluation takes the running statistics, and moves none.
    _, moved = apply(module, variables, Z, LABELS, train=False)
    jax.tree.map(np.testing.assert_array_equal, moved["batch_stats"], variables["batch_stats"])


def test_discriminator_written_by_hand():
    module = MLPDiscriminator(hidden=(8, 9), num_classes=4)
    variables = started(module, IMAGES, LABELS)
    params = variables["params"]
    x = IMAGES.reshape(5, -1)
    x = jnp.concatenate([x, params["label"]["embedding"][LABELS]], axis=-1)
    for index in range(2):
        x = nn.leaky_relu(x @ params[f"Dense_{index}"]["kernel"], 0.2)  # biases start at 0
    expected = (x @ params["Dense_2"]["kernel"])[:, 0]
    out, _ = apply(module, variables, IMAGES, LABELS, train=False)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_pictures_are_within_minus_one_and_one():
    module = MLPGenerator(SHAPE, hidden=(8,))
    out, _ = apply(module, started(module, Z), 1e3 * Z, train=False)
    assert -1.0 <= out.min() < -0.99 and 0.99 < out.max() <= 1.0


def test_dropout_differs_by_key_and_is_off_in_evaluation():
    module = MLPDiscriminator(hidden=(32,), dropout=0.3)
    variables = started(module, IMAGES)

    def logits(seed, train):
        return np.asarray(apply(module, variables, IMAGES, seed=seed, train=train)[0])

    np.testing.assert_array_equal(logits(0, True), logits(0, True))
    assert not np.allclose(logits(0, True), logits(1, True))
    np.testing.assert_array_equal(logits(0, False), logits(1, False))


def test_the_label_matters_to_both():
    for module, value in (
        (MLPGenerator(SHAPE, hidden=(8,), num_classes=4), Z),
        (MLPDiscriminator(hidden=(8,), num_classes=4), IMAGES),
    ):
        variables = started(module, value, LABELS)
        ours, others = (
            apply(module, variables, value, labels, train=False)[0] for labels in (LABELS, OTHERS)
        )
        assert not np.allclose(ours[0], others[0])
        np.testing.assert_allclose(ours[1:], others[1:], rtol=1e-6)


def test_bfloat16_computes_near_float32_with_float32_parameters():
    for make, value in (
        (lambda dtype: MLPGenerator(SHAPE, hidden=(16, 16), dtype=dtype), Z),
        (lambda dtype: MLPDiscriminator(hidden=(16, 16), dtype=dtype), IMAGES),
    ):
        variables = started(make(jnp.bfloat16), value)
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
        full, half = (
            apply(make(dtype), variables, value, train=False)[0] for dtype in (None, jnp.bfloat16)
        )
        assert half.dtype == jnp.float32
        np.testing.assert_allclose(full, half, atol=0.03)
        assert not np.array_equal(full, half)


@pytest.mark.parametrize("train", [False, True])
def test_a_class_is_the_attribute_vector_that_is_one_there(train):
    for module, value in (
        (MLPGenerator(SHAPE, hidden=(8,), num_classes=4), Z),
        (MLPDiscriminator(hidden=(8,), num_classes=4), IMAGES),
    ):
        variables = started(module, value, LABELS)
        one_hot = np.eye(4, dtype=np.float32)[LABELS]
        of_classes, of_vectors = (
            apply(module, variables, value, label, train=train) for label in (LABELS, one_hot)
        )
        jax.tree.map(np.testing.assert_array_equal, of_classes, of_vectors)
        table = variables["params"]["label"]["embedding"]
        halves = variables["params"] | {"label": {"embedding": table / 2}}
        half, _ = apply(module, {**variables, "params": halves}, value, LABELS, train=False)
        given, _ = apply(module, variables, value, one_hot / 2, train=False)
        np.testing.assert_array_equal(half, given)
        with pytest.raises(UsageError, match=r"float \[B, 4\]"):
            module.apply(variables, value, one_hot[:, :3], train=False)

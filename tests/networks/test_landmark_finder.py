"""The landmark finder: its layers, and what is read off its maps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.networks.landmark_finder import RADIUS, LandmarkFinder, confidence, soft_argmax


def key():
    return jax.random.key(0)


@functools.partial(jax.jit, static_argnums=(0, 1))
def initial(network, side):
    return network.init(key(), jnp.zeros((1, side, side, 3)), train=False)


def variables_of(network, side=32, randomly=True):
    """With random statistics, scales and biases, so that all of them count."""

    variables = initial(network, side)
    if not randomly:
        return variables
    leaves, tree = jax.tree.flatten(variables)
    random = np.random.default_rng(0)
    drawn = [random.uniform(0.5, 1.5, leaf.shape) * 0.3 for leaf in leaves]
    return jax.tree.unflatten(tree, [jnp.asarray(leaf, jnp.float32) for leaf in drawn])


def test_parameters():
    shapes = jax.eval_shape(
        lambda: LandmarkFinder().init(key(), jnp.zeros((1, 64, 64, 3)), train=False)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 384_530


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 64), (32, 80)])
def test_any_size_of_sixteenths(height, width):
    network = LandmarkFinder(5, widths=(4, 4, 4, 4))
    images = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    variables = variables_of(network, 16, randomly=False)
    maps = jax.eval_shape(lambda x: network.apply(variables, x, train=False), images)
    assert maps.shape == (2, height // 4, width // 4, 5) and maps.dtype == jnp.float32


@pytest.mark.parametrize("side", [8, 63, 40])
def test_other_sizes(side):
    with pytest.raises(UsageError, match=f"multiples of 16 pixels, not {side} x {side}"):
        LandmarkFinder().init(key(), jnp.zeros((1, side, side, 3)), train=False)


def test_written_out():
    """Every layer by hand, with running averages."""
    network = LandmarkFinder(3, widths=(4, 6, 8, 10))
    variables = variables_of(network)
    images = jax.random.uniform(key(), (2, 32, 32, 3), minval=-1.0)
    params, stats = variables["params"], variables["batch_stats"]

    def convolve(x, kernel, stride=1):
        edge = (kernel.shape[0] - 1) // 2
        edges, layout = ((edge, edge),) * 2, ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), edges, dimension_numbers=layout
        )

    def norm(x, of, with_stats):
        scaled = (x - with_stats["mean"]) / jnp.sqrt(with_stats["var"] + 1e-5)
        return scaled * of["scale"] + of["bias"]

    def block(x, of, with_stats, stride=1):
        y = convolve(x, of["Convolution_0"]["kernel"], stride)
        return jax.nn.relu(norm(y, of["BatchNorm_0"], with_stats["BatchNorm_0"]))

    def residual(x, name):
        of, with_stats = params[name], stats[name]
        y = block(x, of["Block_0"], with_stats["Block_0"])
        y = convolve(y, of["Convolution_0"]["kernel"])
        return jax.nn.relu(x + norm(y, of["BatchNorm_0"], with_stats["BatchNorm_0"]))

    def raised(x, name):
        return convolve(x, params[name]["kernel"]).repeat(2, axis=1).repeat(2, axis=2)

    def named(x, name, stride=1):
        return block(x, params[name], stats[name], stride)

    @jax.jit
    def written_out(images):
        x = named(images, "Block_0", 2)
        fine = residual(named(x, "Block_1", 2), "Residual_0")
        middle = residual(named(fine, "Block_2", 2), "Residual_1")
        coarse = residual(named(middle, "Block_3", 2), "Residual_2")
        middle = named(middle + raised(coarse, "Convolution_0"), "Block_4")
        fine = named(fine + raised(middle, "Convolution_1"), "Block_5")
        last = params["Convolution_2"]
        return convolve(fine, last["kernel"]) + last["bias"]

    wanted = written_out(images)
    found = jax.jit(lambda x: network.apply(variables, x, train=False))(images)
    assert wanted.std() > 0.1
    np.testing.assert_allclose(found, wanted, rtol=2e-4)


@pytest.mark.slow
def test_training_moves_the_averages_and_reads_the_batch():
    network = LandmarkFinder(3, widths=(4, 4, 4, 4))
    variables = variables_of(network, randomly=False)
    images = jax.random.uniform(key(), (4, 32, 32, 3), minval=-1.0)
    trained, moved = network.apply(variables, images, train=True, mutable=["batch_stats"])
    still = network.apply(variables, images, train=False)
    assert np.abs(trained - still).max() > 1e-3
    before = variables["batch_stats"]["Block_0"]["BatchNorm_0"]["mean"]
    after = moved["batch_stats"]["Block_0"]["BatchNorm_0"]["mean"]
    x = network.apply(
        variables, images, train=True, mutable=["batch_stats", "intermediates"],
        capture_intermediates=True,
    )[1]["intermediates"]["Block_0"]["Convolution_0"]["__call__"][0]  # fmt: skip
    wanted = 0.98 * before + 0.02 * x.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(after, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_computes_in_bfloat16():
    network = LandmarkFinder(3, widths=(4, 4, 4, 4), dtype=jnp.bfloat16)
    variables = variables_of(network, randomly=False)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert network.apply(variables, jnp.zeros((1, 16, 16, 3)), train=False).dtype == jnp.float32


def by_hand(logits):
    """The mean of the centres near the largest, by numpy, in shares."""
    height, width = logits.shape
    top, left = np.unravel_index(np.argmax(logits), logits.shape)
    total = point = 0.0
    for row in range(max(0, top - RADIUS), min(height, top + RADIUS + 1)):
        for column in range(max(0, left - RADIUS), min(width, left + RADIUS + 1)):
            weight = np.exp(float(logits[row, column] - logits[top, left]))
            total += weight
            point += weight * np.array([(column + 0.5) / width, (row + 0.5) / height])
    return point / total


@pytest.mark.parametrize("shape", [(16, 16), (9, 21)])
def test_soft_argmax(shape):
    logits = np.random.default_rng(0).normal(0, 3, (3, *shape, 4)).astype(np.float32)
    found = soft_argmax(jnp.asarray(logits))
    wanted = [[by_hand(logits[b, ..., l]) for l in range(4)] for b in range(3)]  # noqa: E741
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_soft_argmax_does_not_see_what_is_far():
    logits = np.full((1, 40, 40, 1), -5.0, np.float32)
    logits[0, 10, 12, 0] = 4.0
    alone = soft_argmax(jnp.asarray(logits))
    logits[0, 30, 30, 0] = 3.9
    np.testing.assert_array_equal(soft_argmax(jnp.asarray(logits)), alone)
    np.testing.assert_allclose(alone[0, 0] * 40, [12.5, 10.5], atol=0.02)


def test_soft_argmax_has_a_gradient():
    logits = jax.random.normal(key(), (1, 16, 16, 2))
    gradient = jax.grad(lambda x: soft_argmax(x).sum())(logits)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 1e-4
    assert (np.asarray(gradient) != 0).sum() <= 2 * (2 * RADIUS + 1) ** 2


def test_confidence():
    logits = np.full((2, 4, 4, 2), -100.0, np.float32)
    logits[0, 1, 2], logits[0, 3, 3, 1] = (0.0, -2.0), 1.0
    np.testing.assert_allclose(
        confidence(jnp.asarray(logits)), [(0.5 + 1 / (1 + np.exp(-1))) / 2, 0.0], atol=1e-6
    )

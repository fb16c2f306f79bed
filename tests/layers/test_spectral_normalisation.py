"""Spectral normalisation against its algorithm and gradient written out in numpy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import (
    SpectralConvolution,
    SpectralDense,
    SpectralEmbed,
    SpectralLabelEmbedding,
    SpectralTransposedConvolution,
    largest_singular_value,
)

random = np.random.default_rng(0)
VECTORS = random.normal(size=(2, 5)).astype(np.float32)
MAP = random.normal(size=(2, 4, 4, 3)).astype(np.float32)
CLASSES = np.array([1, 3])
LAYERS = {
    "convolution": (Convolution, SpectralConvolution, (6, (3, 3)), MAP),
    "transposed": (TransposedConvolution, SpectralTransposedConvolution, (6, (4, 4), (2, 2)), MAP),
    "dense": (nn.Dense, SpectralDense, (6,), VECTORS),
    "embed": (nn.Embed, SpectralEmbed, (4, 6), CLASSES),
    "label": (LabelEmbedding, SpectralLabelEmbedding, (4, 6), CLASSES),
    "attributes": (LabelEmbedding, SpectralLabelEmbedding, (5, 6), VECTORS),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def iterated(weight, u, iterations=1):
    """sigma, u and v as algorithm 1 has them; the matrix is `[O, rest]`, as in the paper."""
    matrix = weight.reshape(-1, weight.shape[-1]).T
    for _ in range(iterations):
        v = matrix.T @ u
        v = v / np.sqrt((v**2).sum())
        u = matrix @ v
        u = u / np.sqrt((u**2).sum())
    return u @ matrix @ v, u, v


def made(name, **settings):
    """The plain layer, the normalised one's maker, an input and variables."""
    plain, spectral, arguments, value = LAYERS[name]

    def layer(train):
        return spectral(*arguments, train=train, **settings)

    variables = layer(True).init(jax.random.key(1), value)
    return plain(*arguments), layer, value, variables


def weight_of(variables):
    (name,) = {"kernel", "embedding"} & set(variables["params"])
    return name, np.asarray(variables["params"][name])


@pytest.mark.slow
@every_layer
@pytest.mark.parametrize("iterations", [1, 3])
def test_output_is_the_layers_with_its_weight_over_sigma(name, iterations):
    plain, layer, value, variables = made(name, iterations=iterations)
    key, weight = weight_of(variables)
    u = np.asarray(variables["spectral"]["u"])
    sigma, after, _ = iterated(weight, u, iterations)
    normalised = {"params": {**variables["params"], key: weight / sigma}}
    out, moved = layer(True).apply(variables, value, mutable=["spectral"])
    np.testing.assert_allclose(out, plain.apply(normalised, value), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved["spectral"]["u"], after, rtol=1e-5, atol=1e-6)


@every_layer
def test_vectors_move_in_train_calls_alone(name):
    _, layer, value, variables = made(name)
    in_training, moved = layer(True).apply(variables, value, mutable=["spectral"])
    outside, kept = layer(False).apply(variables, value, mutable=["spectral"])
    start = variables["spectral"]["u"]
    assert jnp.array_equal(kept["spectral"]["u"], start)
    assert not jnp.allclose(moved["spectral"]["u"], start)
    assert jnp.array_equal(in_training, outside)  # the same function at the same state
    layer(False).apply(variables, value)  # needs nothing to be mutable


@every_layer
def test_parameters_are_the_layers_own(name):
    plain, _, value, variables = made(name)
    expected = plain.init(jax.random.key(1), value)["params"]
    shapes = jax.tree.map(jnp.shape, variables["params"])
    assert shapes == jax.tree.map(jnp.shape, expected)


def test_start_is_random_normal_and_not_converged():
    layer = SpectralDense(4096, train=True)
    start = layer.init(jax.random.key(0), VECTORS)["spectral"]["u"]
    other = layer.init(jax.random.key(1), VECTORS)["spectral"]["u"]
    assert abs(float(start.mean())) < 0.1 and abs(float(start.std()) - 1.0) < 0.1
    assert not jnp.allclose(start, other)


@pytest.mark.slow
@every_layer
def test_sigma_converges_to_the_largest_singular_value(name):
    plain, layer, value, variables = made(name)
    key, weight = weight_of(variables)
    largest = np.linalg.svd(weight.reshape(-1, weight.shape[-1]), compute_uv=False)[0]
    for _ in range(200):
        _, moved = layer(True).apply(variables, value, mutable=["spectral"])
        variables = {**variables, **moved}
    out = layer(False).apply(variables, value)
    expected = plain.apply({"params": {**variables["params"], key: weight / largest}}, value)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-6)


def test_several_iterations_are_so_many_calls():
    matrix, u = random.normal(size=(7, 5)), random.normal(size=5)
    with jax.enable_x64(True):
        matrix, u = jnp.asarray(matrix), jnp.asarray(u)
        sigma, at_once = largest_singular_value(matrix, u, iterations=4, eps=1e-12)
        for _ in range(4):
            last, u = largest_singular_value(matrix, u, iterations=1, eps=1e-12)
        np.testing.assert_allclose(at_once, u, rtol=1e-12)
        np.testing.assert_allclose(sigma, last, rtol=1e-12)


def gradients():
    """Of sum(weights * W / sigma): JAX's, the paper's equation 12, and by finite differences."""
    matrix, weights = random.normal(size=(7, 5)), random.normal(size=(7, 5))
    start = random.normal(size=5)
    sigma, u, v = iterated(matrix, start)

    def loss(w):
        value, _ = largest_singular_value(w, jnp.asarray(start), iterations=1, eps=1e-12)
        return jnp.sum(weights * w / value)

    with jax.enable_x64(True):
        by_jax = np.asarray(jax.grad(loss)(jnp.asarray(matrix)))
    multiplier = np.sum(weights * matrix / sigma)
    by_formula = (weights - multiplier * np.outer(v, u)) / sigma

    def constant_vectors(w):
        return np.sum(weights * w / (v @ w @ u))

    differences = np.zeros_like(matrix)
    for index in np.ndindex(*matrix.shape):
        step = np.zeros_like(matrix)
        step[index] = 1e-5
        change = constant_vectors(matrix + step) - constant_vectors(matrix - step)
        differences[index] = change / 2e-5
    mutated = {
        "sigma constant": weights / sigma,
        "no division": weights - multiplier * np.outer(v, u),
        "plus": (weights + multiplier * np.outer(v, u)) / sigma,
    }
    return by_jax, by_formula, differences, mutated


def test_gradient_is_equation_12():
    by_jax, by_formula, differences, mutated = gradients()
    np.testing.assert_allclose(by_jax, by_formula, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_jax, differences, rtol=1e-6, atol=1e-8)
    for name, mutation in mutated.items():
        assert np.abs(by_jax - mutation).max() > 1e-2, name


@pytest.mark.slow
def test_the_layers_gradient_holds_u_and_v_constant():
    plain, layer, value, variables = made("convolution")
    _, weight = weight_of(variables)
    _, u, v = iterated(weight, np.asarray(variables["spectral"]["u"]))

    def normalised(params):
        state = {"params": params, "spectral": variables["spectral"]}
        return jnp.sum(layer(True).apply(state, value, mutable=["spectral"])[0] ** 2)

    def divided(params):
        kernel = params["kernel"] / (v @ params["kernel"].reshape(-1, 6) @ u)
        return jnp.sum(plain.apply({"params": {**params, "kernel": kernel}}, value) ** 2)

    of_layer = jax.grad(normalised)(variables["params"])["kernel"]
    of_formula = jax.grad(divided)(variables["params"])["kernel"]
    np.testing.assert_allclose(of_layer, of_formula, rtol=1e-4, atol=1e-5)


def test_a_weight_of_zeros_stays_finite():
    layer = SpectralDense(3, train=True, kernel_init=nn.initializers.zeros_init())
    variables = layer.init(jax.random.key(0), VECTORS)
    out, moved = layer.apply(variables, VECTORS, mutable=["spectral"])
    assert jnp.array_equal(out, jnp.zeros((2, 3)))
    assert jnp.all(jnp.isfinite(moved["spectral"]["u"]))


def test_half_precision_computes_sigma_in_float32():
    layer = SpectralConvolution(6, (3, 3), train=True, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), MAP)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    out, moved = layer.apply(variables, MAP, mutable=["spectral"])
    exact = SpectralConvolution(6, (3, 3), train=True).apply(variables, MAP, mutable=["spectral"])
    assert out.dtype == jnp.bfloat16
    assert jnp.array_equal(moved["spectral"]["u"], exact[1]["spectral"]["u"])


def test_no_iteration_is_a_clear_error():
    with pytest.raises(UsageError, match="1 iteration or more, not 0"):
        SpectralDense(3, train=True, iterations=0).init(jax.random.key(0), VECTORS)

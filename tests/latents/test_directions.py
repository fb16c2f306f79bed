"""SeFa and principal components, against NumPy and against spectra that are known."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.latents.directions import (
    first,
    principal_components,
    regressed_components,
    sefa,
    steps_along,
    with_fixed_signs,
)
from gan_jax.latents.model import picture_of, with_variables
from gan_jax.latents.reading import reading_weights
from tests.latents.tiny import LATENT, SIZE, drawn, linear_model, model_of, recipe_of, styled_model


def of_z(model):
    """`(variables, z) -> picture`."""
    condition = {"label": jnp.zeros((), jnp.int32)}

    def draw(variables, z):
        return picture_of(model.recipe, with_variables(model.view, variables), z, condition)

    return draw


def of_w(model, layers):
    def draw(variables, w):
        ws = jnp.zeros((4, LATENT)).at[np.array(layers)].set(w)
        return model.recipe.synthesise(with_variables(model.view, variables), ws[None])[0]

    return draw


def kernel(model, *path):
    found = model.variables["generator"]["params"]
    for name in path:
        found = found[name]
    return np.asarray(found["kernel"])


def test_the_weights_that_read_z_are_those_of_the_first_layer():
    model = linear_model()
    weights = reading_weights(of_z(model), model.variables, LATENT)
    assert weights.shape == (SIZE * SIZE, LATENT)  # not the second layer's, which reads a curve
    np.testing.assert_allclose(weights, kernel(model, "only").T, rtol=1e-5, atol=1e-6)


def test_no_layer_reads_a_curve_of_z():
    model = linear_model(reads=False)
    with pytest.raises(UsageError, match="no dense layer of this generator is linear"):
        reading_weights(of_z(model), model.variables, LATENT)


class Twice(nn.Module):
    """Two halves of z, each with a layer of its own, as in BigGAN."""

    @nn.compact
    def __call__(self, z, label=None, *, train):
        first, second = jnp.split(z, 2, axis=-1)
        x = nn.relu(nn.Dense(SIZE * SIZE, name="first")(first))
        x = x * (1 + nn.Dense(SIZE * SIZE, name="gain", use_bias=False)(second))
        return jnp.tanh(x).reshape(-1, SIZE, SIZE, 1)


def test_every_layer_that_reads_a_part_of_z_is_counted():
    model = model_of(recipe_of(Twice()))
    weights = reading_weights(of_z(model), model.variables, LATENT)
    blocks = np.zeros((2 * SIZE * SIZE, LATENT))
    blocks[: SIZE * SIZE, :3] = kernel(model, "first").T
    blocks[SIZE * SIZE :, 3:] = kernel(model, "gain").T
    np.testing.assert_allclose(weights, blocks, rtol=1e-5, atol=1e-6)


def test_the_weights_that_read_w_are_the_affine_layers_scaled_as_they_act():
    """Layer 1 of an 8x8 generator makes the 4x4 picture and the first 8x8 convolution."""
    model = styled_model()
    one = reading_weights(of_w(model, (1,)), model.variables, LATENT)
    names = ("4_picture", "8_up")
    expected = [kernel(model, "synthesis", x, "convolution", "affine") for x in names]
    np.testing.assert_allclose(one, np.concatenate(expected, 1).T / np.sqrt(LATENT), rtol=1e-4)
    every = reading_weights(of_w(model, range(4)), model.variables, LATENT)
    assert len(every) == 5 * 8  # three convolutions and two pictures of 8 features


def test_sefa_is_the_eigenvectors_of_normalised_weights():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((40, 7)) * rng.uniform(0.1, 10, (40, 1))
    points = rng.standard_normal((5000, 7)) * np.arange(1, 8)
    found = sefa(weights, points)
    columns = weights.T / np.linalg.norm(weights.T, axis=0)  # as the authors' code has it
    values, vectors = np.linalg.eig(columns @ columns.T)
    order = np.argsort(values)[::-1]
    np.testing.assert_allclose(found.values, values[order], rtol=1e-10)
    np.testing.assert_allclose(found.vectors, with_fixed_signs(vectors[:, order].T), atol=1e-8)
    np.testing.assert_allclose(found.deviations, (points @ found.vectors.T).std(0), rtol=1e-10)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(7), atol=1e-10)


def test_signs_are_fixed():
    rows = np.array([[0.6, -0.8], [-0.6, 0.8], [1.0, 0.0]])
    np.testing.assert_array_equal(with_fixed_signs(rows), [[-0.6, 0.8], [-0.6, 0.8], [1.0, 0.0]])


def known_points(spectrum, count=20_000):
    rng = np.random.default_rng(3)
    axes, _ = np.linalg.qr(rng.standard_normal((len(spectrum), len(spectrum))))
    return rng.standard_normal((count, len(spectrum))) * np.sqrt(spectrum) @ axes.T + 5.0, axes


def test_principal_components_of_a_known_spectrum():
    points, axes = known_points([25.0, 9.0, 4.0, 1.0])
    found = principal_components(points.astype(np.float32))
    np.testing.assert_allclose(found.values, [25, 9, 4, 1], rtol=0.05)
    np.testing.assert_allclose(found.deviations, [5, 3, 2, 1], rtol=0.03)
    assert np.abs(np.sum(found.vectors * axes.T, axis=1)).min() > 0.999
    values, vectors = np.linalg.eigh(np.cov(points.T))
    np.testing.assert_allclose(found.values, values[::-1], rtol=1e-5)
    np.testing.assert_allclose(found.vectors, with_fixed_signs(vectors.T[::-1]), atol=1e-4)


def test_components_of_activations_are_regressed_as_in_ganspace():
    """The long way: the wide activations' own components, then least squares."""
    rng = np.random.default_rng(4)
    weights, z = rng.standard_normal((50, 5)) * [5, 3, 2, 1, 0.5], rng.standard_normal((3000, 5))
    found = regressed_components(z, weights)
    activations = z @ weights.T
    activations = activations - activations.mean(axis=0)
    _, singular, vectors = np.linalg.svd(activations, full_matrices=False)
    x = activations @ vectors[:5].T
    back, *_ = np.linalg.lstsq(x, z - z.mean(axis=0), rcond=None)
    moves = found.vectors * found.deviations[:, None]
    np.testing.assert_allclose(found.values, singular[:5] ** 2 / 2999, rtol=1e-8)
    expected = back * x.std(axis=0, ddof=1)[:, None]
    signs = np.sign(np.sum(expected * moves, axis=1))[:, None]
    np.testing.assert_allclose(moves, signs * expected, atol=1e-8)
    # One deviation along a component moves the activations by just that.
    moved = moves @ weights.T
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), np.sqrt(found.values), rtol=1e-6)


def test_activations_of_fewer_dimensions_than_z_have_fewer_components():
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    found = regressed_components(np.random.default_rng(0).standard_normal((100, 3)), weights)
    assert found.vectors.shape == (2, 3)
    assert abs(found.vectors[0, 1]) > 0.99


def test_too_few_points_and_too_many_directions():
    with pytest.raises(UsageError, match="5 latents tell no 5 components"):
        principal_components(np.eye(5))
    found = principal_components(known_points([2.0, 1.0])[0])
    assert len(first(found, 1).vectors) == 1
    for count in (0, 3):
        with pytest.raises(UsageError, match="there are 1 to 2 directions"):
            first(found, count)


def test_steps_are_of_deviations_to_both_sides():
    found = principal_components(known_points([4.0, 1.0])[0])
    moves = steps_along(found, 3.0, 5)
    assert moves.shape == (2, 5, 2)
    np.testing.assert_allclose(moves[:, 2], 0.0)
    expected = 3.0 * found.deviations[:, None] * found.vectors
    np.testing.assert_allclose(moves[:, -1], expected, rtol=1e-6)
    np.testing.assert_allclose(moves[:, 0], -expected, rtol=1e-6)


def test_the_strongest_direction_changes_the_first_layer_most():
    """What SeFa maximises: |A n|."""
    model = linear_model()
    weights = reading_weights(of_z(model), model.variables, LATENT)
    found = sefa(weights, drawn(model, 500)[0])
    rows = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    lengths = np.linalg.norm(rows @ found.vectors.T, axis=0)
    np.testing.assert_allclose(lengths**2, found.values, rtol=1e-5)
    assert lengths[0] == lengths.max()

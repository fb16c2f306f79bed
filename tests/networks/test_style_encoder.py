"""The avatars' own encoder and the classifier that it is trained in."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.parameters import FACTORS
from gan_jax.errors import UsageError
from gan_jax.networks.features.style_vgg import TAPS, StyleVGG
from gan_jax.networks.style_encoder import (
    STYLE_FACTORS,
    AvatarEncoder,
    AvatarEncoderClassifier,
)
from tests.networks.random_weights import he_variables
from tests.networks.style import parameter_count, pictures

NARROW = AvatarEncoder(width=2)
CLASSIFIER = AvatarEncoderClassifier(width=2)


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def test_parameter_counts():
    """Under a million, so that float32 fills less than 4 MB."""
    widths = [3, 32, 32, 64, 64, 128, 128, 128]
    expected = sum(9 * a * b + b for a, b in zip(widths, widths[1:], strict=False))
    assert expected == 434_592
    assert parameter_count(AvatarEncoder(), spec(2, 64, 64, 3)) == expected
    heads = (2 * (32 + 64 + 128 + 128) + 1) * (4 + 6 + 14 + 10 + 10) + (16 * 128 + 1) * 8
    assert parameter_count(AvatarEncoderClassifier(), spec(2, 64, 64, 3)) == expected + heads


def test_it_reads_what_the_renderer_is_told():
    choices = {factor.name: len(factor.choices) for factor in FACTORS}
    names = ("style", "skinPalette", "hairPalette", "eyePalette", "clothesPalette")
    assert dict(STYLE_FACTORS) == {name: choices[name] for name in names}
    assert AvatarEncoderClassifier().expressions == len(EXPRESSIONS)


@functools.partial(jax.jit, static_argnums=0)
def apply(module, variables, images):
    return module.apply(variables, images, train=True)


@pytest.mark.parametrize("size", [32, 64, 100])
def test_four_taps(size):
    init = functools.partial(AvatarEncoder().init_with_output, jax.random.key(0), train=False)
    found, _ = jax.eval_shape(init, spec(2, size, size, 3))
    sides = [size, size // 2, size // 4, -(-size // 8)]
    shapes = [(2, side, side, width) for side, width in zip(sides, (32, 64, 128, 128), strict=True)]
    assert list(found) == list(TAPS) and [x.shape for x in found.values()] == shapes


def test_it_is_the_style_vgg_without_its_first_convolution():
    images = pictures(16)
    variables = he_variables(NARROW, images, train=False)
    plain = {
        "kernel": np.eye(3, dtype=np.float32)[None, None],
        "bias": np.zeros(3, np.float32),
    }
    style = StyleVGG(2, NARROW.multiples, NARROW.blocks)
    both = {"params": variables["params"] | {"conv0": plain}}
    expected = jax.jit(style.apply)(both, 2 * images - 1)
    found = apply(NARROW, variables, images)
    for ours, theirs in zip(found.values(), expected.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@pytest.fixture(scope="module")
def read():
    """Images, variables, the readings, and the maps of the encoder with the parameters that are
    under its name."""
    images = pictures(64)
    variables = he_variables(CLASSIFIER, images, train=False)
    maps = apply(NARROW, {"params": variables["params"]["encoder"]}, images)
    maps = [np.float64(x) for x in maps.values()]
    return images, variables, apply(CLASSIFIER, variables, images), maps


def assert_dense(logits, features, head):
    expected = features @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())
    assert logits.dtype == jnp.float32 and np.std(expected, axis=0).min() > 0


def test_factors_are_read_off_means_and_deviations_of_the_taps(read):
    _, variables, readings, maps = read
    pooled = np.concatenate(
        [part for x in maps for part in (x.mean((1, 2)), np.sqrt(x.var((1, 2), ddof=1) + 1e-5))],
        axis=1,
    )
    assert set(readings.factors) == set(dict(STYLE_FACTORS))
    for name, logits in readings.factors.items():
        assert_dense(logits, pooled, variables["params"][name])


def test_the_expression_is_read_off_cells_of_the_last_tap(read):
    """Rows and columns of 8x8 by a triangle's weights 3/8 and 1/8, made to sum to 1 at the edge."""
    _, variables, readings, maps = read
    weights = np.zeros((4, 8))
    for cell in range(4):
        for near, weight in ((-1, 1), (0, 3), (1, 3), (2, 1)):
            if 0 <= 2 * cell + near < 8:
                weights[cell, 2 * cell + near] = weight
    weights /= weights.sum(1, keepdims=True)
    cells = np.einsum("iy,jx,byxc->bijc", weights, weights, maps[-1]).reshape(4, -1)
    assert readings.expression.shape == (4, 8)
    assert_dense(readings.expression, cells, variables["params"]["expression"])


def test_factors_do_not_depend_on_where_a_thing_lies_but_on_colours(read):
    """A mirrored encoder of mirrored pictures: the same statistics, another content."""
    images, variables, readings, _ = read
    flipped = jax.tree.map(lambda leaf: leaf[:, ::-1] if leaf.ndim == 4 else leaf, variables)
    mirrored = apply(CLASSIFIER, flipped, images[:, :, ::-1])
    for name, logits in readings.factors.items():
        np.testing.assert_allclose(mirrored.factors[name], logits, atol=1e-4 * np.abs(logits).max())
    assert not np.allclose(mirrored.expression, readings.expression, rtol=1e-2)
    recoloured = apply(CLASSIFIER, variables, images[..., ::-1])
    assert not np.allclose(recoloured.factors["style"], readings.factors["style"], rtol=1e-2)


def test_bfloat16_computes_near_float32_and_reads_in_float32():
    module, images = AvatarEncoderClassifier(width=8), pictures(32)
    variables = he_variables(module, images, train=False)
    full = apply(module, variables, images)
    half = apply(module.clone(dtype=jnp.bfloat16), variables, images)
    assert not np.array_equal(full.expression, half.expression)
    for expected, found in zip(jax.tree.leaves(full), jax.tree.leaves(half), strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("module", [NARROW, CLASSIFIER])
def test_a_picture_that_is_too_small_is_one_clear_line(module):
    init = functools.partial(module.init, jax.random.key(0), train=True)
    with pytest.raises(UsageError, match="take larger pictures"):
        jax.eval_shape(init, spec(1, 8, 8, 3))


def test_unknown_taps():
    init = functools.partial(NARROW.init, jax.random.key(0), taps=("relu4_2",), train=True)
    with pytest.raises(ValueError, match="there are relu1_1, .*, relu4_1(\n|$)"):
        jax.eval_shape(init, spec(1, 32, 32, 3))

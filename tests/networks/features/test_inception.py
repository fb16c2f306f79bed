"""Shapes, pools, and numbers that pytorch-fid and torch-fidelity were seen to give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.features.inception import (
    SIZE,
    TAPS,
    FIDInception,
    average_pool,
    max_pool,
)
from gan_jax.weights.convert import flat_shapes
from gan_jax.weights.feature_networks import network_shapes
from tests.networks.features.structured import (
    golden,
    images,
    structured_variables,
    summary,
    worst,
)

WIDTHS = {"64": 64, "192": 192, "768": 768, "2048": 2048, "logits": 1008, "logits_unbiased": 1008}


def test_taps_and_their_shapes():
    batch = jax.ShapeDtypeStruct((5, SIZE, SIZE, 3), jnp.float32)
    found, variables = jax.eval_shape(FIDInception().init_with_output, jax.random.key(0), batch)
    assert flat_shapes(found) == {tap: (5, width) for tap, width in WIDTHS.items()}
    assert set(found) == set(TAPS)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((found, variables)))


def test_it_has_as_many_numbers_as_the_published_file():
    shapes = network_shapes("inception")
    assert len(shapes) == 566 - 94  # without num_batches_tracked
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 23_885_392


def test_features_are_at_least_float32():
    batch = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    module = FIDInception(dtype=jnp.bfloat16)
    found, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), batch)
    assert all(leaf.dtype == jnp.float32 for leaf in found.values())


@pytest.mark.parametrize("shape", [(1, 224, 224, 3), (1, 299, 299, 1)])
def test_other_pictures_are_refused(shape):
    with pytest.raises(ValueError, match="299"):
        jax.eval_shape(FIDInception().init, jax.random.key(0), jax.ShapeDtypeStruct(shape, "f4"))


def test_pools_at_the_border():
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    mean, largest = np.empty_like(x), np.empty_like(x)
    for i in range(5):
        for j in range(4):
            window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            mean[:, i, j], largest[:, i, j] = window.mean((1, 2)), window.max((1, 2))
    np.testing.assert_allclose(average_pool(jnp.asarray(x)), mean, atol=1e-6)
    np.testing.assert_array_equal(max_pool(jnp.asarray(x)), largest)


@pytest.mark.slow
def test_golden_numbers():
    """What tests/parity proved of the references, here without torch."""
    found = jax.jit(FIDInception().apply)(structured_variables("inception"), images(SIZE))
    errors = worst(summary(found), {tap: np.array(v) for tap, v in golden("inception").items()})
    assert max(errors.values()) <= 5e-6, errors

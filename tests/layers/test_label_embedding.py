"""The embedding of classes and attributes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.label_embedding import LabelEmbedding, embed_init

TABLE = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
VARIABLES = {"params": {"embedding": TABLE}}


def embed(label, **settings):
    return LabelEmbedding(4, 3, **settings).apply(VARIABLES, label)


def test_classes_are_rows():
    np.testing.assert_array_equal(embed(np.array([3, 0, 3])), TABLE[[3, 0, 3]])


def test_attributes_multiply_the_same_table():
    label = np.array([[1, 0, 0.5, 1], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(embed(label), label @ TABLE, rtol=1e-6)
    np.testing.assert_array_equal(embed(np.eye(4, dtype=np.float32)), embed(np.arange(4)))


def test_a_table_starts_as_that_of_flax():
    key, label = jax.random.key(4), np.array([1])
    ours = LabelEmbedding(4, 3, embed_init).init(key, label)
    jax.tree.map(np.testing.assert_array_equal, ours, nn.Embed(4, 3).init(key, label))


def test_gradient_is_that_of_the_row():
    def loss(table):
        return LabelEmbedding(4, 3).apply({"params": {"embedding": table}}, np.array([1, 1])).sum()

    expected = np.zeros((4, 3))
    expected[1] = 2.0
    np.testing.assert_array_equal(jax.grad(loss)(TABLE), expected)


def test_a_class_outside_of_the_table_is_nan():
    assert np.isnan(embed(np.array([4, 1]))).tolist() == [[True] * 3, [False] * 3]


def test_dtype():
    assert embed(np.array([1])).dtype == jnp.float32
    assert embed(np.array([1]), dtype=jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "got no label"),
        (np.zeros((2, 3), np.float32), r"float \[B, 4\].*float32 \[2, 3\]"),
        (np.zeros(2, np.float32), r"not float32 \[2\]"),
        (np.zeros((2, 4), np.int32), r"not int32 \[2, 4\]"),
    ],
)
def test_bad_labels_are_one_clear_line(label, words):
    with pytest.raises(UsageError, match=words) as error:
        embed(label)
    assert "\n" not in str(error.value)

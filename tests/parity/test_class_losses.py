"""2C and D2D-CE against their fractions in PyTorch, picture by picture, with their gradients by
embeddings and proxies."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gan_jax import class_losses  # noqa: E402
from tests.parity.agreement import PRECISIONS, assert_agree, precision  # noqa: E402

LABEL = [0, 2, 0, 1, 2, 2, 0]
BATCH, CLASSES, SIZE = len(LABEL), 3, 5
TEMPERATURE, POSITIVE, NEGATIVE = 0.5, 0.6, 0.05


def unit(seed, rows, dtype):
    vectors = np.random.default_rng(seed).standard_normal((rows, SIZE))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype)


def contrastive(embedding, proxies):
    found = []
    for i, label in enumerate(LABEL):
        own = torch.exp(embedding[i].dot(proxies[label]) / TEMPERATURE)
        pulled, all_of_them = own, own
        for k in range(BATCH):
            if k == i:
                continue
            other = torch.exp(embedding[i].dot(embedding[k]) / TEMPERATURE)
            all_of_them = all_of_them + other
            if LABEL[k] == label:
                pulled = pulled + other
        found.append(-torch.log(pulled / all_of_them))
    return torch.stack(found)


def data_to_data(embedding, proxies):
    found = []
    for i, label in enumerate(LABEL):
        easy = torch.clamp(embedding[i].dot(proxies[label]) - POSITIVE, max=0)
        own = torch.exp(easy / TEMPERATURE)
        total = own
        for k in range(BATCH):
            if LABEL[k] != label:
                hard = torch.clamp(embedding[i].dot(embedding[k]) - NEGATIVE, min=0)
                total = total + torch.exp(hard / TEMPERATURE)
        found.append(-torch.log(own / total))
    return torch.stack(found)


CASES = {
    "2c": (
        contrastive,
        functools.partial(class_losses.conditional_contrastive, temperature=TEMPERATURE),
    ),
    "d2d": (
        data_to_data,
        functools.partial(
            class_losses.data_to_data_cross_entropy,
            temperature=TEMPERATURE,
            positive_margin=POSITIVE,
            negative_margin=NEGATIVE,
        ),
    ),
}


@PRECISIONS
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name, dtype, tolerance):
    reference, ours = CASES[name]
    vectors = unit(0, BATCH, dtype), unit(1, CLASSES, dtype)
    theirs = [torch.tensor(rows, requires_grad=True) for rows in vectors]
    expected = reference(*theirs)
    expected.mean().backward()
    with precision(dtype):

        @jax.jit
        def mean(embedding, proxies):
            value = ours(embedding, proxies, jnp.asarray(LABEL, jnp.int32))
            return jnp.mean(value), value

        slopes, value = jax.grad(mean, argnums=(0, 1), has_aux=True)(*map(jnp.asarray, vectors))
    assert_agree(value, expected, tolerance)
    assert_agree(slopes, tuple(rows.grad for rows in theirs), tolerance)

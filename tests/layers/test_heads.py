"""Heads against their formulas in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.heads import (
    AuxiliaryClassifierHead,
    ContrastiveHead,
    LinearHead,
    ProjectionHead,
    head_of,
)
from gan_jax.layers.verdict import Verdict, verdict_of

random = np.random.default_rng(0)
FEATURES = random.normal(size=(3, 6)).astype(np.float32)
CLASSES = np.array([2, 0, 2])
ATTRIBUTES = random.uniform(size=(3, 4)).astype(np.float32)
HEADS = {
    "linear": lambda spectral: LinearHead(spectral),
    "projection": lambda spectral: ProjectionHead(4, spectral),
    "auxiliary": lambda spectral: AuxiliaryClassifierHead(4, spectral),
    "contrastive": lambda spectral: ContrastiveHead(4, spectral, embedding=5),
}


def made(name, label=CLASSES):
    head = HEADS[name](False)
    shapes = jax.eval_shape(lambda: head.init(jax.random.key(0), FEATURES, label, train=True))
    state = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)
    logits = state["params"]["logits"]
    linear = FEATURES @ logits["kernel"][:, 0] + logits["bias"]
    return head, state, state["params"], linear


def test_linear():
    head, state, _, linear = made("linear")
    np.testing.assert_allclose(head.apply(state, FEATURES, None, train=True), linear, rtol=1e-5)


@pytest.mark.parametrize("label", [CLASSES, ATTRIBUTES])
def test_projection(label):
    head, state, params, linear = made("projection", label)
    one_hot = np.eye(4)[label] if label.ndim == 1 else label
    inner = np.sum((one_hot @ params["label"]["embedding"]) * FEATURES, axis=1)
    out = head.apply(state, FEATURES, label, train=True)
    np.testing.assert_allclose(out, linear + inner, rtol=1e-5, atol=1e-5)
    for mutation in (linear, inner, linear - inner, linear + inner / 6):
        assert np.abs(out - mutation).max() > 1e-2


def test_auxiliary_classifier():
    head, state, params, linear = made("auxiliary")
    verdict = head.apply(state, FEATURES, CLASSES, train=True)
    classes = FEATURES @ params["class_logits"]["kernel"] + params["class_logits"]["bias"]
    np.testing.assert_allclose(verdict.logits, linear, rtol=1e-5)
    np.testing.assert_allclose(verdict.class_logits, classes, rtol=1e-4, atol=1e-5)
    assert verdict.embedding is None and verdict.proxies is None


def test_contrastive():
    head, state, params, linear = made("contrastive")
    verdict = head.apply(state, FEATURES, CLASSES, train=True)
    embedding = FEATURES @ params["embedding"]["kernel"] + params["embedding"]["bias"]
    proxies = params["label"]["embedding"]
    np.testing.assert_allclose(verdict.logits, linear, rtol=1e-5)
    for ours, raw, rows in ((verdict.embedding, embedding, 3), (verdict.proxies, proxies, 4)):
        assert ours.shape == (rows, 5)
        expected = raw / np.sqrt((raw**2).sum(1, keepdims=True))
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    assert verdict.class_logits is None


def test_an_embedding_of_zeros_has_a_finite_gradient():
    head, state, *_ = made("contrastive")
    state["params"]["embedding"]["bias"][:] = 0.0

    def total(features):
        return head.apply(state, features, CLASSES, train=True).embedding.sum()

    assert jnp.all(jnp.isfinite(jax.grad(total)(jnp.zeros((3, 6)))))


@pytest.mark.parametrize("name", HEADS)
def test_spectral_normalisation_is_of_every_weight(name):
    head = HEADS[name](True)
    state = head.init(jax.random.key(0), FEATURES, CLASSES, train=True)
    weights = [leaf for leaf in jax.tree.leaves(state["params"]) if leaf.ndim == 2]
    assert len(weights) == len(jax.tree.leaves(state["spectral"])) > 0
    for train, moves in ((True, True), (False, False)):
        out, after = head.apply(state, FEATURES, CLASSES, train=train, mutable=["spectral"])
        same = jax.tree.map(jnp.allclose, after["spectral"], state["spectral"])
        assert [not leaf for leaf in jax.tree.leaves(same)] == [moves] * len(weights)
        assert isinstance(verdict_of(out), Verdict)


@pytest.mark.parametrize("name", HEADS)
def test_half_precision_features_give_float32(name):
    head, state, *_ = made(name)
    out = head.apply(state, FEATURES.astype(jnp.bfloat16), CLASSES, train=True)
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype("float32")}


def test_the_published_head():
    assert head_of(0, spectral=True) == LinearHead(spectral=True)
    assert head_of(7, spectral=False) == ProjectionHead(7, spectral=False)


def test_a_projection_needs_a_label():
    head, state, *_ = made("projection")
    with pytest.raises(UsageError, match="got no label"):
        head.apply(state, FEATURES, None, train=True)

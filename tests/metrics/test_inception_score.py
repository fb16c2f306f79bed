"""The Inception score against its formula and where it is known."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.inception_score import inception_score


def by_formula(logits):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    q = p.mean(axis=0)
    return np.exp(np.mean([np.sum(row * np.log(row / q)) for row in p]))


def test_formula_splits_and_ddof():
    logits = np.random.default_rng(0).normal(size=(103, 9))
    scores = [by_formula(logits[i * 103 // 4 : (i + 1) * 103 // 4]) for i in range(4)]
    for ddof in (0, 1):
        ours = inception_score(logits, splits=4, seed=None, ddof=ddof)
        assert ours.value == pytest.approx(np.mean(scores), rel=1e-12)
        assert ours.std == pytest.approx(np.std(scores, ddof=ddof), rel=1e-10)


def test_shuffle_is_that_of_the_seed():
    logits = np.random.default_rng(0).normal(size=(100, 9))
    order = np.random.RandomState(2020).permutation(100)
    ours = inception_score(logits, splits=10, seed=2020, ddof=0)
    assert ours == inception_score(logits[order], splits=10, seed=None, ddof=0)
    assert ours != inception_score(logits, splits=10, seed=None, ddof=0)


def test_certain_and_even_is_the_number_of_classes():
    logits = np.tile(1e4 * np.eye(7, 12), (5, 1))  # 5 of 12 classes never come
    assert inception_score(logits, splits=1, seed=None, ddof=0).value == pytest.approx(7)


def test_always_the_same_is_one():
    logits = np.repeat(np.random.default_rng(0).normal(size=(1, 8)), 20, axis=0)
    ours = inception_score(logits, splits=4, seed=0, ddof=0)
    assert ours.value == pytest.approx(1)
    assert ours.std == pytest.approx(0, abs=1e-12)


def test_noise_scores_more_with_more_samples():
    logits = np.random.default_rng(0).normal(size=(20_000, 100))
    few, many = (
        inception_score(logits[:count], splits=10, seed=0, ddof=0).value for count in (200, 20_000)
    )
    assert many - few > 0.05


def test_bad_arguments():
    with pytest.raises(DataError, match="3 samples in 10 splits"):
        inception_score(np.zeros((3, 4)), splits=10, seed=0, ddof=0)
    with pytest.raises(UsageError, match="1 splits with ddof 1"):
        inception_score(np.zeros((3, 4)), splits=1, seed=0, ddof=1)

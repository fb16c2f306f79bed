"""Intra-class Frechet distance: a mean over classes, blind to how often each comes."""

import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.metrics.frechet import frechet_distance_of_features
from gan_jax.metrics.intra_class import intra_class_frechet_distance

LABELS = np.repeat([0, 3, 7], [40, 50, 60])


def features(seed, spread):
    rows = np.random.default_rng(seed).normal(size=(150, 6))
    return rows * np.asarray(spread)[np.searchsorted([0, 3, 7], LABELS)][:, None]


def test_is_the_mean_over_classes_whatever_the_order():
    real, fake = features(0, [1, 1, 1]), features(1, [1, 2, 3])
    expected = {
        label: frechet_distance_of_features(real[LABELS == label], fake[LABELS == label])
        for label in (0, 3, 7)
    }
    order = np.random.default_rng(2).permutation(150)
    ours = intra_class_frechet_distance(real, LABELS, fake[order], LABELS[order])
    assert ours.classes == pytest.approx(expected)
    assert ours.value == pytest.approx(np.mean(list(expected.values())))


def test_sees_a_class_that_lost_its_variety_where_the_whole_does_not():
    # Class 3 collapsed, class 7 took its spread: the mixture's covariance stays.
    real = features(0, [1, 1, 1])
    fake = features(1, [1, 0, np.sqrt(110 / 60)])
    whole = frechet_distance_of_features(real, fake)
    assert intra_class_frechet_distance(real, LABELS, fake, LABELS).value > 5 * whole


def test_small_and_missing_classes():
    real = features(0, [1, 1, 1])
    with pytest.raises(DataError, match="class 2 has 0 real samples; at least 2"):
        intra_class_frechet_distance(real, LABELS, real, np.where(LABELS == 7, 2, LABELS))
    lonely = np.where(np.arange(150) == 0, 5, LABELS)
    with pytest.raises(DataError, match="class 5 has 1 real samples"):
        intra_class_frechet_distance(real, lonely, real, lonely)


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS.astype(float), LABELS[:, None]])
def test_bad_labels(labels):
    real = features(0, [1, 1, 1])
    with pytest.raises(DataError, match="fake labels"):
        intra_class_frechet_distance(real, LABELS, real, labels)

"""Accuracies of a discriminator, counted."""

import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.metrics.overfitting import discriminator_accuracy


def test_counts_and_gap():
    ours = discriminator_accuracy([3.0, 0.1, 2.0, -1.0], [[1.0], [-1.0]], [-2.0, -0.1, 5.0])
    assert (ours.train, ours.held_out) == (0.75, 0.5)
    assert ours.fake == pytest.approx(2 / 3)
    assert ours.gap == 0.25


def test_undecided_is_a_half():
    ours = discriminator_accuracy(np.zeros(3), np.zeros(4), np.zeros(5))
    assert (ours.train, ours.held_out, ours.fake, ours.gap) == (0.5, 0.5, 0.5, 0.0)


def test_saturated_logits_count():
    ours = discriminator_accuracy([np.inf], [-np.inf], [-np.inf])
    assert (ours.train, ours.held_out, ours.fake) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize("bad", [[], [np.nan, 1.0]])
def test_bad_logits(bad):
    with pytest.raises(DataError, match="held-out logits"):
        discriminator_accuracy([1.0], bad, [1.0])

"""Minibatch standard deviation against loops in numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.minibatch_stddev import minibatch_stddev


@pytest.mark.parametrize(
    ("batch", "group", "channels"), [(8, 4, 1), (8, 4, 2), (6, 2, 3), (3, 4, 1), (4, 4, 1)]
)
def test_by_hand(batch, group, channels):
    x = np.random.default_rng(0).normal(size=(batch, 2, 3, 6))
    group_size, groups = min(group, batch), batch // min(group, batch)
    expected = np.zeros((batch, 2, 3, channels))
    for sample in range(batch):
        members = x[sample % groups :: groups]
        assert len(members) == group_size
        for channel in range(channels):
            part = members[..., channel * 6 // channels : (channel + 1) * 6 // channels]
            variance = ((part - part.mean(0)) ** 2).sum(0) / group_size
            expected[sample, ..., channel] = np.sqrt(variance + 1e-8).mean()
    found = minibatch_stddev(jnp.asarray(x), group, channels)
    np.testing.assert_array_equal(found[..., :6], jnp.asarray(x))
    np.testing.assert_allclose(found[..., 6:], expected, rtol=1e-5)


def test_equal_samples_give_the_root_of_epsilon():
    found = minibatch_stddev(jnp.ones((4, 1, 1, 2)), 4)
    np.testing.assert_allclose(found[..., 2], 1e-4, rtol=1e-5)


def test_a_batch_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="groups of 4 samples, and a batch of 6"):
        minibatch_stddev(jnp.ones((6, 1, 1, 2)), 4)
    with pytest.raises(UsageError, match="3 features do not split into 2"):
        minibatch_stddev(jnp.ones((4, 1, 1, 3)), 4, 2)

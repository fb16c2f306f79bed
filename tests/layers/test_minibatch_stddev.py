"""Minibatch standard deviation against loops in numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.minibatch_stddev import minibatch_stddev
from tests.formulas import assert_slip_is_seen


def by_hand(x, group, channels, less=0, epsilon=1e-8, outside=0.0, root=np.sqrt, strided=True):
    """`[B, 1, 1, channels]`, sample by sample; each of the last five is for a slip."""
    batch, group = len(x), min(group, len(x))
    groups = batch // group
    found = np.zeros((batch, 1, 1, channels))
    for sample in range(batch):
        first = sample - sample % group
        members = x[sample % groups :: groups] if strided else x[first : first + group]
        assert len(members) == group
        for channel in range(channels):
            part = members[..., channel * 6 // channels : (channel + 1) * 6 // channels]
            variance = ((part - part.mean(0)) ** 2).sum(0) / (group - less)
            found[sample, ..., channel] = (root(variance + epsilon) + outside).mean()
    return found


# Small inputs show the epsilon.
@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize(
    ("batch", "group", "channels"), [(8, 4, 1), (8, 4, 2), (6, 2, 3), (3, 4, 1), (4, 4, 1)]
)
def test_by_hand(batch, group, channels, scale):
    x = (scale * np.random.default_rng(0).normal(size=(batch, 2, 3, 6))).astype(np.float32)
    found = np.asarray(minibatch_stddev(x, group, channels))
    np.testing.assert_array_equal(found[..., :6], x)
    planes = found[..., 6:]
    np.testing.assert_array_equal(planes, np.broadcast_to(planes[:, :1, :1], planes.shape))
    planes, x = planes[:, :1, :1], x.astype(np.float64)
    np.testing.assert_allclose(planes, by_hand(x, group, channels), rtol=1e-5)
    slips = [
        {"less": 1},  # the unbiased variance
        {"root": lambda variance: variance},
        {"root": lambda variance: np.sqrt(variance.mean())},  # a mean within the root
        {"root": lambda variance: np.sqrt(variance) * variance.size},  # a sum for the mean
        *([{"strided": False}] if group < batch else []),
        *([{"epsilon": 0.0}, {"epsilon": 0.0, "outside": 1e-8}] if scale < 1 else []),
    ]
    for slip in slips:
        assert_slip_is_seen(planes, by_hand(x, group, channels, **slip), rtol=1e-3)


def test_equal_samples_give_the_root_of_epsilon():
    found = minibatch_stddev(jnp.ones((4, 1, 1, 2)), 4)
    np.testing.assert_allclose(found[..., 2], 1e-4, rtol=1e-5)


def test_a_batch_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="groups of 4 samples, and a batch of 6"):
        minibatch_stddev(jnp.ones((6, 1, 1, 2)), 4)
    with pytest.raises(UsageError, match="3 features do not split into 2"):
        minibatch_stddev(jnp.ones((4, 1, 1, 3)), 4, 2)

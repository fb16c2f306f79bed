"""The order in which a source is read: a pure function of the seed and the position."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=3)
def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """A random order of `count` examples, its own for every epoch; int64 `[count]`."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    order = generator.permutation(count)
    order.setflags(write=False)
    return order


def indices(positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Source index of each position of the endless stream: every epoch of `count` positions
    visits every example once, in an order of its own. int64, the shape of `positions`."""
    epochs, offsets = np.divmod(positions, count)
    if positions.size and epochs.flat[0] == epochs.flat[-1]:
        return permutation(count, seed, int(epochs.flat[0]))[offsets]
    result = np.empty_like(positions)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        result[here] = permutation(count, seed, int(epoch))[offsets[here]]
    return result


def coins(positions: np.ndarray, seed: int) -> np.ndarray:
    """A fair coin of each position (bool, the shape of `positions`): one bit of SplitMix64 of
    the two numbers (Steele et al. 2014), so that a slice of a batch tosses the batch's coins."""
    with np.errstate(over="ignore"):
        x = positions.astype(np.uint64) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(63)).astype(bool)


def seed_after_rollbacks(seed: int, times: int) -> int:
    """A seed of its own for the data order of a run that was rolled back so many times."""
    return int(np.random.SeedSequence((seed, times)).generate_state(1)[0])

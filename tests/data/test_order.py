"""The order: every epoch is a permutation of its own, and any slice of it can be asked for."""

import numpy as np

from gan_jax.data import order


def test_every_epoch_visits_each_example_once_in_another_order():
    stream = order.indices(np.arange(300), 100, seed=3)
    epochs = stream.reshape(3, 100)
    for epoch in epochs:
        assert sorted(epoch) == list(range(100))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], np.arange(100))


def test_a_slice_is_that_of_the_whole_stream():
    stream = order.indices(np.arange(1000), 77, seed=5)
    for start, stop in ((0, 1), (70, 90), (153, 400)):
        np.testing.assert_array_equal(
            order.indices(np.arange(start, stop), 77, seed=5), stream[start:stop]
        )


def test_keeps_the_shape_of_the_positions():
    positions = np.arange(24).reshape(2, 3, 4)
    assert order.indices(positions, 10, seed=0).shape == (2, 3, 4)


def test_seeds_differ():
    a, b = (order.indices(np.arange(50), 50, seed) for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_coins_are_fair_independent_of_slices_and_of_each_other():
    positions = np.arange(100_000)
    coins = order.coins(positions, seed=7)
    assert abs(coins.mean() - 0.5) < 0.01
    assert abs(np.mean(coins[1:] == coins[:-1]) - 0.5) < 0.01
    assert abs(np.mean(coins == order.coins(positions, seed=8)) - 0.5) < 0.01
    np.testing.assert_array_equal(order.coins(positions[500:600], seed=7), coins[500:600])

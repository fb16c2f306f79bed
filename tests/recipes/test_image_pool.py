"""The pool: how it fills, with what frequencies it swaps, and that it is a value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.recipes.image_pool import ImagePool, empty_pool, exchange

SHAPE = (2, 3, 1)
TRIALS = 8_000


def pictures(*numbers):
    """One for each number, which fills it."""
    return jnp.broadcast_to(jnp.asarray(numbers, jnp.float32)[:, None, None, None], (
        len(numbers), *SHAPE))  # fmt: skip


def numbers(images):
    """Those that fill pictures; each has one alone."""
    images = np.asarray(images)
    assert (images == images[..., :1, :1, :1]).all()
    return images[..., 0, 0, 0]


def full(size):
    """Holds 0, 1, …, size - 1."""
    return ImagePool(pictures(*range(size)), jnp.asarray(size, jnp.int32))


def many(pool, given, trials=TRIALS):
    """What is shown `[T, B]` and what is held afterwards `[T, N]`, under as many keys."""
    keys = jax.random.split(jax.random.key(3), trials)
    shown, after = jax.jit(jax.vmap(lambda key: exchange(pool, given, key)))(keys)
    assert (np.asarray(after.count) == min(int(pool.count) + len(given), len(pool.pictures))).all()
    return numbers(shown), numbers(after.pictures)


def assert_share(happened, expected):
    """Within four standard errors."""
    happened = np.asarray(happened)
    error = np.sqrt(expected * (1 - expected) / happened.size)
    assert abs(happened.mean() - expected) < 4 * error, (happened.mean(), expected)


def test_while_it_fills_pictures_go_in_and_come_out_themselves():
    pool = empty_pool(5, SHAPE)
    step = jax.jit(exchange)
    for turn in range(2):
        given = pictures(*(2 * turn + 1, 2 * turn + 2))
        shown, pool = step(pool, given, jax.random.key(turn))
        np.testing.assert_array_equal(shown, given)
    assert int(pool.count) == 4
    assert numbers(pool.pictures).tolist() == [1, 2, 3, 4, 0]


def test_a_batch_that_is_wider_than_the_room_left():
    """Its first picture fills the pool, the second meets a full one."""
    pool = ImagePool(pictures(1, 2, 0), jnp.asarray(2, jnp.int32))
    shown, held = many(pool, pictures(7, 8))
    assert (shown[:, 0] == 7).all()
    swapped = shown[:, 1] != 8
    assert_share(swapped, 1 / 2)
    for number in (1, 2, 7):
        assert_share(shown[:, 1] == number, 1 / 6)
    assert (held[~swapped] == [1, 2, 7]).all() and (held[swapped] == 8).sum(axis=1).all()


def test_every_second_picture_is_swapped_with_any_of_the_pool():
    size = 4
    shown, held = many(full(size), pictures(9))
    shown = shown[:, 0]
    assert_share(shown == 9, 1 / 2)
    for number in range(size):
        assert_share(shown == number, 1 / (2 * size))
    # What is shown is gone, and the picture stands in its place; else nothing has changed.
    for number in range(size):
        expected = [9 if place == number else place for place in range(size)]
        assert (held[shown == number] == expected).all()
    assert (held[shown == 9] == np.arange(size)).all()


def test_a_batch_is_taken_one_after_the_other():
    """The second may be swapped with the first, where that went in; both coins are its own."""
    size = 3
    shown, held = many(full(size), pictures(8, 9))
    first, second = (shown[:, 0] != 8), (shown[:, 1] != 9)
    assert_share(first, 1 / 2)
    assert_share(second, 1 / 2)
    assert_share(first & second, 1 / 4)
    assert_share(shown[:, 1] == 8, 1 / (4 * size))
    everything = np.sort(np.concatenate([shown, held], axis=1), axis=1)
    assert (everything == [0, 1, 2, 8, 9]).all()  # nothing is lost and nothing doubled


def test_the_shares_of_a_long_run_are_those_of_the_rule_in_numpy():
    """How old the pictures are that come out of a stream, against the rule taken literally."""
    size, batches, wide, runs = 4, 8, 3, 2000

    def ages_by_hand(random):
        pool, ages = [], []
        for now in range(batches * wide):
            if len(pool) < size:
                pool.append(now)
                ages.append(0)
            elif random.uniform() > 0.5:
                place = random.integers(0, size)
                ages.append(now - pool[place])
                pool[place] = now
            else:
                ages.append(0)
        return ages

    def ages(key):
        pool, found = empty_pool(size, (1, 1, 1)), []
        for turn in range(batches):
            given = jnp.arange(turn * wide, (turn + 1) * wide, dtype=jnp.float32)
            given = given[:, None, None, None]
            shown, pool = exchange(pool, given, jax.random.fold_in(key, turn))
            found.append((given - shown)[:, 0, 0, 0])
        return jnp.concatenate(found)

    random = np.random.default_rng(0)
    expected = np.array([ages_by_hand(random) for _ in range(runs)])
    found = np.asarray(jax.jit(jax.vmap(ages))(jax.random.split(jax.random.key(1), runs)))
    for age in range(batches * wide):
        ours, theirs = ((x == age).mean() for x in (found, expected))
        error = np.sqrt(2 * max(theirs, 1e-4) / found.size)
        assert abs(ours - theirs) < 5 * error, (age, ours, theirs)
    assert found.max() > 10


def test_it_is_a_value_of_fixed_shape():
    pool = full(3)
    before = jax.tree.map(np.array, pool)
    given, key = pictures(5, 6), jax.random.key(0)
    a, b = (jax.jit(exchange)(pool, given, key) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, a, b)
    jax.tree.map(np.testing.assert_array_equal, pool, before)
    form = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), pool)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), a[1]) == form
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), empty_pool(3, SHAPE)) == form


def test_none_and_less_than_none():
    pool = empty_pool(0, SHAPE)
    given = pictures(1, 2)
    shown, after = exchange(pool, given, jax.random.key(0))
    np.testing.assert_array_equal(shown, given)
    assert after is pool
    with pytest.raises(UsageError, match="pool_size=-1: must be at least 0"):
        empty_pool(-1, SHAPE)

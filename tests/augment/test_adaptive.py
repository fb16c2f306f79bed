"""The heuristic of ADA and APA against its formula, and p over a discriminator that overfits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment import adaptive
from gan_jax.augment.pseudo_augment import pseudo_augment

LOGITS = np.asarray([2.0, -0.1, 0.5, 3.0, 0.0], np.float32)


def test_signs():
    np.testing.assert_array_equal(adaptive.real_signs(LOGITS), [1, -1, 1, 1, 0])


def test_observed_signs_are_averaged_over_batches():
    state = adaptive.initial(0.3)
    for logits in (LOGITS, -LOGITS[:2], LOGITS[:1]):
        state = adaptive.observe(state, adaptive.real_signs(logits))
    np.testing.assert_allclose(adaptive.overfitting(state), (2 + 0 + 1) / 8)
    assert state.count == 8 and state.p == jnp.float32(0.3)


@pytest.mark.parametrize(
    ("p", "mean", "expected"),
    [
        (0.2, 0.7, 0.2 + 256 / 500_000),
        (0.2, 0.5, 0.2 - 256 / 500_000),
        (0.0, 0.5, 0.0),
        (1.0, 0.7, 1.0),
        (0.9999, 0.7, 1.0),
    ],
)
def test_one_update(p, mean, expected):
    state = adaptive.AdaptiveState(*map(jnp.float32, (p, mean * 100, 100)))
    updated = adaptive.update(state, images=256)
    np.testing.assert_allclose(updated.p, expected, atol=1e-7)
    assert updated.sign_sum == 0 and updated.count == 0
    assert all(leaf.dtype == jnp.float32 and leaf.shape == () for leaf in updated)


def test_stays_without_signs_and_on_the_target():
    assert adaptive.update(adaptive.initial(0.5), images=1e5).p == 0.5
    state = adaptive.AdaptiveState(*map(jnp.float32, (0.5, 0.5, 1.0)))
    assert adaptive.update(state, images=1e5, target=0.5).p == 0.5


def run(signs, rounds, **settings):
    def one(state, _):
        state = adaptive.observe(state, signs)
        state = adaptive.adapt(state, signs=4 * 64, images=4 * 64, **settings)
        return state, (state.p, state.count)

    return jax.tree.map(np.asarray, jax.lax.scan(one, adaptive.initial(), length=rounds)[1])


def test_moves_every_fourth_round_only():
    p, count = run(jnp.ones(64), 12)
    step = 64 * 4 / 500_000
    np.testing.assert_allclose(p, np.repeat([0, 1, 2, 3], [3, 4, 4, 1]) * step, rtol=1e-5)
    np.testing.assert_array_equal(count, [64, 128, 192, 0] * 3)


def test_runs_from_0_to_1_in_the_ramp_and_stays_0_otherwise():
    p, _ = run(jnp.ones(64), 10_000, ramp_kimg=500.0)
    reached = np.argmax(p >= 0.999999) + 1
    assert abs(reached * 64 - 500_000) <= 2 * 4 * 64 and p.max() == 1.0
    assert run(jnp.where(jnp.arange(64) < 48, 1.0, -1.0), 100)[0].max() == 0  # mean 1/2 < 0.6


def test_pseudo_augment_replaces_whole_pictures_with_the_probability():
    real, fake = jnp.ones((8000, 2, 2, 1)), -jnp.ones((8000, 2, 2, 1))
    mixed = np.asarray(pseudo_augment(real, fake, jax.random.key(0), jnp.float32(0.25)))
    assert np.ptp(mixed, axis=(1, 2, 3)).max() == 0
    replaced = (mixed[:, 0, 0, 0] == -1).mean()
    assert abs(replaced - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 8000)
    np.testing.assert_array_equal(pseudo_augment(real, fake, jax.random.key(0), 0.0), real)
    np.testing.assert_array_equal(pseudo_augment(real, fake, jax.random.key(0), 1.0), fake)

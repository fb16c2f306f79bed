"""Every kind of recipe through the same step: continued, on several devices, with a bad round."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.bench_rounds import pictures
from gan_jax.experiment import load_experiment
from gan_jax.program import Program, build
from tests.conftest import EXPERIMENTS
from tests.marks import LONG, only
from tests.tiny import assert_bit_equal, leaves

NAMES = (
    *("avatars_vae", "avatars_vaegan", "avatars_infogan", "avatars_pix2pix", "avatars_cyclegan"),
    *("avatars_expression", "avatars_adain", "avatars_gatys"),
)
ALIKE = (
    # The same recipe again, and one that compiles for minutes.
    pytest.param("avatars_expression_landmarks", marks=LONG),
    pytest.param("avatars_persona", marks=LONG),
)
IN_CI = ("avatars_expression", "avatars_gatys")
"""Three phases, and pixels; the grid over the others is for before a release."""
ROUNDS = 4
each = pytest.mark.parametrize("name", (*NAMES, *ALIKE))
some_in_ci = pytest.mark.parametrize("name", (*only(IN_CI, NAMES), *ALIKE))


@functools.cache
def built(name: str, devices: int) -> tuple[Program, dict, object]:
    """The program at smoke size, noise for its batches, and its compiled round."""
    overrides = [("mesh.devices", str(devices)), ("batch_size", "8")]
    program = build(load_experiment(f"{EXPERIMENTS}/{name}.py:smoke", overrides))
    return program, pictures(program), program.compile()


def start(name: str, devices: int):
    program, _, _ = built(name, devices)
    return program.own(program.initial(jax.random.key(3)))


def trained(name: str, state, devices: int = 1, rounds: int = ROUNDS):
    program, batches, step = built(name, devices)
    metrics = None
    for _ in range(rounds):
        state, metrics = step(state, program.frozen, batches, np.int32(1))  # pyright: ignore
    return state, metrics


@each
def test_a_state_that_was_put_away_goes_on_to_the_bit(name):
    program, _, _ = built(name, 1)
    whole, _ = trained(name, start(name, 1))
    half, _ = trained(name, start(name, 1), rounds=ROUNDS // 2)
    kept = jax.tree.map(np.array, jax.device_get(half.replace(key=jax.random.key_data(half.key))))
    again = jax.tree.map(jnp.asarray, kept)
    again = again.replace(key=jax.random.wrap_key_data(again.key))
    again, _ = trained(name, program.own(again), rounds=ROUNDS - ROUNDS // 2)
    assert_bit_equal(again, whole)
    for network, before in start(name, 1).nets.items():
        moved = map(
            np.array_equal, *(jax.tree.leaves(s.params) for s in (whole.nets[network], before))
        )
        assert not all(moved), network


@pytest.mark.slow
@some_in_ci
def test_four_devices_see_what_one_sees(name):
    _, found = trained(name, start(name, 1), 1, rounds=1)
    _, shared = trained(name, start(name, 4), 4, rounds=1)
    for key, value in found.items():
        np.testing.assert_allclose(shared[key], value, rtol=2e-3, atol=2e-4, err_msg=key)


@pytest.mark.slow
@some_in_ci
def test_a_round_that_is_not_finite_changes_nothing(name):
    before = start(name, 1)
    kept = [np.array(leaf) for leaf in leaves(before.replace(hyper={}))]
    rates = [key for key in before.hyper if key.endswith("learning_rate")]
    value = rates[0] if rates else min(before.hyper)  # the weight of a loss
    bad = before.replace(hyper={**before.hyper, value: jnp.full_like(before.hyper[value], jnp.nan)})
    after, metrics = trained(name, bad, rounds=1)
    assert int(after.skipped) == int(after.skipped_in_a_row) == 1 and int(after.step) == 1
    assert float(metrics["skipped"][-1]) == 1  # pyright: ignore
    counters = {
        name: jnp.zeros_like(getattr(after, name))
        for name in ("step", "skipped", "skipped_in_a_row")
    }
    for old, new in zip(kept, leaves(after.replace(hyper={}, **counters)), strict=True):
        np.testing.assert_array_equal(new, old)

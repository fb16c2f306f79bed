"""Members divided over devices: the same numbers, and none in another's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import program
from gan_jax.bench_rounds import pictures
from gan_jax.errors import UsageError
from gan_jax.experiment import load_experiment
from gan_jax.mesh import replicated
from gan_jax.population import member
from gan_jax.population_program import start_population
from tests.conftest import EXPERIMENTS
from tests.tiny import assert_close

SEEDS = (3, 5, 8, 9)


def trained(devices, *overrides, at_once=None):
    """A population after two rounds."""
    experiment = load_experiment(
        f"{EXPERIMENTS}/digits_mlp.py:smoke", [("mesh.devices", "1"), *overrides]
    )
    built, rounds, state = start_population(
        experiment, program.build(experiment), SEEDS, at_once, devices
    )
    batches = jax.device_put(pictures(built), replicated(built.mesh))
    for _ in range(2):
        state, metrics = rounds(state, {}, batches, np.int32(1))
    assert metrics["generator/loss"].shape == (1, len(SEEDS))
    return jax.device_get(state)


@pytest.fixture(scope="module")
def on_one_device():
    return trained(1)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["global", "per_device"])
def test_members_are_the_same_on_any_number_of_devices(on_one_device, view):
    found = trained(2, ("mesh.view", view), at_once=1)
    assert_close(found, on_one_device, 1e-5)
    first, second = (jax.tree.leaves(member(found, i).nets["generator"].params) for i in (0, 1))
    assert not np.allclose(first[0], second[0])  # an average over devices would make them alike


def test_every_device_holds_its_members():
    experiment = load_experiment(f"{EXPERIMENTS}/digits_mlp.py:smoke", [("mesh.devices", "1")])
    _, _, state = start_population(experiment, program.build(experiment), SEEDS, None, 4)
    leaf = jax.tree.leaves(state.nets["generator"].params)[0]
    assert leaf.sharding.shard_shape(leaf.shape) == (1, *leaf.shape[1:])
    assert state.step.sharding.is_fully_replicated and jnp.ndim(state.step) == 0


def test_more_devices_than_there_are():
    experiment = load_experiment(f"{EXPERIMENTS}/digits_mlp.py:smoke", [("mesh.devices", "1")])
    with pytest.raises(UsageError, match="but there are 4 cpu devices"):
        start_population(experiment, program.build(experiment), range(8), None, 8)

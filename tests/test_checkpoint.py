"""Checkpoints of a state: bit-exact, chosen by number and by what is in them."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

from gan_jax.checkpoint import Checkpoints, restore
from gan_jax.errors import StorageError, UsageError
from gan_jax.retention import Best, Retention

WORKER = Path(__file__).with_name("checkpoint_worker.py")
EVERYTHING = Retention(keep_last=100, keep_every=None, best=Best("fid", "min"))


@struct.dataclass
class Net:
    params: dict
    opt: optax.OptState
    ema: dict | None


@struct.dataclass
class State:
    step: jax.Array
    key: jax.Array
    nets: dict[str, Net]
    extra: tuple


def state_at(step):
    """A state with every kind of leaf, different in every leaf at each step."""
    key = jax.random.fold_in(jax.random.key(1), step)
    params = {
        "Conv_0": {"kernel": jax.random.normal(key, (3, 3, 4, 5)), "bias": jnp.ones(5) * step}
    }
    half = {"w": jax.random.normal(key, (7,), jnp.bfloat16)}
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3 + step)
    return State(
        step=jnp.int32(step),
        key=key,
        nets={
            "generator": Net(params, adam.init(params), params),
            "discriminator": Net(half, optax.sgd(0.1, momentum=0.9).init(half), None),
        },
        extra=(jnp.zeros((0, 3)), jnp.asarray(step % 2 == 0), None, jax.random.split(key, 2)),
    )


@pytest.fixture
def events():
    return []


@pytest.fixture
def open_checkpoints(tmp_path, events):
    opened = []

    def open_(retention=EVERYTHING, asynchronous=True):
        checkpoints = Checkpoints(
            tmp_path / "checkpoints",
            retention=retention,
            asynchronous=asynchronous,
            on_event=lambda kind, fields: events.append((kind, fields)),
        )
        opened.append(checkpoints)
        return checkpoints

    yield open_
    for checkpoints in opened:
        checkpoints.close()


def save(checkpoints, step, *, state=None, finite=True, **metrics):
    state = state_at(step) if state is None else state
    checkpoints.save(step, state, finite=finite, metrics=metrics, information={"of": step})


def bits(state):
    """Every leaf as bytes, keys as their data: NaNs and negative zeros count too."""
    data = [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(state)
    ]
    return [(leaf.dtype, leaf.shape, np.asarray(leaf).tobytes()) for leaf in data]


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != ".staging")


@pytest.mark.subset
@pytest.mark.parametrize("asynchronous", [True, False])
def test_every_kind_of_leaf_comes_back_bit_for_bit(open_checkpoints, events, asynchronous):
    checkpoints = open_checkpoints(asynchronous=asynchronous)
    save(checkpoints, 7)
    checkpoints.finish()
    restored = checkpoints.restore(jax.eval_shape(lambda: state_at(0)))
    assert restored.manifest.step == 7 and restored.manifest.information == {"of": 7}
    assert jax.tree.structure(restored.state) == jax.tree.structure(state_at(7))
    assert bits(restored.state) == bits(state_at(7)) != bits(state_at(6))
    assert restored.state.key.dtype == state_at(7).key.dtype
    assert events == []


def test_buffers_may_be_donated_right_after_save(open_checkpoints):
    step = jax.jit(lambda x: jax.tree.map(lambda a: a + 1, x), donate_argnums=0)
    state = {"w": jnp.zeros((256, 1024)), "b": jnp.zeros(3)}
    checkpoints = open_checkpoints()
    for number in range(6):
        save(checkpoints, number, state=state)
        state = step(state)
    for number in range(6):
        restored = checkpoints.restore(state, step=number)
        assert all((leaf == number).all() for leaf in jax.tree.leaves(restored.state))


def test_no_checkpoint_is_none_and_foreign_things_are_noted(open_checkpoints, events, tmp_path):
    directory = tmp_path / "checkpoints"
    (directory / ".staging" / "3" / "state").mkdir(parents=True)
    (directory / "9").mkdir()
    (directory / "007").mkdir()
    (directory / "notes.txt").write_text("")
    (directory / "12").write_text("")
    checkpoints = open_checkpoints()
    assert not (directory / ".staging").exists()
    assert checkpoints.restore(state_at(0)) is None
    assert [kind for kind, _ in events] == ["checkpoint_ignored"] * 5
    assert [fields["name"] for _, fields in events] == ["3", "007", "12", "9", "notes.txt"]
    assert "it is empty" in events[3][1]["message"]
    save(checkpoints, 2)
    assert checkpoints.restore(state_at(0)).manifest.step == 2


def test_newest_is_by_number_not_by_time(open_checkpoints, tmp_path):
    checkpoints = open_checkpoints()
    for step in (100, 99, 9):
        save(checkpoints, step)
    checkpoints.finish()
    os.utime(tmp_path / "checkpoints" / "100", (0, 0))
    assert checkpoints.restore(state_at(0)).manifest.step == 100


def test_retention_is_applied_after_each_commit(open_checkpoints, tmp_path):
    checkpoints = open_checkpoints(Retention(2, 30, Best("fid", "min")))
    for step, fid in ((0, 9.0), (10, 5.0), (20, math.nan), (30, 7.0), (40, 6.0), (50, 8.0)):
        save(checkpoints, step, fid=fid)
    save(checkpoints, 60, finite=False, fid=0.0)
    checkpoints.finish()
    assert names(tmp_path / "checkpoints") == ["0", "10", "30", "40", "50", "60"]
    assert list((tmp_path / "checkpoints" / ".staging").iterdir()) == []


def test_best_finite_and_numbered(open_checkpoints):
    checkpoints = open_checkpoints()
    abstract = jax.eval_shape(lambda: state_at(0))
    assert checkpoints.restore(abstract, step="best") is None
    save(checkpoints, 1)
    with pytest.raises(UsageError, match="no checkpoint with a finite 'fid'"):
        checkpoints.restore(abstract, step="best")
    save(checkpoints, 2, fid=3.0)
    save(checkpoints, 3, fid=math.nan)
    save(checkpoints, 4, finite=False, fid=1.0)
    for step, expected in (("latest", 4), ("finite", 3), ("best", 2), (1, 1)):
        restored = checkpoints.restore(abstract, step=step)
        assert restored.manifest.step == expected
        assert bits(restored.state) == bits(state_at(expected))
    with pytest.raises(UsageError, match="no checkpoint of step 5 in .*; there are: 1, 2, 3, 4"):
        checkpoints.restore(abstract, step=5)
    with pytest.raises(UsageError, match="step=newest: must be a number, latest"):
        checkpoints.restore(abstract, step="newest")
    with pytest.raises(UsageError, match="no metric"):
        restore(checkpoints._directory, abstract, step="best", best=None, on_event=print)


def test_another_architecture_is_refused_with_a_diff(open_checkpoints, tmp_path):
    checkpoints = open_checkpoints()
    save(checkpoints, 1, state={"a": jnp.ones(3), "b": jnp.ones(2), "k": jax.random.key(0)})
    wanted = {
        "a": jnp.ones(3, jnp.bfloat16),
        "c": jnp.ones((4, 4)),
        "k": jax.random.key(0, impl="rbg"),
    }
    with pytest.raises(UsageError) as caught:
        checkpoints.restore(wanted)
    assert str(caught.value).splitlines()[1:] == [
        "  a: saved float32[3], wanted bfloat16[3]",
        "  c: saved nothing, wanted float32[4,4]",
        "  k: saved key<fry>[], wanted key<rbg>[]",
        "  b: saved float32[2], wanted nothing",
    ]
    many = {f"leaf{i}": jnp.ones(1) for i in range(20)}
    with pytest.raises(UsageError, match="and 15 more"):
        checkpoints.restore(many)
    assert names(tmp_path / "checkpoints") == ["1"]


def test_the_same_step_is_replaced_and_later_ones_discarded(open_checkpoints, tmp_path):
    checkpoints = open_checkpoints()
    assert checkpoints.saved_step is None
    for step in (10, 20, 30):
        save(checkpoints, step)
    assert checkpoints.saved_step == 30
    checkpoints.restore(state_at(0), step=10)
    checkpoints.discard_after(10)
    assert checkpoints.saved_step == 10 and names(tmp_path / "checkpoints") == ["10"]
    save(checkpoints, 10, state=state_at(11))
    checkpoints.finish()
    assert bits(checkpoints.restore(state_at(0)).state) == bits(state_at(11))


def test_a_state_that_would_not_come_back_is_refused(open_checkpoints):
    with pytest.raises(TypeError, match="weakly typed"):
        save(open_checkpoints(), 1, state={"scale": jnp.asarray(0.1)})


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        Checkpoints(
            tmp_path / "file" / "checkpoints",
            retention=EVERYTHING,
            asynchronous=True,
            on_event=print,
        )


def worker(*arguments, devices):
    """Runs one process of `checkpoint_worker.py`; warnings are errors there too."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def succeeded(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.splitlines()


def test_four_devices_to_one_and_back(tmp_path):
    assert succeeded(worker("save", tmp_path, 1, devices=4)) == ["saved 1 from 4"]
    assert succeeded(worker("restore", tmp_path, devices=1)) == ["restored 1 on 1"]
    assert succeeded(worker("save", tmp_path, 2, devices=1)) == ["saved 2 from 1"]
    assert succeeded(worker("restore", tmp_path, devices=4)) == ["restored 2 on 4"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_save_and_restore_together(tmp_path):
    """Also: a damaged newest step is passed over by both, and one process reads the result."""
    port = free_port()
    pair = [worker("pair", tmp_path, 5, port, index, devices=2) for index in (0, 1)]
    try:
        outputs = [succeeded(process) for process in pair]
    finally:
        for process in pair:
            process.kill()
            process.communicate()
    assert [line for line in outputs[0] if "damaged" in line] == ["checkpoint_damaged 6"]
    for lines in outputs:
        assert "saved 5 from 4" in lines and "restored 5 on 4" in lines
        assert "stop agreed: 15" in lines
        assert lines[-1] == "checkpoint 7 lost by both"
    # What one process disowned was whole all the same: process 0 had verified and committed it.
    assert succeeded(worker("restore", tmp_path, devices=1)) == ["restored 7 on 1"]

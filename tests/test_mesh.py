"""The mesh, and which rows of a batch lie where; several processes in tests/faults."""

import types

import jax
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.experiment import load_experiment
from gan_jax.mesh import AXIS, check_batch, make_mesh, put_batches, replicated, rows_of_process
from gan_jax.program import build
from tests.conftest import EXPERIMENTS
from tests.marks import LONG


@pytest.mark.parametrize(("count", "size"), [(0, 4), (1, 1), (3, 3), (4, 4)])
def test_a_mesh_of_the_first_devices(count, size):
    mesh = make_mesh(count)
    assert mesh.axis_names == (AXIS,)
    assert list(mesh.devices) == jax.devices()[:size]


@pytest.mark.parametrize("count", [5, -1])
def test_more_devices_than_there_are(count):
    with pytest.raises(UsageError, match=f"mesh.devices={count}, but there are 4 cpu devices"):
        make_mesh(count)


def test_several_processes_use_all_devices(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert make_mesh(0).size == make_mesh(4).size == 4
    with pytest.raises(UsageError, match="with 2 processes all 4 devices take part"):
        make_mesh(2)


def test_devices_of_a_process_lie_side_by_side(monkeypatch):
    """Whatever order the backend lists them in."""
    devices = jax.devices()
    monkeypatch.setattr(jax, "devices", lambda: devices[::-1])
    assert list(make_mesh(0).devices) == devices


@pytest.mark.parametrize(
    ("size", "accumulate", "devices", "message"),
    [
        (6, 1, 4, "batch_size=6 is not divisible by 4 devices"),
        (8, 4, 4, "batch_size=8 is not divisible by 4 devices x 4 parts"),
        (5, 2, 1, "batch_size=5 is not divisible by 1 devices x 2 parts"),
    ],
)
def test_a_batch_that_does_not_divide(size, accumulate, devices, message):
    with pytest.raises(UsageError) as raised:
        check_batch(size, accumulate, make_mesh(devices))
    assert str(raised.value) == message
    check_batch(16, accumulate, make_mesh(devices))


def test_rows_of_the_only_process_are_all():
    assert rows_of_process(12, make_mesh(4)) == slice(0, 12)


def test_rows_of_several_processes_make_the_batch(monkeypatch):
    owners = [0, 0, 1, 1, 2, 2]
    devices = np.array([types.SimpleNamespace(process_index=owner) for owner in owners])
    mesh = types.SimpleNamespace(devices=devices, size=6)
    rows = []
    for process in range(3):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        rows += range(12)[rows_of_process(12, mesh)]
        assert len(rows) == 4 * (process + 1)
    assert rows == list(range(12))


def test_batches_are_split_along_their_rows_alone():
    mesh = make_mesh(4)
    batch = np.arange(2 * 3 * 8).reshape(2, 3, 8)
    placed = put_batches({"x": batch}, mesh)["x"]
    np.testing.assert_array_equal(placed, batch)
    for index, shard in enumerate(placed.addressable_shards):
        np.testing.assert_array_equal(shard.data, batch[:, :, 2 * index : 2 * index + 2])
    whole = jax.device_put(batch, replicated(mesh))
    assert all(shard.data.shape == batch.shape for shard in whole.addressable_shards)


@pytest.mark.parametrize("view", ["global", "per_device"])
@pytest.mark.parametrize("name", ["digits_mlp", pytest.param("avatars_dcgan", marks=LONG)])
def test_each_device_does_its_share(name, view):
    """Of generating too, whose noise comes from no batch."""

    def operations(devices):
        overrides = [("mesh.devices", devices), ("mesh.view", view), ("batch_size", "256")]
        built = build(load_experiment(f"{EXPERIMENTS}/{name}.py:smoke", overrides))
        return built.compile().cost_analysis()["flops"]

    # What is done to parameters alone is done by all.
    assert operations("4") < 0.3 * operations("1")

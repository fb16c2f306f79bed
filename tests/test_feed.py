"""Batches gathered on the devices are those that would be sent, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from gan_jax.data.pipeline import Calls, Rounds, iterate
from gan_jax.data.source import ArraySource
from gan_jax.errors import DataError, UsageError
from gan_jax.feed import Resident, Sent, feed, on_devices
from gan_jax.mesh import make_mesh, rows_sharding

COUNT = 23


def rounds(labels: np.ndarray | None = None, flip: bool = True) -> Rounds:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, 4, 4, 3), np.uint8)
    labels = random.integers(0, 5, COUNT).astype(np.int32) if labels is None else labels
    return Rounds(
        source=ArraySource({"image": images, "label": labels}, "f", 5, None),
        keys={"image": "image", "label": "label"},
        batch_size=8,
        batches_per_round=2,
        rows=slice(0, 8),
        seed=3,
        flip=flip,
        num_classes=5,
    )


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("flip", [True, False])
def test_resident_batches_are_the_sent_ones(devices, flip):
    mesh, data = make_mesh(devices), rounds(flip=flip)
    examples = on_devices(data, mesh)
    calls = Calls(2, 13, 4, (6,))  # short calls among them
    sent, gathered = (
        list(iterate(source, calls, source.put, threads=2, prefetch=2))
        for source in (feed(data, mesh, None), feed(data, mesh, examples))
    )
    assert len(sent) == len(gathered) == len(calls)
    for (step, count, expected), (at, number, found) in zip(sent, gathered, strict=True):
        assert (step, count) == (at, number) and expected.keys() == found.keys()
        for name, leaf in expected.items():
            assert found[name].sharding.is_equivalent_to(rows_sharding(mesh), leaf.ndim)
            assert found[name].dtype == leaf.dtype and found[name].shape == leaf.shape
            np.testing.assert_array_equal(found[name][:count], leaf[:count])


def test_what_is_read_for_a_call_holds_no_pictures():
    mesh, data = make_mesh(1), rounds()
    read = Resident(data, mesh, on_devices(data, mesh)).read(0, 3)
    assert {name: (leaf.dtype, leaf.shape) for name, leaf in read.items()} == {
        "index": (np.int32, (3, 2, 8)),
        "flip": (np.bool_, (3, 2, 8)),
    }


def test_a_rolled_back_run_reads_in_its_new_order():
    mesh, data = make_mesh(1), rounds()
    again = data.rolled_back(1)
    found = feed(again, mesh, on_devices(data, mesh))
    expected = Sent(again, mesh).put(again.read(5))
    for name, leaf in found.put(found.read(5, 1)).items():
        np.testing.assert_array_equal(leaf, expected[name])


def test_a_wrong_label_anywhere_is_found_at_the_start():
    labels = np.zeros(COUNT, np.int32)
    labels[-1] = 5
    with pytest.raises(DataError, match="label 5, but num_classes=5"):
        on_devices(rounds(labels), make_mesh(1))


def test_examples_that_do_not_fit_are_refused(monkeypatch):
    mesh = make_mesh(1)
    device = type(mesh.devices.flat[0])
    monkeypatch.setattr(device, "memory_stats", lambda self: {"bytes_limit": 2000}, raising=False)
    with pytest.raises(UsageError, match="data.on_device=True: the examples take"):
        on_devices(rounds(), mesh)

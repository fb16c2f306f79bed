"""A process that saves or restores a state over a mesh; run by test_checkpoint.py.

save DIRECTORY STEP | restore DIRECTORY | pair DIRECTORY STEP PORT INDEX
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from gan_jax.checkpoint import Checkpoints
from gan_jax.errors import StorageError
from gan_jax.retention import Retention
from gan_jax.signals import StopFlag


def state_at(step):
    """Replicated and sharded leaves, and a key."""
    return {
        "step": jnp.full((), step, jnp.int32),
        "key": jax.random.fold_in(jax.random.key(0), step),
        "replicated": jnp.full((3, 5), step, jnp.float32),
        "sharded": jnp.arange(16.0) + step,
    }


def placed():
    """The shapes of the state, with the shardings of a mesh over all devices."""
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
    everywhere = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec("data"))
    return {
        name: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=split if name == "sharded" else everywhere
        )
        for name, leaf in jax.eval_shape(lambda: state_at(0)).items()
    }


def made(step):
    shardings = jax.tree.map(lambda leaf: leaf.sharding, placed())
    return jax.jit(lambda: state_at(step), out_shardings=shardings)()


def open_checkpoints(directory):
    return Checkpoints(
        Path(directory),
        retention=Retention(10, None, None),
        asynchronous=True,
        on_event=lambda kind, fields: print(kind, fields.get("step"), flush=True),
    )


def save(directory, step):
    with open_checkpoints(directory) as checkpoints:
        checkpoints.save(step, made(step), finite=True, metrics={}, information={})
        checkpoints.finish()
    print(f"saved {step} from {jax.device_count()}", flush=True)


def restore(directory):
    with open_checkpoints(directory) as checkpoints:
        restored = checkpoints.restore(placed())
    expected = made(restored.manifest.step)
    for name, leaf in restored.state.items():
        assert leaf.sharding.is_equivalent_to(expected[name].sharding, leaf.ndim), name
        if name == "key":
            leaf, expected[name] = jax.random.key_data(leaf), jax.random.key_data(expected[name])
        for mine, wanted in zip(
            leaf.addressable_shards, expected[name].addressable_shards, strict=True
        ):
            assert np.array_equal(mine.data, wanted.data), name
    print(f"restored {restored.manifest.step} on {jax.device_count()}", flush=True)


def pair(directory, step, port, index):
    """Two processes: both save two steps, one of which is then damaged, and both restore. Then
    one of them is told to stop, and one cannot write its part."""
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=index)
    save(directory, step)
    save(directory, step + 1)
    if index == 0:
        for path in Path(directory, str(step + 1), "state").glob("_METADATA"):
            path.write_bytes(b"")
    restore(directory)
    stop_together(index)
    lose_together(directory, step + 2, index)


def stop_together(index):
    with StopFlag(agree_every=2) as stop:
        if index == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            while stop.requested is None:
                time.sleep(0.01)
        answers = [stop.agreed(number) for number in range(1, 4)]
    assert answers == [None, signal.SIGTERM, None], answers
    print(f"stop agreed: {answers[1]}", flush=True)


def lose_together(directory, step, index):
    def no_space(header, staged):
        checkpoints._orbax.wait_until_finished()
        raise OSError(28, "No space left on device")

    with open_checkpoints(directory) as checkpoints:
        if index == 1:
            checkpoints._certify = no_space
        checkpoints.save(step, made(step), finite=True, metrics={}, information={})
        try:
            checkpoints.finish()
        except StorageError:
            assert checkpoints.saved_step is None
            print(f"checkpoint {step} lost by both", flush=True)


if __name__ == "__main__":
    command, directory, *numbers = sys.argv[1:]
    {"save": save, "restore": restore, "pair": pair}[command](directory, *map(int, numbers))

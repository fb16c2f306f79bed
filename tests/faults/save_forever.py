"""Continues from the newest checkpoint, checks every bit of it, and saves until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.checkpoint import Checkpoints
from gan_jax.retention import Retention


def state_at(step):
    return {
        "step": jnp.full((), step, jnp.int32),
        "w": jax.random.normal(jax.random.fold_in(jax.random.key(0), step), (256, 256)),
    }


def main(directory):
    with Checkpoints(
        directory,
        retention=Retention(keep_last=2, keep_every=None, best=None),
        asynchronous=True,
        on_event=lambda kind, fields: print(kind, fields["message"], flush=True),
    ) as checkpoints:
        restored = checkpoints.restore(jax.eval_shape(lambda: state_at(0)))
        step = -1 if restored is None else restored.manifest.step
        if restored is not None:
            expected = state_at(step)
            assert all(np.array_equal(restored.state[name], expected[name]) for name in expected)
        print(f"restored {step}", flush=True)
        while True:
            step += 1
            checkpoints.save(step, state_at(step), finite=True, metrics={}, information={})
            if step % 3 == 0:
                checkpoints.finish()
                print(f"committed {step}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

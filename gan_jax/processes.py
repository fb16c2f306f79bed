"""What the processes of one run (`jax.distributed`) must agree on. All call these alike.

Each is a small collective on the devices: it waits for the steps that were dispatched before it,
about 2 ms on one machine. With one process it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_jax.errors import StorageError


def largest(value: int) -> int:
    """The largest of the processes' int32 values."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.process_allgather(np.int32(value)).max())


def everywhere(true: bool) -> bool:
    """Whether it is true in all processes."""
    return largest(int(not true)) == 0


def on_process_0(action: Callable[[], int | None]) -> int | None:
    """The result of `action`, a number that is not negative, which process 0 alone runs.

    What it raises ends all processes: the others raise a StorageError.
    """
    if jax.process_count() == 1:
        return action()
    nothing, failed = -1, -2
    result, error = nothing, None
    if jax.process_index() == 0:
        try:
            value = action()
            result = nothing if value is None else value
        except Exception as raised:
            result, error = failed, raised
    result = int(multihost_utils.broadcast_one_to_all(np.int32(result)))
    if result == failed:
        raise error or StorageError("process 0 failed: see its message")
    return None if result == nothing else result

"""What the avatar metrics are at best and at worst: the renderer itself, noise, copies of one."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import durable, processes
from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.avatars.version import RENDERER_VERSION, SEED
from gan_jax.evaluators.evaluator import Metric
from gan_jax.evaluators.pictures import Pictures

FRESH_SEED = SEED + 1
"""Of avatars that are in no data set."""

Judgements = Mapping[str, Mapping[str, Metric]]
"""The metrics of each bound, by name."""


def bound_sets(count: int, size: int) -> dict[str, Pictures]:
    """By name, pictures of `size` pixels a side: `ceiling` (`count` drawn by the renderer, as good
    as they can be), `noise` (`count`, uniform in every pixel) and `copies` (one avatar, which is to
    be taken `count` times)."""
    return {
        "ceiling": _lazy("renderer", count, size, lambda: fresh_avatars(count, size)),
        "noise": _lazy("noise", count, size, lambda: noise(count, size)),
        "copies": _lazy("copies", 1, size, lambda: fresh_avatars(1, size)),
    }


def fresh_avatars(count: int, size: int) -> np.ndarray:
    """uint8 `[count, size, size, 3]` on white, of a seed that no data set has."""

    def chunks() -> Iterator[np.ndarray]:
        # The chunk of the data set's own drawing, which is compiled already where it was drawn.
        for start in range(0, count, CHUNK):
            rgba = np.asarray(draw_avatars(FRESH_SEED, 0, start, CHUNK, size).image)
            alpha = rgba[..., 3:].astype(np.float32) / 255.0
            white = alpha * rgba[..., :3] + (1.0 - alpha) * 255.0
            yield np.round(white).astype(np.uint8)

    return np.concatenate(list(chunks()))[:count]


def noise(count: int, size: int) -> np.ndarray:
    """uint8 `[count, size, size, 3]`."""
    return np.random.default_rng(FRESH_SEED).integers(0, 256, (count, size, size, 3), np.uint8)


def _lazy(name: str, count: int, size: int, draw: Callable[[], np.ndarray]) -> Pictures:
    """Pictures that are drawn when the first of them is read."""
    drawn, lock = functools.cache(draw), threading.Lock()

    def read(index: int) -> np.ndarray:
        with lock:  # pictures are read in threads, and the first of them must draw for all
            return drawn()[index]

    return Pictures(
        name=f"{name} ({count})",
        fingerprint=f"avatars {RENDERER_VERSION} {FRESH_SEED} {name} {count} at {size}",
        count=count,
        uniform=True,
        read=read,
    )


def kept(cache: Path | None, key: Mapping[str, Any], judge: Callable[[], Judgements]) -> Judgements:
    """What `judge` finds, out of the cache where it was found before for all that `key` names. A
    cache that cannot be read or written is no error."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    path = None if cache is None else cache / f"{name}.json"
    held = _read(path)
    # With several processes all compute together, or none.
    if processes.everywhere(held is not None) and held is not None:
        return held
    found = judge()
    if path is not None and jax.process_index() == 0:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_bytes(path, json.dumps(found).encode())
        except OSError:
            pass
    return found


def _read(path: Path | None) -> Judgements | None:
    try:
        return None if path is None else json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None

"""Features of pictures: a network behind its preparation, run over all devices in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax import Array, NamedSharding
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from gan_jax.evaluators.pictures import Pictures
from gan_jax.mesh import AXIS, replicated

Features = dict[str, np.ndarray]
"""`[N, …]` by the name of an output."""

Advance = Callable[..., None]

BATCH = 64
"""Pictures at once, where nobody says."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSpace:
    """What pictures are compared in.

    Attributes:
        name: short, for metrics and files.
        describe: all that its numbers depend on (network, weights, preparation), for rows.
        decides: what of that decides the features; estimators' settings do not.
        variables: of the network.
        prepare: uint8 `[B, H, W, C]` -> float32 `[B, S, S, 3]`, on NumPy or JAX arrays.
        outputs: `(variables, prepared) -> {name: [B, …]}`.
        warnings: what a reader of its numbers must know.
    """

    name: str
    describe: Mapping[str, Any]
    decides: tuple[str, ...]
    variables: Any
    prepare: Callable[[Any], Any]
    outputs: Callable[[Any, Array], dict[str, Array]]
    warnings: tuple[str, ...] = ()


class Extractor:
    """Runs a feature space on a mesh: `extractor(blocks) -> Features`; compiled once a shape.

    Pictures of one shape are prepared on the devices, those of mixed sizes on the host, so that no
    size is compiled for. All processes see all pictures.
    """

    def __init__(self, space: FeatureSpace, mesh: Mesh, batch: int):
        self.space = space
        self._batch = -(-batch // mesh.size) * mesh.size
        self._rows = NamedSharding(mesh, P(AXIS))
        self._variables = jax.device_put(space.variables, replicated(mesh))
        whole = replicated(mesh)
        self._of_pixels = jax.jit(
            lambda variables, pixels: space.outputs(variables, space.prepare(pixels)),
            out_shardings=whole,
        )
        self._of_prepared = jax.jit(space.outputs, out_shardings=whole)

    def of_pictures(self, pictures: Pictures, advance: Advance) -> Features:
        """Of a whole set; `advance(done, total)` hears how far it is."""
        if pictures.uniform:
            blocks = _stacked(pictures.each(), self._batch)
        else:
            prepare = self.space.prepare
            blocks = _stacked(pictures.each(lambda p: np.asarray(prepare(p[None]))[0]), self._batch)
        return self(blocks, lambda done: advance(done, pictures.count))

    def __call__(
        self, blocks: Iterable[np.ndarray], advance: Callable[[int], None] = lambda done: None
    ) -> Features:
        """Of uint8 pictures or prepared float32 ones in blocks of any length."""
        done, pending = 0, None
        parts: dict[str, list[np.ndarray]] = {}
        for block in _rebatched(blocks, self._batch):
            count, outputs = len(block), self._dispatch(block)
            _keep(parts, pending)  # while the devices work on the next
            pending = count, outputs
            done += count
            advance(done)
        _keep(parts, pending)
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _dispatch(self, block: np.ndarray) -> Any:
        rows = np.minimum(np.arange(self._batch), len(block) - 1)
        full = block[rows]
        placed = jax.make_array_from_callback(full.shape, self._rows, lambda part: full[part])
        function = self._of_pixels if full.dtype == np.uint8 else self._of_prepared
        # TF32 and bfloat16 passes would move the features' digits with the device.
        with jax.default_matmul_precision("highest"):
            return function(self._variables, placed)


def _keep(parts: dict[str, list[np.ndarray]], pending: tuple[int, Any] | None) -> None:
    if pending is not None:
        count, outputs = pending
        for name, value in outputs.items():
            parts.setdefault(name, []).append(np.asarray(value)[:count])


def _stacked(pictures: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    block: list[np.ndarray] = []
    for picture in pictures:
        block.append(picture)
        if len(block) == size:
            yield np.stack(block)
            block = []
    if block:
        yield np.stack(block)


def _rebatched(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same rows in blocks of `size` and a shorter last one."""
    held: list[np.ndarray] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            rows = np.concatenate(held)
            whole = count // size * size
            yield from np.split(rows[:whole], whole // size)
            held, count = [rows[whole:]], count - whole
    if count:
        yield np.concatenate(held)

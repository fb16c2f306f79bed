"""The pictures of all runs, thinned until they fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gan_jax.report.encoding import UNREADABLE, Album, encode
from gan_jax.report.picture_files import Picture, find_pictures
from gan_jax.report.record import Record
from gan_jax.report.thinning import thin
from gan_jax.sample_writer import REALS
from gan_jax.workdir import SAMPLES

SIDES = (1024, 512, 256)
"""Pixels a side. A smaller one is taken where a larger one leaves too few steps."""

FEWEST_STEPS = 12

Progress = Callable[[int, int], None]


def pictures(records: Sequence[Record], budget: int, progress: Progress) -> dict[str, Any]:
    """`{"images": addresses, "reals": [{image, runs}], "kinds": [{name, steps, …}]}`.

    Args:
        records: of the runs; a picture that cannot be read becomes a note of its run.
        budget: characters that all of them may take.
        progress: told of `(steps encoded, steps there are)`.
    """
    album = Album()
    found = find_pictures(records)
    encoder = _Encoder(records, sum(map(len, found.values())) + len(records), progress)
    reals = _reals(records, album, encoder)
    # The samples come last: to them falls what the other kinds leave of their shares.
    order = sorted(found, key=lambda name: name == SAMPLES)
    kinds = {}
    for position, name in enumerate(order):
        left = budget - sum(map(len, album.addresses))
        share = max(0, left // (len(order) - position))
        kinds[name] = _kind(name, found[name], share, album, encoder)
    return {
        "images": album.addresses,
        "reals": reals,
        "kinds": [kinds[name] for name in found if kinds[name]["frames"]],
    }


class _Encoder:
    """Encodes each picture once for each size that is tried."""

    def __init__(self, records: Sequence[Record], count: int, progress: Progress):
        self._records, self._count, self._progress = records, count, progress
        self._encoded: dict[tuple[Any, int], str | None] = {}

    def address(self, picture: Picture, side: int) -> str | None:
        """None for a file that holds no picture."""
        key = picture.path, side
        if key not in self._encoded:
            try:
                self._encoded[key] = encode(picture.path, side)
            except UNREADABLE:
                self._encoded[key] = None
                self._note(picture)
            self._progress(len({path for path, _ in self._encoded}), self._count)
        return self._encoded[key]

    def _note(self, picture: Picture) -> None:
        record = self._records[picture.run]
        note = f"{picture.path.relative_to(record.directory)} is no picture that can be read"
        if note not in record.notes:
            record.notes.append(note)


def _reals(records: Sequence[Record], album: Album, encoder: _Encoder) -> list[dict[str, Any]]:
    """Each different picture of real data once, with the runs that it belongs to."""
    shown: dict[int, list[int]] = {}
    for run, record in enumerate(records):
        path = record.directory / REALS
        if path.is_file():
            address = encoder.address(Picture(run, REALS, 0, False, path), SIDES[0])
            if address:
                shown.setdefault(album.add(address), []).append(run)
    return [{"image": image, "runs": runs} for image, runs in shown.items()]


def _kind(
    name: str, found: Sequence[Picture], budget: int, album: Album, encoder: _Encoder
) -> dict[str, Any]:
    """All runs and both kinds of weights at the same steps."""
    by_step: dict[int, list[Picture]] = {}
    for picture in found:
        by_step.setdefault(picture.step, []).append(picture)
    steps, side = _chosen(by_step, budget, encoder)
    frames = []
    for step in steps:
        for picture in by_step[step]:
            address = encoder.address(picture, side)
            if address:
                frame = {"run": picture.run, "step": step, "raw": picture.raw}
                frames.append({**frame, "image": album.add(address)})
    return {
        "name": name,
        "steps": sorted({frame["step"] for frame in frames}),
        "steps_there_are": len(by_step),
        "largest_side": side,
        "frames": frames,
    }


def _chosen(
    by_step: dict[int, list[Picture]], budget: int, encoder: _Encoder
) -> tuple[list[int], int]:
    """The steps to show, and the size at which they are shown."""

    def cost(step: int, side: int) -> int:
        return sum(len(encoder.address(picture, side) or "") for picture in by_step[step])

    steps = sorted(by_step)
    chosen: list[int] = []
    side = SIDES[0]
    for side in SIDES:
        chosen = thin(steps, budget, functools.partial(cost, side=side))
        if len(chosen) >= min(len(steps), FEWEST_STEPS):
            break
    return chosen, side

"""The pictures of a run directory by what they show."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gan_jax.report.record import Record
from gan_jax.workdir import EVALUATIONS, SAMPLES

FOLDERS = (SAMPLES, EVALUATIONS)
NAME = re.compile(r"(?P<step>[0-9]{1,15})(?:_(?P<kind>.+?))??(?P<raw>_raw)?")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclasses.dataclass(frozen=True)
class Picture:
    """One file.

    Attributes:
        run: index of the run.
        kind: "samples", or what an evaluator calls its pictures.
        step: when it was made.
        raw: of the raw weights, not of their average.
        path: of the file.
    """

    run: int
    kind: str
    step: int
    raw: bool
    path: Path


def find_pictures(records: Sequence[Record]) -> dict[str, list[Picture]]:
    """By kind, the fixed samples first."""
    kinds: dict[str, list[Picture]] = {}
    for folder in FOLDERS:
        for run, record in enumerate(records):
            for picture in _in_folder(run, record, folder):
                kinds.setdefault(picture.kind, []).append(picture)
    return kinds


def _in_folder(run: int, record: Record, folder: str) -> Iterator[Picture]:
    directory = record.directory / folder
    try:
        paths = sorted(directory.iterdir()) if directory.is_dir() else []
    except OSError as error:
        record.notes.append(f"{folder}/ cannot be read: {error.strerror}")
        return
    for path in paths:
        match = NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in SUFFIXES and path.is_file():
            kind = match["kind"] or folder
            yield Picture(run, kind, int(match["step"]), bool(match["raw"]), path)

"""What a run left behind, read as far as it can be read; what is missing or torn becomes a note."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_jax.errors import UsageError
from gan_jax.run_directory import EVENTS, EXPERIMENT, RUN
from gan_jax.workdir import (
    CONFIG,
    EVALUATION_ROWS,
    METRICS,
    read_rows,
    require_run_directory,
)

UNREADABLE = (OSError, ValueError, RecursionError)
"""What reading JSON throws; a file can be nested deeper than Python follows."""

DEEPEST = 20
LONGEST_SOURCE = 200_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A run directory as plain values, with null for every number that is not finite.

    Attributes:
        name: distinguishes the run from the others of the report.
        directory: where it is.
        config, run: of config.json and run.json; empty where they cannot be read.
        metrics, evaluations, events: the rows of the JSON lines files.
        source: of the experiment file; empty where it is missing.
        notes: what was missing or torn, for people.
    """

    name: str
    directory: Path
    config: dict[str, Any]
    run: dict[str, Any]
    metrics: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    events: list[dict[str, Any]]
    source: str
    notes: list[str]


def read_records(directories: Sequence[Path]) -> list[Record]:
    """The runs in the order given.

    Raises:
        UsageError: a path is not a run directory, or is given twice.
    """
    resolved = [require_run_directory(directory).resolve() for directory in directories]
    for index, directory in enumerate(resolved):
        if directory in resolved[:index]:
            raise UsageError(f"{directories[index]} is given twice: name each run once")
    return [_read(path, name) for path, name in zip(resolved, _names(resolved), strict=True)]


def _names(directories: Sequence[Path]) -> list[str]:
    """The last part of each path; as many parts for all as it takes to tell them apart."""
    for parts in range(1, max(len(directory.parts) for directory in directories)):
        names = ["/".join(directory.parts[-parts:]) for directory in directories]
        if len(set(names)) == len(names):
            return names
    return [str(directory) for directory in directories]


def _read(directory: Path, name: str) -> Record:
    notes: list[str] = []
    return Record(
        name=name,
        directory=directory,
        config=_object(directory / CONFIG, notes),
        run=_object(directory / RUN, notes),
        metrics=_with_steps(METRICS, _rows(directory / METRICS, notes, expected=True), notes),
        evaluations=_rows(directory / EVALUATION_ROWS, notes, expected=False),
        events=_rows(directory / EVENTS, notes, expected=False),
        source=_source(directory / EXPERIMENT, notes),
        notes=notes,
    )


def _object(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except UNREADABLE as error:
        notes.append(f"{path.name} cannot be read: {_reason(error)}")
        return {}
    if not isinstance(value, dict):
        notes.append(f"{path.name} is damaged: it holds no JSON object")
        return {}
    return plain(value)


def _rows(path: Path, notes: list[str], *, expected: bool) -> list[dict[str, Any]]:
    """Rows of a JSON lines file; torn lines are counted in a note."""
    if not path.exists():
        if expected:
            notes.append(f"{path.name} is missing")
        return []
    try:
        lines = sum(bool(line.strip()) for line in path.read_bytes().splitlines())
        rows = [plain(row) for row in read_rows(path)]
    except UNREADABLE as error:
        notes.append(f"{path.name} cannot be read: {_reason(error)}")
        return []
    if lines > len(rows):
        notes.append(f"{path.name}: {lines - len(rows)} of {lines} lines are torn and left out")
    return rows


def _with_steps(name: str, rows: list[dict[str, Any]], notes: list[str]) -> list[dict[str, Any]]:
    kept = [row for row in rows if number(row.get("step")) is not None]
    if len(kept) < len(rows):
        notes.append(f"{name}: {len(rows) - len(kept)} rows without a step are left out")
    return kept


def _source(path: Path, notes: list[str]) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        notes.append(f"{path.name} cannot be read: {_reason(error)}")
        return ""
    return text if len(text) <= LONGEST_SOURCE else text[:LONGEST_SOURCE] + "\n…"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no valid JSON" if isinstance(error, ValueError) else "it is nested too deeply"


def plain(value: Any, depth: int = 0) -> Any:
    """JSON that any browser reads: no NaN, no infinity, no number beyond float64, not too deep."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {key: plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, int | float) and not is_finite(value):
        return None
    return value


def is_finite(value: int | float) -> bool:
    """Whether float64 holds this number."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def number(value: Any) -> int | float | None:
    """The value if it is a number (not a truth value), else None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None

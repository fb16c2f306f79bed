"""A run directory: made and tried before work starts, held by one process, its rows kept true."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from gan_jax import durable
from gan_jax.errors import StorageError, UsageError

LOCK = ".lock"
CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
SAMPLES = "samples"
EVALUATIONS = "evaluations"
ORPHANED = "orphaned"
METRICS = "metrics.jsonl"
EVALUATION_ROWS = "evaluations.jsonl"
ROWS = (METRICS, EVALUATION_ROWS)


def is_run_directory(path: Path) -> bool:
    return (path / CONFIG).is_file()


def require_run_directory(path: Path) -> Path:
    """Raises UsageError where no run was started."""
    if not is_run_directory(path):
        what = "there is no such directory" if not path.exists() else f"it holds no {CONFIG}"
        raise UsageError(f"{path} is not a run directory: {what}")
    return path


def prepare_workdir(path: Path) -> Path:
    """Makes the directory, and writes, reads and removes a file in it before any work is done.

    Raises:
        StorageError: it cannot be made or written, or there is a file in its path.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(f"{path} cannot be made: there is a file in its path") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be made: {error.strerror}") from error
    probe = path / f".probe.{os.getpid()}"
    try:
        durable.write_bytes(probe, b"gan_jax")
        intact = probe.read_bytes() == b"gan_jax"
        probe.unlink()
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    if not intact:
        raise StorageError(f"{path} does not give back what was written to it")
    return path


def check_space(path: Path, bytes_needed: int) -> None:
    """Raises StorageError where less than `bytes_needed` is free on the file system of `path`."""
    free = shutil.disk_usage(path).free
    if free < bytes_needed:
        raise StorageError(
            f"{path} has {free / 1e6:,.1f} MB free, and a checkpoint needs up to "
            f"{bytes_needed / 1e6:,.1f} MB: free some, or choose another --workdir"
        )


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a run directory."""

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.started})"


class RunLock:
    """Keeps a second process out of a run directory; a context manager.

    The kernel frees the lock with the process, however that ends, so what a dead one left in the
    file is no obstacle: `taken_over_from` tells who it was, None after an orderly end.

    Raises:
        UsageError: another process holds it; names its host and pid.
        StorageError: the lock file cannot be made.
    """

    def __init__(self, workdir: Path):
        self._file = _locked(workdir / LOCK)
        self.taken_over_from = _read_holder(self._file)
        started = time.strftime("%Y-%m-%d %H:%M:%S %z")
        holder = Holder(socket.gethostname(), os.getpid(), started)
        try:
            self._write(json.dumps(vars(holder)) + "\n")
        except OSError as error:
            self._file.close()
            raise StorageError(f"{workdir} cannot be written: {error.strerror}") from error

    def _write(self, content: str) -> None:
        self._file.truncate(0)
        self._file.write(content)
        self._file.flush()

    def release(self) -> None:
        """Lets go. The file stays: removing it would race with a process that waits for it."""
        if not self._file.closed:
            self._write("")
            self._file.close()

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _locked(path: Path) -> TextIO:
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = False
    except BlockingIOError:
        taken = True
    except OSError:  # a network file system without locks: go by what the file says
        holder = _read_holder(file)
        taken = holder is not None and not _is_dead(holder)
    if taken:
        with file:
            holder = _read_holder(file) or "another process"
        raise UsageError(
            f"{path.parent} is in use by {holder}: wait for it, or choose another --workdir"
        )
    return file


def _is_dead(holder: Holder) -> bool:
    """Whether it is certain that the process has ended: it ran on this host and is not here."""
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _read_holder(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file; none if it is missing. A torn line is passed over."""
    rows = (_row(line) for line in _lines(path))
    return [row for row in rows if row is not None]


def set_aside(workdir: Path, step: int) -> None:
    """Takes out of the records what a run continued from `step` is about to make again.

    Rows of later steps go to `metrics.orphaned.jsonl` and so on, a torn line too; pictures
    `samples/STEP…` and `evaluations/STEP…` of later steps to a folder `orphaned` there. The rows
    that stay keep their bytes. A run that starts anew although there are records passes -1. Safe
    to be killed in: the same call completes it.

    Raises:
        StorageError: a record cannot be read or replaced.
    """
    try:
        for name in ROWS:
            _split_rows(workdir / name, step)
        for name in (SAMPLES, EVALUATIONS):
            _move_pictures(workdir / name, step)
    except OSError as error:
        raise StorageError(f"{error.filename or workdir}: {error.strerror}") from error


def _move_pictures(folder: Path, step: int) -> None:
    for picture in sorted(folder.iterdir()) if folder.is_dir() else []:
        number = re.match(r"\d+", picture.name)
        if number is not None and int(number[0]) > step and picture.is_file():
            (folder / ORPHANED).mkdir(exist_ok=True)
            picture.replace(folder / ORPHANED / picture.name)


def _split_rows(path: Path, step: int) -> None:
    kept, orphaned = [], []
    for line in _lines(path):
        row = _row(line)
        stays = row is not None and row.get("step", step) <= step
        (kept if stays else orphaned).append(line.removesuffix(b"\n") + b"\n")
    content = b"".join(kept)
    if not path.exists() or content == path.read_bytes():
        return
    if orphaned:
        with path.with_suffix(f".{ORPHANED}.jsonl").open("ab") as file:
            file.writelines(orphaned)
            file.flush()
            os.fsync(file.fileno())
    durable.write_bytes(path, content)


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    # A row of ours names its step by a whole number; anything else counts as torn.
    return row if isinstance(row, dict) and isinstance(row.get("step", 0), int) else None

"""Where numbers go: `metrics.jsonl` is the truth; TensorBoard and W&B are copies that may fail."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gan_jax.errors import UsageError

Row = Mapping[str, Any]


class Writer(Protocol):
    """Takes the numbers and pictures of a step."""

    def row(self, step: int, row: Row) -> None: ...
    def picture(self, step: int, name: str, image: np.ndarray) -> None: ...
    def close(self) -> None: ...


def jsonable(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class JSONLines:
    """One flushed object a line. Lines that the disk refuses are kept and written with the next
    ones, so that a disk that was full for a while leaves no gap.

    Args:
        path: of the file, to which lines are added.
        warn: hears of the first refusal of several.

    Attributes:
        path: as given.
        pending: the bytes that are still to be written.
        reason: why they were refused last.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]):
        self.path, self._warn = path, warn
        self.pending, self.reason = b"", ""

    def row(self, step: int, row: Row) -> None:
        line = json.dumps(jsonable({"step": step, **row})) + "\n"
        had_pending = bool(self.pending)
        self.pending += line.encode()
        self.flush(quiet=had_pending)

    def flush(self, quiet: bool = False) -> None:
        """Writes what is pending, whole lines or nothing; says so where it cannot."""
        if not self.pending:
            return
        try:
            with self.path.open("ab", buffering=0) as file:
                length = file.tell()
                try:
                    if file.write(self.pending) != len(self.pending):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(length)
                    raise
            self.pending = b""
        except OSError as error:
            self.reason = error.strerror or str(error)
            if not quiet:
                self._warn(f"{self.path} cannot be written, will try again: {self.reason}")

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Pictures lie beside it, as files."""

    def close(self) -> None:
        self.flush()


class TensorBoard:
    """Event files for TensorBoard; a resumed run hides what it repeats (`purge_step`)."""

    def __init__(self, directory: Path, start: int):
        from tensorboardX import SummaryWriter

        # TensorBoard hides what lies at or after that step; the row of the restored one stays.
        self._writer = SummaryWriter(str(directory), purge_step=start + 1 if start else None)

    def row(self, step: int, row: Row) -> None:
        for name, value in row.items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases, continued under the same id after a resume."""

    def __init__(self, directory: Path, project: str, config: Mapping[str, Any]):
        try:
            import wandb  # pyright: ignore[reportMissingImports]  # an extra
        except ImportError as error:
            raise UsageError(
                "writers.wandb needs the package wandb: pip install 'gan-jax[wandb]'"
            ) from error
        self._wandb = wandb
        name = directory.name
        # Two runs may have directories of the same name: the whole path makes the id.
        place = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:8]
        self._run = wandb.init(
            project=project,
            dir=str(directory),
            id=f"{name}-{place}",
            name=name,
            resume="allow",
            config=dict(config),
        )

    def row(self, step: int, row: Row) -> None:
        self._run.log(dict(row), step=step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        self._run.log({name: self._wandb.Image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()


class Tolerant:
    """A writer whose first failure is reported once and turns it off; training goes on."""

    def __init__(self, name: str, make: Callable[[], Writer], warn: Callable[[str], None]):
        self._name, self._warn = name, warn
        self._writer: Writer | None = None
        self._try(lambda: setattr(self, "_writer", make()))

    def row(self, step: int, row: Row) -> None:
        if self._writer:
            writer = self._writer
            self._try(lambda: writer.row(step, row))

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        if self._writer:
            writer = self._writer
            self._try(lambda: writer.picture(step, name, image))

    def close(self) -> None:
        if self._writer:
            self._try(self._writer.close)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except UsageError:
            raise
        except Exception as error:  # whatever a logging service throws, the run is worth more
            self._writer = None
            self._warn(f"{self._name} failed and is off from here on; training goes on: {error}")

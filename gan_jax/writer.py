"""Where numbers go: `metrics.jsonl` is the truth; TensorBoard and W&B are copies that may fail."""

from __future__ import annotations

import hashlib
import json
import math
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
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class JSONLines:
    """One flushed object a line."""

    def __init__(self, path: Path):
        self._file = path.open("a", encoding="utf-8")

    def row(self, step: int, row: Row) -> None:
        self._file.write(json.dumps(jsonable({"step": step, **row})) + "\n")
        self._file.flush()

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Pictures lie beside it, as files."""

    def close(self) -> None:
        self._file.close()


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

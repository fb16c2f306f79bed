"""The directory of a run's checkpoints: what is in it, what can be trusted, what leaves it.

`STEP/` is a committed checkpoint: it appeared by one rename, whole and with its manifest, so a
numbered directory that does not verify was damaged later. `.staging/` holds what is being written
or removed, and means nothing to a reader. `quarantine/` holds the damaged ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gan_jax import durable, manifest
from gan_jax.errors import StorageError, UsageError
from gan_jax.manifest import Damaged, Manifest
from gan_jax.retention import Best

BEGUN = ".checkpoints_began"
STAGING = ".staging"
QUARANTINE = "quarantine"
REMOVED = "removed-"

OnEvent = Callable[[str, dict[str, Any]], None]


def steps(directory: Path, on_event: OnEvent | None = None) -> list[int]:
    """The committed steps, newest first. Whatever else is there is ignored, with an event each."""
    found = []
    for path, reason in _entries(directory):
        if reason is None:
            found.append(int(path.name))
        elif on_event is not None:
            message = f"{path} is ignored: {reason}"
            on_event("checkpoint_ignored", {"name": path.name, "message": message})
    return sorted(found, reverse=True)


def _entries(directory: Path) -> list[tuple[Path, str | None]]:
    """What is there besides our own two directories, each with why it is not a checkpoint."""
    if not directory.is_dir():
        return []
    try:
        paths = [p for p in sorted(directory.iterdir()) if p.name not in (STAGING, QUARANTINE)]
        return [(path, _why_not_a_checkpoint(path)) for path in paths]
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be read: {error.strerror}") from error


def _why_not_a_checkpoint(path: Path) -> str | None:
    if not (path.name.isdecimal() and path.name == str(int(path.name))):
        return "its name is not a step"
    if not path.is_dir():
        return "it is not a directory"
    return None if any(path.iterdir()) else "it is empty"


def staged(directory: Path, step: int, attempt: int) -> Path:
    """Where the checkpoint of `step` is put together. Each attempt has its own place: threads of
    one that failed may write a little longer."""
    return directory / STAGING / f"{step}.{attempt}"


def commit(staged: Path, path: Path) -> None:
    """Moves a staged checkpoint to its place; an older one of the same step goes."""
    drop(path.parent, int(path.name))
    durable.rename(staged, path)


def drop(directory: Path, step: int) -> None:
    """Removes a checkpoint. It leaves its place at once and whole, so a kill cannot maim it."""
    path = directory / str(step)
    if path.exists():
        removed = directory / STAGING / f"{REMOVED}{step}"
        shutil.rmtree(removed, ignore_errors=True)
        removed.parent.mkdir(exist_ok=True)
        durable.rename(path, removed)
        shutil.rmtree(removed, ignore_errors=True)


def mark_as_begun(directory: Path) -> None:
    """Leaves a mark beside the directory, once, that there was a checkpoint in it."""
    mark = directory.with_name(BEGUN)
    if not mark.exists():
        durable.write_bytes(mark, b"")


def refuse_if_begun(directory: Path) -> None:
    """Raises StorageError where checkpoints were saved and not one of them is left: to start over
    is for a person to decide."""
    if directory.with_name(BEGUN).exists():
        raise StorageError(
            f"{directory} holds no checkpoint any more, though some were saved: bring one back, "
            "or start anew in another --workdir"
        )


def clear_staging(directory: Path) -> list[str]:
    """Removes what interrupted and failed saves left, and names the steps that they were of. Only
    the run's own process may do so, and not during a save."""
    staging = directory / STAGING
    names = sorted(path.name for path in staging.iterdir()) if staging.is_dir() else []
    shutil.rmtree(staging, ignore_errors=True)
    return [name.split(".")[0] for name in names if not name.startswith(REMOVED)]


def readable(directory: Path) -> dict[int, Manifest]:
    """The manifests that are intact; a damaged one is left for the next restore to report."""
    found = {}
    for step in steps(directory):
        try:
            found[step] = manifest.read(directory / str(step))
        except Damaged:
            continue
    return found


def choose(
    directory: Path, step: int | str, *, best: Best | None, quarantine: bool, on_event: OnEvent
) -> int | None:
    """The step of the checkpoint to restore, verified; None only where there never was one.

    Args:
        step: a number, "latest", "finite" (the newest whose state is finite) or "best".
        best: what "best" means; None where the run ranks nothing.

    Raises:
        UsageError, StorageError: as of `Search`.
    """
    while True:
        search = Search(directory, quarantine=quarantine, on_event=on_event)
        if step in ("latest", "finite"):
            found = search.newest(finite=step == "finite")
        elif step == "best":
            if best is None:
                raise UsageError("no metric ranks the checkpoints of this run: name a step")
            found = search.best(best)
        elif str(step).isdecimal():
            found = search.step(int(step))
        else:
            raise UsageError(f"step={step}: must be a number, latest, finite or best")
        if found is not None or not search.overtaken:
            return None if found is None else found.step


class Search:
    """One look through a directory of checkpoints for one that can be trusted.

    A damaged one is reported by the event "checkpoint_damaged" and, if `quarantine`, moved out of
    the way. Another process may be training here: a reader does not move anything, and passes
    over what the retention of that run removes under its eyes (`overtaken` says so).
    """

    def __init__(self, directory: Path, *, quarantine: bool, on_event: OnEvent):
        self._directory = directory
        self._quarantine = quarantine
        self._on_event = on_event
        self.overtaken = False
        self._damaged: dict[int, Damaged] = {}
        self._manifests: dict[int, Manifest] = {}
        for step in steps(directory, on_event):
            self._take(step, manifest.read)

    def step(self, step: int) -> Manifest:
        """The checkpoint of exactly this step.

        Raises:
            UsageError: there is none.
            StorageError: it is damaged.
        """
        found = self._newest_intact([step] if step in self._manifests else [])
        if found is not None:
            return found
        if step in self._damaged:
            raise StorageError(f"checkpoint {step} is damaged: {self._damaged[step]}")
        there = ", ".join(map(str, sorted(self._manifests))) or "none"
        raise UsageError(f"no checkpoint of step {step} in {self._directory}; there are: {there}")

    def newest(self, *, finite: bool = False) -> Manifest | None:
        """The newest intact checkpoint, or the newest with a finite state.

        None only where there never was a checkpoint.

        Raises:
            StorageError: there were, but none can be trusted.
            UsageError: a finite one was asked for, and there is none.
        """
        wanted = [step for step, found in self._manifests.items() if found.finite or not finite]
        return self._newest_intact(wanted) or self._nothing("with a finite state")

    def best(self, best: Best) -> Manifest | None:
        """The intact checkpoint with the best metric; raises as `newest` does."""
        ranked = best.ranked(self._manifests)
        return self._newest_intact(ranked) or self._nothing(f"with a finite {best.metric!r}")

    def _newest_intact(self, candidates: Iterable[int]) -> Manifest | None:
        for step in candidates:
            found = self._take(step, manifest.verify)
            if found is not None:
                return found
        return None

    def _take(self, step: int, check: Callable[[Path], Manifest]) -> Manifest | None:
        """Remembers the manifest if `check` passes, else sets the checkpoint aside."""
        path = self._directory / str(step)
        try:
            self._manifests[step] = check(path)
            return self._manifests[step]
        except Damaged as damage:
            self._manifests.pop(step, None)
            if path.exists():
                self._set_aside(step, damage)
            else:
                self.overtaken = True
            return None

    def _set_aside(self, step: int, damage: Damaged) -> None:
        self._damaged[step] = damage
        moved_to = _quarantined(self._directory, step) if self._quarantine else None
        message = f"checkpoint {step} is damaged: {damage}"
        if moved_to is not None:
            message += f"; moved to {moved_to}"
        fields = {"step": step, "file": damage.file, "reason": damage.reason}
        place = None if moved_to is None else str(moved_to)
        self._on_event("checkpoint_damaged", {**fields, "moved_to": place, "message": message})

    def _nothing(self, wanted: str) -> None:
        """Tells an empty directory from one whose checkpoints are lost."""
        if self._manifests:
            raise UsageError(f"no checkpoint {wanted} in {self._directory}")
        lost = [f"{step} ({damage})" for step, damage in self._damaged.items()]
        quarantine = self._directory / QUARANTINE
        if not lost and quarantine.is_dir():
            lost = sorted(path.name for path in quarantine.iterdir())
        if lost:
            raise StorageError(
                f"every checkpoint in {self._directory} is damaged: {', '.join(lost)}; "
                "bring back a copy, or start again in another directory"
            )


def _quarantined(directory: Path, step: int) -> Path | None:
    """Moves a damaged checkpoint away; None where the storage does not let it."""
    quarantine = directory / QUARANTINE
    try:
        quarantine.mkdir(exist_ok=True)
        names = [str(step), *(f"{step}-{count}" for count in range(2, 1000))]
        target = next(quarantine / name for name in names if not (quarantine / name).exists())
        durable.rename(directory / str(step), target)
        return target
    except OSError:
        return None

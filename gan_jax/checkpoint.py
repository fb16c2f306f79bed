"""Checkpoints: Orbax writes and reads the arrays, a manifest and one rename make them trustworthy.

A save copies the state off the devices and returns. In the background Orbax writes the arrays into
a staging directory, every file is hashed and forced to the disk, the manifest is written, and one
rename commits the whole. With several processes all call the same methods at the same steps, the
directory is on storage that they share, and process 0 certifies, commits and removes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib.metadata
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from gan_jax import checkpoint_directory, flat_state, manifest, orbax_noise, processes
from gan_jax.checkpoint_directory import OnEvent
from gan_jax.errors import StorageError, UsageError
from gan_jax.manifest import Damaged, Manifest
from gan_jax.retention import Best, Retention

PyTree = Any

ARRAYS = "state"  # Orbax's directory within a checkpoint
LIBRARIES = ("gan-jax", "jax", "flax", "optax", "orbax-checkpoint")
TIMEOUT_SECONDS = 600  # how long a process waits for the others' part of one checkpoint
SHOWN_DIFFERENCES = 8


@dataclasses.dataclass(frozen=True)
class Restored:
    """A state on its devices, and what was written with it."""

    state: PyTree
    manifest: Manifest


class Checkpoints:
    """The checkpoints of a run, for the process that trains it. Use as a context manager.

    Args:
        directory: made if missing.
        retention: which ones stay.
        asynchronous: whether `save` returns before the checkpoint is committed.
        on_event: called from the caller's own thread with a kind ("checkpoint_failed",
            "checkpoint_damaged", "checkpoint_ignored") and fields, a readable `message` among them.

    Attributes:
        saved_step: the step of the newest save that has not failed, also one still under way, or
            of the restored checkpoint; None after a failure, or before the first.
    """

    def __init__(
        self, directory: Path, *, retention: Retention, asynchronous: bool, on_event: OnEvent
    ):
        self.saved_step: int | None = None
        self._directory = directory.absolute()
        self._retention = retention
        self._asynchronous = asynchronous
        self._on_event = on_event
        self._attempt = 0
        self._versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        self._failure: str | None = None
        self._pending: tuple[int, Future[None]] | None = None
        if jax.process_index() == 0:
            self._prepare_directory()
        self._closing = contextlib.ExitStack()
        self._closing.enter_context(orbax_noise.silenced())
        self._background = self._closing.enter_context(ThreadPoolExecutor(1, "checkpoint"))
        options = ocp.options.AsyncOptions(timeout_secs=TIMEOUT_SECONDS)
        self._orbax = self._closing.enter_context(ocp.StandardCheckpointer(async_options=options))

    def _prepare_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self._directory} cannot be made: {error.strerror}") from error
        for name in checkpoint_directory.clear_staging(self._directory):
            message = f"an unfinished checkpoint was removed: step {name}"
            self._on_event("checkpoint_ignored", {"name": name, "message": message})

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(
        self,
        step: int,
        state: PyTree,
        *,
        finite: bool,
        metrics: Mapping[str, float],
        information: Mapping[str, Any],
    ) -> None:
        """Starts a checkpoint of `state`, whose buffers may be donated as soon as this returns.

        A failure is an event, now or at the next call, and the older checkpoints stay.

        Args:
            step: the name of the checkpoint; one of the same step is replaced.
            state: pytree of strongly typed arrays and typed PRNG keys; None is no leaf. With
                several processes every leaf is a global array.
            finite: whether all of the state is.
            metrics: evaluation results at this step, which `Best` ranks.
            information: JSON, for whoever restores.

        Raises:
            TypeError: a leaf is not an array, or is weakly typed.
        """
        self._settle()
        flat_state.check_leaves(state)
        header = Manifest(
            step=step,
            finite=finite,
            metrics={name: float(value) for name, value in metrics.items()},
            information=information,
            versions=self._versions,
            leaves=flat_state.describe(state),
            keys=flat_state.key_generators(state),
            files={},
        )
        self._pending = step, self._start(header, state)
        self.saved_step = step
        if not self._asynchronous:
            self._settle()

    def _start(self, header: Manifest, state: PyTree) -> Future[None]:
        arrays = flat_state.to_arrays(state)
        self._attempt += 1
        staged = checkpoint_directory.staged(self._directory, header.step, self._attempt)
        if jax.process_index() == 0:
            checkpoint_directory.clear_staging(self._directory)
        try:
            self._check_space(sum(array.nbytes for array in arrays.values()))
            self._orbax.save(staged / ARRAYS, arrays)
            return self._background.submit(self._certify, header, staged)
        except OSError as error:
            failed: Future[None] = Future()
            failed.set_exception(error)
            return failed

    def _check_space(self, needed: int) -> None:
        """Half a checkpoint is of no use, and Orbax is not quiet about a disk that fills up."""
        free = shutil.disk_usage(self._directory).free
        if not processes.everywhere(free >= needed):
            amounts = f"{needed / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free"
            raise OSError(errno.ENOSPC, f"No space left on device: {amounts}")

    def _certify(self, header: Manifest, staged: Path) -> None:
        """In the background: waits for the arrays, then hashes, commits and applies retention."""
        self._orbax.wait_until_finished()
        if jax.process_index() == 0:
            directory = self._directory
            manifest.write(staged, header)
            checkpoint_directory.commit(staged, directory / str(header.step))
            checkpoint_directory.mark_as_begun(directory)
            manifests = checkpoint_directory.readable(directory)
            for step in manifests.keys() - self._retention.kept(manifests):
                with contextlib.suppress(OSError):  # the next save tries again
                    checkpoint_directory.drop(directory, step)

    def poll(self) -> None:
        """Reports a failed save if it is known by now. With several processes it becomes known at
        the next `save` or `finish`, where they meet."""
        if self._pending is not None and self._pending[1].done() and jax.process_count() == 1:
            self._settle()

    def finish(self) -> None:
        """Waits until the last save is committed, and verifies it.

        Raises:
            StorageError: it failed, or is not on the disk as it was written.
        """
        self._settle()
        if self._failure is not None:
            raise StorageError(self._failure)
        step = self.saved_step
        if step is not None:
            processes.on_process_0(lambda: self._verified(step))

    def _verified(self, step: int) -> int:
        try:
            return manifest.verify(self._directory / str(step)).step
        except Damaged as damage:
            raise StorageError(f"checkpoint {step} is damaged after its save: {damage}") from None

    def restore(self, abstract_state: PyTree, *, step: int | str = "latest") -> Restored | None:
        """As the function `restore`, and a damaged checkpoint is moved to `quarantine/`."""
        self._settle()
        restored = restore(
            self._directory,
            abstract_state,
            step=step,
            best=self._retention.best,
            on_event=self._on_event,
            quarantine=True,
        )
        self.saved_step = None if restored is None else restored.manifest.step
        if restored is None:
            processes.on_process_0(lambda: checkpoint_directory.refuse_if_begun(self._directory))
        return restored

    def steps(self) -> list[int]:
        """Of the committed checkpoints; waits for the save under way."""
        self._settle()
        return checkpoint_directory.steps(self._directory)

    def discard_after(self, step: int) -> None:
        """Removes the checkpoints of later steps, which a roll-back to `step` has disowned."""
        self._settle()
        if jax.process_index() == 0:
            for later in checkpoint_directory.steps(self._directory):
                if later > step:
                    checkpoint_directory.drop(self._directory, later)

    def close(self) -> None:
        """Waits for a save under way and reports its failure; raises nothing. `finish` first."""
        if self._pending is not None:
            # No meeting of the processes here: an error in one of them may have led to this.
            (step, result), self._pending = self._pending, None
            self._report(step, result.exception())
        self._closing.close()

    def _settle(self) -> None:
        """Waits for the save under way. All processes learn whether it failed for any of them."""
        if self._pending is None:
            return
        (step, result), self._pending = self._pending, None
        error = result.exception()
        if not processes.everywhere(error is None) and error is None:
            error = OSError("another process could not write its part")
        self._report(step, error)

    def _report(self, step: int, error: BaseException | None) -> None:
        self._failure = None
        if error is not None:
            cause = _cause(error)
            self._failure = f"checkpoint {step} could not be saved in {self._directory}: {cause}"
            self.saved_step = None
            if jax.process_index() == 0:
                checkpoint_directory.clear_staging(self._directory)
            fields = {"step": step, "cause": cause, "message": self._failure}
            self._on_event("checkpoint_failed", fields)


def restore(
    directory: Path,
    abstract_state: PyTree,
    *,
    step: int | str = "latest",
    best: Best | None,
    on_event: OnEvent,
    quarantine: bool = False,
) -> Restored | None:
    """Reads a verified checkpoint onto the devices; None only where there never was one.

    Args:
        directory: of the checkpoints.
        abstract_state: the state as `jax.ShapeDtypeStruct`s (or arrays). A leaf is placed by its
            `sharding`, which need not be that of the saved one, else on the first local device.
        step: a number, "latest", "finite" (the newest whose state is finite) or "best".
        best: what "best" means.
        on_event: hears of damaged and foreign things.
        quarantine: whether to move damaged checkpoints away; only for the run's own process.

    Raises:
        UsageError: no such step, or the state has other leaves, shapes or dtypes.
        StorageError: all are damaged (or the one asked for), or Orbax cannot read it.
    """
    directory = directory.absolute()
    while True:
        chosen = processes.on_process_0(
            lambda: checkpoint_directory.choose(
                directory, step, best=best, quarantine=quarantine, on_event=on_event
            )
        )
        if chosen is None:
            return None
        path = directory / str(chosen)
        try:
            return _read(path, abstract_state)
        except StorageError:
            # Gone: the retention of the run that trains here overtook a reader. Look again.
            if path.exists():
                raise


def _read(path: Path, abstract_state: PyTree) -> Restored:
    try:
        found = manifest.read(path)
    except Damaged as damage:
        raise StorageError(f"checkpoint {path} is damaged: {damage}") from damage
    _check_same(found, abstract_state, path)
    with orbax_noise.silenced(), ocp.StandardCheckpointer() as orbax:
        try:
            arrays = orbax.restore(path / ARRAYS, flat_state.abstract_arrays(abstract_state))
        except Exception as error:  # Orbax has no error class of its own
            writers = ", ".join(f"{name} {version}" for name, version in found.versions.items())
            raise StorageError(
                f"checkpoint {path} is intact, but cannot be restored: {_cause(error)}; "
                f"it was written with {writers}"
            ) from error
    return Restored(flat_state.from_arrays(abstract_state, arrays, found.keys), found)


def _check_same(found: Manifest, abstract_state: PyTree, path: Path) -> None:
    """Orbax itself would cast a dtype without a word."""
    lines = flat_state.differences(found.leaves, flat_state.describe(abstract_state))
    if lines:
        shown = lines[:SHOWN_DIFFERENCES]
        if len(lines) > len(shown):
            shown.append(f"and {len(lines) - len(shown)} more")
        raise UsageError(
            f"checkpoint {path} is of another architecture or precision:\n  " + "\n  ".join(shown)
        )


def _cause(error: BaseException) -> str:
    """The end of an error's chain of words, without the appended details."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = " ".join(str(error).split()).split(" [")[0]
    return ": ".join(words.split(": ")[-2:]) or type(error).__name__

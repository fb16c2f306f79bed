"""A disk that fills up during a save: named, survived, tried again, and never exit code 0."""

from __future__ import annotations

import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from gan_jax import checkpoint_directory
from gan_jax.checkpoint import Checkpoints
from gan_jax.errors import StorageError
from gan_jax.retention import Retention
from gan_jax.workdir import prepare_workdir


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture(scope="module")
def state():
    """0.8 MB that hardly compress: two fit, the third does not."""
    return {"w": jax.random.normal(jax.random.key(0), (450, 450))}


def save(checkpoints, step, state):
    checkpoints.save(step, state, finite=True, metrics={}, information={})


def test_a_failed_save_is_an_event_and_the_next_one_works(small_disk, state, capfd):
    events = []
    directory = small_disk / "checkpoints"
    with Checkpoints(
        directory,
        retention=Retention(10, None, None),
        asynchronous=True,
        on_event=lambda kind, fields: events.append((kind, fields)),
    ) as checkpoints:
        for step in (1, 2, 3, 4):
            save(checkpoints, step, state)
        with pytest.raises(StorageError, match="checkpoint 4 .* No space left on device") as caught:
            checkpoints.finish()
        assert caught.value.exit_code == 4 and "\n" not in str(caught.value)
        assert checkpoints.saved_step is None
        assert [(kind, fields["step"]) for kind, fields in events] == [
            ("checkpoint_failed", 3),
            ("checkpoint_failed", 4),
        ]
        assert "No space left on device" in events[0][1]["cause"]
        assert sorted(path.name for path in directory.iterdir()) == ["1", "2"]

        shutil.rmtree(directory / "1")
        save(checkpoints, 5, state)
        checkpoints.finish()
        restored = checkpoints.restore(state)
        assert restored.manifest.step == 5
        assert np.array_equal(restored.state["w"], state["w"])
        assert len(events) == 2
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


def test_every_place_at_which_the_disk_can_be_full(small_disk, state):
    """From no space at all to just enough, in small steps: the older checkpoint always stays, and
    what `finish` accepts can be restored."""
    outcomes = []
    directory = small_disk / "checkpoints"
    ballast = small_disk / "ballast"
    with Checkpoints(
        directory, retention=Retention(1, None, None), asynchronous=True, on_event=lambda *_: None
    ) as checkpoints:
        save(checkpoints, 0, state)
        checkpoints.finish()
        for step, missing in enumerate([*range(0, 64, 4), *range(64, 900, 64)], start=1):
            free = shutil.disk_usage(small_disk).free
            ballast.write_bytes(bytes(max(0, free - missing * 1024)))
            before = checkpoints.restore(state).manifest.step
            save(checkpoints, step, state)
            try:
                checkpoints.finish()
                outcomes.append(True)
            except StorageError:
                outcomes.append(False)
            ballast.unlink()
            restored = checkpoints.restore(state).manifest.step
            assert restored == (step if outcomes[-1] else before)
    assert outcomes[0] is False and outcomes[-1] is True


def test_a_full_disk_is_found_by_the_preflight(small_disk):
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(3 << 20))
    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        prepare_workdir(small_disk)


def test_a_read_only_file_system(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="cannot be made: Read-only file system"):
        prepare_workdir(small_disk / "run")
    with pytest.raises(StorageError, match="cannot be written: Read-only file system"):
        prepare_workdir(small_disk)


LAST_SAVE = """
import resource, sys
from pathlib import Path
import jax
from gan_jax import checkpoint_directory
from gan_jax.checkpoint import Checkpoints
from gan_jax.errors import StorageError
from gan_jax.retention import Retention
state = {f"w{i}": jax.random.normal(jax.random.key(i), (300, 300)) for i in range(9)}
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
with Checkpoints(Path(sys.argv[1]), retention=Retention(1, None, None), asynchronous=True,
                 on_event=lambda *event: None) as checkpoints:
    checkpoints.save(1, state, finite=True, metrics={}, information={})
    try:
        checkpoints.finish()
    except StorageError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def last_save(*arguments):
    command = [sys.executable, "-W", "error", "-c", LAST_SAVE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_lost_last_checkpoint_is_exit_4_and_one_line(small_disk):
    result = last_save(small_disk / "checkpoints")
    assert result.returncode == 4 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and "No space left on device" in result.stderr


@pytest.mark.parametrize("limit", [pytest.param(100_000, marks=pytest.mark.slow), 1_000])
def test_a_limit_that_free_space_does_not_show(tmp_path, limit):
    """As with a quota: the arrays fail in Orbax, or what it writes about them."""
    result = last_save(tmp_path / "checkpoints", limit)
    assert result.returncode == 4
    assert result.stderr.count("\n") == 1, result.stderr
    assert "checkpoint 1 could not be saved" in result.stderr
    assert "File too large" in result.stderr
    assert checkpoint_directory.steps(tmp_path / "checkpoints") == []

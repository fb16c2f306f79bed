"""The run directory: made, tried, locked, and its records cut back to a restored step."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from gan_jax import workdir
from gan_jax.errors import StorageError, UsageError
from gan_jax.workdir import RunLock

HOLD = """
import sys, time
from pathlib import Path
from gan_jax.workdir import RunLock
lock = RunLock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


def holding(path):
    """A process that holds the lock of `path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "locked\n"
    return process


def end(process):
    process.kill()
    process.communicate()


def test_prepare_makes_parents_and_leaves_nothing(tmp_path):
    path = workdir.prepare_workdir(tmp_path / "a" / "b")
    assert path.is_dir() and list(path.iterdir()) == []
    assert workdir.prepare_workdir(path) == path


@pytest.mark.parametrize("inside", ["", "run", "a/b/run"])
def test_a_file_in_the_path(tmp_path, inside):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="there is a file in its path"):
        workdir.prepare_workdir(tmp_path / "file" / inside)


def test_a_path_that_cannot_be_made():
    with pytest.raises(StorageError, match="/proc/gan_jax/run cannot be made"):
        workdir.prepare_workdir(workdir.Path("/proc/gan_jax/run"))


def test_a_full_disk_is_found_before_work(tmp_path, monkeypatch):
    def no_space(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workdir.durable, "write_bytes", no_space)
    with pytest.raises(StorageError, match="cannot be written: No space left"):
        workdir.prepare_workdir(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StorageError, match="cannot be written: Permission denied"):
        workdir.prepare_workdir(tmp_path)


def test_check_space(tmp_path):
    workdir.check_space(tmp_path, 1)
    with pytest.raises(StorageError, match=r"MB free, and a checkpoint needs up to 10,000,000,000"):
        workdir.check_space(tmp_path, 10**16)


def test_require_run_directory(tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        workdir.require_run_directory(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        workdir.require_run_directory(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert workdir.require_run_directory(tmp_path) == tmp_path


def test_a_second_process_is_refused_by_name(tmp_path):
    process = holding(tmp_path)
    try:
        with pytest.raises(UsageError) as caught:
            RunLock(tmp_path)
        assert f"process {process.pid} on {workdir.socket.gethostname()}" in str(caught.value)
    finally:
        end(process)


def test_a_second_lock_in_one_process_is_refused(tmp_path):
    with RunLock(tmp_path), pytest.raises(UsageError, match=f"process {os.getpid()} "):
        RunLock(tmp_path)
    with RunLock(tmp_path) as lock:
        assert lock.taken_over_from is None


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    process = holding(tmp_path)
    end(process)
    with RunLock(tmp_path) as lock:
        assert lock.taken_over_from is not None and lock.taken_over_from.pid == process.pid
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_a_torn_lock_file_is_no_obstacle(tmp_path):
    (tmp_path / ".lock").write_bytes(b'{"host": "x", "p')
    with RunLock(tmp_path) as lock:
        assert lock.taken_over_from is None


def test_without_locks_in_the_file_system_the_content_counts(tmp_path, monkeypatch):
    def unsupported(file, how):
        raise OSError(37, "No locks available")

    process = holding(tmp_path)
    monkeypatch.setattr(workdir.fcntl, "flock", unsupported)
    with pytest.raises(UsageError, match=f"process {process.pid}"):
        RunLock(tmp_path)
    end(process)
    RunLock(tmp_path).release()
    elsewhere = workdir.Holder("elsewhere", process.pid, "2026-01-01")
    (tmp_path / ".lock").write_text(json.dumps(vars(elsewhere)))
    with pytest.raises(UsageError, match="elsewhere"):
        RunLock(tmp_path)


def test_a_lock_that_cannot_be_written(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(StorageError, match="lock cannot be written"):
        RunLock(tmp_path)


def lines(*steps):
    return [f'{{"step": {step},  "loss": 0.5}}\n'.encode() for step in steps]


def test_read_rows_passes_over_a_torn_tail(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert workdir.read_rows(path) == []
    path.write_bytes(b"".join(lines(1, 2)) + b'{"step": 3, "lo')
    assert [row["step"] for row in workdir.read_rows(path)] == [1, 2]
    path.write_bytes(b"".join(lines(1)) + b"7\n" + b"\xff\xfe\n" + lines(2)[0].rstrip())
    assert [row["step"] for row in workdir.read_rows(path)] == [1, 2]


def test_set_aside_keeps_the_bytes_of_what_stays(tmp_path):
    kept = lines(5, 10, 13)
    torn = b'{"step": 16, "lo'
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(kept + lines(14, 15)) + torn)
    (tmp_path / "evaluations.jsonl").write_bytes(b"".join(lines(10)))
    (tmp_path / "events.jsonl").write_bytes(b"".join(lines(99)))
    workdir.set_aside(tmp_path, 13)
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"".join(kept)
    orphaned = (tmp_path / "metrics.orphaned.jsonl").read_bytes()
    assert orphaned == b"".join(lines(14, 15)) + torn + b"\n"
    assert (tmp_path / "evaluations.jsonl").read_bytes() == b"".join(lines(10))
    assert not (tmp_path / "evaluations.orphaned.jsonl").exists()
    assert (tmp_path / "events.jsonl").read_bytes() == b"".join(lines(99))


def test_set_aside_appends_to_earlier_orphans_and_can_be_repeated(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for _ in range(2):
        path.write_bytes(b"".join(lines(1, 2)))
        workdir.set_aside(tmp_path, 1)
        workdir.set_aside(tmp_path, 1)
    assert (tmp_path / "metrics.orphaned.jsonl").read_bytes() == b"".join(lines(2, 2))
    workdir.set_aside(tmp_path, -1)
    assert path.read_bytes() == b""


def test_a_whole_row_without_its_newline_is_completed(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(lines(1, 2)).rstrip())
    workdir.set_aside(tmp_path, 2)
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"".join(lines(1, 2))
    assert not (tmp_path / "metrics.orphaned.jsonl").exists()


def test_pictures_of_later_steps_are_set_aside(tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    for name in ("0.png", "13.png", "000014.png", "20_ema.png", "reals.png"):
        (samples / name).write_text(name)
    for _ in range(2):
        (samples / "20_ema.png").write_text("newer")
        workdir.set_aside(tmp_path, 13)
    stay = sorted(path.name for path in samples.iterdir() if path.is_file())
    assert stay == ["0.png", "13.png", "reals.png"]
    assert sorted(p.name for p in (samples / "orphaned").iterdir()) == ["000014.png", "20_ema.png"]
    assert (samples / "orphaned" / "20_ema.png").read_text() == "newer"

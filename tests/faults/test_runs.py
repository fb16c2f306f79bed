"""Faults as a user meets them: damaged checkpoints, a taken directory, divergence, a full disk."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.conftest import EXPERIMENTS, ROOT, command
from tests.runs import assert_same_run

DIGITS = f"{EXPERIMENTS / 'digits_mlp.py'}:smoke"


def train(workdir, *extra):
    return ("train", DIGITS, f"--workdir={workdir}", *extra)


def events(workdir, kind):
    lines = (workdir / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


@pytest.fixture(scope="module")
def finished(gan_jax, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("finished") / "run"
    result = gan_jax(*train(workdir))
    assert result.returncode == 0, result.stderr
    return workdir


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def steps(workdir):
    """Of its committed checkpoints."""
    return [int(p.name) for p in (workdir / "checkpoints").iterdir() if p.name.isdigit()]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def largest_file(directory):
    return max((p for p in directory.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def test_a_damaged_checkpoint_is_set_aside_and_the_run_is_the_same(gan_jax, finished, copy):
    flip_a_bit(largest_file(copy / "checkpoints" / "40"))
    result = gan_jax(*train(copy))
    assert result.returncode == 0, result.stderr
    assert "damaged" in result.stderr and "from step 30" in result.stderr
    assert events(copy, "checkpoint_damaged")
    assert any("40" in path.name for path in copy.rglob("quarantine*/*"))
    assert_same_run(finished, copy)


@pytest.mark.slow
def test_sample_passes_over_a_damaged_checkpoint_and_moves_nothing(gan_jax, copy):
    (copy / "checkpoints" / "40" / "manifest.json").unlink()
    result = gan_jax("sample", copy, "--count=4", f"--out={copy / 'x.png'}")
    assert result.returncode == 0 and "damaged" in result.stderr
    assert "step 30" in result.stderr and (copy / "checkpoints" / "40").is_dir()


@pytest.mark.slow
def test_all_checkpoints_damaged_is_never_a_restart(gan_jax, copy):
    for step in steps(copy):
        flip_a_bit(copy / "checkpoints" / str(step) / "manifest.json")
    before = (copy / "metrics.jsonl").read_bytes()
    for command_line in (train(copy), ("sample", copy), train(copy)):
        result = gan_jax(*command_line)
        assert result.returncode == 4 and "damaged" in result.stderr, result.stderr
    assert (copy / "metrics.jsonl").read_bytes() == before


@pytest.mark.slow
def test_lost_checkpoints_are_no_restart_either(gan_jax, copy):
    for step in steps(copy):
        shutil.rmtree(copy / "checkpoints" / str(step))
    result = gan_jax(*train(copy))
    assert result.returncode == 4 and "no checkpoint any more" in result.stderr, result.stderr
    (copy / "config.json").unlink()
    result = gan_jax(*train(copy))
    assert result.returncode == 4 and "no config.json" in result.stderr, result.stderr


@pytest.mark.slow
def test_checkpoints_know_the_metrics_of_their_own_step(gan_jax, finished, tmp_path):
    """Whether or not that step was logged, and also after a resume."""
    workdir = tmp_path / "run"
    for extra in (("--stop_at=13",), ()):
        result = gan_jax(*train(workdir, "--config.log_every=40 steps", *extra))
        assert result.returncode == 0, result.stderr
    for step in steps(finished):
        whole, cut = (
            json.loads((run / "checkpoints" / str(step) / "manifest.json").read_text())
            for run in (finished, workdir)
        )
        assert whole["manifest"]["metrics"] == cut["manifest"]["metrics"]
        assert "generator/loss" in whole["manifest"]["metrics"]


@pytest.mark.slow
def test_a_second_process_is_refused_and_a_dead_one_is_no_obstacle(gan_jax, environment, tmp_path):
    workdir = tmp_path / "run"
    long = train(workdir, "--config.total=1_000_000 steps")
    first = subprocess.Popen(
        command(*long), env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (workdir / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        result = gan_jax(*long)
        assert result.returncode == 2
        assert f"process {first.pid} on {os.uname().nodename}" in result.stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    result = gan_jax(*long, "--stop_at=1")
    assert result.returncode == 0 and "taken over" in result.stderr


POISON = """
import sys
sys.path.insert(0, {experiments!r})
from digits_mlp import *
from gan_jax.data.source import ArraySource
import jax
import numpy as np


def get_batch_spec(config):
    return {{"image": jax.ShapeDtypeStruct((config.batch_size, 8, 8, 1), np.float32)}}


def get_dataset(config):
    images = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype(np.float32)
    images[{bad}] = np.nan
    return ArraySource({{"image": images}}, "poison", None, None)
"""


def poisoned(tmp_path, bad):
    path = tmp_path / "poisoned.py"
    path.write_text(POISON.format(experiments=str(EXPERIMENTS), bad=bad))
    return f"{path}:smoke"


@pytest.mark.slow
def test_a_bad_batch_is_skipped_and_training_goes_on(gan_jax, tmp_path):
    workdir = tmp_path / "run"
    result = gan_jax("train", poisoned(tmp_path, "3"), f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    skipped = events(workdir, "skipped")
    assert len(skipped) == 10  # once an epoch of four rounds
    assert "was skipped" in result.stderr and "discriminator/loss" in skipped[0]["not_finite"]
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["skipped"] == 10 and rows[-1]["skipped_in_a_row"] in (0, 1)


@pytest.mark.slow
def test_too_many_in_a_row_is_divergence_with_a_report(gan_jax, tmp_path):
    workdir = tmp_path / "run"
    experiment = poisoned(tmp_path, "[]")
    result = gan_jax("train", experiment, f"--workdir={workdir}", "--stop_at=10")
    assert result.returncode == 0, result.stderr
    poisoned(tmp_path, "slice(None)")  # the same experiment file, now with nothing but NaN
    result = gan_jax("train", experiment, f"--workdir={workdir}", "--config.stop_after_skipped=5")
    assert result.returncode == 3 and "diverged" in result.stderr, result.stderr
    report = json.loads((workdir / "divergence.json").read_text())
    assert [entry["step"] for entry in report["rounds"]] == [11, 12, 13, 14, 15]
    assert len(report["rounds"][0]["examples"][0]) == 16
    assert max(steps(workdir)) == 10
    result = gan_jax("sample", workdir, "--count=1", f"--out={tmp_path / 'x.png'}")
    assert result.returncode == 0, result.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB; needs the right to mount."""
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", mount])
    if made.returncode:
        pytest.skip("no right to mount a small disk")
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_last_save_decides(gan_jax, small_disk):
    workdir = small_disk / "run"
    result = gan_jax(*train(workdir, "--stop_at=10", "--config.writers.tensorboard=false"))
    assert result.returncode == 0, result.stderr
    free = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    filler.write_bytes(np.zeros(free - 400_000, np.uint8).tobytes())
    settings = ("--config.writers.tensorboard=false", "--config.checkpoint_every=10 steps")
    result = gan_jax(*train(workdir, *settings))
    assert result.returncode == 4, result.stderr
    assert (workdir / "checkpoints" / "10" / "manifest.json").is_file()
    filler.unlink()
    result = gan_jax(*train(workdir, *settings))
    assert result.returncode == 0 and "from step" in result.stderr, result.stderr

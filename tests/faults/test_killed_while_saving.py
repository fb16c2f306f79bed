"""`kill -9` at any moment of an endless loop of saves leaves a directory that continues."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.marks import only

WORKER = Path(__file__).with_name("save_forever.py")


def run_and_kill(directory, until, seconds):
    """What the worker printed up to the first line that starts with `until`, and in the `seconds`
    after it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER), str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    while not (lines and lines[-1].startswith(until)):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()[1]
    time.sleep(seconds)
    process.kill()
    output, errors = process.communicate(timeout=60)
    assert errors == "" and process.returncode == -9
    return [*map(str.strip, lines), *output.splitlines()]


def steps(lines, what):
    return [int(line.split()[1]) for line in lines if line.startswith(what)]


@pytest.mark.slow
@pytest.mark.parametrize("kills", only([3], [3, 25]))
def test_killed_at_random_moments(tmp_path, kills):
    moments = random.Random(0)
    newest = -1
    for kill in range(kills):
        until = ("restored", "committed")[kill % 2]
        lines = run_and_kill(tmp_path / "checkpoints", until, moments.uniform(0, 1))
        [restored] = steps(lines, "restored")
        assert restored >= newest, f"{newest} was committed, and {restored} was found"
        assert not [line for line in lines if "damaged" in line]
        newest = max([restored, *steps(lines, "committed")])
    assert newest > 0


def test_killed_in_the_very_first_save_starts_anew(tmp_path):
    """Nothing was committed, so there is nothing to mourn: no exit 4 from such a directory."""
    directory = tmp_path / "checkpoints"
    moments = (0.0, 0.01, 0.03)
    for moment in moments:
        assert len(steps(run_and_kill(directory, "restored", moment), "restored")) == 1

"""What the libraries below a checkpoint write to the terminal, and when."""

from __future__ import annotations

import subprocess
import sys

LATE = """
from gan_jax import orbax_noise

class Answer:
    def __init__(self, words):
        self.words = words
    def __del__(self):
        raise RuntimeError(self.words)

with orbax_noise.silenced():
    Answer("Event loop is closed")
with orbax_noise.silenced():
    Answer("heard inside")
Answer("Event loop is closed")
Answer("heard after")
"""


def test_an_answer_after_the_last_checkpoint_is_dropped_and_other_errors_are_not():
    result = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, timeout=60, check=True
    )
    heard = [line for line in result.stderr.splitlines() if line.startswith("RuntimeError")]
    assert heard == ["RuntimeError: heard inside", "RuntimeError: heard after"]

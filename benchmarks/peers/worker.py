"""A process of one side: it answers each line on its standard input with one of JSON, then sleeps.

    python -m benchmarks.peers.worker jax|torch WORK gan_jax|eager|compile
    python -m benchmarks.peers.worker jax|torch WORK agreement

WORK is `Work.to_json`. The first answer comes unasked, when networks and batches are there. A round
is asked for by its number, a phase alone by its name; the agreement by a file, which gan_jax's side
writes and PyTorch's reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.work import Work
from gan_jax.errors import UsageError, UserError

ROOT = Path(__file__).parents[2]
Answer = dict[str, Any]
DEFAULTS = {
    # Several processes share one accelerator, so none takes all of its memory at the start.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # PyTorch's threads spin where they wait for one another. Beside other processes that made a
    # round of the dense work 20 times slower, where threads that sleep cost it nothing to speak of.
    "OMP_WAIT_POLICY": "passive",
}
"""Of a worker's environment, where the user's has nothing to say."""


class Worker:
    """The parent's end; its process ends with the `with` block."""

    def __init__(self, python: str, side: str, work: Work, variant: str):
        self.name = f"{variant} of {work.name}"
        command = [python, "-m", "benchmarks.peers.worker", side, work.to_json(), variant]
        environment = DEFAULTS | os.environ
        try:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise UsageError(f"--python={python}: {error.strerror}") from error

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin and self.process.stdout
        if error is not None:
            self.process.kill()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()

    def ask(self, line: object) -> Answer:
        """The answer to a line; see `answer`."""
        assert self.process.stdin
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer that is missing says it
        return self.answer()

    def answer(self) -> Answer:
        """The next answer.

        Raises:
            UsageError: the process says what it lacks.
            UserError: it ended.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise UserError(f"the process {self.name} ended with exit code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise UsageError(answer["error"])
        return answer


def main(side: str, work: Work, variant: str) -> None:
    """The child's end."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer

    def say(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        first, serve = _service(side, work, variant)
    except ModuleNotFoundError as error:
        say({"error": _missing(error)})
        return
    say(first)
    for line in sys.stdin:
        say(serve(line.strip()))


def _service(side: str, work: Work, variant: str) -> tuple[Answer, Callable[[str], Answer]]:
    """The first answer, and what answers a line."""
    if variant == "agreement":
        return {}, _jax_agreement(work) if side == "jax" else _torch_agreement(work)
    if side == "jax":
        from benchmarks.peers.jax_round import JaxRound

        jax_rounds = JaxRound(work)
        return jax_rounds.description(), lambda line: _timed(*_asked(jax_rounds, line))
    from benchmarks.peers.torch_round import TorchRound

    rounds = TorchRound(work, variant)

    def serve(line: str) -> Answer:
        try:
            return _timed(*_asked(rounds, line))
        except Exception as error:
            if variant != "compile":
                raise
            return {"unavailable": _first_line(error)}

    return rounds.description(), serve


def _asked(rounds: Any, line: str) -> tuple[float, dict[str, float]]:
    """A round by its number, a phase by its name."""
    return rounds(int(line)) if line.isdigit() else rounds.phase(line)


def _jax_agreement(work: Work) -> Callable[[str], Answer]:
    from benchmarks.peers import agreement, jax_measure

    def serve(file: str) -> Answer:
        variables, given, measured = jax_measure.measure(work)
        agreement.save(Path(file), variables, given)
        return measured

    return serve


def _torch_agreement(work: Work) -> Callable[[str], Answer]:
    from benchmarks.peers import agreement, torch_measure

    return lambda file: torch_measure.measure(work, *agreement.load(Path(file)))


def _timed(seconds: float, losses: dict[str, float]) -> Answer:
    return {"seconds": seconds, "losses": losses}


def _missing(error: ModuleNotFoundError) -> str:
    if error.name == "torch":
        return (
            f"{sys.executable} has no torch: pip install torch, or give one that has it by --python"
        )
    return f"{sys.executable}: {error}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


if __name__ == "__main__":
    main(sys.argv[1], Work.from_json(sys.argv[2]), sys.argv[3])

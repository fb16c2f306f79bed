"""The command: agreement, rounds in turns, a table, JSON lines."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import benchmarks.peers as package
from benchmarks.peers import agreement
from benchmarks.peers.row import OURS, heading, line, row
from benchmarks.peers.work import WORKS, Work
from benchmarks.peers.worker import Worker
from gan_jax.errors import StorageError, UsageError, UserError

SIDES = {OURS: "jax", "eager": "torch", "compile": "torch"}


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def error(self, message: str):
        raise UsageError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 where the sides disagree, 2 for wrong usage, 4 for a file."""
    try:
        run(parse(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Raises UsageError."""
    parser = Parser(
        prog="python -m benchmarks.peers",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="names of works, with commas between")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each kind and side")
    parser.add_argument("--json", type=Path, help="a file that gets a line for each row")
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--phases", action="store_true", help="time each phase alone too, after the rounds"
    )
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        raise UsageError(f"--repeats={options.repeats}: must be at least 1")
    return options


def run(options: argparse.Namespace) -> None:
    """Prints the table row by row."""
    works = chosen(options.only, options.precision)
    if options.json is not None:
        append(options.json, "")  # a file that cannot be written is known before the rounds
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(heading(), flush=True)
    platform = ""
    for work in works:
        if work.accelerator and not options.only and platform == "cpu":
            print(f"{work.name:<16}  left out: too slow for a processor; --only={work.name}")
            continue
        found, platform = compare(work, options.repeats, options.python, options.phases)
        print(line(found), flush=True)
        if options.json is not None:
            append(options.json, json.dumps(found) + "\n")
    if load > cores / 2:
        print(f"other processes kept the {cores} cores busy (load {load:.1f}): rough ratios")


def chosen(only: str, precision: Any) -> list[Work]:
    """The works of those names, all without; raises UsageError."""
    known = {work.name: work for work in WORKS}
    names = [name for name in only.split(",") if name] or list(known)
    for name in names:
        if name not in known:
            raise UsageError(f"no work {name!r}; there are {', '.join(known)}")
    return [dataclasses.replace(known[name], precision=precision) for name in names]


def compare(work: Work, repeats: int, python: str, with_phases: bool) -> tuple[dict[str, Any], str]:
    """A row, and the platform that it was measured on.

    Raises:
        UserError: the sides disagree, or one of them cannot run.
    """
    differences = agree(work, python)
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(python_of(side, python), side, work, name))
            for name, side in SIDES.items()
        }
        ready = {name: worker.answer() for name, worker in workers.items()}
        descriptions = {"jax": ready[OURS], "torch": ready["eager"]}
        platform = same_platform(descriptions)
        first, unavailable = warm_up(work, workers)
        for name in unavailable:
            del workers[name]
        seconds = measure(work, workers, repeats)
        phases = measure_phases(work, workers, repeats) if with_phases else {}
    return row(work, seconds, phases, first, unavailable, descriptions, differences), platform


def agree(work: Work, python: str) -> dict[str, float]:
    """The largest relative differences; raises UserError where they are too large."""
    small = agreement.comparable(work)
    with (
        tempfile.TemporaryDirectory() as directory,
        Worker(python, "torch", small, "agreement") as torch_worker,
        Worker(sys.executable, "jax", small, "agreement") as jax_worker,
    ):
        torch_worker.answer()  # it says at once where there is no torch
        jax_worker.answer()
        file = Path(directory) / "given.npz"
        ours, theirs = jax_worker.ask(file), torch_worker.ask(file)
    found = agreement.disagreements(ours, theirs)
    if found:
        raise UserError(f"{work.name}: gan_jax and PyTorch disagree in {'; '.join(found)}")
    quantities = ("loss", "gradient_norm")
    return {name: agreement.largest_difference(ours, theirs, name) for name in quantities}


def python_of(side: str, python: str) -> str:
    return python if side == "torch" else sys.executable


def same_platform(descriptions: dict[str, Any]) -> str:
    """Raises UsageError where one side sees a device that the other does not."""
    ours, theirs = (descriptions[side]["platform"] for side in ("jax", "torch"))
    if ours != theirs:
        raise UsageError(f"jax runs on {ours} and torch on {theirs}: install both for one device")
    return ours


def warm_up(work: Work, workers: dict[str, Worker]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds of the first round of every kind, by variant; and which cannot run, and why."""
    first, unavailable = {name: 0.0 for name in workers}, {}
    for name, worker in workers.items():
        for number in work.kinds():
            answer = worker.ask(number)
            if "unavailable" in answer:
                unavailable[name] = answer["unavailable"]
                break
            first[name] += answer["seconds"] * work.rounds
    return first, unavailable


def measure(
    work: Work, workers: dict[str, Worker], repeats: int
) -> dict[str, dict[int, list[float]]]:
    """Seconds of every round, by variant and kind; A, B, C, A, B, C."""
    seconds = {name: {number: [] for number in work.kinds()} for name in workers}
    for _ in range(repeats):
        for number in work.kinds():
            for name, worker in workers.items():
                seconds[name][number].append(worker.ask(number)["seconds"])
    return seconds


def measure_phases(
    work: Work, workers: dict[str, Worker], repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of every phase alone, by variant and phase, in turns; the first ones compile."""
    seconds = {name: {phase: [] for phase in work.phases()} for name in workers}
    for turn in range(repeats + 1):
        for phase in work.phases():
            for name, worker in workers.items():
                taken = worker.ask(phase)["seconds"]
                if turn:
                    seconds[name][phase].append(taken)
    return seconds


def append(file: Path, text: str) -> None:
    """Raises StorageError."""
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())

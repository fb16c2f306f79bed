"""What the training loop costs: its rate against the bare compiled program of the same K.

    python benchmarks/loop_overhead.py [--out=FILE.jsonl]

Bare: the program called on batches that already lie on the devices. Loop: the same program in
`loop.Loop`, with data read and put on the devices, rows written to metrics.jsonl and TensorBoard,
and the progress line. The two take turns; a ratio is bare time / loop time of one turn. Besides,
how K = 4 rounds in one call compare with four calls of one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from hardware import hardware, write_row

from gan_jax.console import Console
from gan_jax.data.pipeline import Calls, iterate
from gan_jax.experiment import load_experiment
from gan_jax.loop import Edge, Loop
from gan_jax.mesh import put_batches
from gan_jax.program import build, use_compilation_cache
from gan_jax.recorder import Recorder
from gan_jax.signals import StopFlag
from gan_jax.timing import Stopwatch
from gan_jax.training_data import open_rounds
from gan_jax.writer import JSONLines, TensorBoard

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
SMALL_ROUND = [
    ("steps_per_call", "50"),
    ("batch_size", "32"),
    ("data.size", "8"),
    ("generator.hidden", "(64, 128)"),
    ("discriminator.hidden", "(128, 64)"),
]
CASES = {
    "avatars_dcgan": ("avatars_dcgan.py", [], 30),
    "avatars_dcgan, K=4": ("avatars_dcgan.py", [("steps_per_call", "4")], 32),
    "digits_mlp, a small round, K=50": ("digits_mlp.py", SMALL_ROUND, 2000),
}


class Bench:
    """One experiment, ready to run `steps` rounds bare or in the loop, turn after turn."""

    def __init__(self, file: str, overrides: list[tuple[str, str]], steps: int, flag: StopFlag):
        self.steps, self.flag = steps, flag
        experiment = load_experiment(str(EXPERIMENTS / file), overrides)
        self.config, self.program = experiment.config, build(experiment)
        per_round = self.program.recipe.batches_per_round
        self.rounds = open_rounds(experiment, per_round, self.program.mesh, Console(True), flag)
        self.compiled = self.program.compile()
        self.state = self.program.initial(jax.random.key(0))
        self.per_call = self.config.steps_per_call
        self.fixed = self.put(self.rounds.read(0, self.per_call))
        self.done = 0

    def put(self, batches):
        return put_batches(batches, self.program.mesh)

    def bare(self) -> float:
        """Seconds of the rounds on batches that are there."""
        begin = time.perf_counter()
        count = np.int32(self.per_call)
        for _ in range(self.steps // self.per_call):
            self.state, metrics = self.compiled(self.state, {}, self.fixed, count)
        jax.block_until_ready((self.state, metrics))
        return time.perf_counter() - begin

    def loop(self, directory: Path) -> float:
        """Seconds of the rounds as training runs them."""
        rows = JSONLines(directory / "metrics.jsonl", warn=print)
        writers = [rows, TensorBoard(directory, 0)]
        start, end = self.done, self.done + self.steps
        with Console(True).progress("training") as advance:
            recorder = Recorder(
                writers=writers,
                phases=self.program.recipe.phases,
                log_every=50,
                images_per_step=self.config.batch_size,
                limit=20,
                stopwatch=Stopwatch(),
                on_event=lambda kind, fields: None,
                on_row=lambda step, line: None,
            )
            calls = Calls(start, end, self.per_call, (10**9,))
            data = self.config.data
            begin = time.perf_counter()
            loop = Loop(
                program=self.compiled,
                frozen={},
                calls=iterate(
                    self.rounds, calls, self.put, threads=data.threads, prefetch=data.prefetch
                ),
                recorder=recorder,
                edges=[Edge(10**9, self._keep, at_end=True)],
                save=self._keep,
                total=10**9,
                end=end,
                stop=self.flag.agreed,
                on_progress=lambda step: advance(step, end, ""),
                stopwatch=Stopwatch(),
            )
            loop.run(self.state, start)
            seconds = time.perf_counter() - begin
        self.done = end
        for writer in writers:
            writer.close()
        return seconds

    def _keep(self, step, state):
        """The end of a stretch: the loop hands over its state, which it alone still holds."""
        self.state = state


def compare(name: str, turns: int, flag: StopFlag) -> dict:
    file, overrides, steps = CASES[name]
    bench = Bench(file, overrides, steps, flag)
    bare, loop = [], []
    with tempfile.TemporaryDirectory() as directory:
        for turn in range(turns + 1):
            times = bench.bare(), bench.loop(Path(directory))
            if turn:  # the first warms up
                bare.append(times[0])
                loop.append(times[1])
                print(f"{name}: turn {turn}/{turns}", file=sys.stderr)
    ratios = [alone / whole for alone, whole in zip(bare, loop, strict=True)]
    return {
        "case": name,
        "steps_per_call": bench.per_call,
        "bare_ms_per_round": 1e3 * statistics.median(bare) / steps,
        "loop_ms_per_round": 1e3 * statistics.median(loop) / steps,
        "rate_kept": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
    }


def scanned(turns: int, flag: StopFlag) -> dict:
    """Four rounds in one call against four calls, bare, turn by turn."""
    one, four = (Bench("avatars_dcgan.py", [("steps_per_call", k)], 8, flag) for k in ("1", "4"))
    ratios = []
    for turn in range(turns + 1):
        times = one.bare(), four.bare()
        if turn:
            ratios.append(times[1] / times[0])
            print(f"scanned: turn {turn}/{turns}", file=sys.stderr)
    spread = {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
    return {"case": "avatars_dcgan, K=4 in one call / four calls", "time_ratio": spread}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON lines are appended here")
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    use_compilation_cache()
    with StopFlag() as flag:
        for name in CASES:
            row = compare(name, arguments.turns, flag)
            write_row({"benchmark": "loop_overhead", **row, **hardware()}, arguments.out)
        row = scanned(arguments.turns, flag)
        write_row({"benchmark": "loop_overhead", **row, **hardware()}, arguments.out)


if __name__ == "__main__":
    main()

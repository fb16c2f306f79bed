"""What the mathematics of evaluation costs: seconds and peak memory, each case in its own process.

    python benchmarks/metrics.py [--out=FILE.jsonl] [--case=NAME …] [--turns=3]

Features are standard normal float32, 2048 wide, as from the last tap of Inception; the avatar judge
reads pictures of the renderer, mirrored ones against the others. Peak memory is
that of the whole process, features and Python with its libraries included; `before_gib` is what
it held before the measured call.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hardware import hardware, write_row

from gan_jax.evaluators.avatar_bounds import fresh_avatars
from gan_jax.evaluators.avatars import judged
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.spaces import judge_space
from gan_jax.mesh import make_mesh
from gan_jax.metrics.frechet import frechet_distance, frechet_distance_of_features
from gan_jax.metrics.kernel import kid_full, kid_subsets
from gan_jax.metrics.moments import covariance, moments_of
from gan_jax.metrics.neighbours import prdc
from gan_jax.metrics.sliced import mind
from gan_jax.networks.features.avatar_judge import SIZE
from gan_jax.weights.store import find_weights

WIDTH = 2048
Call = Callable[[], object]


def features(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, WIDTH), dtype=np.float32)


def statistics_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    moments = moments_of(features(count, seed))
    return moments.mean, covariance(moments, 1)


def frechet(count: int) -> Call:
    a, b = statistics_of(count, 0), statistics_of(count, 1)
    return lambda: frechet_distance(*a, *b)


def of_features(measure: Callable[[np.ndarray, np.ndarray], object], count: int) -> Call:
    real, fake = features(count, 0), features(count, 1)
    return lambda: measure(real, fake)


def judge(count: int) -> Call:
    """Of one evaluation: reading the generated pictures, and all measures against the real ones,
    whose readings are kept."""
    extractor = Extractor(judge_space(find_weights("avatar_judge", None)), make_mesh(0), batch=64)
    avatars = fresh_avatars(count, SIZE)
    real, mirrored = extractor([avatars]), avatars[:, :, ::-1]
    return lambda: judged(real, extractor([mirrored]))


CASES: dict[str, Callable[[], Call]] = {
    "frechet, full rank": lambda: frechet(10_000),
    "frechet, of 1,000 samples": lambda: frechet(1000),
    "frechet of features, 1,000": lambda: of_features(frechet_distance_of_features, 1000),
    "moments, 10k": lambda: of_features(lambda real, fake: moments_of(real), 10_000),
    "prdc, 10k x 10k": lambda: of_features(
        lambda real, fake: prdc(real, fake, k=5, strict=True), 10_000
    ),
    "prdc, 10k x 10k copies of one": lambda: of_features(
        lambda real, fake: prdc(real, fake[:1].repeat(10_000, axis=0), k=5, strict=True), 10_000
    ),
    "kid, 100 subsets of 1,000": lambda: of_features(
        lambda real, fake: kid_subsets(
            real, fake, subsets=100, subset_size=1000, sampling="torch-fidelity", seed=2020
        ),
        10_000,
    ),
    "kid, full, 10k x 10k": lambda: of_features(kid_full, 10_000),
    "mind, 10k, 1,000 projections": lambda: of_features(
        lambda real, fake: mind(real, fake, seed=0), 10_000
    ),
    "avatar judge, 10k pictures": lambda: judge(10_000),
}


def measure(name: str, turns: int) -> dict:
    call = CASES[name]()
    before = peak_gib()
    seconds, processor_seconds = [], []
    for _ in range(turns):
        begin, processor_begin = time.perf_counter(), time.process_time()
        call()
        seconds.append(time.perf_counter() - begin)
        processor_seconds.append(time.process_time() - processor_begin)
    return {
        "case": name,
        "seconds": {"median": statistics.median(seconds), "min": min(seconds), "turns": turns},
        "processor_seconds": min(processor_seconds),  # of all cores; tells of a busy machine
        "before_gib": before,
        "peak_gib": peak_gib(),
    }


def peak_gib() -> float:
    scale = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def main() -> None:
    parser = argparse.ArgumentParser(description="Costs of the metrics' mathematics")
    parser.add_argument("--out", type=Path, help="JSON lines are appended here")
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="one case, in this process")
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(measure(arguments.case[0], arguments.turns)))
        return
    for name in arguments.case or CASES:
        command = [sys.executable, __file__, "--alone", "--case", name]
        command += ["--turns", str(arguments.turns)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        write_row({"benchmark": "metrics", **json.loads(output), **hardware()}, arguments.out)


if __name__ == "__main__":
    main()

"""`gan-jax evaluate`: a run's checkpoints, or one set of pictures against another."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from gan_jax import evaluate_pictures, evaluate_run
from gan_jax.console import Console
from gan_jax.errors import StorageError, UsageError
from gan_jax.evaluation import summary
from gan_jax.evaluators.compare import MEASURES, names_in
from gan_jax.evaluators.features import BATCH
from gan_jax.metrics.protocol import PROTOCOLS
from gan_jax.metrics.protocol import protocol as named_protocol
from gan_jax.program import use_compilation_cache
from gan_jax.settings import check_seed
from gan_jax.writer import jsonable

LEAST = {
    "samples": 2,
    "real_samples": 2,
    "repeats": 1,
    "kid_subsets": 1,
    "kid_subset_size": 2,
    "batch": 1,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", type=Path, nargs="?", help="a run directory")
    parser.add_argument("--step", default="latest", help="checkpoints: N, N,M, best, latest or all")
    parser.add_argument("--real", type=Path, help="pictures to compare with: a folder or an .npz")
    parser.add_argument("--fake", type=Path, help="pictures to judge: a folder or an .npz")
    names = ", ".join([*MEASURES, *evaluate_run.EVALUATORS])
    parser.add_argument(
        "--metrics", help=f"of {names} (default: the experiment's own; with --real fid,kid)"
    )
    parser.add_argument("--protocol", help=f"{', '.join(PROTOCOLS)} (default tf1)")
    parser.add_argument("--weights", type=Path, help="file of Inception's weights")
    parser.add_argument(
        "--weights_vgg16", type=Path, help="file of VGG-16's weights, for pr_vgg16 alone"
    )
    parser.add_argument("--samples", type=int, help="generated pictures")
    parser.add_argument("--real_samples", type=int, help="real pictures (default all)")
    parser.add_argument("--split", help="of the real pictures (default: the training split)")
    parser.add_argument("--seed", type=int, help="of what is generated (default 0)")
    parser.add_argument("--repeats", type=int, default=1, help="seeds; more than 1: an interval")
    parser.add_argument("--truncation", type=float, help="scale of the latents (default 1)")
    parser.add_argument("--raw", action="store_true", help="the raw weights, not their average")
    parser.add_argument(
        "--statistics",
        choices=("running", "standing", "batch"),
        help="of batch normalisation in the generator (default running)",
    )
    parser.add_argument("--batch", type=int, help=f"pictures at once (default {BATCH})")
    parser.add_argument("--kid_subsets", type=int, help="(default: the protocol's, 100)")
    parser.add_argument("--kid_subset_size", type=int, help="(default: the protocol's, 1000)")
    parser.add_argument("--kid_seed", type=int, help="of KID's subsets (default: the protocol's)")
    parser.add_argument("--save_statistics", type=Path, help="FILE.npz: mu and sigma of --real")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("evaluate takes the settings of the run: no --config.KEY=VALUE here")
    check(arguments)
    use_compilation_cache()
    console = Console()
    if arguments.workdir is None:
        found = evaluate_pictures.evaluate(arguments, console)
        if arguments.json:
            print(json.dumps(jsonable(found)))
        else:
            metrics = {name: x for name, x in found.items() if isinstance(x, dict) and "value" in x}
            print(f"{found['protocol']}: {summary(metrics)}")
        return 0
    rows, problem = evaluate_run.evaluate(arguments, console)
    if arguments.json:
        answer = {"workdir": str(arguments.workdir), "evaluations": rows}
        print(json.dumps(jsonable(answer)))
    else:
        for row in rows:
            what = row["protocol"].get("name", row["evaluator"])
            print(f"step {row['step']}  {row['evaluator']} ({what}): {summary(row['metrics'])}")
    if problem:
        raise StorageError(problem)
    return 0


def check(arguments: argparse.Namespace) -> None:
    """Raises UsageError for flags that mean nothing, alone or together."""
    pair = arguments.real, arguments.fake
    if arguments.workdir is None and None in pair:
        raise UsageError("evaluate a run directory, or give both --real and --fake")
    if arguments.workdir is not None and pair != (None, None):
        raise UsageError("either a run directory or --real and --fake, not both")
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UsageError(f"--{name}={value}: must be at least {least}")
    for name in ("seed", "kid_seed"):
        if getattr(arguments, name) is not None:
            check_seed(f"--{name}", getattr(arguments, name))
    if arguments.protocol is not None:
        named_protocol(arguments.protocol)
    if arguments.metrics is not None:
        names_in(arguments.metrics)
    if arguments.save_statistics is not None and arguments.workdir is not None:
        raise UsageError("--save_statistics goes with --real and --fake, not with a run directory")
    if arguments.truncation is not None and not math.isfinite(arguments.truncation):
        raise UsageError(f"--truncation={arguments.truncation}: must be a number")

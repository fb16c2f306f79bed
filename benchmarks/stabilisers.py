"""What each stabiliser does to a plain DCGAN on avatars at 32x32.

    python benchmarks/stabilisers.py [--only=r1,ema] [--seeds=3] [--runs=DIR] [--out=FILE.jsonl]

Each is a setting of experiments/avatars_stabilisers.py, trained as anybody would train it. Stop the
whole at any time: the same command continues the run that it was in and passes over those that are
done. A row a run: what its last evaluation saw, which of that is beyond a run's limits of collapse,
and the training's images per second (a median over the run's reports, on the machine as busy as it
was). At the end a table of all rows of FILE is printed.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from several_seeds import ROOT, lines, measured, run_all, table

from gan_jax.experiment import load_experiment

EXPERIMENT = ROOT / "experiments" / "avatars_stabilisers.py"
PLAIN = "plain"


def main() -> None:
    parser = argparse.ArgumentParser(description="What each stabiliser does to a plain DCGAN.")
    parser.add_argument("--only", default="", help="settings, with commas between (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/stabilisers"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/stabilisers.jsonl")
    arguments = parser.parse_args()
    settings = [PLAIN, *load_experiment(str(EXPERIMENT)).module.SETTINGS]
    names = arguments.only.split(",") if arguments.only else settings
    unknown = sorted(set(names) - set(settings))
    if unknown:
        parser.error(f"no setting {unknown[0]!r}; there are {', '.join(settings)}")
    experiments = {name: [f"{EXPERIMENT}:{name}".removesuffix(f":{PLAIN}")] for name in names}
    row = functools.partial(measured, by="train")
    run_all(experiments, range(arguments.seeds), arguments.runs, arguments.out, row)
    print(table(lines(arguments.out), first=lambda name: name == PLAIN))


if __name__ == "__main__":
    main()

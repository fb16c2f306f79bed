"""The avatar experiments over three seeds, measured with 10,000 samples each.

    python benchmarks/avatars.py [--only=sngan,r3gan] [--seeds=3] [--runs=DIR] [--out=FILE.jsonl]

Trains experiments/avatars_NAME.py as anybody would and evaluates its last checkpoint. Stop the
whole at any time: the same command continues the run that it was in and passes over those that are
done. At the end a table of all rows of FILE is printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from several_seeds import ROOT, lines, measured, run_all, table

NAMES = ("sngan", "wgan_gp", "biggan_conditional", "stylegan", "stylegan2", "r3gan")
SAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description="The avatar experiments over three seeds.")
    parser.add_argument("--only", default="", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/avatars"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/avatars.jsonl")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        parser.error(f"no experiment {unknown[0]!r}; there are {', '.join(NAMES)}")
    experiments = {name: [str(ROOT / "experiments" / f"avatars_{name}.py")] for name in names}
    run_all(experiments, range(arguments.seeds), arguments.runs, arguments.out, evaluated)
    print(table(lines(arguments.out), first=lambda name: False))


def evaluated(directory: Path) -> dict[str, Any]:
    """A finished run's last checkpoint, measured once more and with more samples."""
    command = [sys.executable, "-m", "gan_jax", "evaluate", str(directory)]
    subprocess.run([*command, f"--samples={SAMPLES}", "--metrics=avatars,diversity"], check=True)
    return measured(directory, by="evaluate")


if __name__ == "__main__":
    main()

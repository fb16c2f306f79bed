"""Everything that is worth measuring on one GPU, within the minutes that one has it.

    python benchmarks/gpu.py [--minutes=10] [--python=PYTHON_WITH_TORCH] [--out=runs/gpu]

Runs one command after another, the most telling ones first, each into a file of JSON lines in
`out`; what does not fit into the time is named at the end. Compiled programs are kept: run it
again, and what took the time to compile is measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "experiments"
LEAST_SECONDS = 20.0
"""That a command is begun for."""


def commands(python: str, out: Path) -> dict[str, list[str]]:
    """By what each measures."""

    def peers(works: str, precision: str) -> list[str]:
        return [
            *(sys.executable, "-m", "benchmarks.peers", f"--only={works}", "--repeats=10"),
            *(f"--precision={precision}", f"--python={python}", f"--json={out / 'peers.jsonl'}"),
        ]

    def bench(experiment: str, *flags: str) -> list[str]:
        file = EXPERIMENTS / experiment
        return [
            *(sys.executable, "-m", "gan_jax", "bench", str(file), "--synthetic"),
            *(f"--json={out / 'bench.jsonl'}", *flags),
        ]

    bfloat16 = "--config.precision=bfloat16"
    return {
        "DCGAN and SNGAN against PyTorch, TF32": peers("dcgan64,sngan32", "float32"),
        "StyleGAN2 256 against PyTorch, bfloat16": peers("stylegan2_256", "bfloat16"),
        "population of DCGANs": bench("cifar10_dcgan.py", "--population=1,2,4,8,16"),
        "R3GAN and BigGAN against PyTorch, bfloat16": peers("r3gan32,biggan32", "bfloat16"),
        "deterministic mode": [
            *(sys.executable, str(ROOT / "benchmarks" / "deterministic.py")),
            f"--out={out / 'deterministic.jsonl'}",
        ],
        "StyleGAN2 256, memory planned": [
            *("sh", "-c", '"$0" -m gan_jax plan "$1" --compile --json > "$2"', sys.executable),
            *(str(EXPERIMENTS / "ffhq256_stylegan2.py"), str(out / "plan.json")),
        ],
        "StyleGAN2 256, memory and phases": bench("ffhq256_stylegan2.py"),
        "StyleGAN2 256, bfloat16": bench("ffhq256_stylegan2.py", bfloat16),
        "StyleGAN2 256 against PyTorch, TF32": peers("stylegan2_256", "float32"),
        "DCGAN, SNGAN and dense against PyTorch, bfloat16": peers(
            "dcgan64,sngan32,dense", "bfloat16"
        ),
        "the others against PyTorch, TF32": peers("dense,stylegan2_32,r3gan32,biggan32", "float32"),
        "StyleGAN2 32 against PyTorch, bfloat16": peers("stylegan2_32", "bfloat16"),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--python", default=sys.executable)
    arguments.add_argument("--out", type=Path, default=Path("runs/gpu"))
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    outcomes = {
        name: run(command, end)
        for name, command in commands(options.python, options.out.absolute()).items()
    }
    print(f"\nin {options.out}:")
    for name, outcome in outcomes.items():
        print(f"  {name}: {outcome}")


def run(command: list[str], end: float) -> str:
    """Until it ends or the time does; how it ended."""
    begin = time.monotonic()
    if end - begin < LEAST_SECONDS:
        return "no time left"
    print(f"\n$ {' '.join(command)}", flush=True)
    kept = Path.home() / ".cache" / "gan_jax" / "inductor"
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(kept), **os.environ}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        code = process.wait(end - begin)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # and all that it started
        process.wait()
        return "cut off; its whole rows are kept"
    taken = f"{time.monotonic() - begin:.0f} s"
    return taken if code == 0 else f"failed with {code} after {taken}"


if __name__ == "__main__":
    main()

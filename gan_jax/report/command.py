"""`gan-jax report WORKDIR …`: one HTML file about one run, or several side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import write_whole
from gan_jax.report.contents import contents
from gan_jax.report.page import page
from gan_jax.report.pictures import Progress
from gan_jax.report.record import read_records

NAME = "report.html"
FRAME = 200_000
"""Bytes that the page itself may take, without what it shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", type=Path, nargs="+", help="a run directory")
    parser.add_argument(
        "--out",
        type=Path,
        help=f"FILE.html (default WORKDIR/{NAME}; {NAME} in this folder for several runs)",
    )
    parser.add_argument(
        "--megabytes",
        type=float,
        default=10.0,
        help="that the file may have; pictures are thinned to fit (default 10)",
    )


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("report takes the settings of the runs: no --config.KEY=VALUE here")
    if not 1.0 <= arguments.megabytes <= 1000.0:
        raise UsageError(f"--megabytes={arguments.megabytes:g}: must be from 1 to 1000")
    out = arguments.out or default_out(arguments.workdir)
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out={out}: must end in .html")
    console = Console()
    with console.progress("encoding pictures") as advance:
        html = report(arguments.workdir, round(arguments.megabytes * 1e6), advance)
    content = html.encode()
    write_whole(out, content)
    runs = len(arguments.workdir)
    what = "report" if runs == 1 else f"report of {runs} runs"
    console.say(f"{what} in {out} ({len(content) / 1e6:.1f} MB)")
    return 0


def default_out(workdirs: Sequence[Path]) -> Path:
    return workdirs[0] / NAME if len(workdirs) == 1 else Path(NAME)


def report(workdirs: Sequence[Path], size: int, progress: Progress) -> str:
    """The page about these runs; the same bytes for the same files.

    Args:
        workdirs: run directories.
        size: bytes that it should not exceed.
        progress: told how many pictures are encoded, of how many.

    Raises:
        UsageError: a path is not a run directory, or is given twice.
    """
    return page(contents(read_records(workdirs), size - FRAME, progress))

"""`gan-jax latents truncation`: the same latents under several truncations."""

from __future__ import annotations

import argparse
import math

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import grid, save_png
from gan_jax.latents.sheets import truncation_sheet
from gan_jax.latents_command.opened import (
    add_run_arguments,
    check_at_least,
    check_out,
    open_run,
    out_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: a row for each latent (default WORKDIR/latents-truncation-STEP.png)",
        truncation=False,
    )
    parser.add_argument(
        "--values",
        default="-1,-0.5,0,0.5,0.7,1",
        help="truncations, 1 for none, 0 for the mean (default -1,-0.5,0,0.5,0.7,1)",
    )
    parser.add_argument("--count", type=int, default=4, help="latents (default 4)")


def main(arguments: argparse.Namespace, console: Console) -> None:
    check_at_least(1, count=arguments.count)
    check_out(arguments.out, ("png",))
    values = values_of(arguments.values)
    opened = open_run(arguments, console)
    pictures = truncation_sheet(opened.model, *opened.latents(arguments.count), values)
    out = out_of(arguments, opened)
    save_png(out, grid(pictures, len(values)))
    columns = ", ".join(f"{value:g}" for value in values)
    console.say(f"{arguments.count} latents under the truncations {columns} in {out}")


def values_of(text: str) -> list[float]:
    """Numbers between commas; raises UsageError."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) for value in values):
        raise UsageError(f"--values={text}: must be numbers, as 0,0.5,1")
    return values

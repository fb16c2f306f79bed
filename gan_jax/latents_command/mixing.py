"""`gan-jax latents mixing`: styles of some layers from one picture, the others from another."""

from __future__ import annotations

import argparse

from gan_jax.console import Console
from gan_jax.images import grid, save_png
from gan_jax.latents.sheets import layers_of, mixing_sheet
from gan_jax.latents_command.opened import (
    add_run_arguments,
    add_stored_argument,
    check_at_least,
    check_out,
    open_run,
    out_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: above and at the left the pictures that are mixed "
        "(default WORKDIR/latents-mixing-STEP.png)",
    )
    add_stored_argument(parser)
    parser.add_argument("--rows", type=int, default=4, help="pictures that are changed (default 4)")
    parser.add_argument("--columns", type=int, default=4, help="... by so many (default 4)")
    parser.add_argument(
        "--layers", default="0-3", help="whose styles come from the column (default 0-3, coarse)"
    )


def main(arguments: argparse.Namespace, console: Console) -> None:
    check_at_least(1, rows=arguments.rows, columns=arguments.columns)
    check_out(arguments.out, ("png",))
    opened = open_run(arguments, console)
    ws = opened.styles(arguments.rows + arguments.columns)
    layers = layers_of(arguments.layers, ws.shape[1])
    rows, columns = ws[: arguments.rows], ws[arguments.rows :]
    out = out_of(arguments, opened)
    save_png(out, grid(mixing_sheet(opened.model, rows, columns, layers), arguments.columns + 1))
    console.say(f"layers {arguments.layers} of {ws.shape[1]} from the column, in {out}")

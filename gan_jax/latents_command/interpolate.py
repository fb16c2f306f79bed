"""`gan-jax latents interpolate`: a way from latent to latent."""

from __future__ import annotations

import argparse

import jax
import numpy as np

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import grid, save_frames, save_png
from gan_jax.latents import paths
from gan_jax.latents_command.opened import (
    FILMS,
    Opened,
    add_run_arguments,
    add_stored_argument,
    check_at_least,
    check_out,
    open_run,
    out_of,
)
from gan_jax.recipe import PyTree
from gan_jax.sample import form_of

FORMS = ("png", *FILMS)
FASTEST = {"gif": 50, "mp4": 240}
"""Frames a second: a GIF counts hundredths of a second, and players take a single one for ten."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: a row for each stretch; FILE.gif, FILE.mp4 or a folder: a film "
        "(default WORKDIR/latents-interpolate-STEP.png)",
    )
    add_stored_argument(parser)
    parser.add_argument("--count", type=int, help="keyframes (default 8, or all of --latents)")
    parser.add_argument(
        "--frames", type=int, help="from one keyframe to the next (default 8; 24 in a film)"
    )
    parser.add_argument("--walks", type=int, default=1, help="ways side by side (default 1)")
    parser.add_argument("--space", choices=("z", "w"), help="default: w where the model has it")
    parser.add_argument(
        "--path", choices=("straight", "cubic"), default="straight", help="of w (default straight)"
    )
    parser.add_argument("--loop", action="store_true", help="end where it began")
    parser.add_argument("--fps", type=float, default=24, help="frames a second (default 24)")


def main(arguments: argparse.Namespace, console: Console) -> None:
    check_at_least(1, walks=arguments.walks)
    if arguments.count is not None:
        check_at_least(2, count=arguments.count)
    check_out(arguments.out, FORMS, folder=True)
    form = "png" if arguments.out is None else form_of(arguments.out, FORMS)
    check_fps(arguments.fps, form)
    is_sheet = form == "png"
    frames = (8 if is_sheet else 24) if arguments.frames is None else arguments.frames
    check_at_least(2 if is_sheet else 1, frames=frames)
    opened = open_run(arguments, console)
    if arguments.count is None:
        arguments.count = 8 if opened.stored is None else opened.stored.count // arguments.walks
        check_at_least(2, count=arguments.count)
    ways = paths.stretches if is_sheet else paths.positions
    at = ways(arguments.count, frames, arguments.loop)
    pictures = walks(opened, arguments, at.reshape(-1))
    out = out_of(arguments, opened)
    if is_sheet:
        save_png(out, grid(pictures.reshape(-1, *pictures.shape[2:]), frames))
    else:
        films = [grid(frame) for frame in pictures.swapaxes(0, 1)]
        save_frames(out, films, arguments.fps)
    console.say(
        f"{arguments.count} keyframes and between, {len(at.reshape(-1))} pictures a walk, in {out}"
    )


def check_fps(fps: float, form: str) -> None:
    """Raises UsageError for frames a second that the form does not have."""
    fastest = FASTEST.get(form, max(FASTEST.values()))
    if not 1 <= fps <= fastest:
        where = f" in a .{form}" if form in FASTEST else ""
        raise UsageError(f"--fps={fps:g}: must be a number from 1 to {fastest}{where}")


def walks(opened: Opened, arguments: argparse.Namespace, at: np.ndarray) -> np.ndarray:
    """uint8 `[walks, F, H, W, C]` at positions `[F]`."""
    has_styles = opened.model.recipe.styles is not None
    space = arguments.space or ("w" if has_styles else "z")
    if arguments.path == "cubic" and space == "z":
        raise UsageError("--path=cubic is for w: between latents z a way follows great circles")
    walk = _in_styles if space == "w" else _in_latents
    return walk(opened, arguments, at)


def _in_styles(opened: Opened, arguments: argparse.Namespace, at: np.ndarray) -> np.ndarray:
    count = arguments.count
    way = paths.cubic if arguments.path == "cubic" else paths.straight
    ws = opened.styles(arguments.walks * count)
    made = []
    for start in range(0, len(ws), count):
        points = way(ws[start : start + count], at, arguments.loop)
        made.append(opened.model.synthesise(points))
    return np.stack(made)


def _in_latents(opened: Opened, arguments: argparse.Namespace, at: np.ndarray) -> np.ndarray:
    """Attributes go in straight lines; a class stays."""
    count, loop = arguments.count, arguments.loop
    latents, batch = opened.latents_of_one_class(arguments.walks * count)
    made = []
    for start in range(0, arguments.walks * count, count):
        keyframes, conditions = (_rows(tree, start, count) for tree in (latents, batch))
        points = paths.along_way(paths.great_circle, keyframes, at, loop)
        between = paths.along_way(paths.straight, conditions, at, loop)
        made.append(opened.model.pictures(points, between, opened.truncation))
    return np.stack(made)


def _rows(tree: PyTree, start: int, count: int) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[start : start + count], tree)

"""`gan-jax sample`: a grid, single pictures, or a latent walk, from a run directory alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import grid, require_encoder, save_frames, save_png
from gan_jax.program import use_compilation_cache
from gan_jax.trained import Trained, checkpoint_named, load

FRAMES_PER_SECOND = 25
FORMS = ("png", "gif", "mp4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", type=Path, help="a run directory")
    parser.add_argument("--count", type=int, default=64, help="pictures (default 64)")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default 0)")
    parser.add_argument("--label", type=int, help="a class (default: all in turn)")
    parser.add_argument(
        "--attributes",
        help="values of attributes, as smiling=1,glasses=0.5; the others are 0 (default: each "
        "alone in turn)",
    )
    parser.add_argument("--truncation", type=float, default=1.0, help="scale of the latents")
    parser.add_argument("--step", default="latest", help="a checkpoint: N, best or latest")
    parser.add_argument("--raw", action="store_true", help="the raw weights, not their average")
    parser.add_argument("--frames", type=int, default=100, help="of a walk (default 100)")
    parser.add_argument(
        "--out",
        type=Path,
        help="FILE.png: a grid; FILE.gif or FILE.mp4: a latent walk; a folder: single pictures "
        "(default WORKDIR/samples-STEP.png)",
    )


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("sample takes the settings of the run: no --config.KEY=VALUE here")
    console = Console()
    use_compilation_cache()
    step = checkpoint_named(arguments.step)
    attributes = None if arguments.attributes is None else values_of(arguments.attributes)
    if arguments.frames < 1:
        raise UsageError(f"--frames={arguments.frames}: must be at least 1")
    if arguments.out:
        if form_of(arguments.out, FORMS) == "mp4":
            require_encoder(arguments.out)
    trained = load(arguments.workdir, step=step, say=console.say)
    out = arguments.out or arguments.workdir / f"samples-{trained.step}.png"
    write(trained, out, arguments, attributes)
    console.say(f"{arguments.count} pictures of step {trained.step} in {out}")
    return 0


def values_of(text: str) -> dict[str, float]:
    """Of attributes by name, from `NAME=NUMBER,…` (a name may hold = itself); raises UsageError."""
    values = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"--attributes: {part!r} must be NAME=NUMBER, as smiling=1")
    return values


def write(
    trained: Trained,
    out: Path,
    arguments: argparse.Namespace,
    attributes: Mapping[str, float] | None,
) -> None:
    """In the form that the name of `out` asks for."""
    settings = {
        "seed": arguments.seed,
        "label": arguments.label,
        "attributes": attributes,
        "truncation": arguments.truncation,
        "ema": not arguments.raw,
    }
    form = form_of(out, FORMS)
    if form in ("gif", "mp4"):
        frames = trained.walk(arguments.count, arguments.frames, **settings)
        save_frames(out, [grid(frame) for frame in frames], FRAMES_PER_SECOND)
    elif form == "png":
        save_png(out, grid(trained.sample(arguments.count, **settings)))
    else:
        save_each(out, trained.sample(arguments.count, **settings))


def form_of(out: Path, forms: Sequence[str] = ("png", "gif")) -> str:
    """One of the suffixes `forms`, or "folder"; raises UsageError for another suffix."""
    suffix = out.suffix.lower()
    if out.is_dir() or not suffix:
        return "folder"
    if suffix[1:] not in forms:
        *first, last = (f".{form}" for form in forms)
        endings = f"{', '.join(first)} or {last}" if first else last
        raise UsageError(f"--out={out}: must end in {endings}, or be a folder")
    return suffix[1:]


def save_each(folder: Path, images: np.ndarray) -> None:
    """`folder/000000.png` and so on."""
    for index, image in enumerate(images):
        save_png(folder / f"{index:06d}.png", image)

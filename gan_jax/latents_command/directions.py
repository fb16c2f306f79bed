"""`gan-jax latents directions`: directions that change pictures, found without labels."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import grid, save_frames, save_png
from gan_jax.latents.directions import (
    Directions,
    first,
    principal_components,
    regressed_components,
    sefa,
    steps_along,
)
from gan_jax.latents.model import alone, picture_of, with_variables
from gan_jax.latents.reading import reading_weights
from gan_jax.latents.sheets import layers_of
from gan_jax.latents.spaces import floats_of, mapped, with_floats
from gan_jax.latents_command.npz import save_npz
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
from gan_jax.sample import form_of

FORMS = ("png", "npz", *FILMS)
FRAMES_PER_SECOND = 12


class Edited(NamedTuple):
    """A space in which directions are.

    Attributes:
        name: "z" or "w".
        size: D.
        points: drawn latents `[N, D]`.
        draw: `(variables, change [D]) -> image`, of the picture at hand with its latent changed.
        pictures: changes `[M, D]` to uint8 `[M, H, W, C]`.
    """

    name: str
    size: int
    points: np.ndarray
    draw: Callable[[Any, Any], Any]
    pictures: Callable[[np.ndarray], np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: a row for each direction; FILE.gif or FILE.mp4: to and fro along all of "
        "them; the directions lie in FILE.npz beside it (default "
        "WORKDIR/latents-directions-STEP.png)",
    )
    add_stored_argument(parser)
    parser.add_argument(
        "--method", choices=("sefa", "pca"), required=True, help="SeFa, or PCA as GANSpace"
    )
    parser.add_argument("--count", type=int, help="directions (default 8, or all)")
    parser.add_argument(
        "--strength", type=float, default=3.0, help="deviations to each side (default 3)"
    )
    parser.add_argument("--steps", type=int, help="along each (default 7; 25 in a film)")
    parser.add_argument("--layers", help="of w that are changed, as 0-3 (default all)")


def main(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.count is not None:
        check_at_least(1, count=arguments.count)
    if not math.isfinite(arguments.strength):
        raise UsageError(f"--strength={arguments.strength:g}: must be a number")
    check_out(arguments.out, FORMS)
    form = "png" if arguments.out is None else form_of(arguments.out, FORMS)
    steps = arguments.steps if arguments.steps is not None else 25 if form in FILMS else 7
    check_at_least(2, steps=steps)
    opened = open_run(arguments, console)
    out = out_of(arguments, opened)
    edited = space_of(opened, arguments.layers)
    every = directions(opened, edited, arguments.method)
    found = first(every, min(8, len(every.vectors)) if arguments.count is None else arguments.count)
    save_npz(out.with_suffix(".npz"), described(found, edited, arguments))
    if form != "npz":
        moves = steps_along(found, arguments.strength, steps)
        pictures = edited.pictures(moves.reshape(-1, edited.size))
        pictures = pictures.reshape(*moves.shape[:2], *pictures.shape[1:])
        save(out, form, pictures)
    console.say(f"{len(found.vectors)} directions in {edited.name} by {arguments.method} in {out}")


def save(out: Path, form: str, pictures: np.ndarray) -> None:
    """Pictures `[K, S, H, W, C]` as a sheet, or as a film of grids to and fro."""
    if form == "png":
        save_png(out, grid(pictures.reshape(-1, *pictures.shape[2:]), pictures.shape[1]))
        return
    frames = [grid(frame) for frame in pictures.swapaxes(0, 1)]
    save_frames(out, [*frames, *frames[-2:0:-1]], FRAMES_PER_SECOND)


def directions(opened: Opened, edited: Edited, method: str) -> Directions:
    """All that the method finds."""
    if method == "pca" and edited.name == "w":
        return principal_components(edited.points)
    weights = reading_weights(edited.draw, opened.model.variables, edited.size)
    if method == "sefa":
        return sefa(weights, edited.points)
    return regressed_components(edited.points, weights)


def space_of(opened: Opened, layers: str | None) -> Edited:
    """w where the model has it, else the longest part of its latents."""
    if opened.model.recipe.styles is not None:
        return _styles(opened, layers)
    if layers is not None:
        opened.model.require_styles()
    return _latents(opened)


def _styles(opened: Opened, layers: str | None) -> Edited:
    model = opened.model
    base = opened.styles(1)[0]
    chosen = np.zeros((len(base), 1), np.float32)
    chosen[list(layers_of(layers or f"0-{len(base) - 1}", len(base)))] = 1.0
    synthesise = model.recipe.synthesise
    assert synthesise is not None

    def draw(variables: Any, change: Any) -> Any:
        view = with_variables(model.view, variables)
        return synthesise(view, alone(base + chosen * change))[0]

    return Edited(
        name="w",
        size=base.shape[-1],
        points=mapped(model, *opened.measured()),
        draw=draw,
        pictures=lambda changes: model.synthesise(base + chosen * changes[:, None]),
    )


def _latents(opened: Opened) -> Edited:
    """Other parts, such as codes, stay as they are: they are directions themselves."""
    model = opened.model
    latents, batch = opened.latents_of_one_class(1)
    base, condition = jax.tree.map(lambda leaf: leaf[0], (latents, dict(batch)))
    parts = floats_of(base)
    if not parts:
        raise UsageError("the latents of this model are choices: there are no directions in them")
    path = max(parts, key=lambda name: parts[name].size)
    drawn = floats_of(opened.measured()[0])[path]

    def draw(variables: Any, change: Any) -> Any:
        view = with_variables(model.view, variables)
        moved = with_floats(base, {path: parts[path] + jnp.reshape(change, parts[path].shape)})
        return picture_of(model.recipe, view, moved, condition)

    def pictures(changes: np.ndarray) -> np.ndarray:
        count = len(changes)
        repeated, conditions = jax.tree.map(
            lambda leaf: np.repeat(leaf, count, axis=0), (latents, dict(batch))
        )
        moved = parts[path] + changes.reshape(count, *parts[path].shape)
        return model.pictures(with_floats(repeated, {path: moved}), conditions, opened.truncation)

    size = parts[path].size
    return Edited("z", size, np.asarray(drawn).reshape(len(drawn), size), draw, pictures)


def described(
    found: Directions, edited: Edited, arguments: argparse.Namespace
) -> dict[str, np.ndarray]:
    """As it is stored; a strength of s adds `s * deviations[k] * directions[k]`."""
    return {
        "directions": found.vectors.astype(np.float32),
        "deviations": found.deviations.astype(np.float32),
        "values": found.values.astype(np.float32),
        "space": np.array(edited.name),
        "method": np.array(arguments.method),
        "layers": np.array(arguments.layers or ""),
    }

"""`gan-jax latents project`: the latents of pictures of the user's."""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.console import Console
from gan_jax.data.destinations import check_file
from gan_jax.evaluators.reconstructions import all_above
from gan_jax.evaluators.samples import sample_key
from gan_jax.images import save_frames, save_png
from gan_jax.latents import distances
from gan_jax.latents.drawn import nearest
from gan_jax.latents.projection import Projection, Settings, project
from gan_jax.latents.spaces import SPACES, Space, floats_of, on_sphere, space_named
from gan_jax.latents_command.npz import save_npz
from gan_jax.latents_command.opened import (
    FILMS,
    Opened,
    add_run_arguments,
    check_above_zero,
    check_at_least,
    check_out,
    open_run,
    out_of,
)
from gan_jax.metrics.reconstruction import psnr
from gan_jax.ops.pixels import to_float, to_uint8
from gan_jax.recipe import PyTree
from gan_jax.sample import form_of
from gan_jax.training_data import geometry
from gan_jax.translate import files_of, read

FORMS = ("png", *FILMS)
FRAMES_PER_SECOND = 12
CANDIDATES = 256
"""Drawn latents of which a projection into z begins at the nearest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: each picture above its projection; FILE.gif or FILE.mp4: the descent; the "
        "latents lie in FILE.npz beside it (default WORKDIR/latents-project-STEP.png)",
        truncation=False,
    )
    parser.add_argument("pictures", nargs="+", help="files, folders or patterns such as 'me/*.png'")
    parser.add_argument(
        "--space",
        choices=SPACES,
        help="w+ has a w for each layer: nearer, and harder to edit (default w, or z without one)",
    )
    parser.add_argument(
        "--sphere", action="store_true", help="z keeps the length of drawn ones: easier to edit"
    )
    parser.add_argument("--steps", type=int, default=500, help="of Adam (default 500)")
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate (default 0.1)")
    parser.add_argument(
        "--features",
        choices=distances.NAMES,
        default="pixels",
        help="what alike means (default pixels)",
    )
    parser.add_argument("--weights", type=Path, help="of the avatar encoder")


def main(arguments: argparse.Namespace, console: Console) -> None:
    check_at_least(1, steps=arguments.steps)
    check_above_zero(rate=arguments.rate)
    check_out(arguments.out, FORMS)
    distance = distances.distance_named(arguments.features, arguments.weights)
    opened = open_run(arguments, console)
    files, out = files_of(arguments.pictures), out_of(arguments, opened)
    check_file(out, files)
    images = read(files, geometry(opened.trained.config), console)
    space = space_of(opened, arguments.space)
    space = on_sphere(space) if arguments.sphere else space
    frames: list[np.ndarray] = []
    is_film = form_of(out, FORMS) in FILMS

    def watch(step: int, drawn: np.ndarray) -> None:
        frames.append(all_above(images, levels(drawn)))

    targets = np.asarray(to_float(jnp.asarray(images)))
    points, fixed = beginning(opened, space, distance, targets)
    with console.progress("projecting") as advance:
        found = project(
            space,
            distance,
            Settings(steps=arguments.steps, learning_rate=arguments.rate),
            variables=opened.model.variables,
            images=targets,
            fixed=fixed,
            key=sample_key(arguments.seed),
            points=points,
            advance=advance,
            watch=watch if is_film else None,
        )
    drawn = levels(found.images)
    save_npz(out.with_suffix(".npz"), described(space, found, fixed, distance.name))
    if is_film:
        save_frames(out, frames, FRAMES_PER_SECOND)
    else:
        save_png(out, all_above(images, drawn))
    for line in report(space, found, files, psnr(images, drawn), distance.name):
        console.say(line)
    console.say(f"{len(files)} projected into {space.name} of step {opened.trained.step} in {out}")


def levels(images: np.ndarray) -> np.ndarray:
    """uint8 of floats in [-1, 1]."""
    return np.asarray(to_uint8(jnp.asarray(images)))


def space_of(opened: Opened, name: str | None) -> Space:
    """The space of that name; w, or z where there is none."""
    name = name or ("z" if opened.model.recipe.styles is None else "w")
    return space_named(name, opened.model, *opened.measured())


def beginning(
    opened: Opened, space: Space, distance: distances.Distance, targets: np.ndarray
) -> tuple[PyTree, PyTree]:
    """Where to start `[N, …]`, and what stays there: in z what the recipe encodes them to, or the
    nearest drawn latents with their choices and conditions; in w the mean, on which nothing else
    bears."""
    if space.name != "z":
        return None, np.zeros(len(targets), np.float32)
    if opened.model.recipe.encode is not None:
        latents, batch = opened.latents(len(targets))
        encoded = opened.model.encode(targets, batch)
        return floats_of(encoded), (encoded, dict(batch))
    latents, batch = opened.latents(CANDIDATES)
    rows = nearest(opened.model, latents, batch, distance, targets)
    chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], (latents, dict(batch)))
    return floats_of(chosen[0]), chosen


def report(
    space: Space, found: Projection, files: list[Path], decibels: np.ndarray, name: str
) -> list[str]:
    """A line for each picture."""
    lines = []
    for index, file in enumerate(files):
        parts = [
            f"{file.name}: PSNR {decibels[index]:.1f} dB",
            f"{name} distance {found.distances[index]:.4g}",
            f"{found.from_mean[index]:.2f} deviations from the mean of {space.name}, further than "
            f"{found.further_than[index]:.0%} of drawn latents",
        ]
        if space.name == "w+":
            parts.append(f"its layers {found.spread[index]:.2f} deviations apart")
        lines.append(", ".join(parts))
    return lines


def described(
    space: Space, found: Projection, fixed: PyTree, features: str
) -> dict[str, np.ndarray]:
    """As it is stored: `w` `[N, L, W]` or `[N, W]` with the noise planes, or the parts of z with
    choices and label."""
    arrays = {
        "space": np.array(space.name),
        "features": np.array(features),
        "distance": found.distances,
        "from_mean": found.from_mean,
        "spread": found.spread,
    }
    if space.name == "z":
        latents, batch = fixed
        whole = {**parts_of(latents), **found.found.point}
        arrays |= {f"z{path}": np.asarray(leaf) for path, leaf in whole.items()}
        return arrays | {name: np.asarray(leaf) for name, leaf in batch.items()}
    planes = jax.tree_util.tree_flatten_with_path(found.found.planes)[0]
    named = {f"noise{jax.tree_util.keystr(path)}": np.asarray(leaf) for path, leaf in planes}
    return arrays | {"w": np.asarray(found.found.point)} | named


def parts_of(latents: PyTree) -> dict[str, np.ndarray]:
    """All parts of latents by their path."""
    leaves = jax.tree_util.tree_flatten_with_path(latents)[0]
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}

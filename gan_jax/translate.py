"""`gan-jax translate`: pictures of the user's through a trained translator."""

from __future__ import annotations

import argparse
import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from gan_jax.console import Console
from gan_jax.data.geometry import Geometry, fit
from gan_jax.data.pictures import SUFFIXES, read_picture
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.reconstructions import above
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.images import save_png
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import prepare, to_uint8
from gan_jax.program import use_compilation_cache
from gan_jax.sample import form_of
from gan_jax.trained import Trained, load
from gan_jax.training_data import geometry
from gan_jax.translation import Translation

AT_ONCE = 16
"""Pictures that are translated together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", type=Path, help="a run directory")
    parser.add_argument("pictures", nargs="+", help="files, folders or patterns such as 'me/*.png'")
    parser.add_argument(
        "--reference", action="append", default=[], help="pictures to take the style of, likewise"
    )
    parser.add_argument("--step", default="latest", help="a checkpoint: N, best or latest")
    parser.add_argument("--raw", action="store_true", help="the raw weights, not their average")
    parser.add_argument(
        "--out",
        type=Path,
        help="FILE.png: the translation, of several each below its picture; a folder: single "
        "pictures under their own names (default WORKDIR/translated-STEP.png)",
    )
    parser.epilog = "--condition.NAME=VALUE sets what the recipe may be asked for"


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("translate takes the settings of the run: no --config.KEY=VALUE here")
    console = Console()
    use_compilation_cache()
    step = arguments.step
    if step not in ("latest", "best") and not step.isdigit():
        raise UsageError(f"--step={step!r}: must be a number, latest or best")
    if arguments.out and form_of(arguments.out) == "gif":
        raise UsageError(f"--out={arguments.out}: must end in .png, or be a folder")
    trained = load(arguments.workdir, step=int(step) if step.isdigit() else step, say=console.say)
    form = geometry(trained.config)
    files = files_of(arguments.pictures)
    images = read(files, form, console)
    references = read(files_of(arguments.reference), form, console) if arguments.reference else None
    conditions = translation_of(trained).parse(dict(arguments.conditions))
    made = translate(trained, images, conditions, references, ema=not arguments.raw)
    out = arguments.out or arguments.workdir / f"translated-{trained.step}.png"
    if form_of(out) == "folder":
        for file, picture in zip(files, made, strict=True):
            save_png(out / f"{file.stem}.png", picture)
    else:
        save_png(out, made[0] if len(made) == 1 else above(images, made))
    what = "1 picture" if len(made) == 1 else f"{len(made)} pictures"
    console.say(f"{what} translated by step {trained.step} in {out}")
    return 0


def translate(
    trained: Trained,
    images: np.ndarray,
    conditions: Mapping[str, int | float],
    references: np.ndarray | None = None,
    *,
    seed: int = 0,
    ema: bool = True,
) -> np.ndarray:
    """Pictures uint8 `[N, H, W, C]`, as the run's own, to as many.

    Args:
        trained: a run whose recipe translates.
        images: `[N, H, W, C]`.
        conditions: every one of the recipe's, as `Translation.parse` gives them.
        references: `[R, H, W, C]`, all of them for every picture.
        seed: of what the recipe draws.
        ema: averaged weights where the run keeps some.

    Raises:
        UsageError: the recipe does not translate, or references that it lacks or does not read.
    """
    translation = translation_of(trained)
    if references is None and translation.references == "required":
        raise UsageError(f"the recipe of {trained.directory} takes a style: give --reference")
    if references is not None and translation.references == "none":
        raise UsageError(f"the recipe of {trained.directory} reads no --reference")
    recipe, frozen = trained.program.recipe, trained.program.frozen

    @jax.jit
    def run(nets, frozen, batch, key):
        return to_uint8(
            translation.run(sampling_nets(recipe, nets, frozen, key, ema), prepare(batch))
        )

    whole, made = replicated(trained.program.mesh), []
    for start in range(0, len(images), AT_ONCE):
        rows = np.minimum(np.arange(start, start + AT_ONCE), len(images) - 1)
        batch = {"image": images[rows]}
        for name, value in conditions.items():
            kind = np.int32 if isinstance(value, int) else np.float32
            batch[name] = np.full(AT_ONCE, value, kind)
        if references is not None:
            batch["reference"] = np.broadcast_to(references, (AT_ONCE, *references.shape))
        key = jax.random.fold_in(sample_key(seed), start)
        placed = jax.device_put((batch, key), whole)
        made.append(np.asarray(run(trained.state.nets, frozen, *placed)))
    return np.concatenate(made)[: len(images)]


def translation_of(trained: Trained) -> Translation:
    """Raises UsageError where the recipe does not translate."""
    translation = trained.program.recipe.translation
    if translation is None:
        raise UsageError(f"the recipe of {trained.directory} translates no pictures of yours")
    return translation


def files_of(patterns: Sequence[str]) -> list[Path]:
    """Of files, folders and patterns; raises DataError for one that is no picture."""
    files: list[Path] = []
    for pattern in patterns:
        path = Path(pattern).expanduser()
        found = [path]
        if path.is_dir():
            found = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES)
        elif not path.is_file():
            found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not found:
            raise DataError(f"{pattern}: there is no such picture")
        files += found
    return files


def read(files: Sequence[Path], form: Geometry, console: Console) -> np.ndarray:
    """uint8 `[N, size, size, channels]`; says which had to be cropped or resized. Raises
    DataError, which names the file."""
    images = []
    for file in files:
        image = read_picture(file).image
        height, width = image.shape[:2]
        if (height, width) != (form.size, form.size):
            console.say(f"{file}: {width}x{height} brought to {form.size}x{form.size}")
        images.append(fit(image, form))
    return np.stack(images)

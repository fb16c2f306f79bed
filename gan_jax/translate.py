"""`gan-jax translate`: pictures of the user's through a trained translator."""

from __future__ import annotations

import argparse
import glob
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from gan_jax.console import Console
from gan_jax.data.destinations import check_file, check_files, names_in_one_folder
from gan_jax.data.geometry import Geometry, fit
from gan_jax.data.pictures import SUFFIXES, read_picture
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.reconstructions import all_above
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.faces_command import add_face_arguments, face_reader
from gan_jax.images import grid, save_png
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import prepare, to_uint8
from gan_jax.program import use_compilation_cache
from gan_jax.sample import form_of
from gan_jax.settings import check_seed
from gan_jax.trained import Trained, checkpoint_named, load
from gan_jax.training_data import geometry
from gan_jax.translation import Translation

Run = Callable[..., jax.Array]
FORMS = ("png",)
AT_ONCE = 16
"""Pictures that are translated together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", type=Path, help="a run directory")
    parser.add_argument("pictures", nargs="+", help="files, folders or patterns such as 'me/*.png'")
    parser.add_argument(
        "--reference",
        action="append",
        default=[],
        help="pictures to be like, in what the recipe reads of them: a style, an expression",
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    parser.add_argument("--step", default="latest", help="a checkpoint: N, best or latest")
    parser.add_argument("--raw", action="store_true", help="the raw weights, not their average")
    parser.add_argument(
        "--out",
        type=Path,
        help="FILE.png: the translation, of several each below its picture; a folder: single "
        "pictures under their own names (default WORKDIR/translated-STEP-CONDITIONS.png)",
    )
    add_face_arguments(parser, "--face", "none")
    parser.epilog = (
        "--condition.NAME=VALUE sets what the recipe may be asked for; several values, as\n"
        "--condition.NAME=0,0.5,1, make a strip of each picture and its translations\n"
        "--face=DETECTOR cuts the face out of each reference too, where the recipe reads faces"
    )


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("translate takes the settings of the run: no --config.KEY=VALUE here")
    console = Console()
    use_compilation_cache()
    step = checkpoint_named(arguments.step)
    check_seed("seed", arguments.seed)
    files, references = files_of(arguments.pictures), references_of(arguments)
    asked = variants(arguments.conditions)
    if arguments.out:  # what cannot be written is known before the run is opened
        targets_of(arguments.out, files, asked, references)
    trained = load(arguments.workdir, step=step, say=console.say)
    check_references(trained, bool(references))
    parsed = [translation_of(trained).parse(each) for each in asked]
    name = "-".join(["translated", str(trained.step), *dict(arguments.conditions).values()])
    out = arguments.out or arguments.workdir / f"{name.replace('/', '-')}.png"
    targets = targets_of(out, files, asked, references)
    form, reader = geometry(trained.config), face_reader(arguments) or read
    images = reader(files, form, console)
    like_reader = reader if translation_of(trained).like_faces else read
    like = like_reader(references, form, console) if references else None
    run, seed = compiled(trained, ema=not arguments.raw), arguments.seed
    made = [translate(trained, images, each, like, seed=seed, run=run) for each in parsed]
    if targets is None:
        save_png(out, sheet(images, made))
    else:
        for target, picture in zip(targets, itertools.chain(*made), strict=True):
            save_png(target, picture)
    what = "1 picture" if len(images) == 1 else f"{len(images)} pictures"
    ways = ", ".join(" ".join(each.values()) for each in asked) if made[1:] else ""
    how = f" in {len(made)} ways ({ways})" if ways else ""
    for name, weights in trained.program.weights.items():
        console.say(f"{name}: {weights.network}, sha256 {weights.sha256[:12]}")
    console.say(f"{what} translated{how} by the checkpoint of step {trained.step}: {out}")
    return 0


def references_of(arguments: argparse.Namespace) -> list[Path]:
    """Raises UsageError for an empty name, and what `files_of` raises."""
    if "" in arguments.reference:
        raise UsageError("--reference= is empty: give files, folders or patterns")
    return files_of(arguments.reference)


def targets_of(
    out: Path, files: Sequence[Path], asked: Sequence[Mapping[str, str]], references: Sequence[Path]
) -> list[Path] | None:
    """The files in a folder `out`, way by way those of all pictures; None for a sheet.

    Raises:
        UsageError: an ending that is not written, two that are one, or what is read would be lost.
    """
    given = [*files, *references]
    if form_of(out, FORMS) != "folder":
        check_file(out, given)
        return None
    ways = ["".join(f"-{value}" for value in each.values()) for each in asked]
    ways = ways if ways[1:] else [""]
    names = [name.removesuffix(".png") for name in names_in_one_folder(files)]
    targets = [out / f"{name}{way}.png" for way in ways for name in names]
    check_files(out, targets, given)
    return targets


def variants(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Every combination of the conditions' values, of which each may have several, with commas
    between them. Raises UsageError for a condition that is given twice."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise UsageError(
                f"--condition.{name}= is given twice: several values stand in one, between commas"
            )
    names, texts = zip(*dict(pairs).items(), strict=True) if pairs else ((), ())
    combinations = itertools.product(*(text.split(",") for text in texts))
    return [dict(zip(names, values, strict=True)) for values in combinations]


def sheet(images: np.ndarray, made: Sequence[np.ndarray]) -> np.ndarray:
    """One translation alone; of several pictures each below its own; of several ways a strip for
    each picture, which it begins with."""
    if made[1:]:
        columns = np.stack([images, *made], axis=1)
        return grid(columns.reshape(-1, *images.shape[1:]), len(made) + 1)
    return made[0][0] if len(images) == 1 else all_above(images, made[0])


def translate(
    trained: Trained,
    images: np.ndarray,
    conditions: Mapping[str, int | float],
    references: np.ndarray | None = None,
    *,
    seed: int = 0,
    run: Run | None = None,
) -> np.ndarray:
    """Pictures uint8 `[N, H, W, C]`, as the run's own, to as many.

    Args:
        trained: a run whose recipe translates.
        images: `[N, H, W, C]`.
        conditions: every one of the recipe's, as `Translation.parse` gives them.
        references: `[R, H, W, C]`, all of them for every picture.
        seed: of what the recipe draws.
        run: of `compiled`, which several calls may share; by default its own, of averaged weights.

    Raises:
        UsageError: the recipe does not translate, or references that it lacks or does not read.
    """
    check_references(trained, references is not None)
    run = run or compiled(trained, ema=True)
    whole, made = replicated(trained.program.mesh), []
    size = min(AT_ONCE, len(images))
    for start in range(0, len(images), size):
        rows = np.minimum(np.arange(start, start + size), len(images) - 1)
        batch = {"image": images[rows]}
        for name, value in conditions.items():
            kind = np.int32 if isinstance(value, int) else np.float32
            batch[name] = np.full(size, value, kind)
        if references is not None:
            batch["reference"] = np.broadcast_to(references, (size, *references.shape))
        key = jax.random.fold_in(sample_key(seed), start)
        placed = jax.device_put((batch, key), whole)
        made.append(np.asarray(run(trained.state.nets, trained.program.frozen, *placed)))
    return np.concatenate(made)[: len(images)]


def compiled(trained: Trained, *, ema: bool) -> Run:
    """`(nets, frozen, batch, key) -> uint8 [B, H, W, C]`, traced once for each shape; with averaged
    weights, or the raw ones. Raises UsageError where the recipe does not translate."""
    recipe, translation = trained.program.recipe, translation_of(trained)

    @jax.jit
    def run(nets, frozen, batch, key):
        view = sampling_nets(recipe, nets, frozen, key, ema)
        return to_uint8(translation.run(view, prepare(batch)))

    return run


def check_references(trained: Trained, given: bool) -> None:
    """Raises UsageError where the recipe lacks references, or reads none that are given."""
    wanted = translation_of(trained).references
    if not given and wanted == "required":
        raise UsageError(
            f"the recipe of {trained.directory} needs pictures to be like: give --reference"
        )
    if given and wanted == "none":
        raise UsageError(f"the recipe of {trained.directory} reads no --reference")


def translation_of(trained: Trained) -> Translation:
    """Raises UsageError where the recipe does not translate."""
    translation = trained.program.recipe.translation
    if translation is None:
        raise UsageError(
            f"the recipe of {trained.directory} translates no pictures of yours: gan-jax sample "
            "shows what it makes"
        )
    return translation


def files_of(patterns: Sequence[str]) -> list[Path]:
    """Of files, folders and patterns.

    Raises:
        UsageError: an empty name, which would be the folder at hand.
        DataError: no such picture, or a folder without any.
    """
    files: list[Path] = []
    for pattern in patterns:
        if not pattern:
            raise UsageError("a picture's name is empty: give files, folders or patterns")
        path = Path(pattern).expanduser()
        found = [path]
        if path.is_dir():
            found = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES)
        elif not path.is_file():
            found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not found:
            what = "the folder holds no pictures" if path.is_dir() else "there is no such picture"
            raise DataError(f"{pattern}: {what}")
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

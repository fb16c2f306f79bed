"""`gan-jax data faces`, and the faces that other commands cut out of their pictures."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gan_jax.console import Console
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.destinations import check_files, names_of
from gan_jax.data.folder import open_folder
from gan_jax.data.geometry import Geometry, with_channels
from gan_jax.data.pictures import PictureError, read_picture
from gan_jax.errors import DataError, UsageError
from gan_jax.faces.detection import DETECTORS, NoFaceError, cut_face, described, open_detector
from gan_jax.faces.face import Face
from gan_jax.images import save_png, write_whole

SIZE = 256
"""Pixels a side of a face, unless asked otherwise."""
TABLE = "faces.csv"
COLUMNS = (
    *("file", "picture", "detector", "confidence", "left", "top", "right", "bottom"),
    *(f"{name}_{axis}" for name in LANDMARKS for axis in "xy"),
)

Read = Callable[[Sequence[Path], Geometry, Console], np.ndarray]


def add_face_arguments(parser: argparse.ArgumentParser, flag: str, default: str) -> None:
    """`flag`, which names a detector, or `none` where that is the default, and its `--model`."""
    names = ", ".join((*DETECTORS, "none") if flag == "--face" else DETECTORS)
    parser.add_argument(
        flag,
        dest="face",
        metavar="DETECTOR",
        default=default,
        help=f"finds the face, turns it upright and cuts it out: {names} (default {default}); "
        "photograph needs the extra faces, mediapipe the extra mediapipe",
    )
    parser.add_argument("--model", type=Path, help="FILE.task, the model of mediapipe")


def face_reader(arguments: argparse.Namespace) -> Read | None:
    """What reads pictures as their faces; None with `--face=none`, where they are taken whole.

    Raises:
        UsageError: as of `open_detector`.
    """
    if arguments.face == "none":
        if arguments.model:
            raise UsageError("--model is read with --face=mediapipe or --face=auto")
        return None
    detector = open_detector(arguments.face, arguments.model)

    def read(files: Sequence[Path], form: Geometry, console: Console) -> np.ndarray:
        """uint8 `[N, size, size, channels]`; says what was found. Raises DataError, which names
        the file."""
        images = []
        for file in files:
            image = read_picture(file).image
            cut, face = cut_face(detector, image, str(file), form.size, form.background)
            console.say(f"{file}: {described(face)}, cut out at {form.size}x{form.size}")
            images.append(with_channels(cut, form))
        return np.stack(images)

    return read


def cut_faces(arguments: argparse.Namespace, console: Console) -> int:
    """`data faces`: the exit code is that of DataError where no face was found in any picture."""
    source, out = Path(arguments.source.removeprefix("folder:")).expanduser(), arguments.out
    if out is None or out.suffix or out.is_file():
        raise UsageError("faces go to a folder: --out=FOLDER")
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"--out={out}: lies in {source}; its faces would be searched for faces")
    if not source.is_dir():
        what = "a file" if source.is_file() else "there is no such folder"
        raise DataError(f"{source}: {what}: give the folder that the pictures lie in")
    files = open_folder(str(source), split="all", labels="none").files
    names, rows, faceless, unreadable = names_of(files), [], 0, 0
    check_files(out, [out / name for name in names.values()], [source / file for file in files])
    detector = open_detector(arguments.face, arguments.model)
    with console.progress(f"faces of {source}") as advance:
        for done, file in enumerate(files):
            try:
                image = read_picture(source / file).image
                cut, face = cut_face(detector, image, file, arguments.size or SIZE)
            except NoFaceError:
                faceless += 1
                console.say(f"{source / file}: no face found")
            except PictureError as error:
                unreadable += 1
                console.say(str(error))
            else:
                save_png(out / names[file], cut)
                rows.append(row(file, names[file], face))
            advance(done + 1, len(files))
    if not rows:
        raise DataError(f"{source}: {nothing(len(files), unreadable, detector[1])}")
    write_whole(out / TABLE, table(rows).encode())
    unread = f"; {unreadable} cannot be read" if unreadable else ""
    without = f"; {faceless} without one: searched for {detector[1]}" if faceless else ""
    console.say(f"faces cut out of {len(rows)} of {len(files)} pictures: {out}{unread}{without}")
    return 0


def nothing(count: int, unreadable: int, searched: str) -> str:
    """Why none of so many pictures gave a face."""
    if unreadable == count:
        return f"none of its pictures can be read ({count})"
    unread = f", of which {unreadable} cannot be read" if unreadable else ""
    return f"no face found in its pictures ({count}{unread}); searched for {searched}"


def row(file: str, picture: str, face: Face) -> dict[str, str]:
    """Of the table; pixels are the given picture's, and what is not known is left empty."""
    found = {"file": picture, "picture": file, "detector": face.detector}
    if face.confidence is not None:
        found["confidence"] = f"{face.confidence:.4f}"
    box = zip(("left", "top", "right", "bottom"), face.box, strict=True)
    found |= {side: f"{value:.1f}" for side, value in box}
    if face.landmarks is not None:
        for name, (x, y) in zip(LANDMARKS, face.landmarks, strict=True):
            found |= {f"{name}_x": f"{x:.2f}", f"{name}_y": f"{y:.2f}"}
    return found


def table(rows: Sequence[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

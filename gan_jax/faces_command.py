"""`gan-jax data faces`, and the faces that other commands cut out of their pictures."""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gan_jax.console import Console
from gan_jax.data.avatars.landmarks import LANDMARKS
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
    files = open_folder(str(source), split="all", labels="none").files
    detector = open_detector(arguments.face, arguments.model)
    names, rows, lacking = names_of(files), [], []
    with console.progress(f"faces of {source}") as advance:
        for done, file in enumerate(files):
            try:
                image = read_picture(source / file).image
                cut, face = cut_face(detector, image, file, arguments.size or SIZE)
            except (NoFaceError, PictureError) as error:
                lacking.append(file)
                console.say(reason(error, source / file))
            else:
                save_png(out / names[file], cut)
                rows.append(row(file, names[file], face))
            advance(done + 1, len(files))
    if not rows:
        raise DataError(f"{source}: no face found in any of its {len(files)} pictures")
    write_whole(out / TABLE, table(rows).encode())
    without = f"; {len(lacking)} without one" if lacking else ""
    console.say(f"{len(rows)} faces of {len(files)} pictures in {out}{without}")
    return 0


def reason(error: DataError, file: Path) -> str:
    """One line about a picture that gives no face."""
    return f"{file}: no face found" if isinstance(error, NoFaceError) else str(error)


def names_of(files: Sequence[str]) -> dict[str, str]:
    """For each picture that of its face: the same path, ending in .png; where several would be of
    one name, behind their own endings."""
    stems = {file: str(Path(file).with_suffix("")) for file in files}
    taken = Counter(stem.lower() for stem in stems.values())
    return {
        file: f"{stem if taken[stem.lower()] == 1 else file}.png" for file, stem in stems.items()
    }


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

"""`gan-jax data check|prepare|preview|faces SOURCE`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gan_jax.console import Console
from gan_jax.data.avatar_collection import avatar_size
from gan_jax.data.check import check_source
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.prepare import prepare_source
from gan_jax.data.preview import preview
from gan_jax.data.source import PictureSource
from gan_jax.errors import UsageError
from gan_jax.faces_command import add_face_arguments, cut_faces
from gan_jax.images import save_png
from gan_jax.program import use_compilation_cache

COUNT = 64
"""Pictures of a preview, unless asked otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("check", "prepare", "preview", "faces"))
    parser.add_argument("source", help="avatars/64, digits, tfds:NAME, folder:PATH or npz:PATH")
    parser.add_argument("--data_dir", help="where prepared sets lie (default: that of TFDS)")
    parser.add_argument("--split", default="all", help="train, test or all (default all)")
    parser.add_argument(
        "--size", type=int, help="pixels a side (default: 64, or the avatars'; of faces 256)"
    )
    parser.add_argument(
        "--count", type=int, help="pictures of a preview (default 64; of avatars a sheet of kinds)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="FILE.png of a preview (default SOURCE.png), or a folder: of its single pictures, or "
        "of cut out faces",
    )
    add_face_arguments(parser, "--detector", "auto")


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("data takes no --config.KEY=VALUE; --size and --split set the shape")
    for flag in ("size", "count"):
        value = getattr(arguments, flag)
        if value is not None and value < 1:
            raise UsageError(f"--{flag}={value}: must be at least 1")
    if arguments.action == "faces":
        use_compilation_cache()
        return cut_faces(arguments, Console())
    if arguments.out and arguments.out.suffix.lower() not in (".png", ""):
        raise UsageError(f"--out={arguments.out}: must end in .png, or be a folder")
    use_compilation_cache()
    actions = {"check": check, "prepare": prepare, "preview": save_preview}
    return actions[arguments.action](arguments, Console())


def prepare(arguments: argparse.Namespace, console: Console) -> int:
    with console.progress(f"preparing {arguments.source}") as advance:
        prepare_source(arguments.source, arguments.data_dir, advance)
    console.say(f"{arguments.source} is prepared")
    return 0


def check(arguments: argparse.Namespace, console: Console) -> int:
    """Reads everything once; the report goes to standard output."""
    with console.progress(f"checking {arguments.source}") as advance:
        report = check_source(
            arguments.source,
            split=arguments.split,
            size=arguments.size,
            data_dir=arguments.data_dir,
            progress=advance,
        )
    print("\n".join(report.lines()))
    return report.exit_code


def save_preview(arguments: argparse.Namespace, console: Console) -> int:
    """Without a count avatars have a contact sheet of their own; else examples are shown."""
    name = arguments.source.replace(":", "-").replace("/", "-").strip("-.")
    out = arguments.out or Path(f"{name}.png")
    if not out.suffix:
        return save_singles(arguments, out, console)
    if arguments.source.startswith("avatars/") and arguments.count is None:
        from gan_jax.data.avatars.contact_sheet import contact_sheet

        picture = contact_sheet(avatar_size(arguments.source))
    else:
        picture = preview(open_for_preview(arguments, console), arguments.count or COUNT)
    save_png(out, picture)
    console.say(f"preview of {arguments.source} in {out}")
    return 0


def save_singles(arguments: argparse.Namespace, folder: Path, console: Console) -> int:
    """The first pictures of a source, each as a file, to try commands on."""
    place = Path(arguments.source.removeprefix("folder:")).expanduser()
    if folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"--out={folder}: lies in {place}, whose pictures are shown")
    source = open_for_preview(arguments, console)
    count = min(arguments.count or COUNT, len(source))
    for index in range(count):
        save_png(folder / f"{index:04d}.png", np.asarray(source[index]["image"]))
    console.say(f"{count} of {len(source)} pictures of {arguments.source} in {folder}")
    return 0


def open_for_preview(arguments: argparse.Namespace, console: Console) -> PictureSource:
    """The source in colour, with alpha."""
    is_avatars = arguments.source.startswith("avatars/")
    size = arguments.size or (avatar_size(arguments.source) if is_avatars else 64)
    with console.progress(f"preparing {arguments.source}") as advance:
        return open_source(
            arguments.source,
            split=arguments.split,
            geometry=Geometry(size=size, channels=4),
            on_bad_image="error",
            data_dir=arguments.data_dir,
            labels="auto",
            progress=advance,
        )

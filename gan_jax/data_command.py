"""`gan-jax data check|prepare|preview SOURCE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gan_jax.console import Console
from gan_jax.data.check import check_source
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.prepare import prepare_source
from gan_jax.data.preview import preview
from gan_jax.errors import UsageError
from gan_jax.images import save_png
from gan_jax.program import use_compilation_cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("check", "prepare", "preview"))
    parser.add_argument("source", help="avatars/64, digits, tfds:NAME, folder:PATH or npz:PATH")
    parser.add_argument("--data_dir", help="where prepared sets lie (default: that of TFDS)")
    parser.add_argument("--split", default="all", help="train, test or all (default all)")
    parser.add_argument("--size", type=int, help="pixels a side (default: 64, or the avatars')")
    parser.add_argument("--count", type=int, default=64, help="pictures of a preview (default 64)")
    parser.add_argument("--out", type=Path, help="of a preview (default SOURCE.png)")


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("data takes no --config.KEY=VALUE; --size and --split set the shape")
    use_compilation_cache()
    actions = {"check": check, "prepare": prepare, "preview": save_preview}
    return actions[arguments.action](arguments, Console())


def prepare(arguments: argparse.Namespace, console: Console) -> int:
    with console.progress(f"preparing {arguments.source}") as advance:
        prepare_source(arguments.source, arguments.data_dir, advance)
    console.say(f"{arguments.source} is prepared")
    return 0

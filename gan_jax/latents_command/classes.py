"""`gan-jax latents classes`: the same latents as every class."""

from __future__ import annotations

import argparse

import numpy as np

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.images import grid, save_png
from gan_jax.latents.sheets import class_sheet
from gan_jax.latents_command.opened import (
    Opened,
    add_run_arguments,
    check_at_least,
    check_out,
    open_run,
    out_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(
        parser,
        out="FILE.png: a row for each class, or attribute alone "
        "(default WORKDIR/latents-classes-STEP.png)",
    )
    parser.add_argument("--count", type=int, default=8, help="latents (default 8)")


def main(arguments: argparse.Namespace, console: Console) -> None:
    check_at_least(1, count=arguments.count)
    check_out(arguments.out, ("png",))
    opened = open_run(arguments, console)
    labels = labels_of(opened)
    latents, _ = opened.latents_of_one_class(arguments.count)
    pictures = class_sheet(opened.model, latents, labels, opened.truncation)
    out = out_of(arguments, opened)
    save_png(out, grid(pictures, arguments.count))
    names = opened.trained.config.data.attributes
    rows = f"rows {', '.join(names)}" if names else f"{len(labels)} classes"
    console.say(f"{rows}, {arguments.count} latents each, in {out}")


def labels_of(opened: Opened) -> np.ndarray:
    """All classes, int32 `[K]`; of a model of attributes each alone, float32 `[K, K]`; those that
    are asked for, if some are.

    Raises:
        UsageError: the model has neither.
    """
    count = opened.trained.config.num_classes
    if not count:
        raise UsageError(f"the model in {opened.trained.directory} has no classes")
    if opened.label is not None or opened.attributes is not None:
        return opened.latents(1)[1]["label"]
    return (
        np.arange(count, dtype=np.int32) if opened.has_classes else np.eye(count, dtype=np.float32)
    )

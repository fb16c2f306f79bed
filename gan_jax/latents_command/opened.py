"""What all latent tools are told: which run, checkpoint, weights and latents."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.evaluators.samples import sample_key
from gan_jax.images import require_encoder
from gan_jax.latents.model import LatentModel
from gan_jax.latents.sheets import towards
from gan_jax.latents.spaces import mapped
from gan_jax.latents_command.stored import Stored, read_stored
from gan_jax.recipe import PyTree
from gan_jax.sample import form_of, values_of
from gan_jax.settings import check_seed
from gan_jax.trained import Trained, checkpoint_named, load

FILMS = ("gif", "mp4")
MEASURED = 10_000
"""Latents that a mean, a deviation or components are measured from, as published."""
MEASURED_SEED = 123


@dataclasses.dataclass(frozen=True)
class Opened:
    """A run whose latents are looked at.

    Attributes:
        trained: the run.
        model: its generator.
        seed, label, attributes: of the latents that are drawn.
        truncation: of the pictures.
        stored: latents that are taken instead of drawn ones.
    """

    trained: Trained
    model: LatentModel
    seed: int
    label: int | None
    attributes: dict[str, float] | None
    truncation: float
    stored: Stored | None = None

    @property
    def has_classes(self) -> bool:
        config = self.trained.config
        return config.num_classes > 0 and not config.data.attributes

    def latents(self, count: int) -> tuple[PyTree, Any]:
        """`count` latents and conditions, as `gan-jax sample` draws them."""
        return self._drawn(count, self.seed, self.label)

    def latents_of_one_class(self, count: int) -> tuple[PyTree, Any]:
        """The same, of class 0 where there are classes and none is asked for."""
        first = 0 if self.has_classes and self.label is None else self.label
        if self.stored is None:
            return self._drawn(count, self.seed, first)
        latents, batch = self.stored.latents(self._drawn(1, self.seed, first))
        return jax.tree.map(lambda leaf: leaf[: self._stored(count)], (latents, batch))

    def measured(self) -> tuple[PyTree, Any]:
        """The latents that measurements are taken from, the same for every seed."""
        return self._drawn(MEASURED, MEASURED_SEED, self.label)

    def styles(self, count: int) -> np.ndarray:
        """`ws [count, L, W]` of the latents, truncated."""
        self.model.require_styles()
        ws = self.model.styles(*self.latents(count if self.stored is None else 1))
        if self.stored is not None:
            ws = self.stored.styles(ws[0])[: self._stored(count)]
        if self.truncation == 1:
            return ws
        mean = mapped(self.model, *self.measured()).mean(axis=0)
        return towards(mean, ws, self.truncation)

    def _stored(self, count: int) -> int:
        """Raises UsageError where the file holds fewer."""
        assert self.stored is not None
        if count > self.stored.count:
            raise UsageError(
                f"{self.stored.file} holds the latents of {self.stored.count} pictures, and "
                f"{count} are asked for"
            )
        return count

    def _drawn(self, count: int, seed: int, label: int | None) -> tuple[PyTree, Any]:
        return self.trained.latents(count, seed=seed, label=label, attributes=self.attributes)


def add_stored_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--latents",
        type=Path,
        help="FILE.npz of gan-jax latents project: those of your pictures, not drawn ones",
    )


def add_run_arguments(parser: argparse.ArgumentParser, out: str, truncation: bool = True) -> None:
    """`out` says what --out may be."""
    parser.add_argument("workdir", type=Path, help="a run directory")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default 0)")
    parser.add_argument("--label", type=int, help="a class (default: all in turn)")
    parser.add_argument("--attributes", help="values of attributes, as smiling=1,glasses=0.5")
    if truncation:
        parser.add_argument(
            "--truncation", type=float, default=1.0, help="1 changes nothing, 0 gives the mean"
        )
    parser.add_argument("--step", default="latest", help="a checkpoint: N, best or latest")
    parser.add_argument("--raw", action="store_true", help="the raw weights, not their average")
    parser.add_argument("--out", type=Path, help=out)
    hidden = argparse.SUPPRESS
    parser.add_argument("--debug", action="store_true", default=hidden, help="show the traceback")


def open_run(arguments: argparse.Namespace, console: Console) -> Opened:
    """Raises UsageError where the run draws nothing of latents."""
    step = checkpoint_named(arguments.step)
    check_seed("seed", arguments.seed)
    truncation = getattr(arguments, "truncation", 1.0)
    if not math.isfinite(truncation):
        raise UsageError(f"--truncation={truncation}: must be a number")
    attributes = None if arguments.attributes is None else values_of(arguments.attributes)
    file = getattr(arguments, "latents", None)
    stored = None if file is None else read_stored(file)
    trained = load(arguments.workdir, step=step, say=console.say)
    trained.latents(1, seed=0, label=arguments.label, attributes=attributes)
    program = trained.program
    key, ema = sample_key(arguments.seed), not arguments.raw
    model = LatentModel(program.recipe, trained.state.nets, program.frozen, key, ema)
    seed, label = arguments.seed, arguments.label
    return Opened(trained, model, seed, label, attributes, truncation, stored)


def check_at_least(least: int, **flags: int) -> None:
    """Raises UsageError for a flag below `least`."""
    for flag, value in flags.items():
        if value < least:
            raise UsageError(f"--{flag}={value}: must be at least {least}")


def check_above_zero(**flags: float) -> None:
    """Raises UsageError for a flag that is not finite, or not above 0."""
    for flag, value in flags.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"--{flag}={value:g}: must be a number above 0")


def check_out(out: Path | None, forms: Sequence[str], folder: bool = False) -> None:
    """Raises UsageError for a file of another form, or a film where no encoder is installed."""
    if out is None:
        return
    if not folder and (out.is_dir() or out.suffix.lower()[1:] not in forms):
        raise UsageError(f"--out={out}: must end in {' or '.join(f'.{form}' for form in forms)}")
    if form_of(out, forms) == "mp4":
        require_encoder(out)


def out_of(arguments: argparse.Namespace, opened: Opened) -> Path:
    """Where the result goes."""
    name = f"latents-{arguments.tool}-{opened.trained.step}.png"
    return arguments.out or arguments.workdir / name

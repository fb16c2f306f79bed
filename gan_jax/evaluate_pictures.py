"""Evaluates one set of pictures against another: folders, `.npz` files of samples, statistics."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from gan_jax.console import Console
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators import pictures
from gan_jax.evaluators.compare import check_measures, compare, statistics_of
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.spaces import inception_space
from gan_jax.evaluators.statistics_file import (
    Statistics,
    check_same_protocol,
    is_statistics,
    read_statistics,
    write_statistics,
)
from gan_jax.mesh import make_mesh
from gan_jax.metrics.protocol import Protocol
from gan_jax.metrics.protocol import protocol as named_protocol
from gan_jax.run_directory import now
from gan_jax.weights.store import find_weights
from gan_jax.world import cache_folder

NOT_HERE = ("step", "split", "truncation", "statistics", "seed")
"""Flags of a run directory."""


def evaluate(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """One JSON-able object: `protocol`, each metric, and all that they rest on.

    Raises:
        UsageError: an unknown metric or protocol, missing or wrong weights.
        DataError: missing or unusable pictures, too few of them, statistics of another protocol.
    """
    measures = (arguments.metrics or "fid,kid").split(",")
    check_measures(measures)
    check_no_flags_of_runs(arguments)
    settings = protocol_of(arguments)
    begin = time.perf_counter()
    space = inception_space(settings, find_weights("inception", arguments.weights))
    real_set, fake_set = open_set(arguments.real), open_set(arguments.fake)
    if isinstance(fake_set, Statistics):
        raise DataError(f"{arguments.fake} holds statistics: --fake must be pictures")
    extractor = Extractor(space, make_mesh(0), arguments.batch)
    warnings = list(space.warnings)
    real: Features | Statistics
    if isinstance(real_set, Statistics):
        warnings += filter(None, [check_same_protocol(real_set, space.describe)])
        real, real_count = real_set, real_set.count
    else:
        real_set = real_set.first(arguments.real_samples or real_set.count)
        with console.progress("features of the real pictures") as advance:
            real = features_of(extractor, real_set, cache=cache_folder(), advance=advance)
        real_count = real_set.count
    fake_set = fake_set.first(arguments.samples or fake_set.count)
    with console.progress("features of the pictures to judge") as advance:
        fake = extractor.of_pictures(fake_set, advance)
    if arguments.save_statistics:
        save(arguments.save_statistics, real, settings, space.describe, real_set.name)
    metrics, found_warnings = compare(measures, real, fake, settings)
    warnings += found_warnings
    for warning in warnings:
        console.say(f"warning: {warning}")
    return {
        "protocol": settings.name,
        **{name: dict(metric) for name, metric in metrics.items()},
        "settings": dict(space.describe),
        "real": {"name": str(arguments.real), "samples": real_count},
        "fake": {"name": str(arguments.fake), "samples": fake_set.count},
        "dtype": "float32",
        "time": now(),
        "seconds": round(time.perf_counter() - begin, 3),
        "warnings": warnings,
    }


def check_no_flags_of_runs(arguments: argparse.Namespace) -> None:
    """Raises UsageError for what only a run directory has."""
    given = [name for name in NOT_HERE if getattr(arguments, name) not in (None, "latest")]
    given += ["raw"] if arguments.raw else []
    given += ["repeats"] if arguments.repeats != 1 else []
    if given:
        raise UsageError(f"--{given[0]} goes with a run directory, not with --real and --fake")


def protocol_of(arguments: argparse.Namespace) -> Protocol:
    """The preset, with KID's subsets as the flags set them; raises UsageError."""
    given = {name: getattr(arguments, name) for name in ("kid_subsets", "kid_subset_size")}
    settings = named_protocol(arguments.protocol or "tf1")
    return dataclasses.replace(settings, **{k: v for k, v in given.items() if v is not None})


def open_set(path: Path) -> pictures.Pictures | Statistics:
    """A folder, an `.npz` of pictures, or an `.npz` of statistics; raises DataError."""
    if path.suffix.lower() == ".npz":
        return read_statistics(path) if is_statistics(path) else pictures.of_npz(path)
    return pictures.of_folder(path)


def save(
    path: Path, real: Features | Statistics, protocol: Protocol, describe: Any, name: str
) -> None:
    """Writes mu and sigma of the real pictures, with what they were made by."""
    if isinstance(real, Statistics):
        raise UsageError("--save_statistics: --real holds statistics already")
    found = statistics_of(real, name, protocol)
    write_statistics(
        path,
        Statistics(
            name=name,
            mean=found.mean,
            covariance=found.covariance,
            count=found.count,
            protocol=describe,
        ),
    )

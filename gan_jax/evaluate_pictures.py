"""Evaluates one set of pictures against another: folders, `.npz` files of samples, statistics."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from gan_jax.console import Console
from gan_jax.errors import DataError, StorageError, UsageError
from gan_jax.evaluators import pictures
from gan_jax.evaluators.compare import (
    MEASURES,
    by_network,
    check_counts,
    check_measures,
    check_statistics,
    compare,
    names_in,
    statistics_of,
    unread,
)
from gan_jax.evaluators.evaluator import about
from gan_jax.evaluators.features import BATCH, Extractor, Features, FeatureSpace
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.spaces import feature_space, stated, stated_protocol
from gan_jax.evaluators.statistics_file import (
    Statistics,
    check_same_protocol,
    check_usable,
    is_statistics,
    read_statistics,
    write_statistics,
)
from gan_jax.mesh import make_mesh
from gan_jax.metrics.protocol import Protocol
from gan_jax.metrics.protocol import protocol as named_protocol
from gan_jax.networks.features.inception import FEATURES
from gan_jax.run_directory import now
from gan_jax.weights.folder import locate
from gan_jax.weights.store import find_weights
from gan_jax.weights.variables import sha256_of
from gan_jax.workdir import prepare_workdir
from gan_jax.world import cache_folder

NOT_HERE = ("step", "split", "truncation", "statistics", "seed")
"""Flags of a run directory."""


def evaluate(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """One JSON-able object: `protocol`, each metric, and all that they rest on.

    Raises:
        UsageError: an unknown metric or protocol, missing or wrong weights.
        DataError: missing or unusable pictures, too few of them, statistics of another protocol.
    """
    measures = names_in(arguments.metrics or "fid,kid")
    check_measures(measures)
    check_no_flags_of_runs(arguments)
    check_flags_are_read(measures, arguments)
    if "intra_fid" in measures:
        raise UsageError("--metrics: intra_fid needs labels, and pictures have none: give a run")
    settings = protocol_of(arguments)
    begin = time.perf_counter()
    files = {"inception": arguments.weights, "vgg16": arguments.weights_vgg16}
    parts = by_network(measures)
    for network in parts:
        locate(network, files[network])
    real_set, fake_set = opened_sets(measures, settings, arguments, console)
    spaces = {
        network: feature_space(network, settings, find_weights(network, files[network]))
        for network in parts
    }
    warnings = [warning for space in spaces.values() for warning in space.warnings]
    if isinstance(real_set, Statistics):
        warnings += filter(None, [check_same_protocol(real_set, spaces["inception"].describe)])
    metrics: dict[str, Any] = {}
    for network, chosen in parts.items():
        space = spaces[network]
        real, fake = features_of_both(space, real_set, fake_set, arguments, console)
        if arguments.save_statistics and network == "inception":
            save(arguments.save_statistics, real, settings, space.describe, real_set.name)
        found, found_warnings = compare(chosen, real, fake, settings)
        metrics |= stated(found, space)
        warnings += found_warnings
    for warning in warnings:
        console.say(f"warning: {warning}")
    about_spaces = stated_protocol(list(spaces.values()))
    return {
        "protocol": about_spaces["name"],
        **metrics,
        "settings": about_spaces,
        "real": described(real_set, arguments.real),
        "fake": described(fake_set, arguments.fake),
        "dtype": "float32",
        "time": now(),
        "seconds": round(time.perf_counter() - begin, 3),
        "warnings": warnings,
    }


def features_of_both(
    space: FeatureSpace,
    real_set: pictures.Pictures | Statistics,
    fake_set: pictures.Pictures,
    arguments: argparse.Namespace,
    console: Console,
) -> tuple[Features | Statistics, Features]:
    """Of both sides in one space; statistics are taken as they are."""
    extractor = Extractor(space, make_mesh(0), arguments.batch or BATCH)
    real: Features | Statistics
    if isinstance(real_set, Statistics):
        real = real_set
    else:
        with console.progress("features of the real pictures") as advance:
            real = features_of(extractor, real_set, cache=cache_folder(), advance=advance)
    with console.progress("features of the pictures to judge") as advance:
        return real, extractor.of_pictures(fake_set, advance)


def opened_sets(
    measures: list[str], protocol: Protocol, arguments: argparse.Namespace, console: Console
) -> tuple[pictures.Pictures | Statistics, pictures.Pictures]:
    """Both sides, and all that can be wrong with them before a feature is computed.

    Raises:
        UsageError: a flag that means nothing to statistics.
        DataError: missing or unusable pictures, too few of them; statistics that cannot be used.
        StorageError: statistics cannot be saved where they are to be.
    """
    real, fake = (open_set(path, console) for path in (arguments.real, arguments.fake))
    if isinstance(fake, Statistics):
        raise DataError(f"{arguments.fake} holds statistics: --fake must be pictures")
    fake = fake.first(arguments.samples or fake.count)
    if isinstance(real, Statistics):
        for flag in ("real_samples", "save_statistics"):
            if getattr(arguments, flag) is not None:
                raise UsageError(f"--{flag} goes with pictures, and {arguments.real} holds none")
        check_statistics(measures, real)
        check_usable(real, FEATURES)
        check_counts(measures, protocol, real=None, generated=fake.count)
        return real, fake
    real = real.first(arguments.real_samples or real.count)
    check_counts(measures, protocol, real=real.count, generated=fake.count)
    if arguments.save_statistics is not None:
        check_counts(["fid"], protocol, real=real.count, generated=None)
        check_writable(arguments.save_statistics)
    return real, fake


def check_writable(path: Path) -> None:
    """Raises UsageError for a file that could not be given as --real, StorageError for a place
    that cannot be written."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"--save_statistics={path}: must end in .npz")
    if path.is_dir():
        raise StorageError(f"{path} cannot be written: it is a folder")
    prepare_workdir(path.parent)


def described(found: pictures.Pictures | Statistics, path: Path) -> dict[str, Any]:
    """Which pictures: of statistics the count that the file tells, and the file's sha256."""
    if isinstance(found, Statistics):
        return {"name": str(path), "samples": found.count, "fingerprint": sha256_of(path)}
    return about(found)


def check_no_flags_of_runs(arguments: argparse.Namespace) -> None:
    """Raises UsageError for what only a run directory has."""
    given = [name for name in NOT_HERE if getattr(arguments, name) not in (None, "latest")]
    given += ["raw"] if arguments.raw else []
    given += ["repeats"] if arguments.repeats != 1 else []
    if given:
        raise UsageError(f"--{given[0]} goes with a run directory, not with --real and --fake")


def check_flags_are_read(measures: list[str], arguments: argparse.Namespace) -> None:
    """Raises UsageError for a flag that means nothing to the measures."""
    for name in unread(measures):
        if getattr(arguments, name) is not None:
            readers = ", ".join(measure for measure in MEASURES if name not in unread([measure]))
            what = ", ".join(measures)
            raise UsageError(f"--{name} means nothing to {what}: it belongs to {readers}")


def protocol_of(arguments: argparse.Namespace) -> Protocol:
    """The preset, with KID's subsets as the flags set them; raises UsageError."""
    given = {
        name: getattr(arguments, name) for name in ("kid_subsets", "kid_subset_size", "kid_seed")
    }
    settings = named_protocol(arguments.protocol or "tf1")
    return dataclasses.replace(settings, **{k: v for k, v in given.items() if v is not None})


def open_set(path: Path, console: Console) -> pictures.Pictures | Statistics:
    """A folder, an `.npz` of pictures, or an `.npz` of statistics; raises DataError."""
    if path.suffix.lower() == ".npz":
        return read_statistics(path) if is_statistics(path) else pictures.of_npz(path)
    with console.progress(f"fingerprint of {path}") as advance:
        return pictures.of_folder(path, advance)


def save(
    path: Path, real: Features | Statistics, protocol: Protocol, describe: Any, name: str
) -> None:
    """Writes mu and sigma of the real pictures, with what they were made by."""
    assert not isinstance(real, Statistics)
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

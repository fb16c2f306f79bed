"""What a run writes about itself at its start, and what it compares when it goes on."""

from __future__ import annotations

import datetime
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from gan_jax.config import base_config, differences
from gan_jax.durable import write_json
from gan_jax.errors import DataError, StorageError, UsageError
from gan_jax.experiment import Experiment
from gan_jax.weights.store import Weights
from gan_jax.workdir import CHECKPOINTS, CONFIG, is_run_directory

RUN = "run.json"
EXPERIMENT = "experiment.py"
EVENTS = "events.jsonl"
REQUIRED = {
    "experiment", "experiment_file", "experiment_sha256", "argument", "data_fingerprint"
}  # fmt: skip
OLDEST_KEYS = {"seed", "batch_size", "total", "data"}
PACKAGES = ("gan-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def now() -> str:
    """UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Versions, devices and the command of this process."""
    devices = jax.devices()
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "devices": {"kind": devices[0].device_kind, "count": len(devices)},
        "processes": jax.process_count(),
        "git_revision": _git_revision(),
    }


def begin(
    workdir: Path, experiment: Experiment, fingerprint: str, weights: Mapping[str, Weights]
) -> None:
    """Writes run.json, the experiment file's copy and, last, config.json: with it the directory
    is a run directory."""
    try:
        shutil.copyfile(experiment.path, workdir / EXPERIMENT)
        write_json(
            workdir / RUN,
            {
                "experiment": experiment.name,
                "experiment_file": str(experiment.path.absolute()),
                "experiment_sha256": experiment.sha256,
                "argument": experiment.argument,
                "data_fingerprint": fingerprint,
                "frozen": {
                    name: {"network": each.network, "sha256": each.sha256, "known": each.verified}
                    for name, each in weights.items()
                },
                "started": now(),
                **environment(),
            },
        )
        write_json(workdir / CONFIG, experiment.config.to_dict())
    except OSError as error:
        raise StorageError(f"{workdir} cannot be written: {error.strerror}") from error


def keep_settings(workdir: Path, experiment: Experiment) -> None:
    """Writes those settings that a run goes on with, of which a few may be others than before."""
    if read(workdir)[1] != json.loads(json.dumps(experiment.config.to_dict())):
        try:
            write_json(workdir / CONFIG, experiment.config.to_dict())
        except OSError as error:
            raise StorageError(f"{workdir / CONFIG} cannot be written: {error.strerror}") from error


def read(workdir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(run.json, config.json) of a run directory; raises StorageError if one is unreadable.

    A setting that an older version did not write is as its default leaves it.
    """
    try:
        run, config = (json.loads((workdir / name).read_text()) for name in (RUN, CONFIG))
    except (OSError, ValueError) as error:
        raise StorageError(f"{workdir}: {RUN} or {CONFIG} cannot be read: {error}") from error
    known = isinstance(run, dict) and isinstance(config, dict)
    if not known or not run.keys() >= REQUIRED or not config.keys() >= OLDEST_KEYS:
        raise StorageError(f"{workdir}: {RUN} or {CONFIG} is damaged: it is not what a run writes")
    return run, _filled(base_config().to_dict(), config)


def _filled(defaults: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the keys of `defaults` that it lacks, in its groups too."""
    groups = {
        key: _filled(defaults[key], value)
        for key, value in config.items()
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
    }
    return {**defaults, **config, **groups}


def check_same_run(workdir: Path, experiment: Experiment) -> list[str]:
    """What is worth a note when a run goes on with this experiment; nothing if it is new.

    Raises:
        UsageError: the directory holds a run of another experiment or with other settings.
    """
    if not is_run_directory(workdir):
        if (workdir / CHECKPOINTS).exists():
            raise StorageError(
                f"{workdir} holds checkpoints but no {CONFIG}: bring it back, or choose another "
                "--workdir"
            )
        return []
    run, config = read(workdir)
    if run["experiment"] != experiment.name:
        raise UsageError(
            f"{workdir} holds a run of {run['experiment']}, not of {experiment.name}: "
            "choose another --workdir"
        )
    changed = differences(config, experiment.config.to_dict())
    if changed:
        raise UsageError(
            f"{workdir} holds a run with other settings; choose another --workdir, or undo: "
            + "; ".join(changed)
        )
    if run["experiment_sha256"] != experiment.sha256:
        return [f"{experiment.path} has changed since this run began; it goes on with the new file"]
    return []


def check_same_data(workdir: Path, fingerprint: str) -> None:
    """Raises DataError where the data are not those that the run began with."""
    before = read(workdir)[0]["data_fingerprint"]
    if before != fingerprint:
        raise DataError(
            f"the data have changed since the run in {workdir} began (fingerprint {before[:12]}, "
            f"now {fingerprint[:12]}): restore them, or start anew in another --workdir"
        )


def check_same_weights(workdir: Path, weights: Mapping[str, Weights]) -> None:
    """Raises UsageError where a frozen network has not the weights that the run began with."""
    before = read(workdir)[0].get("frozen", {})  # no such key before there were frozen networks
    for name, each in weights.items():
        if name in before and before[name]["sha256"] != each.sha256:
            raise UsageError(
                f"the weights of the frozen network {name!r} are others than the run in {workdir} "
                f"began with (sha256 {before[name]['sha256'][:12]}, those of {each.path} "
                f"{each.sha256[:12]}): give those, or start anew in another --workdir"
            )


def _git_revision() -> str | None:
    """Of the working directory, with a + where files differ from it."""
    try:
        command = ["git", "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()

"""Where weights lie on this machine. Imports neither JAX nor Flax: asking must be quick."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from gan_jax.errors import UsageError
from gan_jax.weights.known import NETWORKS, is_credible, usual_file

SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with the package: NAME.safetensors with a card NAME.json beside it."""

FLAGS = {
    "inception": " or give --weights=FILE",
    "vgg16": " or, for pr_vgg16, give --weights_vgg16=FILE",
}
"""The other way to give them, where `gan-jax evaluate` has one."""


@dataclass(frozen=True)
class Stored:
    """A converted file, as its metadata describes it; `problem` says why it cannot be used. Whether
    the content is what they say, only reading it whole tells (`weights verify`)."""

    network: str
    path: Path
    size: int
    source_file: str
    source_sha256: str
    verified: bool
    problem: str


def weights_folder() -> Path:
    """`$GAN_JAX_WEIGHTS_DIR`, or `gan_jax/weights` in the user's cache."""
    if own := os.environ.get("GAN_JAX_WEIGHTS_DIR"):
        return Path(own)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "gan_jax" / "weights"


def stored_path(network: str, folder: Path) -> Path:
    """Of the converted weights in a folder, whether they are there or not."""
    return folder / f"{network}.safetensors"


def locate(network: str, given: Path | None) -> Path:
    """The file to read: the given one, the imported one, or the one that the package ships.

    Raises:
        UsageError: there is none; says which file is wanted and how to give it.
    """
    if given is not None:
        if given.is_dir():
            raise UsageError(f"weights {given}: it is a folder: give a file in it")
        if not given.is_file():
            raise UsageError(f"weights {given}: there is no such file")
        return given
    for path in (stored_path(network, weights_folder()), stored_path(network, SHIPPED)):
        if path.is_file():
            return path
    if network not in NETWORKS:
        raise UsageError(f"no weights are called {network!r}: there are {', '.join(NETWORKS)}")
    raise UsageError(
        f"no weights of {network}: {how_to_get(network)}, then run "
        f"`gan-jax weights import {network} --from=FILE`{FLAGS.get(network, '')}"
    )


def how_to_get(network: str) -> str:
    """File name, hash and place."""
    file = usual_file(network)
    return f"get {file.name} (sha256 {file.sha256}) from {file.source}"


def stored_weights(folder: Path) -> list[Stored]:
    """What was imported, in the order of `NETWORKS`; reads headers only."""
    paths = {network: stored_path(network, folder) for network in NETWORKS}
    return [_describe(network, path) for network, path in paths.items() if path.is_file()]


def shipped_weights() -> dict[str, Path]:
    """What comes with the package, by network."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def _describe(network: str, path: Path) -> Stored:
    metadata, problem = {}, ""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        problem = f"not a safetensors file ({error})"
    if not problem and metadata.get("network") != network:
        problem = f"not weights of {network}"
    sha256 = metadata.get("source_sha256", "")
    return Stored(
        network=network,
        path=path,
        size=path.stat().st_size,
        source_file=metadata.get("source_file", ""),
        source_sha256=sha256,
        verified=not problem and is_credible(network, sha256, metadata.get("content_sha256", "")),
        problem=problem,
    )

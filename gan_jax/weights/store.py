"""Weights of feature networks: imported once from the files that the world uses, then found.

Nothing is ever downloaded. What a number was measured with is the sha256 of the file that the
weights came from; `verified` says that it is one of `known.KNOWN`: an original file by its own
hash, a converted one by the hash of what it holds where the project knows that. Where it does not,
a converted file is believed if our own import left it in the weights folder with the hash of its
content, and that content is unchanged: whoever can write there can forge it, so the proof is to
import the original again. A converted file from anywhere else is unverified.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.weights.convert import flat_shapes
from gan_jax.weights.feature_networks import check_name, convert_file, network_shapes
from gan_jax.weights.folder import SHIPPED, locate, stored_path, weights_folder
from gan_jax.weights.known import NETWORKS, is_credible, is_known, is_known_content
from gan_jax.weights.variables import Variables, read_variables, sha256_of, write_variables

CONVERTER = "1"
"""Counts up when the same file would give other variables."""


@dataclass(frozen=True)
class Weights:
    """A network's variables, and where they come from.

    Attributes:
        network: its name.
        path: the file that was read.
        variables: as Flax has them, of NumPy arrays.
        sha256: of the file that the weights were published in.
        verified: whether that file is known to hold this network, as far as that can be told.
    """

    network: str
    path: Path
    variables: Variables
    sha256: str
    verified: bool


def import_weights(network: str, source: Path, folder: Path) -> Path:
    """Converts a torch file to `folder/NETWORK.safetensors`, in place of what was there.

    Raises:
        UsageError: no such network or file, one that is damaged, or of another network.
        StorageError: the folder cannot be written.
    """
    check_name(network)
    variables = convert_file(network, locate(network, source))
    sha256 = sha256_of(source)
    target = stored_path(network, folder)
    metadata = {
        "network": network,
        "source_file": source.name,
        "source_sha256": sha256,
        "verified": json.dumps(is_known(network, sha256)),
        "content_sha256": content_sha256(variables),
        "converter": CONVERTER,
        "gan_jax": version("gan-jax"),
    }
    write_variables(target, variables, metadata)
    return target


def find_weights(network: str, given: Path | None) -> Weights:
    """The weights of a network: `given`, or imported before, or shipped with the package.

    Args:
        given: a torch file, converted in memory, or a converted one.

    Raises:
        UsageError: none are there, or they are damaged, or of another network.
    """
    path = locate(network, given)
    if is_safetensors(path):
        return _converted(network, path)
    check_name(network)
    variables, sha256 = convert_file(network, path), sha256_of(path)
    return Weights(network, path, variables, sha256, is_known(network, sha256))


def is_safetensors(path: Path) -> bool:
    """By name or by content: the header's length, then a JSON object."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _converted(network: str, path: Path) -> Weights:
    variables, metadata = read_variables(path)
    if metadata.get("network", network) != network:
        raise UsageError(f"weights {path}: they are of {metadata['network']!r}, not of {network}")
    if network in NETWORKS and flat_shapes(variables) != network_shapes(network):
        raise UsageError(f"weights {path}: they do not fit {network}")
    if not all(np.isfinite(leaf).all() for leaf in _flat(variables).values()):
        raise UsageError(f"weights {path}: they hold numbers that are not finite")
    content, recorded = content_sha256(variables), metadata.get("content_sha256", "")
    if recorded not in ("", content):
        raise UsageError(f"weights {path}: damaged since they were imported; import them again")
    if path.parent == SHIPPED:
        return Weights(network, path, variables, _checked_card(path), verified=True)
    source = metadata.get("source_sha256", "")
    is_ours = path.resolve() == stored_path(network, weights_folder()).resolve()
    verified = is_known_content(network, content) or (
        is_ours and is_credible(network, source, recorded)
    )
    # The hash of a known file stands for its content only.
    is_false_claim = is_known(network, source) and not verified
    sha256 = sha256_of(path) if is_false_claim or not source else source
    return Weights(network, path, variables, sha256, verified)


def _checked_card(path: Path) -> str:
    """The hash on the card beside a shipped file, which must be the file's."""
    sha256 = sha256_of(path)
    try:
        card = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"weights {path}: their card cannot be read; install again") from error
    if card.get("sha256") != sha256:
        raise UsageError(f"weights {path}: not the file of its card; install again")
    return sha256


def content_sha256(variables: Variables) -> str:
    """Of all names, dtypes, shapes and numbers."""
    digest = hashlib.sha256()
    for name, leaf in sorted(_flat(variables).items()):
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape}\n".encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()


def _flat(variables: Variables) -> dict[str, np.ndarray]:
    flat: Any = flax.traverse_util.flatten_dict(variables, sep="/")
    return flat

"""`gan-jax weights import|verify|list`: the feature networks that metrics and losses read with."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path

from gan_jax.errors import UsageError
from gan_jax.weights.folder import (
    Stored,
    how_to_get,
    locate,
    shipped_weights,
    stored_weights,
    weights_folder,
)
from gan_jax.weights.known import NETWORKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(NETWORKS)
    parser.add_argument("action", choices=("import", "verify", "list"))
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {names}")
    parser.add_argument("--from", dest="source", type=Path, help="of import: a .pth or .pt file")
    parser.add_argument("--json", action="store_true", help="of list: one JSON object")
    parser.epilog = (
        "Nothing is downloaded: `list` says where each file is to be had. Imported weights lie in\n"
        "$GAN_JAX_WEIGHTS_DIR, or in gan_jax/weights of the user's cache. Files are read without\n"
        "torch, and nothing in them is run."
    )


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("weights takes no --config.KEY=VALUE")
    names = (*NETWORKS, *shipped_weights())
    for network in arguments.networks:
        if network not in names:
            raise UsageError(f"no network {network!r}: there are {', '.join(names)}")
    actions = {"import": import_file, "verify": verify, "list": show}
    return actions[arguments.action](arguments)


def import_file(arguments: argparse.Namespace) -> int:
    """Converts one file for one network."""
    if len(arguments.networks) != 1 or arguments.source is None:
        raise UsageError("say one network and its file: weights import NETWORK --from=FILE")
    network = arguments.networks[0]
    source = locate(network, arguments.source)  # before JAX is imported
    from gan_jax.weights.store import import_weights

    target = import_weights(network, source, weights_folder())
    (stored,) = (found for found in stored_weights(weights_folder()) if found.network == network)
    print(f"{network}: {target}, from {source.name}, {_verdict(stored)}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Reads stored weights whole, and shows what they make of a fixed input."""
    folder = weights_folder()
    there = (*(found.network for found in stored_weights(folder)), *shipped_weights())
    wanted = arguments.networks or there
    if not wanted:
        raise UsageError(f"no weights in {folder}: `gan-jax weights list` says where to get them")
    problems = [message for network in wanted if (message := _verify(network))]
    if problems:
        raise UsageError("; ".join(problems))
    return 0


def _verify(network: str) -> str:
    """Prints the report of one network; returns what is wrong with it."""
    from gan_jax.program import use_compilation_cache
    from gan_jax.weights.fingerprint import fingerprint
    from gan_jax.weights.store import find_weights

    use_compilation_cache()
    try:
        weights = find_weights(network, None)
    except UsageError as error:
        print(f"{network}: bad")
        return str(error)
    known = "a known file" if weights.verified else "an unknown file: unverified"
    print(f"{network}: whole, from {known}, sha256 {weights.sha256}")
    if network not in NETWORKS:
        return ""
    features = fingerprint(network, weights.variables)
    for tap, (mean, deviation) in features.items():
        print(f"  {tap:16} mean {mean:.6g}  deviation {deviation:.6g}")
    finite = all(math.isfinite(number) for pair in features.values() for number in pair)
    return "" if finite else f"weights {weights.path}: their features are not finite"


def show(arguments: argparse.Namespace) -> int:
    """What is there, and where to get what is not."""
    folder = weights_folder()
    stored = stored_weights(folder)
    missing = [name for name in NETWORKS if name not in {found.network for found in stored}]
    if arguments.json:
        there = [asdict(found) | {"path": str(found.path)} for found in stored]
        lacking = [{"network": name, "how": how_to_get(name)} for name in missing]
        shipped = [{"network": name, "path": str(path)} for name, path in shipped_weights().items()]
        found = {"folder": str(folder), "stored": there, "shipped": shipped, "missing": lacking}
        print(json.dumps(found, indent=2))
        return 0
    print(f"weights in {folder}")
    for found in stored:
        size = f"{found.size / 2**20:.1f} MiB"
        print(f"{found.network:14} {size:>10}  from {found.source_file}, {_verdict(found)}")
    for name, path in shipped_weights().items():
        print(f"{name:14} {path.stat().st_size / 2**20:6.1f} MiB  comes with gan_jax")
    for name in missing:
        print(f"{name:14} {'missing':>10}  {how_to_get(name)}")
    return 0


def _verdict(stored: Stored) -> str:
    if stored.problem:
        return stored.problem
    if stored.verified:
        return "a known file"
    return f"unverified: sha256 {stored.source_sha256 or '(not recorded)'} is of no known file"

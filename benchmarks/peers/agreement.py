"""Whether both sides are the same: parameters, losses and gradient norms at equal weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.work import Work

TOLERANCE = 1e-4
"""The largest relative difference of losses and of gradient norms."""

Measured = Mapping[str, Mapping[str, float]]


def comparable(work: Work) -> Work:
    """A few pictures of the work in float32, without what each side draws for itself."""
    return dataclasses.replace(
        work, batch=min(work.batch, 8), dropout=0.0, style_mixing=0.0, precision="float32"
    )


def largest_difference(ours: Measured, theirs: Measured, quantity: str) -> float:
    """Relative to ours, over the phases."""
    return max(_difference(ours, theirs, quantity, phase) for phase in ours[quantity])


def disagreements(ours: Measured, theirs: Measured) -> list[str]:
    """A line for each number that differs; of phases or networks too that only one side has."""
    found = []
    for quantity, tolerance in (
        ("parameters", 0.0),
        ("loss", TOLERANCE),
        ("gradient_norm", TOLERANCE),
    ):
        if ours[quantity].keys() != theirs[quantity].keys():
            found.append(f"{quantity} of {', '.join(ours[quantity])}"
                         f" against {', '.join(theirs[quantity])}")  # fmt: skip
            continue
        for name, value in ours[quantity].items():
            # A NaN is no agreement, so the comparison is this way round.
            if not _difference(ours, theirs, quantity, name) <= tolerance:
                found.append(f"{quantity} of {name}: {value} against {theirs[quantity][name]}")
    return found


def _difference(ours: Measured, theirs: Measured, quantity: str, name: str) -> float:
    value, other = ours[quantity][name], theirs[quantity][name]
    return abs(value - other) / max(abs(value), 1e-12)


def save(file: Path, variables: Mapping[str, Any], given: Mapping[str, np.ndarray]) -> None:
    """Both as one .npz, for the process of the other side."""
    arrays: dict[str, Any] = dict(_paths({"variables": variables, "given": given}, ""))
    np.savez(file, **arrays)


def load(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `save` was given."""
    tree: dict[str, Any] = {"variables": {}, "given": {}}
    with np.load(file) as arrays:
        for path in arrays.files:
            *parents, name = path.split("/")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = arrays[path]
    return tree["variables"], tree["given"]


def _paths(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", np.asarray(value)

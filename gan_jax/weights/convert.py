"""A torch state dict made into a network's variables, by a map of names that must fit exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.traverse_util
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.weights.variables import Variables

Layout = Callable[[np.ndarray], np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]
"""Of a network's leaves, by path: `params/conv1_1/kernel`."""


class Target(NamedTuple):
    """Where a tensor of the source goes: the leaf's path, and how its axes are put in order."""

    path: str
    layout: Layout


Names = Mapping[str, Target | None]
"""By the source's key; None where a key is known and passed over."""


def same(tensor: np.ndarray) -> np.ndarray:
    """Biases, and what belongs to a batch norm."""
    return tensor


def convolution(tensor: np.ndarray) -> np.ndarray:
    """`[O, I, h, w]` to `[h, w, I, O]`."""
    return tensor.transpose(2, 3, 1, 0)


def dense(tensor: np.ndarray) -> np.ndarray:
    """`[O, I]` to `[I, O]`."""
    return tensor.T


def convert(state: Mapping[str, np.ndarray], names: Names, shapes: Shapes, what: str) -> Variables:
    """The variables, in float32; every key of `state` is used once and every leaf filled.

    Args:
        what: the file and the network, for messages.

    Raises:
        UsageError: a key that is missing or unknown, a shape that does not fit, or a number that is
            not finite; the first few are named.
    """
    _same_names(state.keys(), names.keys(), what)
    flat = {}
    for key, target in names.items():
        if target is None:
            continue
        leaf = _laid_out(state[key], target, key, what)
        if leaf.shape != shapes.get(target.path):
            wanted = list(shapes.get(target.path, ()))
            raise UsageError(f"{what}: {key} becomes {list(leaf.shape)}, not {wanted}")
        if not np.isfinite(leaf).all():
            raise UsageError(f"{what}: {key} holds numbers that are not finite")
        flat[target.path] = leaf
    assert flat.keys() == shapes.keys(), "the map of names does not fill the network"
    return flax.traverse_util.unflatten_dict(flat, sep="/")


def flat_shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Of a tree of arrays, or of what stands for them, by path."""
    flat: Any = flax.traverse_util.flatten_dict(tree, sep="/")
    return {path: tuple(leaf.shape) for path, leaf in flat.items()}


def _laid_out(tensor: np.ndarray, target: Target, key: str, what: str) -> np.ndarray:
    try:
        leaf = target.layout(tensor)
    except ValueError as error:  # a tensor of other axes
        raise UsageError(f"{what}: {key} has the shape {list(tensor.shape)}") from error
    return np.ascontiguousarray(leaf, np.float32)


def _same_names(found, wanted, what: str) -> None:
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    if missing or unknown:
        parts = [_few("lacks", missing), _few("has the unknown", unknown)]
        raise UsageError(f"{what}: the file {' and '.join(filter(None, parts))}")


def _few(verb: str, keys: list[str]) -> str:
    if not keys:
        return ""
    rest = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{verb} {', '.join(keys[:3])}{rest}"

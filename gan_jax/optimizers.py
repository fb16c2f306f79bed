"""What GAN papers ask of an optimizer beyond Adam: optax transformations and one formula."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from gan_jax.errors import UsageError

PyTree = Any


def lazy_adam(learning_rate: float, b1: float, b2: float, every: int) -> dict[str, float]:
    """Adam's constants for a network whose regulariser is a phase of its own every k rounds.

    It takes k + 1 steps where it took k, so with c = k / (k + 1): rate * c, b1^c, b2^c (Karras et
    al. 2020b, appendix B).

    Args:
        learning_rate: of the eager network, likewise `b1` and `b2`.
        b1: decay of the mean gradient.
        b2: decay of the mean squared gradient.
        every: k; 1 changes nothing, for the penalty then joins the loss.

    Raises:
        UsageError: `every` is below 1.
    """
    if every < 1:
        raise UsageError(f"a lazy regulariser comes every 1, 2, … rounds, not every {every}")
    ratio = every / (every + 1) if every > 1 else 1.0
    return {"learning_rate": learning_rate * ratio, "b1": b1**ratio, "b2": b2**ratio}


def clip_weights(limit: float) -> optax.GradientTransformation:
    """Keeps every parameter within [-limit, limit] (WGAN: Arjovsky et al. 2017, algorithm 1).

    Put last in a chain: it shortens the updates so that what they lead to is clipped.
    """

    def update(updates: PyTree, state: optax.OptState, params: PyTree | None = None):
        assert params is not None
        clipped = jax.tree.map(
            lambda update, param: jnp.clip(param + update, -limit, limit) - param, updates, params
        )
        return clipped, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def freeze(
    optimizer: optax.GradientTransformation, frozen: Callable[[str], bool]
) -> optax.GradientTransformation:
    """`optimizer` for the parameters whose path, such as `Convolution_0/kernel`, is not `frozen`;
    the others stay as they are (freeze-D: Mo et al. 2020).

    Its `init` raises UsageError where nothing is frozen, or everything.
    """

    def label(path: tuple[Any, ...], _: Array) -> str:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return "frozen" if frozen(name) else "trained"

    def labels(params: PyTree) -> PyTree:
        labelled = jax.tree_util.tree_map_with_path(label, params)
        kinds = set(jax.tree.leaves(labelled))
        if len(kinds) < 2:
            first = jax.tree_util.tree_leaves_with_path(params)[0][0]
            example = jax.tree_util.keystr(first, simple=True, separator="/")
            raise UsageError(f"freeze: all parameters are {kinds.pop()}; one is {example}")
        return labelled

    parts: dict[Hashable, optax.GradientTransformation] = {
        "trained": optimizer,
        "frozen": optax.set_to_zero(),
    }
    return optax.multi_transform(parts, labels)

"""Starting from another run's networks: what fits is taken, the rest starts as it would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.flat_state import named_leaves
from gan_jax.recipe import PyTree
from gan_jax.state import NetState, TrainState
from gan_jax.trained import load

Say = Callable[[str], None]


def from_another_run(
    state: TrainState, run: str, step: str, networks: Sequence[str], say: Say
) -> TrainState:
    """The state with parameters, averages and statistics of a trained run's networks.

    A leaf is taken where the other network of that name has one of the same path and shape: a new
    size or number of classes keeps what it can. Optimizers and the step start anew.

    Args:
        state: at step 0.
        run: the other run's directory.
        step: of its checkpoint, or "latest", "best".
        networks: names; () for all that both runs have.
        say: hears, a line a network, how much was taken.

    Raises:
        UsageError: no such run, checkpoint or network, or nothing of a network fits.
        StorageError: its checkpoints are all damaged.
    """
    if step not in ("latest", "best") and not step.isdigit():
        raise UsageError(f"initialise.step={step!r}: must be a number, latest or best")
    chosen = int(step) if step.isdigit() else step
    others = load(Path(run), step=chosen, say=say).state.nets
    names = tuple(networks) or tuple(name for name in state.nets if name in others)
    _check_names(names, state.nets, others, run)
    nets = dict(state.nets)
    for name in names:
        nets[name], taken, left = transplant(nets[name], others[name])
        if not taken:
            raise UsageError(f"initialise.run={run}: nothing of its {name} fits this one")
        rest = f"; left as it was: {', '.join(left)}" if left else ""
        say(f"{name}: {taken} arrays of {run}{rest}")
    return state.replace(nets=nets)


def transplant(net: NetState, other: NetState) -> tuple[NetState, int, list[str]]:
    """`net` with all of `other` that fits, how many leaves that were, and the paths of the rest.

    The average is that of the other network, or its parameters where it kept none.
    """
    params, taken, left = _fitting(net.params, other.params)
    stats, more, also_left = _fitting(net.stats, other.stats)
    ema = net.ema
    if ema is not None:
        ema, _, _ = _fitting(ema, other.params if other.ema is None else other.ema)
    return net.replace(params=params, stats=stats, ema=ema), taken + more, left + also_left


def _fitting(tree: PyTree, other: PyTree) -> tuple[PyTree, int, list[str]]:
    """`tree` with the leaves of `other` that have their path and shape."""
    theirs = named_leaves(other)
    leaves, left = [], []
    for name, leaf in named_leaves(tree).items():
        found = theirs.get(name)
        if found is None or found.shape != leaf.shape:
            left.append(name)
            leaves.append(leaf)
        else:
            array = np.asarray(found, leaf.dtype)
            leaves.append(jax.device_put(array, leaf.sharding))
    made = jax.tree.unflatten(jax.tree.structure(tree), leaves)
    return made, len(leaves) - len(left), left


def _check_names(
    names: Sequence[str], mine: Mapping[str, NetState], theirs: Mapping[str, NetState], run: str
) -> None:
    for name in names:
        for nets, whose in ((mine, "this experiment"), (theirs, run)):
            if name not in nets:
                known = ", ".join(nets)
                raise UsageError(f"initialise.networks: {whose} has no {name!r}, only {known}")
    if not names:
        raise UsageError(f"initialise.run={run}: it has none of {', '.join(mine)}")

"""What a round of an experiment costs, before anything runs: operations by phase, bytes by
network."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from gan_jax.experiment import Experiment
from gan_jax.flat_state import size_in_bytes
from gan_jax.flops import flops_of
from gan_jax.program import Program
from gan_jax.step import make_phase


@dataclasses.dataclass(frozen=True)
class PhaseCost:
    """Of one phase.

    Attributes:
        name: the phase's.
        every: rounds between two of its rounds.
        turns: updates in one of its rounds.
        flops: operations of one of its rounds, on all devices together.
    """

    name: str
    every: int
    turns: int
    flops: float

    @property
    def flops_per_round(self) -> float:
        """The mean over all rounds."""
        return self.flops / self.every


@dataclasses.dataclass(frozen=True)
class NetworkCost:
    """Of one network: numbers in its parameters, bytes of its part of the state."""

    name: str
    parameters: int
    bytes: int


def of_phases(experiment: Experiment, program: Program) -> list[PhaseCost]:
    """Traces each phase alone."""
    batches = round_of(program.abstract_batches)
    accumulate = experiment.config.accumulate
    costs = []
    for index, phase in enumerate(program.recipe.phases):
        step = make_phase(program.recipe, program.optimizers, index, accumulate=accumulate)
        flops = flops_of(step, program.abstract_state, program.frozen, batches)
        costs.append(PhaseCost(phase.name, phase.every, phase.repeat, flops))
    return costs


def round_of(batches: Any) -> Any:
    """One round's `[R, B, …]` of a call's batches `[K, R, B, …]`, arrays or their shapes."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), batches)


def of_networks(program: Program) -> list[NetworkCost]:
    """Of the state's networks."""
    return [
        NetworkCost(
            name, sum(leaf.size for leaf in jax.tree.leaves(net.params)), size_in_bytes(net)
        )
        for name, net in program.abstract_state.nets.items()
    ]

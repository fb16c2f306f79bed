"""Which weights evaluators need: looked for before anything else is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.weights.folder import locate


@runtime_checkable
class NeedsWeights(Protocol):
    """An evaluator that uses weights from outside of the package.

    needs: the networks, each with a file of its weights, "" for the imported ones.
    """

    @property
    def needs(self) -> tuple[tuple[str, str], ...]: ...


def check_weights(evaluators: Iterable[Evaluator]) -> None:
    """Raises UsageError where a file is missing; opens none."""
    for evaluator in evaluators:
        if isinstance(evaluator, NeedsWeights):
            for network, file in evaluator.needs:
                locate(network, Path(file) if file else None)

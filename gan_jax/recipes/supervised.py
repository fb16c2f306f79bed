"""The supervised recipe: one network against the truth that its batch carries.

Classifiers, attribute heads, heat-map networks: any network whose loss is a function of its
outputs and the batch. It generates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe
from gan_jax.schedules import Schedule

Losses = Callable[[Any, Batch], Mapping[str, Array]]
"""`(outputs, batch) -> {name: [B]}`, one loss an example."""
Measures = Callable[[Any, Batch], Mapping[str, Array]]
"""`(outputs, batch) -> {name: scalar}`, for the log alone: accuracies, errors in plain units."""
Augmentation = Callable[[Array, Batch], Batch]
"""`(key, batch) -> batch`: what the network sees, with the truth moved along."""


def supervised_recipe(
    *,
    name: str,
    network: nn.Module,
    inputs: tuple[str, ...],
    losses: Losses,
    measures: Measures,
    augmentation: Augmentation,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """Minimises `sum_k values[k_weight] * mean(losses_k)` over the named losses k.

    `values` must hold `ema_decay` and a `NAME_weight` for each loss. The average of the weights
    is kept under the network's name.

    Args:
        name: of the network and of its phase, so of the optimizer and the metrics' prefix.
        network: `(*inputs, train=) -> outputs`.
        inputs: the keys of the batch that the network takes, in its order.
        losses: by name; each is logged.
        measures: logged, not trained on; measured on the augmented batch.
        augmentation: applied to the prepared batch (pictures float32 in [-1, 1]) in training.
        values: the recipe's named scalars.
        schedules: of those names or of `network.hyperparameter`.
    """

    def train(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ) -> tuple[Array, Aux]:
        batch = augmentation(key, batch)
        outputs, nets = nets(name, *(batch[key] for key in inputs))
        terms = {term: jnp.mean(loss) for term, loss in losses(outputs, batch).items()}
        scalar = sum((values[f"{term}_weight"] * loss for term, loss in terms.items()), start=0.0)
        return jnp.asarray(scalar), Aux(nets, extra, terms | dict(measures(outputs, batch)))

    return Recipe(
        networks={name: network},
        phases=(Phase(name=name, trains=(name,), loss=train),),
        inputs=lambda batch: {name: tuple(batch[key] for key in inputs)},
        values=values,
        schedules=schedules,
        ema={name: "ema_decay"},
    )


def no_augmentation(key: Array, batch: Batch) -> Batch:
    """The batch as it is."""
    return batch

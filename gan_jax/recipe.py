"""A recipe is a value: named networks, an ordered tuple of phases and a few pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jax import Array

from gan_jax.recognition import Recognised
from gan_jax.schedules import Schedule
from gan_jax.translation import Translation

PyTree = Any
Batch = Mapping[str, Array]


@dataclasses.dataclass(frozen=True)
class Nets:
    """The networks as a loss sees them: a pure value, every call gives the next one.

    Args:
        modules: by name.
        variables: by name, `{"params": …, collection: …}`.
        key: the phase's key; call number n hands `fold_in(key, n)` to all of a module's rngs.
        train: what calls pass on as `train=`; every network takes that keyword.
        frozen: names that are always called with `train=False`.
        calls: how many were made.
    """

    modules: Mapping[str, nn.Module]
    variables: Mapping[str, Mapping[str, PyTree]]
    key: Array
    train: bool = True
    frozen: frozenset[str] = frozenset()
    calls: int = 0

    def __call__(
        self, name: str, *arguments: Any, method: str | None = None, **keywords: Any
    ) -> tuple[Any, Nets]:
        """Calls network `name`; the returned `Nets` holds the statistics that this call moved."""
        variables = self.variables[name]
        collections = [collection for collection in variables if collection != "params"]
        out, moved = self.modules[name].apply(
            variables,
            *arguments,
            train=self.train and name not in self.frozen,
            method=method,
            # Linen falls back to this stream for every name that a module asks for.
            rngs={"params": jax.random.fold_in(self.key, self.calls)},
            mutable=collections,
            **keywords,
        )
        after = {**self.variables, name: {**variables, **moved}}
        return out, dataclasses.replace(self, variables=after, calls=self.calls + 1)

    def fixed(self, name: str) -> Callable[..., Any]:
        """Network `name` as a plain function of its inputs: these weights, these statistics.

        It runs as a call would (`train`, batch statistics, dropout under one key), but what the
        call does to the statistics is dropped: what penalties differentiate.
        """
        # Not a key that any call of this phase gets: calls fold in once, this folds in twice.
        nets = dataclasses.replace(self, key=jax.random.fold_in(self.key, self.calls), calls=0)

        def function(*arguments: Any, **keywords: Any) -> Any:
            return nets(name, *arguments, **keywords)[0]

        return function


class Aux(NamedTuple):
    """What a phase's loss hands back beside the scalar."""

    nets: Nets
    extra: PyTree
    metrics: Mapping[str, Array]


PhaseLoss = Callable[[Nets, PyTree, Batch, Array, Mapping[str, Array]], tuple[Array, Aux]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """One update of some networks.

    Attributes:
        name: prefix of its metrics.
        trains: the networks that are differentiated; the others are constants of its trace.
        loss: `(nets, extra, batch, key, values) -> (scalar, Aux)`; images float32 in [-1, 1].
        every: it runs in the rounds whose number is a multiple of this.
        batch: which of the round's real batches it reads (the first of them, with `repeat`).
        repeat: so many turns on as many consecutive real batches, each a whole update.
    """

    name: str
    trains: tuple[str, ...]
    loss: PhaseLoss
    every: int = 1
    batch: int = 0
    repeat: int = 1

    def __post_init__(self) -> None:
        if self.every < 1 or self.repeat < 1 or self.batch < 0:
            raise ValueError(f"phase {self.name!r}: every and repeat are >= 1, batch is >= 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """An experiment's algorithm.

    Attributes:
        networks: trained or at least owned by the state.
        phases: run in this order in every round.
        inputs: example arguments of each network from a batch, for its initialisation.
        values: named scalars with their base values (penalty weights, EMA decays); an injected
            optimizer hyperparameter joins them as `network.name` (`generator.learning_rate`).
            Losses also find `replicas` among them: devices that share a batch in the per-device
            view, else 1.
        schedules: for some of those names, how the value follows step (int32) and real images
            seen (float32).
        ema: for some networks, the name of the value that is the decay of their average.
        frozen: networks outside the state (teachers, feature networks).
        extra: the initial value of the recipe's own state, any pytree of fixed shape.
        given: names of a batch that `generate` reads besides latents and `label`: pictures,
            landmarks; what is drawn of them is drawn of real examples.
        latents: `(key, batch) -> latents`; None where the recipe generates nothing.
        generate: `(nets, latents, batch, truncation) -> images [B, H, W, C]` in [-1, 1].
        styles: `(nets, latents, batch) -> ws [B, L, W]`, where the generator has such a space.
        synthesise: `(nets, ws, noise=None) -> images`, beside `styles`; `noise="constant"` adds the
            planes of the collection `noise` instead of what training adds.
        encode: `(nets, batch) -> latents` of the batch's images, where something finds them.
        translation: what `gan-jax translate` does with pictures of the user's.
        recognise: `(nets, batch) -> Recognised`, the expressions of the batch's images, where
            something reads them.
        discriminate: `(nets, batch) -> logits [B]` of the batch's images, positive for real; None
            where nothing tells real pictures from generated ones.
    """

    networks: Mapping[str, nn.Module]
    phases: tuple[Phase, ...]
    inputs: Callable[[Batch], Mapping[str, tuple[Any, ...]]]
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    schedules: Mapping[str, Schedule] = dataclasses.field(default_factory=dict)
    ema: Mapping[str, str] = dataclasses.field(default_factory=dict)
    frozen: Mapping[str, nn.Module] = dataclasses.field(default_factory=dict)
    extra: PyTree = ()
    given: tuple[str, ...] = ()
    latents: Callable[[Array, Batch], PyTree] | None = None
    generate: Callable[[Nets, PyTree, Batch, Array], Array] | None = None
    styles: Callable[[Nets, PyTree, Batch], Array] | None = None
    synthesise: Callable[..., Array] | None = None
    encode: Callable[[Nets, Batch], PyTree] | None = None
    translation: Translation | None = None
    recognise: Callable[[Nets, Batch], Recognised] | None = None
    discriminate: Callable[[Nets, Batch], Array] | None = None

    @property
    def batches_per_round(self) -> int:
        """Real batches that one round draws."""
        return max(phase.batch + phase.repeat for phase in self.phases)


def batch_size(batch: Batch) -> int:
    """B of a batch whose leaves are all `[B, …]`."""
    return jax.tree.leaves(batch)[0].shape[0]

"""Whether a conditional generator of avatars does as it is told, as the avatar judge sees it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_truth import CONTROLS, FIELDS, obedience, others
from gan_jax.evaluators.avatars import own_errors
from gan_jax.evaluators.evaluator import Evaluation, Measure, World, about
from gan_jax.evaluators.features import Extractor, Features
from gan_jax.evaluators.generated import Given, Sampling, Statistics, Subject
from gan_jax.evaluators.reference import features_of
from gan_jax.evaluators.spaces import judge_space
from gan_jax.weights.store import find_weights

OF_CLASSES = {"label": "expression", "expression": "expression", "style": "style"}
"""By the field of an avatar that the classes are, what they control."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AvatarControl:
    """Avatars of a split are described to the generator by the conditions that it takes; what the
    judge reads off its pictures is compared with what those avatars are.

    `expression_accuracy` and `style_accuracy` are shares read right, `expression_error` the mean
    distance of the continuous expression parameters in shares of their ranges, `landmark_error`
    the mean distance of landmarks in distances between the eyes (NME), `identity_drift` the share
    of discrete factors of identity that differ. Beside each stand its `ceiling`, the renderer's own
    pictures of those avatars (so the judge's own error), and its `floor`, the renderer's pictures
    of others.

    Attributes:
        controls: of `avatar_truth.CONTROLS`: what the conditions say of an avatar; () for what the
            run's classes are.
        samples: avatars that are asked for.
        split: that they are of.
    """

    name: str = "control"
    every: str = ""
    controls: tuple[str, ...] = ()
    samples: int = 1000
    split: str = "test"
    seed: int = 0
    truncation: float = 1.0
    ema: bool = True
    statistics: Statistics = "running"

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(name for control in self.controls for name in CONTROLS.get(control, ()))

    def open(self, world: World) -> Measure:
        if not world.is_avatars:
            raise UsageError(f"{self.name}: the judge knows the project's own avatars only")
        controls = self._checked(world)
        generated = world.generator()
        space = judge_space(find_weights("avatar_judge", None))
        described = {"name": "avatar", **space.describe, "controls": list(controls), **own_errors()}
        sampling = Sampling(
            samples=self.samples,
            seed=self.seed,
            truncation=self.truncation,
            ema=self.ema,
            statistics=self.statistics,
        )

        @functools.cache
        def asked() -> tuple[Given, dict[str, np.ndarray], Features, dict]:
            """Conditions, truth and the judge's readings of the renderer, `[samples]` each."""
            reals = world.reals(self.split).first(self.samples)
            wanted = dict.fromkeys((*FIELDS, *world.conditions.values()))
            fields = reals.fields(tuple(wanted))
            with world.progress(f"the judge reads {reals.name}") as advance:
                read = features_of(extractor(), reals, cache=world.cache, advance=advance)
            rows = np.arange(self.samples) % reals.count
            given = {key: fields[field][rows] for key, field in world.conditions.items()}
            if "image" in world.recipe.given:
                given["image"] = np.stack(list(reals.each()))[rows]
            return given, _taken(fields, rows), _taken(read, rows), about(reals)

        @functools.cache
        def extractor() -> Extractor:
            return Extractor(space, world.mesh, world.batch)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            given, true, rendered, which = asked()
            with world.progress("the judge reads generated avatars") as advance:
                read = extractor()(
                    generated(subject, drawn, given), lambda done: advance(done, self.samples)
                )
            values = obedience(read, true, controls)
            ceiling = obedience(rendered, true, controls)
            floor = obedience(_taken(rendered, others(self.samples)), true, controls)
            return Evaluation(
                metrics={
                    name: {"value": value, "ceiling": ceiling[name], "floor": floor[name]}
                    for name, value in values.items()
                },
                protocol=described,
                sampling=generated.describe(drawn) | {"labels": "of the examples"},
                real=which,
            )

        return measure

    def _checked(self, world: World) -> tuple[str, ...]:
        """What is controlled; raises UsageError for nothing, and for what cannot be."""
        if not world.conditions and not world.recipe.given:
            raise UsageError(f"{self.name}: the generator takes no conditions: nothing to check")
        unknown = [control for control in self.controls if control not in CONTROLS]
        if unknown:
            known = ", ".join(CONTROLS)
            raise UsageError(f"{self.name}: no control {unknown[0]!r}; there are {known}")
        label = "" if world.attributes else world.conditions.get("label", "")
        classes = OF_CLASSES.get(label)
        if not self.controls and classes is None:
            raise UsageError(
                f"{self.name}: say in the experiment what the conditions control, as "
                f'AvatarControl(controls=("landmarks",)); there are {", ".join(CONTROLS)}'
            )
        return self.controls or (str(classes),)


def _taken(arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}

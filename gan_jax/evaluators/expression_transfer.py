"""Held-out avatars with the expressions of others, beside what the renderer makes of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.data.avatars.expressions import express
from gan_jax.data.avatars.landmarks import landmarks
from gan_jax.data.avatars.parameters import group
from gan_jax.data.avatars.renderer import render_batch
from gan_jax.data.geometry import composite
from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_truth import CONTROLS, FIELDS, PARTNERS, obedience, others
from gan_jax.evaluators.avatars import own_errors
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World, about
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.generated import BLOCK, Subject
from gan_jax.evaluators.perceptual import avatar_perceptual
from gan_jax.evaluators.pictures import Pictures
from gan_jax.evaluators.reconstructions import above
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.evaluators.spaces import judge_space
from gan_jax.evaluators.true_pictures import OF_TRUTH, compared, measured, of_pixels
from gan_jax.ops.pixels import to_float, to_uint8
from gan_jax.recipe import Batch, Nets
from gan_jax.weights.store import find_weights

READ = ("expression", "expression_vector", "landmarks", "identity")
"""Of `CONTROLS`."""
JUDGED = tuple(name for control in READ for name in CONTROLS[control])
WHITE = (255, 255, 255)


class Task(NamedTuple):
    """What is to be translated.

    Attributes:
        given: uint8 pictures `[N, H, W, 3]`.
        asked: the avatars that they are to become, `FIELDS` and `intensity`, `[N, …]` each.
        truth: the renderer's pictures of those, uint8 `[N, H, W, 3]`.
        which: pictures they are, for rows.
    """

    given: np.ndarray
    asked: dict[str, np.ndarray]
    truth: np.ndarray
    which: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpressionTransfer:
    """Each avatar of a split is translated to the expression of another, of the same identity and
    pose, and compared with the renderer's picture of that.

    The judge reads `expression_accuracy`, `expression_error`, `landmark_error` and
    `identity_drift` as in `AvatarControl`; `l1`, `psnr` and `ssim` are of pixels, `perceptual` is
    of `avatar_perceptual`. Beside each stands its `ceiling`, the renderer's picture (so the judge's
    own error; PSNR has none), and its `floor`, a copy of the picture that was given; the protocol
    says which avatars are `partners`. `mask_mean` is the share of a picture that is kept,
    `mask_full` and `mask_empty` are the shares of places where that is above 0.95 and below 0.05.

    The picture of it shows given pictures, translations, masks (white is kept) and truth.

    Attributes:
        condition: what the generator is told of a batch of the avatars asked for, with all their
            fields.
        inputs: `(nets, images) -> inputs`, what it is given behind pictures and condition.
        classes: whether the condition is a named expression at its intensity, which the truth then
            shows and nothing besides (its own sides: a wink is the left eye's); else it is the
            other's very parameters of expression.
        samples: avatars of the split, or all that there are.
        split: that they are of.
        shown: avatars in the picture.
    """

    condition: Callable[[Batch], Array]
    classes: bool
    inputs: Callable[[Nets, Array], tuple[Array | None, ...]]
    name: str = "expression_transfer"
    every: str = ""
    samples: int = 1000
    split: str = "test"
    shown: int = 8
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = (
        *(*JUDGED, *OF_TRUTH),
        *("mask_mean", "mask_full", "mask_empty"),
    )

    def open(self, world: World) -> Measure:
        if not world.is_avatars:
            raise UsageError(f"{self.name}: the judge knows the project's own avatars only")
        space = judge_space(find_weights("avatar_judge", None))
        perceptual = avatar_perceptual()
        described = {"name": "avatar", **space.describe, **own_errors(), "partners": PARTNERS}

        @functools.cache
        def task() -> Task:
            with world.progress("drawing the avatars asked for") as advance:
                return asked_of(world.reals(self.split).first(self.samples), self.classes, advance)

        @functools.cache
        def judge() -> Extractor:
            return Extractor(space, world.mesh, world.batch)

        def read(images: np.ndarray) -> dict[str, float]:
            return obedience(judge()([images]), task().asked, READ)

        @functools.cache
        def bounds() -> tuple[Mapping[str, Metric], Mapping[str, float]]:
            """Ceiling and floor of what is judged, and the floors of pictures."""
            given, _, truth, _ = task()
            best, worst = read(truth), read(given)
            limits = {name: {"ceiling": best[name], "floor": worst[name]} for name in JUDGED}
            return limits, measured(truth, given, perceptual)

        @jax.jit
        def translate(nets, frozen, images: Array, asked: Batch) -> tuple[Array, Array]:
            view = sampling_nets(world.recipe, nets, frozen, sample_key(0), self.ema)
            given = to_float(images)
            made = view("generator", given, self.condition(asked), *self.inputs(view, given))[0]
            return to_uint8(made.images), made.mask

        def measure(subject: Subject, seed: int) -> Evaluation:
            given, asked, truth, which = task()
            blocks = []
            with world.progress(f"translating {which['name']}") as advance:
                for start in range(0, len(given), BLOCK):
                    rows = np.arange(start, start + BLOCK) % len(given)
                    batch = {name: leaf[rows] for name, leaf in asked.items()}
                    blocks.append(translate(subject.nets, subject.frozen, given[rows], batch))
                    advance(min(start + BLOCK, len(given)), len(given))
            pictures, masks = (
                np.concatenate([np.asarray(part) for part in parts])[: len(given)]
                for parts in zip(*blocks, strict=True)
            )
            limits, floor = bounds()
            metrics = {name: {"value": x, **limits[name]} for name, x in read(pictures).items()}
            metrics |= compared(truth, pictures, floor, perceptual)
            shown = slice(self.shown)
            kept = np.broadcast_to(np.round(255 * masks[shown]), given[shown].shape)
            return Evaluation(
                metrics=metrics | of_masks(masks),
                protocol=described | of_pixels(truth, perceptual),
                sampling={"samples": len(given), "seed": seed, "classes": self.classes}
                | {"parameters": "ema" if self.ema and world.recipe.ema else "raw"},
                real=which,
                pictures={
                    self.name: above(
                        given[shown], pictures[shown], kept.astype(np.uint8), truth[shown]
                    )
                },
            )

        return measure


def asked_of(reals: Pictures, classes: bool, advance: Callable[..., None]) -> Task:
    """Every avatar of a set with the expression of another one of it.

    Raises:
        UsageError: pictures that are not RGB squares.
        DataError: examples that lack a field.
    """
    fields = reals.fields((*FIELDS, "intensity"))
    given = np.stack(list(reals.each()))
    size, channels = given.shape[2:]
    if channels != 3:
        raise UsageError("the truth is drawn in RGB on white: set data.channels to 3")
    other = others(reals.count)
    expression, intensity = fields["expression"][other], fields["intensity"][other]
    parameters = fields["parameters"].copy()
    if classes:
        named = jax.vmap(express)(*map(jnp.asarray, (parameters, expression, intensity)))
        parameters = np.asarray(named)
    else:
        columns = group("expression")
        parameters[:, columns] = fields["parameters"][other][:, columns]
    drawn = []
    for start in range(0, len(given), BLOCK):
        rows = np.arange(start, start + BLOCK) % len(given)
        pictures = render_batch(jnp.asarray(parameters[rows]), size)
        drawn.append(composite(np.asarray(pictures), WHITE))
        advance(min(start + BLOCK, len(given)), len(given))
    asked = {
        "parameters": parameters,
        "landmarks": np.asarray(jax.jit(jax.vmap(landmarks))(parameters)),
        "expression": expression,
        "intensity": intensity,
        "style": fields["style"],
    }
    return Task(given, asked, np.concatenate(drawn)[: len(given)], about(reals))


def of_masks(masks: np.ndarray) -> dict[str, Metric]:
    """Of `[N, H, W, 1]` in [0, 1]."""
    shares = {"mean": masks, "full": masks > 0.95, "empty": masks < 0.05}
    return {f"mask_{name}": {"value": float(np.mean(share))} for name, share in shares.items()}

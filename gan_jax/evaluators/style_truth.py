"""Held-out avatars drawn in another style, beside what the renderer makes of the same avatars."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.data.avatar_collection import avatar_size, open_avatar_collection
from gan_jax.data.avatars.parameters import STYLES, replace
from gan_jax.data.avatars.renderer import render_batch
from gan_jax.data.geometry import Geometry, fit_all
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.avatar_truth import FIELDS, PARTNERS, obedience, others
from gan_jax.evaluators.avatars import own_errors
from gan_jax.evaluators.evaluator import Evaluation, Measure, World
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.generated import BLOCK, Subject
from gan_jax.evaluators.perceptual import avatar_perceptual
from gan_jax.evaluators.reconstructions import above
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.evaluators.spaces import judge_space
from gan_jax.evaluators.true_pictures import OF_TRUTH, compared, measured, of_pixels
from gan_jax.mesh import replicated
from gan_jax.ops.pixels import to_float, to_uint8
from gan_jax.recipe import Batch, Nets
from gan_jax.weights.store import find_weights

CONTENT = ("landmarks", "identity")
"""Controls (of `avatar_truth`) that a change of style must leave alone."""


class Restyled(NamedTuple):
    """Avatars of one style and the truth of them in another.

    Attributes:
        inputs: uint8 `[N, H, W, C]`, as the data set holds them.
        truth: the same avatars in the other style, as the renderer draws them.
        fields: what they are, the other style included, `[N, …]` each.
        about: which avatars, for rows.
    """

    inputs: np.ndarray
    truth: np.ndarray
    fields: Mapping[str, np.ndarray]
    about: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleTruth:
    """Avatars of a split that are drawn in the style `source`, translated to `target`.

    `l1` (mean absolute difference, of a range of 1), `psnr` (dB), `ssim` and `perceptual` (of
    `avatar_perceptual`) to the renderer's own picture of the same avatar in that style; their
    `floor` is the untouched input. Of the judge's readings `style_accuracy` is the share that is
    read as `target`, whose `floor` is the input too; `landmark_error` and `identity_drift` are as
    in `AvatarControl` and say whether it is still the same avatar (style is no part of identity);
    their `floor` is the truth of another avatar. The `ceiling` of all three is the truth itself, so
    the judge's own error.

    The picture of it shows inputs, translations and truth below one another.

    Attributes:
        source, target: of `avatars.parameters.STYLES`.
        translate: `(nets, batch) -> images [B, H, W, C]` in [-1, 1]; a batch holds `image`, `style`
            (int32 `[B]`, the number of `target`), and `reference` `[B, H, W, C]`, the truth of
            another avatar.
        geometry: of the pictures that the recipe takes and makes.
        avatars: the data set that they are of; the run may read any other.
        split: of it.
        directory: where it lies; "" for its own default.
        samples: avatars, or all that there are in that style.
        shown: of them, in the picture.
    """

    source: str
    target: str
    translate: Callable[[Nets, Batch], Array]
    geometry: Geometry
    name: str = "style"
    every: str = ""
    avatars: str = "avatars/64"
    split: str = "test"
    directory: str = ""
    samples: int = 1000
    shown: int = 16
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = (
        *OF_TRUTH,
        *("style_accuracy", "landmark_error", "identity_drift"),
    )

    def open(self, world: World) -> Measure:
        _, number = style_number(self.source), style_number(self.target)
        avatar_size(self.avatars)  # at once, too, where there are none of that size
        recipe, space = world.recipe, judge_space(find_weights("avatar_judge", None))
        parameters, perceptual = "ema" if self.ema and recipe.ema else "raw", avatar_perceptual()

        @functools.partial(jax.jit, out_shardings=replicated(world.mesh))
        def translated(nets, frozen, image: Array, reference: Array, key: Array) -> Array:
            view = sampling_nets(recipe, nets, frozen, key, self.ema)
            style = jnp.full(len(image), number, jnp.int32)
            batch = {"image": to_float(image), "reference": to_float(reference), "style": style}
            return to_uint8(self.translate(view, batch))

        @functools.cache
        def extractor() -> Extractor:
            return Extractor(space, world.mesh, world.batch)

        @functools.cache
        def asked() -> tuple[Restyled, dict[str, float], dict[str, float]]:
            """The avatars, the judge's ceiling of them, and all floors."""
            with world.progress(f"drawing {self.avatars} {self.split} as {self.target}") as advance:
                restyled = self.restyled(advance)
            read, before = extractor()([restyled.truth]), extractor()([restyled.inputs])
            rows = others(len(restyled.truth))
            strangers = {name: values[rows] for name, values in read.items()}
            floor = obedience(before, restyled.fields, ("style",))
            floor |= obedience(strangers, restyled.fields, CONTENT)
            floor |= measured(restyled.truth, restyled.inputs, perceptual)
            return restyled, obedience(read, restyled.fields, ("style", *CONTENT)), floor

        def measure(subject: Subject, seed: int) -> Evaluation:
            restyled, ceiling, floor = asked()
            inputs, count, key = restyled.inputs, len(restyled.inputs), sample_key(seed)
            references = restyled.truth[others(count)]
            blocks = []
            with world.progress(f"translating {self.source} to {self.target}") as advance:
                for start in range(0, count, BLOCK):
                    rows = np.minimum(np.arange(start, start + BLOCK), count - 1)
                    own = jax.random.fold_in(key, start)
                    pair = inputs[rows], references[rows]
                    made = translated(subject.nets, subject.frozen, *pair, own)
                    blocks.append(np.asarray(made)[: count - start])
                    advance(min(start + BLOCK, count), count)
            found = np.concatenate(blocks)
            judged = obedience(extractor()([found]), restyled.fields, ("style", *CONTENT))
            sets = inputs, found, restyled.truth
            return Evaluation(
                metrics=compared(restyled.truth, found, floor, perceptual)
                | {
                    name: {"value": value, "ceiling": ceiling[name], "floor": floor[name]}
                    for name, value in judged.items()
                },
                protocol={"name": "avatar", **space.describe, **own_errors()}
                | {"references": f"of partners: {PARTNERS}"}
                | of_pixels(restyled.truth, perceptual),
                sampling={"parameters": parameters, "samples": count, "seed": seed},
                real=restyled.about,
                pictures={self.name: above(*(pictures[: self.shown] for pictures in sets))},
            )

        return measure

    def restyled(self, advance: Callable[[int, int], None]) -> Restyled:
        """Reads the avatars and draws them in the other style; raises DataError where the split
        has fewer than two in the first."""
        collection = open_avatar_collection(
            self.avatars,
            split=self.split,
            labels="none",
            data_dir=self.directory or None,
            progress=advance,
        )
        before, after = style_number(self.source), style_number(self.target)
        raws = collection.read_many(range(len(collection)), FIELDS)
        raws = [raw for raw in raws if int(raw.fields["style"]) == before][: self.samples]
        if len(raws) < 2:
            raise DataError(f"{self.avatars} {self.split}: too few avatars are {self.source}")
        fields = {name: np.stack([raw.fields[name] for raw in raws]) for name in FIELDS}
        fields["style"] = np.full(len(raws), after, np.int32)
        vectors = replace(jnp.asarray(fields["parameters"]), style=float(after))
        fields["parameters"] = np.asarray(vectors)
        drawn = rendered(fields["parameters"], avatar_size(self.avatars), advance)
        return Restyled(
            inputs=fit_all([raw.image for raw in raws], self.geometry),
            truth=fit_all(drawn, self.geometry),
            fields=fields,
            about={
                "name": f"{self.avatars} {self.split}, {self.source} as {self.target}",
                "samples": len(raws),
                "fingerprint": collection.fingerprint,
            },
        )


def style_number(style: str) -> int:
    """Among the renderer's; raises UsageError where it has no such style."""
    if style not in STYLES:
        close = difflib.get_close_matches(style, STYLES, n=1, cutoff=0.5)
        nearest = f"; the nearest is {close[0]}" if close else ""
        raise UsageError(f"no drawing style {style!r}; there are {', '.join(STYLES)}{nearest}")
    return STYLES.index(style)


def rendered(
    vectors: np.ndarray, size: int, advance: Callable[[int, int], None]
) -> list[np.ndarray]:
    """Avatars `[N, P]` as the renderer draws them: N of uint8 `[size, size, 4]`."""
    drawn: list[np.ndarray] = []
    for start in range(0, len(vectors), BLOCK):
        rows = np.minimum(np.arange(start, start + BLOCK), len(vectors) - 1)  # compiled once
        drawn += list(np.asarray(render_batch(jnp.asarray(vectors[rows]), size)))
        advance(min(len(drawn), len(vectors)), len(vectors))
    return drawn[: len(vectors)]

"""Held-out avatars turned into the personas of others, beside what the renderer makes of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from gan_jax.data.avatar_collection import avatar_size, open_avatar_collection
from gan_jax.data.avatars.parameters import INDEX, STYLES
from gan_jax.data.geometry import Geometry, fit_all
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.avatar_truth import FIELDS, PARTNERS, others
from gan_jax.evaluators.avatars import own_errors
from gan_jax.evaluators.evaluator import Evaluation, Measure, Metric, World
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.generated import BLOCK, Subject
from gan_jax.evaluators.perceptual import avatar_perceptual
from gan_jax.evaluators.persona_readings import OF_CONTENT, OF_STYLE, PALETTES, diversity, judged
from gan_jax.evaluators.reconstructions import above
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.evaluators.spaces import judge_space
from gan_jax.evaluators.style_truth import rendered, style_number
from gan_jax.evaluators.true_pictures import OF_TRUTH, compared, measured, of_pixels
from gan_jax.mesh import replicated
from gan_jax.metrics.attributes import style_accuracy
from gan_jax.ops.pixels import prepare, to_uint8
from gan_jax.recipe import Batch
from gan_jax.translation import Choice, Translation
from gan_jax.weights.store import find_weights

OF_DRAWN = "drawn_style_accuracy", "diversity"
OWN = "_own_palettes"
PERSONA = "persona"
"""The condition that names one, where the recipe has it."""
Advance = Callable[[int, int], None]


class Task(NamedTuple):
    """What is to be translated.

    Attributes:
        inputs: uint8 `[N, H, W, C]`, as the data set holds them.
        references: likewise, of avatars of other drawing styles.
        truth: the avatars of the inputs in the references' styles and palettes.
        own: the same in palettes of their own.
        fields: what the truth shows, `FIELDS`, `[N, …]` each.
        personas: int32 `[N]`, the recipe's numbers of the references' styles.
        spread: uint8 `[K, M, H, W, C]`, the truth of the first M in the palettes of K avatars.
        about: which avatars, for rows.
    """

    inputs: np.ndarray
    references: np.ndarray
    truth: np.ndarray
    own: np.ndarray
    fields: Mapping[str, np.ndarray]
    personas: np.ndarray
    spread: np.ndarray
    about: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PersonaTruth:
    """Each avatar of a split is turned into the persona of another of another drawing style, which
    is the reference; the personas of the recipe, if it names any, are drawing styles.

    `l1` (mean absolute difference, of a range of 1), `psnr` (dB), `ssim` and `perceptual` (of
    `avatar_perceptual`) are to the renderer's picture of the same avatar in the reference's style
    and its palettes (skin, hair, eyes, clothes); those `…_own_palettes` to the picture in the
    reference's style with palettes of the avatar's own. The floor of all is the untouched input.

    The judge reads `style_accuracy` and `palette_accuracy`, the shares that are read as the
    reference's (floor: the input), and of what must stay `landmark_error`, as in `AvatarControl`,
    and `identity_drift`, the share of discrete factors of identity other than palettes that differ
    (floor: the reference itself). The ceiling is the truth in the reference's palettes.

    With styles that are drawn in place of references, `drawn_style_accuracy` is as above, and
    `diversity` is the mean l1 between two of the pictures that one avatar is turned into; its floor
    is 0, that of copies. Beside it stands that of the renderer, `truth`, in as many palettes of
    others: what one would like to see, and no ceiling, for pictures of noise differ more.

    One picture of it shows inputs, references, translations and truth below one another, the other
    inputs above what is made of them with drawn styles.

    Attributes:
        geometry: of the pictures that the recipe takes and makes.
        avatars: the data set that they are of; the run may read any other.
        split: of it.
        directory: where it lies; "" for its own default.
        samples: avatars, or all that there are in those styles; those are left out whose partner
            is of their own style, a quarter of four styles.
        drawn: styles that are drawn for each avatar, two or more; 0 where the recipe draws none.
        drawn_avatars: avatars that have them.
        shown: avatars in the pictures.
    """

    geometry: Geometry
    name: str = "persona"
    every: str = ""
    avatars: str = "avatars/64"
    split: str = "test"
    directory: str = ""
    samples: int = 1000
    drawn: int = 5
    drawn_avatars: int = 128
    shown: int = 16
    seed: int = 0
    ema: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        of_truth = (*OF_TRUTH, *(f"{name}{OWN}" for name in OF_TRUTH))
        return (*of_truth, *OF_STYLE, *OF_CONTENT, *(OF_DRAWN if self.drawn else ()))

    def open(self, world: World) -> Measure:
        translation, styles = self._checked(world)
        avatar_size(self.avatars)  # at once, too, where there are none of that size
        recipe, space = world.recipe, judge_space(find_weights("avatar_judge", None))
        parameters, perceptual = "ema" if self.ema and recipe.ema else "raw", avatar_perceptual()

        @functools.partial(jax.jit, out_shardings=replicated(world.mesh))
        def translated(nets, frozen, batch: Batch, key: Array) -> Array:
            view = sampling_nets(recipe, nets, frozen, key, self.ema)
            return to_uint8(translation.run(view, prepare(batch)))

        @functools.cache
        def extractor() -> Extractor:
            return Extractor(space, world.mesh, world.batch)

        @functools.cache
        def asked() -> tuple[Task, dict[str, float], dict[str, float]]:
            """The avatars, the judge's ceiling of them, and all floors."""
            with world.progress(f"drawing {self.avatars} {self.split} as others") as advance:
                task = self.task(styles, advance)
            sets = task.truth, task.inputs, task.references
            best, before, strangers = (judged(extractor()([x]), task.fields) for x in sets)
            floor = {name: before[name] for name in OF_STYLE}
            floor |= {name: strangers[name] for name in OF_CONTENT}
            floor |= measured(task.truth, task.inputs, perceptual)
            own = measured(task.own, task.inputs, perceptual)
            return task, best, floor | {f"{name}{OWN}": value for name, value in own.items()}

        def measure(subject: Subject, seed: int) -> Evaluation:
            task, ceiling, floor = asked()

            def made(leaves: Mapping[str, np.ndarray], key: Array, advance: Advance) -> np.ndarray:
                """uint8 `[N, H, W, C]` of leaves `[N, …]`."""
                count, blocks = len(leaves["image"]), []
                size = min(BLOCK, count)  # a picture may cost much: none are made to fill a block
                for start in range(0, count, size):
                    rows = np.minimum(np.arange(start, start + size), count - 1)
                    batch = {name: leaf[rows] for name, leaf in leaves.items()}
                    own = jax.random.fold_in(key, start)
                    block = translated(subject.nets, subject.frozen, batch, own)
                    blocks.append(np.asarray(block)[: count - start])
                    advance(min(start + size, count), count)
                return np.concatenate(blocks)

            def as_drawn(key: Array) -> tuple[dict[str, Metric], np.ndarray]:
                """The metrics and pictures `[K, M, H, W, C]` of drawn styles."""
                again = {
                    name: np.concatenate([leaf[few]] * self.drawn) for name, leaf in given.items()
                }
                with world.progress(f"translating to {self.drawn} personas each") as advance:
                    drawn = made(again, key, advance).reshape(task.spread.shape)
                read = extractor()([drawn.reshape(-1, *drawn.shape[2:])])["factor/style"]
                of_style = style_accuracy(read, np.tile(task.fields["style"][few], self.drawn))
                ends = {"truth": diversity(task.spread), "floor": 0.0}
                limits = {"ceiling": ceiling["style_accuracy"], "floor": floor["style_accuracy"]}
                found = {"value": of_style, **limits}, {"value": diversity(drawn), **ends}
                return dict(zip(OF_DRAWN, found, strict=True)), drawn

            given = {"image": task.inputs} | {
                name: task.personas
                if name == PERSONA
                else np.full(len(task.inputs), condition.default)
                for name, condition in translation.conditions.items()
            }
            few = slice(len(task.spread[0]))
            of_references, of_latents = jax.random.split(sample_key(seed))
            with world.progress("translating to the personas of others") as advance:
                references = {"reference": task.references[:, None]}
                found = made(given | references, of_references, advance)
            shown = slice(self.shown)
            columns = (task.inputs, task.references, found, task.truth)
            sheets = {self.name: above(*(pictures[shown] for pictures in columns))}
            of_drawn, sampling = {}, {"parameters": parameters, "samples": len(found), "seed": seed}
            if self.drawn:
                of_drawn, drawn = as_drawn(of_latents)
                sheets[f"{self.name}_drawn"] = above(task.inputs[few][shown], *drawn[:, shown])
                sampling |= {"drawn": self.drawn, "drawn_avatars": few.stop}
            own_floor = {name: floor[f"{name}{OWN}"] for name in OF_TRUTH}
            own_palettes = compared(task.own, found, own_floor, perceptual)
            return Evaluation(
                metrics={
                    **compared(task.truth, found, floor, perceptual),
                    **{f"{name}{OWN}": metric for name, metric in own_palettes.items()},
                    **{
                        name: {"value": value, "ceiling": ceiling[name], "floor": floor[name]}
                        for name, value in judged(extractor()([found]), task.fields).items()
                    },
                    **of_drawn,
                },
                protocol={"name": "avatar", **space.describe, **own_errors()}
                | {"references": f"of partners: {PARTNERS}"}
                | of_pixels(task.truth, perceptual),
                sampling=sampling,
                real=task.about,
                pictures=sheets,
            )

        return measure

    def _checked(self, world: World) -> tuple[Translation, tuple[int, ...]]:
        """What translates, and the drawing style of each of its personas; raises UsageError."""
        translation = world.recipe.translation
        if translation is None or translation.references == "none":
            raise UsageError(f"{self.name}: the recipe turns no pictures into personas")
        if self.drawn == 1:
            raise UsageError(f"{self.name}: drawn={self.drawn}: diversity takes two or more")
        if self.drawn and translation.references == "required":
            raise UsageError(f"{self.name}: the recipe draws no styles: set drawn=0")
        personas = translation.conditions.get(PERSONA)
        names = personas.names if isinstance(personas, Choice) else STYLES
        return translation, tuple(map(style_number, names))

    def task(self, styles: tuple[int, ...], advance: Advance) -> Task:
        """Reads the avatars and draws what becomes of them; raises DataError where the split has
        none of two of the styles."""
        collection = open_avatar_collection(
            self.avatars,
            split=self.split,
            labels="none",
            data_dir=self.directory or None,
            progress=advance,
        )
        raws = collection.read_many(range(len(collection)), FIELDS)
        raws = [raw for raw in raws if int(raw.fields["style"]) in styles][: self.samples]
        every = {name: np.stack([raw.fields[name] for raw in raws]) for name in FIELDS if raws}
        other = others(len(raws))
        rows = np.flatnonzero(every["style"] != every["style"][other]) if raws else np.zeros(0, int)
        if not len(rows):
            raise DataError(f"{self.avatars} {self.split}: too few avatars of different personas")
        other = other[rows]

        def mixed(count: int, **taken: np.ndarray) -> np.ndarray:
            """The first of the avatars with factors, by name, of others `[count]`: `[count, P]`."""
            vectors = every["parameters"][rows[:count]].copy()
            for name, of in taken.items():
                vectors[:, INDEX[name]] = every["parameters"][of, INDEX[name]]
            return vectors

        few = min(self.drawn_avatars, len(rows)) if self.drawn else 0
        truth = mixed(len(rows), style=other, **dict.fromkeys(PALETTES, other))
        strangers = [np.roll(other, -turn)[:few] for turn in range(max(self.drawn, 1))]
        spread = [mixed(few, style=other[:few], **dict.fromkeys(PALETTES, of)) for of in strangers]
        vectors = (truth, mixed(len(rows), style=other), *spread)
        pictures = rendered(np.concatenate(vectors), avatar_size(self.avatars), advance)
        ends = np.cumsum([len(each) for each in vectors])[:-1]
        drawn = np.split(fit_all(pictures, self.geometry), ends)
        images = fit_all([raw.image for raw in raws], self.geometry)
        asked = {"style": every["style"][other], "parameters": truth}
        return Task(
            inputs=images[rows],
            references=images[other],
            truth=drawn[0],
            own=drawn[1],
            fields={name: leaf[rows] for name, leaf in every.items()} | asked,
            personas=np.array([styles.index(style) for style in asked["style"]], np.int32),
            spread=np.stack(drawn[2:]),
            about={
                "name": f"{self.avatars} {self.split} as others",
                "samples": len(rows),
                "fingerprint": collection.fingerprint,
            },
        )

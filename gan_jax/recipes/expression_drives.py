"""What drives a face: how an expression is told to a generator, and read by a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from gan_jax.alignment import aligned
from gan_jax.errors import UsageError
from gan_jax.heat_maps import heat_maps
from gan_jax.networks.identity_recogniser import probabilities_of
from gan_jax.networks.landmark_finder import points_of
from gan_jax.recipe import Batch, Nets, batch_size
from gan_jax.recognition import Recognised, by_name, probabilities
from gan_jax.translation import Choice, Condition, Number

Shown = Callable[[Nets, Array], tuple[Array | None, ...]]


class Drive(NamedTuple):
    """How an expression is told to the generator and read by the discriminator.

    Attributes:
        given: the names of a batch that the functions read, beside `image`.
        outputs: N, the numbers that the discriminator reads off a picture.
        told: K, the numbers that the discriminator is told.
        condition: `batch -> [B, K] or [B, H, W, M]`, what the generator is told.
        reading: `(outputs [B, N], batch) -> [B]`, how far the discriminator's numbers are from the
            batch's expressions: a cross-entropy of classes, a squared error of strengths.
        judged: `batch -> [B, K]`, what the discriminator is told; None for `condition`.
        retarget: `(batch, others) -> batch`, the examples with the expressions of the others, but
            for their pictures; the others themselves where a condition tells of nothing else.
        places: P, maps that show the generator where the parts of a face are; 0 for none.
        traits: N, numbers that tell the generator who it is; 0 for none.
        shown: `(nets, images) -> (places [B, H, W, P] or None, who [B, N] or None)` of pictures to
            be translated, which the generator is given behind the condition; or () for neither.
        conditions: what a user may ask for, by name; none where numbers cannot say it.
        asked: the condition of a batch with a leaf for each of those; None for `condition`.
        frozen: networks that `shown` and `like` call.
        like: `(nets, batch) -> condition` of pictures `image` whose expression is to be that of
            their `reference` `[B, R, H, W, C]`; None where pictures cannot say it.
        recognised: `outputs [B, N] -> Recognised`, for people; None where numbers cannot say it.
    """

    given: tuple[str, ...]
    outputs: int
    told: int
    condition: Callable[[Batch], Array]
    reading: Callable[[Array, Batch], Array]
    judged: Callable[[Batch], Array] | None = None
    retarget: Callable[[Batch, Batch], Batch] = lambda batch, others: others
    places: int = 0
    traits: int = 0
    shown: Shown = lambda nets, images: ()
    conditions: Mapping[str, Condition] = {}
    asked: Callable[[Batch], Array] | None = None
    frozen: Mapping[str, nn.Module] = {}
    like: Callable[[Nets, Batch], Array] | None = None
    recognised: Callable[[Array], Recognised] | None = None


def class_drive(names: Sequence[str], leaf: str) -> Drive:
    """One of several named expressions, `batch[leaf]` int32 `[B]`: told as one of `[B, E]` ones,
    read by a cross-entropy."""
    count = len(names)

    def reading(outputs: Array, batch: Batch) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[leaf])

    return Drive(
        given=(leaf,),
        outputs=count,
        told=count,
        condition=lambda batch: jax.nn.one_hot(batch[leaf], count),
        reading=reading,
        conditions={leaf: Choice(tuple(names), None)},
        recognised=lambda outputs: Recognised(probabilities(names, outputs), {}),
    )


def graded_class_drive(names: Sequence[str], neutral: int) -> Drive:
    """A named expression (`expression` int32 `[B]`) at an `intensity` `[B]` in [0, 1], which stands
    in its place among `[B, E]`: nothing at all is the neutral face.

    Read are the class, by a cross-entropy, and behind it the intensity, by a squared error.
    """
    count = len(names)

    def strength(batch: Batch) -> Array:
        return jnp.where(batch["expression"] == neutral, 0.0, batch["intensity"])

    def condition(batch: Batch) -> Array:
        return jax.nn.one_hot(batch["expression"], count) * strength(batch)[:, None]

    def reading(outputs: Array, batch: Batch) -> Array:
        of_class = optax.softmax_cross_entropy_with_integer_labels(
            outputs[:, :count], batch["expression"]
        )
        return of_class + jnp.square(outputs[:, count] - strength(batch))

    return Drive(
        given=("expression", "intensity"),
        outputs=count + 1,
        told=count,
        condition=condition,
        reading=reading,
        conditions={
            "expression": Choice(tuple(names), None),
            "intensity": Number(0.0, 1.0, 1.0),
        },
        recognised=lambda outputs: Recognised(
            probabilities(names, outputs[:, :count]), {"intensity": outputs[:, count]}
        ),
    )


def squared_error(strengths: Callable[[Batch], Array]) -> Callable[[Array, Batch], Array]:
    """`(outputs [B, K], batch) -> [B]`, summed over the strengths `[B, K]` of the batch."""
    return lambda outputs, batch: jnp.sum(jnp.square(outputs - strengths(batch)), axis=-1)


def strength_drive(
    names: Sequence[str],
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    strengths: Callable[[Batch], Array],
    leaf: str,
) -> Drive:
    """The strengths of named movements, `strengths(batch)` `[B, K]` of `batch[leaf]`: told as they
    are, read by the sum of squared errors. A user may set each, 0 where not."""

    bounds = zip(names, low, high, strict=True)
    return Drive(
        given=(leaf,),
        outputs=len(names),
        told=len(names),
        condition=strengths,
        reading=squared_error(strengths),
        conditions={name: Number(float(least), float(most), 0.0) for name, least, most in bounds},
        asked=lambda batch: jnp.stack([batch[name] for name in names], axis=-1),
        recognised=lambda outputs: Recognised({}, by_name(names, outputs)),
    )


def point_drive(
    size: int,
    count: int,
    strengths: Callable[[Batch], Array],
    retarget: Callable[[Batch, Batch], Batch],
    given: tuple[str, ...],
    finder: nn.Module,
    anchors: Sequence[int],
) -> Drive:
    """`landmarks` `[B, L, 2]` (x, y) in [0, 1]: told the generator as heat-maps, as Sanchez and
    Valstar 2020 do (a sigma of 1 at 128 pixels; at least half a pixel).

    The discriminator is told and reads what moved the points, `strengths(batch)` `[B, count]`, as
    in `strength_drive`: of the points themselves nearly all is where the face is.

    `retarget` has to give each face the landmarks that it would have with another's expression.
    Those of a user's pictures `finder` finds (`networks.landmark_finder`, frozen): a face takes
    those of its references, in the mean, brought onto its own by the `anchors`, points that no
    expression moves.
    """
    sigma = max(size / 128, 0.5)

    def found(nets: Nets, images: Array) -> Array:
        return points_of(nets.fixed("finder"), images)

    def like(nets: Nets, batch: Batch) -> Array:
        own, references = found(nets, batch["image"]), batch["reference"]
        taken = [
            aligned(found(nets, references[:, i]), own, anchors) for i in range(references.shape[1])
        ]
        return heat_maps(jnp.mean(jnp.stack(taken), axis=0), size, sigma)

    return Drive(
        given=given,
        outputs=count,
        told=count,
        condition=lambda batch: heat_maps(batch["landmarks"], size, sigma),
        judged=strengths,
        reading=squared_error(strengths),
        retarget=retarget,
        frozen={"finder": finder},
        like=like,
    )


def located(drive: Drive, finder: nn.Module, lines: Sequence[Sequence[int]]) -> Drive:
    """The drive of a generator that is shown where the parts of a face are: one map a line of
    landmarks, the largest of their heat-maps (a sigma of 1 pixel). The frozen `finder` finds them
    (`networks.landmark_finder`), in translations too; no gradient passes through it."""

    def shown(nets: Nets, images: Array) -> tuple[Array | None, ...]:
        points = jax.lax.stop_gradient(points_of(nets.fixed("finder"), images))
        maps = heat_maps(points, images.shape[1], 1.0)
        parts = [jnp.max(maps[..., jnp.array(line)], axis=-1) for line in lines]
        return (jnp.stack(parts, axis=-1), *drive.shown(nets, images)[1:])

    frozen = {**drive.frozen, "finder": finder}
    return drive._replace(places=len(lines), shown=shown, frozen=frozen)


def identified(drive: Drive, recogniser: nn.Module, choices: int) -> Drive:
    """The drive of a generator that is told who it paints: the probabilities that a frozen
    recogniser gives each choice of each factor (`networks.identity_recogniser`), of translations
    too; no gradient passes through it. A face swapper's identity embedding (Chen et al. 2020,
    SimSwap) modulates so: what colour an iris is that hardly shows takes long to learn."""

    def shown(nets: Nets, images: Array) -> tuple[Array | None, ...]:
        who = probabilities_of(nets.fixed("recogniser")(images))
        return (*(drive.shown(nets, images) or (None,))[:1], jax.lax.stop_gradient(who))

    frozen = {**drive.frozen, "recogniser": recogniser}
    return drive._replace(traits=choices, shown=shown, frozen=frozen)


def blank_of(drive: Drive, images: Array) -> tuple[Array | None, ...]:
    """Zeros of the shapes of what the generator is shown of images `[B, H, W, C]`."""
    if not drive.places and not drive.traits:
        return ()
    places = jnp.zeros((*images.shape[:3], drive.places)) if drive.places else None
    return places, jnp.zeros((len(images), drive.traits)) if drive.traits else None


def others(batch: Batch, key: Array) -> Batch:
    """For each example another one of its batch; raises UsageError where there is none."""
    if batch_size(batch) < 2:
        raise UsageError("a batch of 1 holds no other expression: set batch_size to 2 or more")
    return rolled(batch, jax.random.randint(key, (), 1, batch_size(batch)))


def rolled(batch: Batch, shift: int | Array) -> Batch:
    """Example i + shift in the place of example i, in a ring."""
    return jax.tree.map(lambda leaf: jnp.roll(leaf, -shift, axis=0), dict(batch))

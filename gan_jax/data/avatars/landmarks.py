"""Named points of the drawn face, from the same numbers that draw it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import brows, eyes, head, mouth
from gan_jax.data.avatars.parameters import named
from gan_jax.data.avatars.pose import head_to_picture, pose, to_head

CONTOUR_HEIGHTS = (0.06, 0.2, 0.32, 0.42)  # of the contour's points on either side, above the chin
CONTOUR = tuple(f"contourRight{i}" for i in range(4)) + ("chin",) + tuple(
    f"contourLeft{i}" for i in reversed(range(4))
)  # fmt: skip
EYE_POINTS = {
    "InnerCorner": -1.0, "OuterCorner": 1.0, "UpperLid": 0.0, "LowerLid": 0.0, "Pupil": 0.0,
}  # fmt: skip
BROW_POINTS = {"Inner": -1.0, "Middle": 0.0, "Outer": 1.0}
MOUTH_POINTS = (
    "mouthCornerRight", "mouthCornerLeft", "upperLip", "lowerLip",
    "upperLipRight", "upperLipLeft", "lowerLipRight", "lowerLipLeft",
)  # fmt: skip

LANDMARKS: tuple[str, ...] = (
    *CONTOUR,
    *(f"brow{side}{point}" for side in eyes.SIDES for point in BROW_POINTS),
    *(f"eye{side}{point}" for side in eyes.SIDES for point in EYE_POINTS),
    "noseTip",
    *MOUTH_POINTS,
)


def _numbers(*names: str) -> tuple[int, ...]:
    return tuple(LANDMARKS.index(name) for name in names)


LINES: tuple[tuple[int, ...], ...] = (
    _numbers(*CONTOUR),
    *(
        line
        for side in eyes.SIDES
        for line in (
            _numbers(*(f"brow{side}{point}" for point in BROW_POINTS)),
            _numbers(*(f"eye{side}{point}" for point in
                       ("InnerCorner", "UpperLid", "OuterCorner", "LowerLid", "InnerCorner"))),
            _numbers(f"eye{side}Pupil"),
        )
    ),
    _numbers("noseTip"),
    _numbers("mouthCornerRight", "upperLipRight", "upperLip", "upperLipLeft", "mouthCornerLeft",
             "lowerLipLeft", "lowerLip", "lowerLipRight", "mouthCornerRight"),
)  # fmt: skip
"""The strokes of a face drawn through its landmarks, by their numbers; a single one is a dot."""


def landmarks(vector: Array) -> Array:
    """`[P]` -> `[L, 2]`: (x, y) of each of `LANDMARKS` in [0, 1], from the top left of a square.

    A point is given where the part stands, also where hair or glasses cover it.
    """
    parameters = named(vector)
    turn = pose(parameters)
    points = [
        _contour(head.head(parameters, turn)),
        _sides(brows.brows(parameters, turn)),
        _eyes(eyes.eyes(parameters, turn)),
        _point(to_head(head.nose_frame(parameters, turn), 0.0, 0.0)),
        _mouth(mouth.mouth(parameters, turn)),
    ]
    x, y = jnp.concatenate(points).T
    return (jnp.stack(head_to_picture(turn, x, y), axis=-1) + 1) / 2


def _point(xy: tuple[Array, Array]) -> Array:
    return jnp.stack(xy)[None]


def _contour(shape: head.Head) -> Array:
    """Where the outline's distance is zero, from the picture's left over the chin to its right."""
    heights = jnp.array(CONTOUR_HEIGHTS)
    side = _root(lambda u: head.outline(shape, u, heights), jnp.zeros(4), jnp.full(4, 0.8))
    chin = _root(lambda v: head.outline(shape, jnp.zeros(1), v), jnp.zeros(1), jnp.full(1, 0.9))
    u = jnp.concatenate([-side, jnp.zeros(1), side[::-1]])
    v = jnp.concatenate([heights, chin, heights[::-1]])
    return jnp.stack(to_head(shape.frame, u, v), axis=-1)


def _root(function, inside: Array, outside: Array) -> Array:
    """Bisection between a point inside (negative) and one outside."""

    def halve(_, bounds):
        low, high = bounds
        middle = 0.5 * (low + high)
        positive = function(middle) > 0
        return jnp.where(positive, low, middle), jnp.where(positive, middle, high)

    return jax.lax.fori_loop(0, 24, halve, (inside, outside))[0]


def _sides(both: brows.Brows) -> Array:
    """`[6, 2]`: the right brow's points, then the left one's."""
    ends = jnp.array(list(BROW_POINTS.values()))[:, None]
    x, y = brows.place(both, ends, brows.curve(both, ends))
    return jnp.stack([x, y], axis=-1).transpose(1, 0, 2).reshape(-1, 2)


def _eyes(both: eyes.Eyes) -> Array:
    """`[10, 2]`; corners and lids lie on the drawn lid lines, the pupil in the iris' middle."""
    inner, outer, middle = jnp.full(2, -1.0), jnp.ones(2), jnp.zeros(2)
    points = [
        eyes.place(both, inner, eyes.lower_lid(both, inner)),
        eyes.place(both, outer, eyes.lower_lid(both, outer)),
        eyes.place(both, middle, eyes.upper_lid(both, middle)),
        eyes.place(both, middle, eyes.lower_lid(both, middle)),
        to_head(both.frame, both.iris_x, both.iris_y),
    ]
    return jnp.stack([jnp.stack(point) for point in points]).transpose(2, 0, 1).reshape(-1, 2)


def _mouth(shape: mouth.Mouth) -> Array:
    """`[8, 2]`: corners, then upper and lower lip at the middle and half way to each corner."""
    upper = jnp.array([-1.0, 1.0, 0.0, -0.5, 0.5])
    lower = jnp.array([0.0, -0.5, 0.5])
    over = mouth.place(shape, upper, mouth.upper_lip(shape, upper))
    under = mouth.place(shape, lower, mouth.lower_lip(shape, lower))
    over, under = jnp.stack(over, axis=-1), jnp.stack(under, axis=-1)
    return jnp.concatenate([over[:3], under[:1], over[3:], under[1:]])

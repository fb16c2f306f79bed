"""What generated avatars show, from a judge's readings: modes covered, errors, identity drift.

Pure functions of arrays. None of these numbers is perfect even for real pictures: a judge errs,
so each is read beside its value on renders (the ceiling) and on noise or copies (the floor).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Modes(NamedTuple):
    """Which cells of hair style x expression x drawing style a set of pictures reaches.

    Attributes:
        covered: cells in which at least one picture is read with confidence.
        cells: how many there are, Hf * E * S.
        counts: `[Hf, E, S]` int64, pictures read with confidence in each.
        entropy: of those counts as a distribution over cells, in nats: log(cells) for an even
            spread, 0 where one cell holds all (or no picture was read with confidence).
    """

    covered: int
    cells: int
    counts: np.ndarray
    entropy: float


class IdentityDrift(NamedTuple):
    """How far avatars b are other persons than avatars a.

    Attributes:
        changed: share of the discrete factors of identity that differ, in [0, 1].
        moved: mean absolute difference of the continuous ones, in their ranges.
    """

    changed: float
    moved: float


def modes_covered(
    hair_probabilities: ArrayLike,
    expression_probabilities: ArrayLike,
    style_probabilities: ArrayLike,
    *,
    confidence: float = 0.5,
) -> Modes:
    """The cells (h, e, s) in which a picture is read with joint confidence >= `confidence`.

    A picture is read in the cell of its three most probable choices, with the joint confidence
    `max_h p(h) * max_e p(e) * max_s p(s)`: the three readings are separate, so their product is
    the probability that the cell as a whole is right, which the least of the three overstates.

    Args:
        hair_probabilities: `[N, Hf]`, rows sum to 1.
        expression_probabilities: `[N, E]`.
        style_probabilities: `[N, S]`.
        confidence: in [0, 1].

    Raises:
        ValueError: no pictures, unequal numbers of them, or rows that are no probabilities.
    """
    readings = [
        _probabilities(name, table)
        for name, table in (
            ("hair", hair_probabilities),
            ("expression", expression_probabilities),
            ("style", style_probabilities),
        )
    ]
    if len({len(table) for table in readings}) != 1:
        raise ValueError(f"readings of {[len(table) for table in readings]} pictures do not match")
    sure = np.prod([table.max(axis=1) for table in readings], axis=0) >= confidence
    counts = np.zeros([table.shape[1] for table in readings], np.int64)
    np.add.at(counts, tuple(table.argmax(axis=1)[sure] for table in readings), 1)
    return Modes(int((counts > 0).sum()), counts.size, counts, _entropy(counts))


def expression_accuracy(scores: ArrayLike, expression: ArrayLike) -> float:
    """`mean_n [argmax_k scores[n, k] = expression[n]]`: the share of named expressions read as
    those that were asked for.

    Args:
        scores: `[N, E]`, logits or probabilities.
        expression: `[N]`, their numbers.

    Raises:
        ValueError: no pictures, or unequal numbers of them.
    """
    return _share_right(scores, expression)


def style_accuracy(scores: ArrayLike, style: ArrayLike) -> float:
    """`mean_n [argmax_k scores[n, k] = style[n]]`, as `expression_accuracy`, of drawing styles."""
    return _share_right(scores, style)


def expression_error(read: ArrayLike, true: ArrayLike) -> float:
    """`mean_nk |read[n, k] - true[n, k]|` of continuous expression parameters `[N, K]`, both as
    shares of each parameter's range: 0 exact, 1 from one end to the other.

    Raises:
        ValueError: no pictures, or unequal shapes.
    """
    return _mean_difference(read, true)


def landmark_error(read: ArrayLike, true: ArrayLike, *, outer_corners: tuple[int, int]) -> float:
    """NME: `mean_n (mean_l |read[n, l] - true[n, l]| / |true[n, i] - true[n, j]|)`.

    Args:
        read: `[N, L, 2]`, (x, y) in [0, 1].
        true: `[N, L, 2]`; the inter-ocular distance is taken here.
        outer_corners: i, j, the landmarks at the outer corners of the two eyes, as in 300-W
            (Sagonas et al. 2013).

    Raises:
        ValueError: no pictures, unequal shapes, or eyes in one place.
    """
    read, true = _pair(read, true)
    i, j = outer_corners
    between_eyes = np.linalg.norm(true[:, i] - true[:, j], axis=-1)
    if not between_eyes.all():
        raise ValueError("landmark error: the true outer corners of the eyes lie in one place")
    distance = np.linalg.norm(read - true, axis=-1).mean(axis=-1)
    return float(np.mean(distance / between_eyes))


def identity_drift(
    factors_a: ArrayLike, factors_b: ArrayLike, parameters_a: ArrayLike, parameters_b: ArrayLike
) -> IdentityDrift:
    """`changed = mean_nf [a[n, f] != b[n, f]]`, `moved = mean_nk |a[n, k] - b[n, k]|`.

    Args:
        factors_a, factors_b: `[N, F]` int, the discrete factors of identity.
        parameters_a, parameters_b: `[N, K]`, the continuous ones as shares of their ranges.

    Raises:
        ValueError: no pictures, or unequal shapes.
    """
    a, b = _pair(factors_a, factors_b)
    return IdentityDrift(float(np.mean(a != b)), _mean_difference(parameters_a, parameters_b))


def _share_right(scores: ArrayLike, truth: ArrayLike) -> float:
    read, true = _pair(np.argmax(np.asarray(scores), axis=-1), truth)
    return float(np.mean(read == true))


def _mean_difference(a: ArrayLike, b: ArrayLike) -> float:
    a, b = _pair(a, b)
    return float(np.mean(np.abs(a - b)))


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64; raises ValueError unless they have one shape and hold something."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not a.size:
        raise ValueError(f"shapes {a.shape} and {b.shape}: must be equal, and of at least one")
    return a, b


def _probabilities(name: str, table: ArrayLike) -> np.ndarray:
    table = np.asarray(table, np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"{name} probabilities {table.shape}: must be [N, choices], N > 0")
    # A NaN fails this, too.
    if not (np.all(table >= 0) and np.allclose(table.sum(axis=1), 1.0, atol=1e-3)):
        raise ValueError(f"{name} probabilities: each row must be >= 0 and sum to 1")
    return table


def _entropy(counts: np.ndarray) -> float:
    """`-sum p log p` in nats of counts as a distribution; 0 where there are none."""
    filled = counts[counts > 0].astype(np.float64)
    if not filled.size:
        return 0.0
    share = filled / filled.sum()
    return float(-np.sum(share * np.log(share))) + 0.0

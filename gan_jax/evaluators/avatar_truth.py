"""The judge's readings of pictures against the avatars that they were to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES, FACTORS, INDEX, PARAMETERS, shares
from gan_jax.evaluators.features import Features
from gan_jax.metrics.attributes import (
    expression_accuracy,
    expression_error,
    identity_drift,
    landmark_error,
    style_accuracy,
)

CONTROLS: Mapping[str, tuple[str, ...]] = {
    "expression": ("expression_accuracy",),
    "expression_vector": ("expression_error",),
    "landmarks": ("landmark_error",),
    "identity": ("identity_drift",),
    "style": ("style_accuracy",),
}
"""What a generator may be told of an avatar, with the metrics that say whether it obeys."""

FIELDS = ("expression", "style", "parameters", "landmarks")
"""Of an example, that hold its truth."""

PARTNER_SEED = 0
PARTNERS = f"the one before in NumPy's RandomState({PARTNER_SEED}).permutation, in a ring"
"""Who is another avatar's other, for rows."""

OUTER_CORNERS = LANDMARKS.index("eyeRightOuterCorner"), LANDMARKS.index("eyeLeftOuterCorner")
IDENTITY_FACTORS = tuple(factor.name for factor in FACTORS if factor.group == "identity")


def continuous(group: str) -> list[int]:
    """Places among the continuous parameters of those in a group."""
    groups = {parameter.name: parameter.group for parameter in PARAMETERS}
    return [i for i, name in enumerate(CONTINUOUS_NAMES) if groups[name] == group]


def obedience(
    read: Features, true: Mapping[str, np.ndarray], controls: Sequence[str]
) -> dict[str, float]:
    """The metrics of `controls`, by name.

    Args:
        read: the judge's readings of `[N]` pictures.
        true: `FIELDS` of the avatars that they were to show, `[N, …]`.
        controls: keys of `CONTROLS`.
    """
    found: dict[str, float] = {}
    read_shares = read["parameters"][:, : len(CONTINUOUS_NAMES)]  # behind them: the intensity
    true_shares = np.asarray(shares(jnp.asarray(true["parameters"])))
    if "expression" in controls:
        found["expression_accuracy"] = expression_accuracy(read["expression"], true["expression"])
    if "expression_vector" in controls:
        places = continuous("expression")
        found["expression_error"] = expression_error(read_shares[:, places], true_shares[:, places])
    if "landmarks" in controls:
        found["landmark_error"] = landmark_error(
            read["landmarks"], true["landmarks"], outer_corners=OUTER_CORNERS
        )
    if "identity" in controls:
        # The discrete factors: of the continuous ones the judge reads little more than a guess.
        factors = [read[f"factor/{name}"].argmax(axis=1) for name in IDENTITY_FACTORS]
        columns, places = [INDEX[name] for name in IDENTITY_FACTORS], continuous("identity")
        true_factors = np.round(true["parameters"][:, columns])
        pair = read_shares[:, places], true_shares[:, places]
        drift = identity_drift(np.stack(factors, axis=1), true_factors, *pair)
        found["identity_drift"] = drift.changed
    if "style" in controls:
        found["style_accuracy"] = style_accuracy(read["factor/style"], true["style"])
    return found


def others(count: int) -> np.ndarray:
    """`[count]`: for each example another one, the same for the same count; as `PARTNERS` says."""
    order = np.random.RandomState(PARTNER_SEED).permutation(count)
    chosen = np.empty_like(order)
    chosen[order] = np.roll(order, 1)
    return chosen

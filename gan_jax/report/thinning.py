"""As many steps as a budget allows, evenly spread, the first and the last among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

PROBES = 8


def evenly(steps: Sequence[int], count: int) -> list[int]:
    """`count` (>= 2) of the steps, or all of them; the first and the last are among them."""
    if count >= len(steps):
        return list(steps)
    last = len(steps) - 1
    return [steps[round(index * last / (count - 1))] for index in range(count)]


def thin(steps: Sequence[int], budget: int, cost: Callable[[int], int]) -> list[int]:
    """Steps whose costs add up to `budget` at most; the first and the last, whatever they cost.

    `cost` is asked about few more steps than are kept.
    """
    probes = evenly(steps, PROBES)
    mean = sum(map(cost, probes)) / max(len(probes), 1)
    count = min(len(steps), math.ceil(1.1 * budget / max(mean, 1)))
    while count > 2:
        chosen = evenly(steps, count)
        spent = sum(map(cost, chosen))
        if spent <= budget:
            return chosen
        count = min(count - 1, int(count * budget / spent))
    return evenly(steps, 2)

"""Thinning keeps the ends, spreads evenly, and stays within its budget."""

from __future__ import annotations

import numpy as np
import pytest

from gan_jax.report.thinning import evenly, thin


@pytest.mark.parametrize("count", [2, 3, 7, 99, 100, 500])
def test_evenly(count):
    steps = list(range(0, 1000, 10))
    chosen = evenly(steps, count)
    assert len(chosen) == min(count, 100) and (chosen[0], chosen[-1]) == (0, 990)
    gaps = np.diff(chosen)
    assert gaps.max() - gaps.min() <= 10  # one place


@pytest.mark.parametrize("budget", [0, 150, 1_000, 5_000, 10**6])
def test_thin_fills_the_budget(budget):
    steps = list(range(300))
    asked = set()

    def cost(step):
        asked.add(step)
        return 80 + step % 40

    chosen = thin(steps, budget, cost)
    spent = sum(map(cost, chosen))
    assert (chosen[0], chosen[-1]) == (0, 299)
    assert spent <= budget or len(chosen) == 2
    assert len(chosen) == 300 or len(chosen) == 2 or spent > 0.85 * budget
    assert len(asked) <= 2.5 * len(chosen) + 8


def test_thin_of_few():
    assert thin([], 10, lambda step: 1) == []
    assert thin([4], 0, lambda step: 1) == [4]
    assert thin([4, 9], 0, lambda step: 1) == [4, 9]

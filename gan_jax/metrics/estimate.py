"""A value and how far it scattered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """The mean over subsets or splits, and their standard deviation."""

    value: float
    std: float

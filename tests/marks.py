"""Which tests run when: by default, in the project's check (`slow`), by hand (`long` too)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

LONG = (pytest.mark.slow, pytest.mark.long)


def every(nth: int, cases: Sequence[Any]) -> list[Any]:
    """Cases of a slow grid, of which all but each nth are long too."""
    return [
        case if index % nth == 0 else pytest.param(case, marks=pytest.mark.long)
        for index, case in enumerate(cases)
    ]


def only(chosen: Iterable[Any], cases: Sequence[Any]) -> list[Any]:
    """Cases of a slow test, of which all but the chosen are long too."""
    chosen = list(chosen)
    return [c if c in chosen else pytest.param(c, marks=pytest.mark.long) for c in cases]

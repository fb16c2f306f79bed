"""Attributes: numbers of an example, by name, that together are its label, float32 `[K]`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gan_jax.errors import DataError

LARGEST = float(np.finfo(np.float32).max)
"""That a value may be."""

SHOWN = 40
"""Names that a message lists at most."""


def check_names(where: str, attributes: Sequence[str], known: Iterable[str]) -> None:
    """Raises DataError for the first attribute that is not among the known ones; the nearest of
    them are named, or all."""
    known = list(known)
    for name in attributes:
        if name not in known:
            raise DataError(f"{where} has no attribute {name!r}; {_instead(name, known)}")


def attribute_vector(where: str, attributes: Sequence[str], values: Sequence[Any]) -> np.ndarray:
    """The values of one example, numbers or their text, as its label: float32 `[K]`.

    Raises:
        DataError: one that is no finite number; `where` says of which example.
    """
    return np.array(
        [_number(where, *pair) for pair in zip(attributes, values, strict=True)], np.float32
    )


def _number(where: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) <= LARGEST:
        raise DataError(f"{where}: {name} is {value!r}, must be a finite number")
    return number


def _instead(name: str, known: Sequence[str]) -> str:
    # A part of a name, as the group of a choice, finds all that it may mean.
    close = [other for other in known if name in other][:SHOWN]
    close = close or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        nearest = "the nearest is" if len(close) == 1 else "the nearest are"
        return f"{nearest} {', '.join(map(repr, close))}"
    if not known:
        return "it has none"
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"there are {', '.join(known[:SHOWN])}{more}"

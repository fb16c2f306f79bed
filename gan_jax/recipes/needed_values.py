"""What a recipe's values must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gan_jax.errors import UsageError


def check_values(values: Mapping[str, float], names: Iterable[str]) -> None:
    """Raises UsageError where one of those names is missing or its value negative."""
    for name in names:
        if values.get(name, -1.0) < 0:
            raise UsageError(f"the recipe's values need {name!r}, at least 0")

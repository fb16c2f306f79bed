"""The one line about a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gan_jax.errors import UsageError


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Says that there is no such `kind`, which name is nearest, and which there are."""
    names = list(known)
    nearest = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.0)[0]
    return UsageError(
        f"no {kind} {name!r}; the nearest is {nearest!r}, and there are {', '.join(names)}"
    )

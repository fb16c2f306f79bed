"""Settings of several runs side by side, with what differs between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gan_jax.config import flatten


def compare(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`{key, values: text of each run or None, differs}` for every key, in order.

    Groups are joined by dots.
    """
    flat = [flatten(one) for one in settings]
    rows = []
    for key in sorted(set().union(*flat)):
        values = [text(one[key]) if key in one else None for one in flat]
        exact = {json.dumps(one[key]) if key in one else None for one in flat}
        rows.append({"key": key, "values": values, "differs": len(exact) > 1})
    return rows


def text(value: Any) -> str:
    """A string as it is unless it is empty, anything else as JSON."""
    return value if value and isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def items(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """`(dotted key, text)` of each setting."""
    return [(key, text(value)) for key, value in flatten(settings).items()]

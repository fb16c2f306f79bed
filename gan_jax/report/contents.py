"""All that the page shows, as one JSON value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gan_jax.report.comparison import compare
from gan_jax.report.curves import curves
from gan_jax.report.evaluations import evaluation_tables
from gan_jax.report.incidents import incidents
from gan_jax.report.pictures import Progress, pictures
from gan_jax.report.record import Record
from gan_jax.report.status import status


def contents(records: Sequence[Record], size: int, progress: Progress) -> dict[str, Any]:
    """What `page` shows.

    Args:
        records: the runs.
        size: characters that the whole may take; the pictures get what the numbers leave.
        progress: told how many pictures are encoded.
    """
    numbers = {
        **curves(records),
        "evaluations": evaluation_tables(records),
        "incidents": incidents(records),
        "config": compare([record.config for record in records]),
        "environment": compare([record.run for record in records]),
    }
    sources = {"runs": [_run(record) for record in records]}
    left = size - len(encoded(numbers)) - len(encoded(sources))
    shown = pictures(records, left, progress)
    # Only now: looking at the pictures adds notes.
    return {"runs": [_run(record) for record in records], **numbers, "pictures": shown}


def _run(record: Record) -> dict[str, Any]:
    environment = {name: record.run.get(name) for name in ("experiment", "argument", "started")}
    return {
        "name": record.name,
        **environment,
        "status": status(record),
        "notes": record.notes,
        "source": record.source,
    }


def encoded(value: Any) -> str:
    """JSON in ASCII, without a character that means anything to an HTML parser."""
    compact = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

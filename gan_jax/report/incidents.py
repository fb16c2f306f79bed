"""The events of all runs in the order of their times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gan_jax.report.comparison import items, text
from gan_jax.report.record import Record, number

MOST = 400
"""Of each run; the first and the last halves are shown."""

COLUMNS = ("time", "kind", "step", "message")


def incidents(records: Sequence[Record]) -> dict[str, Any]:
    """`{"rows": [{run, time, kind, step, message, details}], "left_out": how many}`."""
    rows, left_out = [], 0
    for run, record in enumerate(records):
        events = record.events
        if len(events) > MOST:
            left_out += len(events) - MOST
            events = events[: MOST // 2] + events[-MOST // 2 :]
        rows += [_row(run, event) for event in events]
    return {"rows": sorted(rows, key=lambda row: row["time"]), "left_out": left_out}


def _row(run: int, event: dict[str, Any]) -> dict[str, Any]:
    details = {name: value for name, value in event.items() if name not in COLUMNS}
    return {
        "run": run,
        "time": text(event.get("time") or "–"),
        "kind": text(event.get("kind") or "event"),
        "step": number(event.get("step")),
        "message": text(event.get("message") or "–"),
        "details": items(details),
    }

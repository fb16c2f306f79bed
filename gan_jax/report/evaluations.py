"""Evaluations in tables: one for each protocol, for only its numbers can be compared."""

from __future__ import annotations

import bisect
import collections
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gan_jax.report.best import direction, mark_best
from gan_jax.report.comparison import items, text
from gan_jax.report.curves import group_of
from gan_jax.report.record import Record, number
from gan_jax.report.status import elapsed_seconds

COMPARABLE = ("evaluator", "protocol", "real", "samples")
"""Fields that must be equal before two values may stand in one column."""

SETTINGS = ("parameters", "truncation", "statistics", "dtype")
"""Of the generator that was sampled: curves of different settings are different curves."""

PLACED = (*COMPARABLE, "step", "images_seen", "metrics", "warnings")
UNSHOWN = ("time", "seconds")
"""When a row was made and how long that took: no part of what was measured."""

SHOWN_ABOVE = ("name", "verified")
"""Of a protocol: they stand in the title of its table."""

ENTRY = ("value", "std", "low", "high", "better")


def evaluation_tables(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Tables in the order in which their protocols first appear."""
    groups: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for run, record in enumerate(records):
        for row in record.evaluations:
            key = json.dumps([row.get(name) for name in COMPARABLE], sort_keys=True)
            groups.setdefault(key, []).append((run, row))
    elapsed = [_Elapsed(record) for record in records]
    return [_table(rows, elapsed) for rows in groups.values()]


class _Elapsed:
    """Training time at a step: that of the last metrics row at or before it."""

    def __init__(self, record: Record):
        self._steps = [row["step"] for row in record.metrics]
        self._seconds = elapsed_seconds(record)

    def at(self, step: int | float | None) -> float | None:
        if step is None or not self._steps or step < self._steps[0]:
            return None
        return self._seconds[bisect.bisect_right(self._steps, step) - 1]


def _table(pairs: Sequence[tuple[int, dict[str, Any]]], elapsed: Sequence[_Elapsed]) -> dict:
    first = pairs[0][1]
    rows = [_row(run, row, elapsed[run]) for run, row in pairs]
    names = list(dict.fromkeys(name for row in rows for name in row["entries"]))
    fields = list(dict.fromkeys(name for row in rows for name in row["fields"]))
    shared = [name for name in fields if len({row["fields"].get(name) for row in rows}) == 1]
    columns = [name for name in fields if name not in shared]
    label = [name for name in SETTINGS if name in columns]
    metrics = [{"name": name, "better": _better(name, rows)} for name in names]
    mark_best(rows, metrics)
    return {
        **_heading(first),
        "shared": [(name, rows[0]["fields"][name]) for name in shared],
        "columns": columns,
        "metrics": [{**metric, "group": group_of(metric["name"])} for metric in metrics],
        "warnings": _counted(rows),
        "rows": [_finished(row, names, columns, label) for row in rows],
    }


def _heading(row: Mapping[str, Any]) -> dict[str, Any]:
    """What all rows of a table have in common by definition."""
    protocol, real = row.get("protocol"), row.get("real")
    protocol = protocol if isinstance(protocol, dict) else {"name": protocol} if protocol else {}
    real = real if isinstance(real, dict) else {"name": real} if real else {}
    verified = protocol.get("verified")
    return {
        "evaluator": text(row.get("evaluator") or "evaluation"),
        "protocol": text(protocol["name"]) if protocol.get("name") else "",
        "is_stated": bool(protocol),
        "verified": verified if isinstance(verified, bool) else None,
        "details": items({name: protocol[name] for name in protocol if name not in SHOWN_ABOVE}),
        "real": items(real),
        "samples": number(row.get("samples")),
    }


def _row(run: int, row: Mapping[str, Any], elapsed: _Elapsed) -> dict[str, Any]:
    step = number(row.get("step"))
    warnings = row.get("warnings") or []
    metrics = row.get("metrics")
    fields = {name: value for name, value in row.items() if name not in (*PLACED, *UNSHOWN)}
    return {
        "run": run,
        "step": step,
        "images": number(row.get("images_seen")),
        "seconds": elapsed.at(step),
        "fields": dict(items(fields)),
        "entries": entries(metrics if isinstance(metrics, dict) else {}),
        "warnings": [text(one) for one in (warnings if isinstance(warnings, list) else [warnings])],
    }


def entries(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """`{name: {value, std, low, high, better, more}}`; groups of metrics are joined by slashes."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in metrics.items():
        if not isinstance(entry, dict):
            entry = {"value": entry}
        if "value" not in entry and any(isinstance(inner, dict) for inner in entry.values()):
            found |= entries(entry, f"{prefix}{name}/")
        else:
            found[prefix + name] = _entry(entry)
    return found


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    more = {name: value for name, value in entry.items() if name not in ENTRY}
    value = entry.get("value")
    if number(value) is None and value is not None:
        more["value"] = value
    return {
        **{name: number(entry.get(name)) for name in ("value", "std", "low", "high")},
        "better": entry.get("better"),
        "best": None,
        "more": items({name: _short(value) for name, value in more.items()}),
    }


def _short(value: Any) -> Any:
    """Bounds beside a value, to four digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _better(name: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """As a row says it, or as the metric is known; "lower", "higher" or None."""
    said = {row["entries"][name]["better"] for row in rows if name in row["entries"]}
    said &= {"lower", "higher"}
    return said.pop() if len(said) == 1 else direction(name)


def _counted(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Each warning with the number of rows that carry it."""
    return list(collections.Counter(text for row in rows for text in row["warnings"]).items())


def _finished(
    row: Mapping[str, Any], names: Sequence[str], columns: Sequence[str], label: Sequence[str]
) -> dict[str, Any]:
    """As the page wants it: cells in the order of the columns."""
    return {
        **{name: row[name] for name in ("run", "step", "images", "seconds", "warnings")},
        "fields": [row["fields"].get(name) for name in columns],
        "label": " · ".join(row["fields"].get(name, "?") for name in label),
        "cells": [row["entries"].get(name) for name in names],
    }

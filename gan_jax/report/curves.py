"""From rows to curves: few enough points to draw, none of the extremes lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_jax.report.record import Record, number
from gan_jax.report.status import elapsed_seconds

AXES = ("step", "images_seen", "seconds")
POINTS_PER_CURVE = 2_000
POINTS_IN_ALL = 200_000
FEWEST_POINTS = 200
DIGITS = 6


def curves(records: Sequence[Record]) -> dict[str, Any]:
    """`{"axes": of each run, "charts": [{name, group, series: [{run, rows, values, missing}]}]}`.

    `rows` are indices into the arrays of the run's axes: step, images seen, seconds of training.
    """
    held = [metric_names(record.metrics) for record in records]
    count = sum(map(len, held))
    points = min(POINTS_PER_CURVE, max(FEWEST_POINTS, POINTS_IN_ALL // max(count, 1)))
    names = sorted(set().union(*held))
    charts = [_chart(name, records, held, points) for name in names]
    axes = [_axes(index, record, charts) for index, record in enumerate(records)]
    return {"axes": axes, "charts": charts}


def metric_names(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Fields that hold a number somewhere, or null everywhere: a metric that was never finite."""
    numbers = {name for row in rows for name in row if number(row[name]) is not None}
    others = {name for row in rows for name in row if row[name] is not None}
    return (numbers | ({name for row in rows for name in row} - others)) - set(AXES)


def group_of(name: str) -> str:
    """The prefix before the first slash; "run" for a metric without one."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash else "run"


def downsample(values: np.ndarray, points: int) -> np.ndarray:
    """Indices of at most `points` (>= 4) values: first, last, minimum and maximum of each bin.

    Args:
        values: float64 `[N]`, NaN where there is none; a bin of NaN alone keeps one, as a gap.
    """
    if len(values) <= points:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), (points - 2) // 2):
        finite = part[np.isfinite(values[part])]
        if len(finite):
            kept |= {int(finite[values[finite].argmin()]), int(finite[values[finite].argmax()])}
        else:
            kept.add(int(part[0]))
    return np.array(sorted(kept))


def _chart(
    name: str, records: Sequence[Record], held: Sequence[set[str]], points: int
) -> dict[str, Any]:
    series = [
        _series(run, name, record.metrics, points)
        for run, record in enumerate(records)
        if name in held[run]
    ]
    return {"name": name, "group": group_of(name), "series": series}


def _series(run: int, name: str, rows: Sequence[Mapping[str, Any]], points: int) -> dict[str, Any]:
    logged = np.array([index for index, row in enumerate(rows) if name in row])
    values = np.array([number(rows[index][name]) for index in logged], np.float64)  # None: NaN
    kept = downsample(values, points)
    return {
        "run": run,
        "rows": logged[kept].tolist(),
        "values": [rounded(value) for value in values[kept]],
        "logged": len(values),
        "missing": int(np.isnan(values).sum()),
    }


def rounded(value: float) -> float | None:
    """To six significant digits; None for NaN."""
    return None if np.isnan(value) else float(f"{value:.{DIGITS}g}")


def _axes(run: int, record: Record, charts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Coordinates of the rows that a chart shows; rewrites the charts' row numbers to match."""
    mine = [series for chart in charts for series in chart["series"] if series["run"] == run]
    used = sorted({row for series in mine for row in series["rows"]})
    place = {row: index for index, row in enumerate(used)}
    for series in mine:
        series["rows"] = [place[row] for row in series["rows"]]
    elapsed = elapsed_seconds(record)
    return {
        "step": [record.metrics[row]["step"] for row in used],
        "images": [number(record.metrics[row].get("images_seen")) for row in used],
        "seconds": [elapsed[row] for row in used],
    }

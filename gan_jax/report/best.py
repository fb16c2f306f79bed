"""Which of several values of a metric is the best, where it is known which way is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LOWER = {
    "fid", "kid", "kid_full", "fd_avatar", "fd", "mmd", "mind", "swd", "ppl", "nme",
    "expression_error", "identity_drift", "single_ms", "batch_ms",
}  # fmt: skip
HIGHER = {
    "is", "precision", "recall", "density", "coverage", "modes_covered", "modes_entropy",
    "expression_accuracy", "style_accuracy", "images_per_second",
}  # fmt: skip


def direction(name: str) -> str | None:
    """ "lower" or "higher", by the metric's name behind its group; None for an unknown one."""
    own = name.rpartition("/")[2]
    return "lower" if own in LOWER else "higher" if own in HIGHER else None


def mark_best(
    rows: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, str | None]]
) -> None:
    """Sets `best` of the entries that are: "all", or "run" where the table has several runs."""
    runs = {row["run"] for row in rows}
    for metric in metrics:
        choose = {"lower": min, "higher": max, None: None}[metric["better"]]
        if choose is None:
            continue
        name = metric["name"]
        measured = [row for row in rows if row["entries"].get(name, {}).get("value") is not None]
        if len(runs) > 1:
            for run in runs:
                _mark([row for row in measured if row["run"] == run], name, choose, "run")
        _mark(measured, name, choose, "all")


def _mark(
    rows: Sequence[Mapping[str, Any]],
    name: str | None,
    choose: Callable[..., float],
    mark: str,
) -> None:
    """A single value is not the best of anything."""
    if mark == "all" and len(rows) < 2:
        return
    best = choose((row["entries"][name]["value"] for row in rows), default=None)
    for row in rows:
        if row["entries"][name]["value"] == best:
            row["entries"][name]["best"] = mark

"""Which of several values of a metric is the best, where it is known which way is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LOWER = {
    "fid", "kid", "kid_full", "mind", "intra_fid", "fd_avatar", "ppl", "swd", "spectrum",
    "expression_error", "landmark_error", "identity_drift", "single_ms", "batch_ms",
}  # fmt: skip
HIGHER = {
    "is", "precision", "recall", "density", "coverage", "modes_covered", "modes_entropy",
    "expression_accuracy", "style_accuracy", "images_per_second", "precision_vgg16", "recall_vgg16",
}  # fmt: skip

ROUNDING = 1e-5
"""Relative: devices and batch sizes move a metric by as much."""


def direction(name: str) -> str | None:
    """ "lower" or "higher", by the metric's name behind its group; None for an unknown one."""
    own = name.rpartition("/")[2]
    own = "swd" if own.startswith("swd_") else own  # of one level of the pyramid
    return "lower" if own in LOWER else "higher" if own in HIGHER else None


def mark_best(
    rows: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, str | None]]
) -> None:
    """Sets `best` of the entries that are: "all", or "run" where the table has several runs.

    Values that differ by no more than rounding and noise are equally good; where all are, none is
    the best.
    """
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
    """Marks the best and what cannot be told from it, unless that is all there is."""
    entries = [row["entries"][name] for row in rows]
    if not entries:
        return
    value = choose(entry["value"] for entry in entries)
    best = next(entry for entry in entries if entry["value"] == value)
    tied = [entry for entry in entries if not _differ(entry, best)]
    if len(tied) < len(entries):
        for entry in tied:
            entry["best"] = mark


def _differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two values are further apart than their rounding and their noise."""
    rounding = ROUNDING * max(abs(a["value"]), abs(b["value"]))
    return abs(a["value"] - b["value"]) > max(rounding, _noise(a), _noise(b))


def _noise(entry: Mapping[str, Any]) -> float:
    """Half of the interval, or the standard deviation; 0 where neither is known."""
    if entry["low"] is not None and entry["high"] is not None:
        return (entry["high"] - entry["low"]) / 2
    return entry["std"] or 0.0

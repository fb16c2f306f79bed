"""How far a run has come, and how long it took."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from gan_jax.durations import FORM
from gan_jax.report.record import Record, number
from gan_jax.workdir import CHECKPOINTS

DIVERGENCE = "divergence.json"


def status(record: Record) -> dict[str, Any]:
    """State, last step, total and training time, as the head of the page shows them."""
    step = last_step(record)
    total = record.config.get("total")
    share = share_done(str(total), step, images_seen(record))
    elapsed = [seconds for seconds in elapsed_seconds(record) if seconds is not None]
    return {
        "state": state(record, step, share),
        "step": step,
        "total": total,
        "share": share,
        "images": images_seen(record),
        "seconds": elapsed[-1] if elapsed else None,
    }


def last_step(record: Record) -> int:
    """The largest step of a row or a checkpoint."""
    checkpoints = record.directory / CHECKPOINTS
    names = [path.name for path in checkpoints.iterdir()] if checkpoints.is_dir() else []
    saved = [int(name) for name in names if name.isascii() and name.isdigit()]
    return max([row["step"] for row in record.metrics] + saved, default=0)


def images_seen(record: Record) -> int | None:
    """Of the last row that says so."""
    counts = [row["images_seen"] for row in record.metrics if number(row.get("images_seen"))]
    return counts[-1] if counts else None


def share_done(total: str, step: int, images: int | None) -> float | None:
    """Of 1; None where the total is in epochs, whose length a run directory does not tell."""
    match = FORM.fullmatch(total)
    if match is None or float(match[1].replace("_", "")) == 0:
        return None
    done = {"step": step, "image": images}.get(match[2].rstrip("s"))
    return None if done is None else min(1.0, done / float(match[1].replace("_", "")))


def state(record: Record, step: int, share: float | None) -> str:
    """ "finished", "diverged", "stopped" or "unfinished" (running, or ended without a word)."""
    if share == 1.0:
        return "finished"
    if (record.directory / DIVERGENCE).exists():
        return "diverged"
    last = record.events[-1] if record.events else {}
    stopped = last.get("kind") == "stopped" and last.get("step") == step
    return "stopped" if stopped else "unfinished"


def elapsed_seconds(record: Record) -> list[float | None]:
    """Training time at each metrics row. A row counts from the start of its process, so the time
    before each resume is added."""
    resumed = sorted(
        event["step"]
        for event in record.events
        if event.get("kind") == "resumed" and number(event.get("step")) is not None
    )
    elapsed: list[float | None] = []
    before, previous, part = 0.0, 0.0, 0
    for row in record.metrics:
        seconds = number(row.get("seconds"))
        if seconds is None:
            elapsed.append(None)
            continue
        now = bisect_right(resumed, row["step"] - 1)
        if now > part or seconds < previous:
            before += previous
        previous, part = seconds, now
        elapsed.append(round(before + seconds, 1))
    return elapsed

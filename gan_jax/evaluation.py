"""A run's evaluators: when they are due, their rows in `evaluations.jsonl`, and collapse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gan_jax import processes
from gan_jax.errors import StorageError
from gan_jax.evaluators.collapse import Watch, watches
from gan_jax.evaluators.evaluator import Evaluation, Evaluator, Measure, Metric
from gan_jax.evaluators.generated import Subject
from gan_jax.images import save_png
from gan_jax.loop import Edge
from gan_jax.metrics.ranges import range_of
from gan_jax.recipe import PyTree
from gan_jax.run_directory import now
from gan_jax.state import TrainState
from gan_jax.workdir import EVALUATIONS
from gan_jax.writer import JSONLines, Writer

Event = Callable[[str, dict[str, Any]], None]

BOUNDS = ("ceiling", "truth", "floor", "noise", "copies")
"""That may stand beside a metric's value."""


class Collapsed(Exception):
    """An evaluation found signs of collapse, and the run is not to go on from this state."""

    def __init__(self, step: int, found: Sequence[str]):
        super().__init__(f"the generator collapsed by step {step}: {'; '.join(found)}")
        self.step = step


def to_row(
    evaluator: str,
    evaluation: Evaluation,
    *,
    by: Literal["train", "evaluate"],
    images_seen: int | None,
    seconds: float,
) -> dict[str, Any]:
    """A line of `evaluations.jsonl`, its step aside; `by` is the command that wrote it."""
    row: dict[str, Any] = {"evaluator": evaluator, "by": by, "time": now()}
    row["seconds"] = round(seconds, 3)
    if images_seen is not None:
        row["images_seen"] = images_seen
    row |= {**evaluation.sampling, "dtype": "float32", "protocol": dict(evaluation.protocol)}
    if evaluation.real is not None:
        row["real"] = dict(evaluation.real)
    row["metrics"] = {name: dict(metric) for name, metric in evaluation.metrics.items()}
    if evaluation.warnings:
        row["warnings"] = list(evaluation.warnings)
    return row


def of_the_run(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that the run wrote itself: what somebody measures besides must not change its course.
    Of a row that does not tell, as an older version wrote, nobody knows: it is left out, and the
    run begins to watch anew."""
    return [row for row in rows if row.get("by") == "train"]


def save_pictures(
    directory: Path, step: int, evaluation: Evaluation, *, by: Literal["train", "evaluate"]
) -> None:
    """`evaluations/STEP_name.png`, and what somebody measures besides under a name of its own, that
    it may not replace the run's; raises StorageError."""
    ending = "" if by == "train" else f"_{by}"
    for name, picture in evaluation.pictures.items():
        save_png(directory / EVALUATIONS / f"{step:07d}_{name}{ending}.png", picture)


class Evaluations:
    """What a run measures of itself at the edges of its loop.

    Args:
        directory: of the run.
        evaluators: each with its cadence in steps, opened already.
        frozen: variables of the frozen networks.
        images_per_step: real images that a step draws.
        watch: for collapse, which has seen the rows of before.
        raise_collapse: whether a collapse raises Collapsed or is an event only.
        rows: of `evaluations.jsonl`; None in other processes than the first.
        writers: TensorBoard and W&B take the numbers too.
        event: hears of warnings and incidents.
        good_step: the newest step that was watched, and not found collapsed, before.

    Attributes:
        latest: `(step, {evaluator/metric: value})` of the newest evaluation, for the checkpoint.
        good_step: the newest step before this one at which no evaluator saw a collapse.
    """

    def __init__(
        self,
        *,
        directory: Path,
        evaluators: Sequence[tuple[int, Evaluator, Measure]],
        frozen: Mapping[str, PyTree],
        images_per_step: int,
        watch: Watch,
        raise_collapse: bool,
        rows: JSONLines | None,
        writers: Sequence[Writer],
        event: Event,
        good_step: int,
    ):
        self._directory, self._evaluators, self._frozen = directory, evaluators, frozen
        self._images_per_step, self._watch = images_per_step, watch
        self._raise_collapse = raise_collapse
        self._rows, self._writers, self._event = rows, writers, event
        self._warned: set[str] = set()
        self.latest: tuple[int, dict[str, float]] = (-1, {})
        self.good_step = self._watched_step = good_step

    def edges(self) -> list[Edge]:
        """One for each evaluator."""

        def edge(every: int, evaluator: Evaluator, measure: Measure) -> Edge:
            return Edge(every, lambda step, state: self._evaluate(evaluator, measure, step, state))

        return [edge(*entry) for entry in self._evaluators]

    def metrics_at(self, step: int) -> dict[str, float]:
        """What was measured of this very step, if anything."""
        return self.latest[1] if self.latest[0] == step else {}

    def _evaluate(self, evaluator: Evaluator, measure: Measure, step: int, state: TrainState):
        begin = time.perf_counter()
        evaluation = measure(Subject(step, state.nets, self._frozen), evaluator.seed)
        seconds = time.perf_counter() - begin
        values = {
            f"{evaluator.name}/{name}": float(metric["value"])
            for name, metric in evaluation.metrics.items()
        }
        self.latest = (step, self.metrics_at(step) | values)
        if self._rows is not None:
            images_seen = step * self._images_per_step
            self._rows.row(
                step,
                to_row(
                    evaluator.name,
                    evaluation,
                    by="train",
                    images_seen=images_seen,
                    seconds=seconds,
                ),
            )
            self._publish(step, evaluation, values)
        self._look_for_collapse(step, evaluation)

    def _publish(self, step: int, evaluation: Evaluation, values: Mapping[str, float]) -> None:
        try:
            save_pictures(self._directory, step, evaluation, by="train")
        except StorageError as error:
            self._event("picture_failed", {"message": f"{error}; training goes on without it"})
        for writer in self._writers:
            writer.row(step, values)
            for name, picture in evaluation.pictures.items():
                writer.picture(step, name, picture)
        for warning in evaluation.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._event("evaluation_warning", {"step": step, "message": warning})

    def _look_for_collapse(self, step: int, evaluation: Evaluation) -> None:
        if step > self._watched_step:  # nothing was found there, or the run had not gone on
            self.good_step = self._watched_step
        if watches(evaluation.metrics):
            self._watched_step = step
        found = self._watch.signs(evaluation.metrics)
        # The processes' own arithmetic may differ in the last digit: one that sees it is enough.
        if not processes.largest(len(found)):
            return
        collapse = Collapsed(step, found)
        self._event("collapse", {"step": step, "signs": found, "message": str(collapse)})
        if self._raise_collapse:
            raise collapse


def summary(metrics: Mapping[str, Any]) -> str:
    """`fid 12.3, kid 0.011 ± 0.002` for people."""
    parts = []
    for name, metric in metrics.items():
        spread = f" ± {metric['std']:.2g}" if "std" in metric else ""
        bounds = [f"{bound} {metric[bound]:.3g}" for bound in BOUNDS if bound in metric]
        between = f" ({', '.join(bounds)})" if bounds else ""
        parts.append(f"{name} {metric['value']:.4g}{spread}{between}")
    return ", ".join(parts)


def gather(metrics: Sequence[Mapping[str, Metric]]) -> dict[str, dict[str, Any]]:
    """Repeats of one evaluation as one: mean, standard deviation and 95 % interval of the mean
    (Student's t) of each metric, cut off where the metric's range ends; what stands beside the
    value in all repeats alike (bounds and settings) stays."""
    from scipy.stats import t

    count = len(metrics)
    gathered = {}
    for name, first in metrics[0].items():
        values = np.array([repeat[name]["value"] for repeat in metrics])
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        half = float(t.ppf(0.975, count - 1)) * spread / np.sqrt(count)
        least, greatest = range_of(name)
        gathered[name] = {
            **{key: x for key, x in first.items() if all(r[name].get(key) == x for r in metrics)},
            "value": mean,
            "std": spread,
            "low": max(mean - half, min(least, mean)),
            "high": min(mean + half, max(greatest, mean)),
            "repeats": count,
        }
    return gathered

"""Rows of evaluations: which step a run may roll back to, whose rows count, repeats as one."""

import json
import types

import numpy as np
import pytest

from gan_jax.config import base_config
from gan_jax.evaluation import Collapsed, Evaluations, gather, save_pictures, to_row
from gan_jax.evaluators.collapse import Limits, Watch
from gan_jax.evaluators.evaluator import Evaluation
from gan_jax.run import Run


def scripted(name, metric, values):
    """An evaluator that reports these values, one after another."""
    remaining = iter(values)

    def measure(subject, seed):
        return Evaluation(metrics={metric: {"value": next(remaining)}}, protocol={}, sampling={})

    return 10, types.SimpleNamespace(name=name, seed=0), measure


def evaluations(tmp_path, *evaluators):
    limits = Limits(least_variance=0.1, least_coverage=0.02, saturation=0.99, kept=0.999)
    return Evaluations(
        directory=tmp_path,
        evaluators=evaluators,
        frozen={},
        images_per_step=1,
        watch=Watch(limits),
        raise_collapse=True,
        rows=None,
        writers=[],
        event=lambda kind, fields: None,
        good_step=0,
    )


def run(found, steps):
    state = types.SimpleNamespace(nets={})
    for step in steps:
        for edge in found.edges():
            edge.action(step, state)


def test_a_step_that_its_second_evaluator_finds_collapsed_is_not_good(tmp_path):
    first = scripted("first", "coverage", [0.9, 0.9])
    second = scripted("second", "variance_ratio", [0.8, 0.01])
    found = evaluations(tmp_path, first, second)
    with pytest.raises(Collapsed, match="step 20"):
        run(found, (10, 20))
    assert found.good_step == 10


def test_what_watches_nothing_vouches_for_nothing(tmp_path):
    found = evaluations(tmp_path, scripted("other", "detour", [1.0, 1.0, 1.0]))
    run(found, (10, 20, 30))
    assert found.good_step == 0


def test_the_metrics_of_a_step_are_those_of_all_its_evaluators(tmp_path):
    found = evaluations(
        tmp_path, scripted("a", "coverage", [0.5]), scripted("b", "variance_ratio", [0.7])
    )
    run(found, (10,))
    assert found.metrics_at(10) == {"a/coverage": 0.5, "b/variance_ratio": 0.7}
    assert found.metrics_at(20) == {}


def row(by, step, coverage):
    """A line of evaluations.jsonl; `by` None as an older version wrote it."""
    evaluation = Evaluation(metrics={"coverage": {"value": coverage}}, protocol={}, sampling={})
    made = to_row("avatars", evaluation, by=by, images_seen=step, seconds=1.0)
    return {"step": step, **{name: x for name, x in made.items() if x is not None}}


@pytest.mark.parametrize("by, vouched", [("train", 10), ("evaluate", 0), (None, 0)])
def test_only_the_rows_of_the_run_itself_decide_its_course(by, vouched, tmp_path):
    """What somebody measured besides must not make a resumed run another one."""
    rows = tmp_path / "evaluations.jsonl"
    rows.write_text(json.dumps(row(by, 10, 0.9)) + "\n")
    run = types.SimpleNamespace(
        **{"directory": tmp_path, "durations": types.SimpleNamespace(total=40), "lengths": {}},
        **{"config": base_config(), "files": [None, types.SimpleNamespace(path=rows)]},
        **{"evaluators": [], "program": types.SimpleNamespace(frozen={}), "images_per_step": 1},
        **{"is_first": False, "copies": [], "event": lambda kind, fields: None},
    )
    found = Run._evaluations(run)  # type: ignore
    assert found.good_step == vouched
    signs = found._watch.signs({"coverage": {"value": 0.0}})
    assert signs == (["coverage 0 is below 0.02"] if vouched else [])


def test_what_is_measured_besides_replaces_no_picture_of_the_run(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    evaluation = Evaluation(metrics={}, protocol={}, sampling={}, pictures={"nearest": picture})
    save_pictures(tmp_path, 7, evaluation, by="train")
    save_pictures(tmp_path, 7, evaluation, by="evaluate")
    names = {path.name for path in (tmp_path / "evaluations").iterdir()}
    assert names == {"0000007_nearest.png", "0000007_nearest_evaluate.png"}


def test_repeats_keep_what_all_have_and_stay_in_the_range():
    repeats = [
        {
            "modes_covered": {"value": n / 256, "covered": n, "cells": 256, "ceiling": 0.9},
            "coverage": {"value": 1.0 - n / 300, "k": 5, "strict": True, "noise": 0.0},
            "fid": {"value": 30.0 + n},
            "kid": {"value": 0.001 * n - 0.003, "std": 0.1, "seed": 2020},
            "swd_16": {"value": 0.1 * n},
        }
        for n in (1, 5)
    ]
    found = gather(repeats)
    half = 12.706204736174698  # Student's t of 1 degree of freedom, for a standard deviation of
    modes = found["modes_covered"]  # sqrt(2) times half the difference
    assert modes.pop("high") == pytest.approx(3 / 256 + half * 2 / 256)
    assert modes == {
        **{"value": 3 / 256, "std": pytest.approx(4 / 256 / np.sqrt(2)), "low": 0.0},
        **{"repeats": 2, "cells": 256, "ceiling": 0.9},
    }
    coverage = found["coverage"]
    assert coverage["high"] == 1.0 and coverage["low"] == pytest.approx(0.99 - half * 2 / 300)
    assert (coverage["k"], coverage["strict"], coverage["noise"]) == (5, True, 0.0)
    assert found["kid"]["low"] < 0 and found["kid"]["seed"] == 2020  # KID may be negative
    assert found["kid"]["std"] == pytest.approx(0.004 / np.sqrt(2))
    assert found["swd_16"]["low"] == 0.0
    assert found["fid"]["low"] == pytest.approx(33 - half * 2)

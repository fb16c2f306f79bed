"""Collapse as a user meets it: a warning, a stop, a roll-back to the last good state."""

import json

import pytest

from tests.conftest import EXPERIMENTS
from tests.faults.test_runs import events
from tests.runs import assert_same_run, rows, state

SCRIPT = '''

class Scripted:
    """Finds the state collapsed at its {n}th call."""

    name, every, seed, metrics = "scripted", "10 steps", 0, ("coverage",)

    def open(self, world):
        calls = []

        def measure(subject, seed):
            from gan_jax.evaluators.evaluator import Evaluation

            calls.append(subject.step)
            value = 0.0 if len(calls) in {bad} else 0.9
            metrics = {{"coverage": {{"value": value}}}}
            return Evaluation(metrics=metrics, protocol={{}}, sampling={{}})

        return measure


def get_evaluators(config):
    return (Scripted(),)
'''


def experiment(folder, *bad):
    """digits_mlp with an evaluator that reports a collapse at the calls of these numbers."""
    path = folder / "collapsing.py"
    text = (EXPERIMENTS / "digits_mlp.py").read_text()
    path.write_text(text + SCRIPT.format(n=bad, bad=set(bad)))
    return f"{path}:smoke"


def run(gan_jax, tmp_path, name, action, *bad, extra=()):
    workdir = tmp_path / name
    settings = (f"--config.collapse.action={action}", *extra)
    result = gan_jax("train", experiment(tmp_path, *bad), f"--workdir={workdir}", *settings)
    return workdir, result


def evaluated(workdir, name="evaluations.jsonl"):
    return [json.loads(line)["step"] for line in (workdir / name).read_text().splitlines()]


@pytest.mark.slow
def test_roll_back_goes_another_way_from_the_last_good_state(gan_jax, tmp_path):
    plain, _ = run(gan_jax, tmp_path, "plain", "roll_back", 99)
    workdir, result = run(gan_jax, tmp_path, "rolled", "roll_back", 2)
    assert result.returncode == 0, result.stderr
    (event,) = events(workdir, "rolled_back")
    assert (event["step"], event["rollbacks"]) == (10, 1)
    assert "rolled back to step 10" in result.stderr
    assert evaluated(workdir) == [10, 20, 30, 40]
    assert evaluated(workdir, "evaluations.orphaned.jsonl") == [20]
    ours, theirs = ({row["step"]: row for row in rows(run)} for run in (workdir, plain))
    assert ours.keys() == theirs.keys()
    assert all(ours[step] == theirs[step] for step in (5, 10))
    assert all(ours[step] != theirs[step] for step in (15, 20, 40))


@pytest.mark.slow
def test_a_rolled_back_run_resumes_to_the_same_bits(gan_jax, tmp_path):
    whole, _ = run(gan_jax, tmp_path, "whole", "roll_back", 2)
    parts, result = run(gan_jax, tmp_path, "parts", "roll_back", 2, extra=("--stop_at=30",))
    assert result.returncode == 0 and events(parts, "rolled_back")
    again, result = run(gan_jax, tmp_path, "parts", "roll_back", 2)
    assert result.returncode == 0, result.stderr
    assert_same_run(whole, again)


@pytest.mark.slow
def test_roll_backs_end(gan_jax, tmp_path):
    workdir, result = run(
        gan_jax, tmp_path, "run", "roll_back", 2, 3, 4, extra=("--config.collapse.rollbacks=2",)
    )
    assert result.returncode == 3 and "collapse.rollbacks" in result.stderr
    assert len(events(workdir, "rolled_back")) == 2


@pytest.mark.slow
def test_stop_keeps_the_checkpoints_before(gan_jax, tmp_path):
    workdir, result = run(gan_jax, tmp_path, "run", "stop", 3)
    assert result.returncode == 3 and "collapsed by step 30" in result.stderr
    assert len(result.stderr.strip().splitlines()[-1]) < 300
    assert state(workdir, 20)


@pytest.mark.slow
def test_warn_goes_on_early_signs_are_none_and_the_best_is_kept(gan_jax, tmp_path):
    best = ("--config.checkpoint.best=scripted/coverage:max", "--config.checkpoint.keep_last=1")
    workdir, result = run(gan_jax, tmp_path, "run", "warn", 1, 3, 4, extra=best)
    assert result.returncode == 0, result.stderr
    assert [event["step"] for event in events(workdir, "collapse")] == [30, 40]
    assert events(workdir, "collapse")[0]["signs"] == ["coverage 0 is below 0.02"]
    assert evaluated(workdir) == [10, 20, 30, 40]
    sampled = gan_jax("sample", workdir, "--step=best", f"--out={tmp_path / 'x.png'}")
    assert sampled.returncode == 0 and "step 20" in sampled.stderr, sampled.stderr


@pytest.mark.slow
def test_an_unknown_metric_for_the_best(gan_jax, tmp_path):
    best = ("--config.checkpoint.best=scripted/fid:min",)
    _, result = run(gan_jax, tmp_path, "run", "warn", 1, extra=best)
    assert result.returncode == 2 and "scripted/coverage" in result.stderr
    _, result = run(gan_jax, tmp_path, "run", "never", 1)
    assert result.returncode == 2 and "roll_back" in result.stderr


@pytest.mark.slow
def test_what_is_measured_by_hand_changes_no_run(gan_jax, tmp_path):
    """A run that was never found healthy cannot collapse, whoever found it so in between."""
    workdir, result = run(gan_jax, tmp_path, "run", "stop", 1, 2, extra=("--stop_at=20",))
    assert result.returncode == 0, result.stderr
    by_hand = gan_jax("evaluate", workdir, "--repeats=3", "--json")  # the third call is good
    assert by_hand.returncode == 0, by_hand.stderr
    (row,) = json.loads(by_hand.stdout)["evaluations"]
    assert row["metrics"]["coverage"]["value"] == pytest.approx(0.3)
    _, result = run(gan_jax, tmp_path, "run", "stop", 1, 2)
    assert result.returncode == 0, result.stderr
    assert evaluated(workdir) == [10, 20, 20, 30, 40]

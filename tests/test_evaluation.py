"""Which step a run may roll back to: the newest that all its evaluators found well."""

import types

import pytest

from gan_jax.evaluation import Collapsed, Evaluations
from gan_jax.evaluators.collapse import Limits, Watch
from gan_jax.evaluators.evaluator import Evaluation


def scripted(name, metric, values):
    """An evaluator that reports these values, one after another."""
    remaining = iter(values)

    def measure(subject, seed):
        return Evaluation(metrics={metric: {"value": next(remaining)}}, protocol={}, sampling={})

    return 10, types.SimpleNamespace(name=name, seed=0), measure


def evaluations(tmp_path, *evaluators):
    limits = Limits(least_variance=0.1, least_coverage=0.02, saturation=0.99)
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

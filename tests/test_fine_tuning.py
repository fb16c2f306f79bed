"""A run that starts from another one's networks: what fits is taken, the rest is as it would be."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.experiment import load_experiment
from gan_jax.fine_tuning import transplant
from gan_jax.state import NetState
from gan_jax.trained import load
from tests.conftest import EXPERIMENTS

SMOKE = f"{EXPERIMENTS / 'digits_mlp.py'}:smoke"
SHORT = ("--config.total=2 steps", "--config.checkpoint_every=1 steps", "--config.seed=7")


def net(value, width, ema=True, **extra):
    params = {
        "Dense_0": {"kernel": jnp.full((3, width), value), "bias": jnp.full(4, value)},
        **extra,
    }
    average = jax.tree.map(lambda leaf: leaf + 100, params) if ema else None
    return NetState(params, {"batch_stats": {"mean": jnp.full(4, value)}}, (), average)


def test_what_fits_is_taken_and_the_rest_stays():
    mine, theirs = net(0.0, 5, head={"kernel": jnp.zeros(2)}), net(1.0, 4)
    after, taken, left = transplant(mine, theirs)
    assert taken == 2 and left == ["Dense_0/kernel", "head/kernel"]
    np.testing.assert_array_equal(after.params["Dense_0"]["bias"], 1.0)
    np.testing.assert_array_equal(after.params["Dense_0"]["kernel"], 0.0)
    np.testing.assert_array_equal(after.stats["batch_stats"]["mean"], 1.0)
    np.testing.assert_array_equal(after.ema["Dense_0"]["bias"], 101.0)
    np.testing.assert_array_equal(after.ema["Dense_0"]["kernel"], 100.0)


def test_an_average_starts_from_the_parameters_where_there_was_none():
    after, _, _ = transplant(net(0.0, 4), net(1.0, 4, ema=False))
    np.testing.assert_array_equal(after.ema["Dense_0"]["bias"], 1.0)


@pytest.mark.parametrize(("run", "least"), [("", 0.0), ("runs/other", 0.99)])
def test_the_average_that_came_along_is_not_forgotten(run, least):
    """A half-life that ramps up from nothing would throw it away in the first round."""
    file = f"{EXPERIMENTS / 'folder_stylegan2.py'}:128"
    made = load_experiment(file, [("initialise.run", run)]).recipe()
    decay = made.schedules["ema_decay"](0, 0, made.values["ema_decay"])
    assert least <= float(decay) < (1.0 if least else 1e-6)


@pytest.mark.slow
def test_a_run_starts_from_another_and_resumes_from_itself(gan_jax, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert gan_jax("train", SMOKE, f"--workdir={first}", *SHORT).returncode == 0
    start = f"--config.initialise.run={first}"
    frozen = "--config.generator.learning_rate=0.0"  # so that what was taken is still seen
    arguments = ("train", SMOKE, f"--workdir={second}", *SHORT, start, frozen)
    result = gan_jax(*arguments)
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in (second / "events.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events] == ["initialised", "initialised"]
    ours, theirs = (load(path, say=lambda line: None).state for path in (second, first))
    jax.tree.map(
        np.testing.assert_array_equal,
        ours.nets["generator"].params,
        theirs.nets["generator"].params,
    )
    assert gan_jax(*arguments).returncode == 0
    more = (second / "events.jsonl").read_text().splitlines()
    assert not any('"initialised"' in line for line in more[2:])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (("--config.initialise.run=nowhere",), "nowhere"),
        (("--config.initialise.run={first}", "--config.initialise.networks=('judge',)"), "'judge'"),
        (("--config.initialise.run={first}", "--config.initialise.step=last"), "'last'"),
    ],
)
@pytest.mark.slow
def test_a_start_that_cannot_be_is_refused_in_one_line(settings, line, gan_jax, tmp_path):
    first = tmp_path / "first"
    assert gan_jax("train", SMOKE, f"--workdir={first}", *SHORT).returncode == 0
    given = [setting.format(first=first) for setting in settings]
    result = gan_jax("train", SMOKE, f"--workdir={tmp_path / 'second'}", *SHORT, *given)
    assert result.returncode == 2
    assert line in result.stderr and "Traceback" not in result.stderr

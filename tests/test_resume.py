"""A run that was stopped and continued is the run that was not: bit for bit.

The default tests hold one kill; the other ways to stop, and the grid over experiments and
`steps_per_call`, are slow.
"""

import random
import signal
import subprocess
import time

import pytest

from tests.conftest import EXPERIMENTS, ROOT, command
from tests.marks import LONG
from tests.runs import assert_same_run

NAMES = ("digits_mlp", "avatars_dcgan")
DEFAULT = ("digits_mlp", 4)


def cases(*ways):
    """(way, experiment, steps per call); all but one are slow, and those of a GAN that are no
    kills are long."""

    def marks(way, name, k):
        if (way, name, k) == ("kill", *DEFAULT):
            return ()
        return pytest.mark.slow if way == "kill" or name == DEFAULT[0] else LONG

    return [
        pytest.param(way, name, k, marks=marks(way, name, k))
        for way in ways
        for name in NAMES
        for k in (1, 4)
    ]


def arguments(name, k, workdir):
    return (
        "train",
        f"{EXPERIMENTS / name}.py:smoke",
        f"--workdir={workdir}",
        f"--config.steps_per_call={k}",
        # Evaluators change no state, and most of a smoke run's time would be theirs.
        "--config.evaluate.on=False",
    )


@pytest.fixture(scope="session")
def whole(gan_jax, tmp_path_factory):
    """The uninterrupted run of each case, made once."""
    made = {}

    def run(name, k):
        if (name, k) not in made:
            made[name, k] = tmp_path_factory.mktemp("whole") / f"{name}-{k}"
            result = gan_jax(*arguments(name, k, made[name, k]))
            assert result.returncode == 0, result.stderr
        return made[name, k]

    return run


@pytest.fixture
def start(environment):
    """Starts a command that can be sent signals; none of them outlives the test."""
    processes = []

    def run(*words):
        process = subprocess.Popen(
            command(*words), env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def wait_for_step(process, workdir, step):
    """Until the run has logged a step, or is over."""
    metrics = workdir / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and f'"step": {step},' in metrics.read_text():
            return
        time.sleep(0.005)
    if process.returncode != 0:
        raise AssertionError(f"step {step} did not come: {process.communicate()[1]}")


def finish(gan_jax, name, k, workdir):
    result = gan_jax(*arguments(name, k, workdir))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("way", "name", "k"), cases("stop_at"))
def test_stopped_at_a_step(way, name, k, gan_jax, whole, tmp_path):
    workdir = tmp_path / "run"
    result = gan_jax(*arguments(name, k, workdir), "--stop_at=13")
    assert result.returncode == 0 and "step 13 of 40" in result.stderr
    finish(gan_jax, name, k, workdir)
    assert_same_run(whole(name, k), workdir)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("avatars_cyclegan", marks=pytest.mark.slow),  # a pool of earlier pictures
        pytest.param("avatars_gatys", marks=LONG),  # pixels and their optimizer
        pytest.param("avatars_persona", marks=LONG),  # a weight that falls to 0
        pytest.param("avatars_expression", marks=LONG),  # weights that rise
    ],
)
def test_what_a_recipe_carries_along(name, gan_jax, whole, tmp_path):
    workdir = tmp_path / "run"
    result = gan_jax(*arguments(name, 1, workdir), "--stop_at=5")
    assert result.returncode == 0 and "step 5 of 8" in result.stderr
    finish(gan_jax, name, 1, workdir)
    assert_same_run(whole(name, 1), workdir)


@pytest.mark.parametrize(("way", "name", "k"), cases("SIGTERM", "SIGINT"))
def test_stopped_by_a_signal(way, name, k, gan_jax, whole, start, tmp_path):
    for attempt in range(10):  # a smoke run may be over before the signal reaches it
        workdir = tmp_path / f"run-{attempt}"
        process = start(*arguments(name, k, workdir))
        wait_for_step(process, workdir, 5)
        process.send_signal(signal.Signals[way])
        _, stderr = process.communicate(timeout=60)
        if process.returncode != 0:
            break
    assert process.returncode == {"SIGTERM": 143, "SIGINT": 130}[way], stderr
    assert f"stopped by {way}" in stderr
    finish(gan_jax, name, k, workdir)
    assert_same_run(whole(name, k), workdir)


@pytest.mark.parametrize(("way", "name", "k"), cases("kill"))
def test_killed_at_random_moments(way, name, k, gan_jax, whole, start, tmp_path):
    workdir = tmp_path / "run"
    moments = random.Random(f"{name}{k}")
    for _ in range(4):
        process = start(*arguments(name, k, workdir))
        time.sleep(moments.uniform(1.0, 7.0))
        process.kill()
        process.communicate()
    finish(gan_jax, name, k, workdir)
    assert_same_run(whole(name, k), workdir)


def test_the_same_seed_twice_and_all_that_must_not_matter(gan_jax, whole, tmp_path):
    """Prefetch, logging, TensorBoard and asynchronous saving change no bit."""
    name, k = DEFAULT
    workdir = tmp_path / "run"
    result = gan_jax(
        *arguments(name, k, workdir),
        "--config.data.threads=0",
        "--config.data.prefetch=0",
        "--config.data.in_memory=false",
        "--config.writers.tensorboard=false",
        "--config.checkpoint.asynchronous=false",
    )
    assert result.returncode == 0, result.stderr
    assert_same_run(whole(name, k), workdir)


@pytest.mark.slow
def test_continued_with_the_data_on_the_devices(gan_jax, whole, tmp_path):
    name, k = DEFAULT
    workdir = tmp_path / "run"
    result = gan_jax(*arguments(name, k, workdir), "--stop_at=13")
    assert result.returncode == 0, result.stderr
    result = gan_jax(*arguments(name, k, workdir), "--config.data.on_device=true")
    assert result.returncode == 0, result.stderr
    assert_same_run(whole(name, k), workdir)


@pytest.mark.slow
def test_logging_less_changes_no_state(gan_jax, whole, tmp_path):
    name, k = DEFAULT
    result = gan_jax(*arguments(name, k, tmp_path / "run"), "--config.log_every=40 steps")
    assert result.returncode == 0, result.stderr
    from tests.runs import pictures, rows, state

    a, b = whole(name, k), tmp_path / "run"
    assert rows(a)[-1] == rows(b)[-1] and pictures(a) == pictures(b)
    assert all((x == y).all() for x, y in zip(state(a), state(b), strict=True))

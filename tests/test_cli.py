"""Bad input ends in one line that names what, where and what to do, with its exit code."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from gan_jax.cli import run, split_pairs
from gan_jax.errors import UsageError
from tests.conftest import EXPERIMENTS

DIGITS = f"{EXPERIMENTS / 'digits_mlp.py'}:smoke"
DCGAN = f"{EXPERIMENTS / 'folder_dcgan.py'}:smoke"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compilation"))


@pytest.fixture
def fails(capfd, tmp_path):
    """`fails(code, arguments…)`: the one line that the command ended in."""

    def check(code, *arguments):
        assert run([str(argument) for argument in arguments]) == code
        captured = capfd.readouterr()
        lines = captured.err.strip().splitlines()
        assert lines[-1].startswith("gan-jax: ") and "Traceback" not in captured.err
        return lines[-1]

    return check


@pytest.fixture
def train(fails, tmp_path):
    def check(code, experiment, *arguments):
        return fails(code, "train", experiment, f"--workdir={tmp_path / 'run'}", *arguments)

    return check


def write(path, text):
    path.write_text(text)
    return path


def test_unknown_verb_and_flag(fails):
    assert "trian" in fails(2, "trian")
    assert "--worker" in fails(2, "train", DIGITS, "--worker=3")
    assert "WORKDIR" in fails(2, "sample").upper()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.batch_sizes=8", "the nearest is 'batch_size'"),
        ("--config.batch_size=big", "must be int"),
        ("--config.batch_size=0", "must be at least 1"),
        ("--config.total=3 weeks", "no duration"),
        ("--config.total=0 steps", "at least one step"),
        ("--config.mesh.view=local", "must be global or per_device"),
        ("--config.mesh.devices=99", "but there are 4 cpu devices"),
        ("--config.batch_size=6", "not divisible by 4 devices"),
        ("--config.checkpoint.best=fid", "METRIC:min"),
        ("--config.checkpoint.best=fid:min", "no metric 'fid'"),
        ("--config.data.seed=-1", "must be at least 0"),
        ("--config.samples.count=0", "must be at least 1"),
        ("--config.seed=99999999999999", "must be from 0"),
        ("--config.data.name=holiday", "avatars/"),
        ("--config.batch_size", "needs a value"),
    ],
)
def test_settings(train, flag, message):
    assert message in train(2, DIGITS, flag)


@pytest.mark.parametrize("step", [0, -5])
def test_stop_at_is_a_step(train, step):
    assert "must be at least 1" in train(2, DIGITS, f"--stop_at={step}")


def test_a_fault_in_a_loss_is_found_before_the_data_are_read(train, tmp_path):
    fault = 'losses.non_saturating._replace(generator=lambda real, fake: {}["x"])'
    text = (EXPERIMENTS / "digits_mlp.py").read_text().replace("losses.non_saturating", fault)
    assert "KeyError: 'x'" in train(2, write(tmp_path / "faulty.py", text))
    assert not (tmp_path / "run").exists()


def test_experiment_files(train, tmp_path):
    assert "no experiment file" in train(2, tmp_path / "none.py")
    assert "no setting 'tiny'" in train(2, DIGITS.replace("smoke", "tiny"))
    broken = write(tmp_path / "broken.py", "def get_config(:\n")
    assert "broken.py, line 1" in train(2, broken)
    empty = write(tmp_path / "empty.py", "x = 1\n")
    assert "defines no get_config" in train(2, empty)
    failing = write(tmp_path / "failing.py", "import no_such_module\n")
    assert "failing.py, line 1" in train(2, failing)


def test_a_resolution_the_network_cannot_make(train):
    assert "28, 32, 64, 128 pixels, not 48" in train(2, DCGAN, "--config.data.size=48")


def test_workdirs(train, fails, tmp_path):
    in_a_file = write(tmp_path / "file", "") / "run"
    message = fails(4, "train", DIGITS, f"--workdir={in_a_file}")
    assert "there is a file in its path" in message
    assert "not a run directory" in fails(2, "sample", tmp_path)
    assert "no such directory" in fails(2, "sample", tmp_path / "none")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="nothing here refuses even root")
def test_an_unwritable_workdir(fails):
    assert "cannot be made" in fails(4, "train", DIGITS, "--workdir=/proc/run")


def test_another_run_in_the_workdir(train, tmp_path):
    assert run(["train", DIGITS, f"--workdir={tmp_path / 'run'}", "--config.mesh.devices=1"]) == 0
    message = train(2, DIGITS, "--config.mesh.devices=1", "--config.generator.learning_rate=0.5")
    assert "generator.learning_rate: 0.0002 -> 0.5" in message and "--workdir" in message
    assert "holds a run of digits_mlp-smoke, not of folder_dcgan-smoke" in train(2, DCGAN)


def test_data(train, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in train(5, DCGAN, f"--config.data.name=folder:{tmp_path / 'empty'}")
    assert "no such folder" in train(5, DCGAN, f"--config.data.name=folder:{tmp_path / 'none'}")
    few = tmp_path / "few.npz"
    np.savez(few, images=np.zeros((7, 8, 8, 3), np.uint8))
    assert "fewer than batch_size=16" in train(5, DCGAN, f"--config.data.name=npz:{few}")


def test_a_label_out_of_range(train, tmp_path):
    file = tmp_path / "labels.npz"
    labels = np.arange(40) % 12
    np.savez(file, images=np.zeros((40, 28, 28, 1), np.uint8), labels=labels)
    mnist = f"{EXPERIMENTS / 'mnist_dcgan.py'}:smoke"
    message = train(5, mnist, f"--config.data.name=npz:{file}")
    assert "num_classes=10 allows 0 to 9" in message


def test_internal_errors_are_said_to_be_ours(fails, monkeypatch):
    from gan_jax import train as module

    def fail(*arguments, **keywords):
        raise RuntimeError("a bug")

    monkeypatch.setattr(module, "train", fail)
    assert "internal error: RuntimeError: a bug (--debug" in fails(1, "train", DIGITS)


def test_debug_shows_the_traceback(capfd):
    assert run(["train", "none.py", "--debug"]) == 2
    assert "Traceback" in capfd.readouterr().err


def test_overrides_in_both_forms():
    overrides, rest = split_pairs(
        ["train", "--config.a=1", "x.py", "--config.b.c", "2 steps"], "--config."
    )
    assert overrides == [("a", "1"), ("b.c", "2 steps")] and rest == ["train", "x.py"]
    with pytest.raises(UsageError, match="--config.a needs a value"):
        split_pairs(["--config.a", "--workdir=x"], "--config.")


def test_help_is_quick_and_train_imports_no_other_framework(gan_jax, environment, tmp_path):
    gan_jax("--help")  # byte-compiles
    begin = time.monotonic()
    assert "exit codes" in gan_jax("--help").stdout
    assert time.monotonic() - begin < 1.0
    script = (
        "import sys; from gan_jax.cli import run;"
        f"code = run(['train', {DIGITS!r}, '--workdir={tmp_path / 'run'}']);"
        "print(code, sorted({'tensorflow', 'torch'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "0 []", result.stderr


def test_no_cluster_to_join(gan_jax, tmp_path):
    result = gan_jax("train", DIGITS, "--distributed=auto", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "JAX knows no cluster here; give HOST:PORT,COUNT,INDEX" in result.stderr

"""What a run writes about itself, and what keeps another run out of its directory."""

import json
import shutil
import subprocess
import sys

import jax
import pytest

from gan_jax import run_directory
from gan_jax.errors import DataError, StorageError, UsageError
from gan_jax.experiment import load_experiment
from gan_jax.run_directory import (
    begin,
    check_same_data,
    check_same_run,
    environment,
    keep_settings,
    read,
)

TEXT = """
from gan_jax.config import base_config, choose

def get_config(argument=""):
    config = base_config()
    config.generator = {"hidden": (8, 16), "learning_rate": 0.5}
    return choose(argument, config, small=lambda c: c.update(batch_size=4))

get_recipe = get_optimizers = get_config
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "made.py"
    path.write_text(TEXT)
    return path


@pytest.fixture
def workdir(tmp_path, file):
    """That of a run of `made.py:small`."""
    directory = tmp_path / "run"
    directory.mkdir()
    begin(directory, load_experiment(f"{file}:small"), "0123456789abcdef", {})
    return directory


def small(file, **overrides):
    return load_experiment(f"{file}:small", list(overrides.items()))


def test_a_run_that_goes_on_keeps_what_it_goes_on_with(workdir, file):
    longer = small(file, total="7 epochs")
    assert check_same_run(workdir, longer) == []
    before = (workdir / "run.json").read_text()
    keep_settings(workdir, longer)
    assert read(workdir)[1] == json.loads(json.dumps(longer.config.to_dict()))
    assert read(workdir)[1]["total"] == "7 epochs" and (workdir / "run.json").read_text() == before
    written = (workdir / "config.json").stat().st_mtime_ns
    keep_settings(workdir, longer)
    assert (workdir / "config.json").stat().st_mtime_ns == written


def test_what_a_run_writes(workdir, file):
    run, config = read(workdir)
    assert (workdir / "experiment.py").read_text() == TEXT
    assert run["experiment"] == "made-small" and run["argument"] == "small"
    assert run["experiment_file"] == str(file)
    assert run["experiment_sha256"] == small(file).sha256
    assert run["data_fingerprint"] == "0123456789abcdef"
    assert run["command"] == sys.argv
    assert run["packages"]["jax"] == jax.__version__
    assert run["devices"] == {"kind": "cpu", "count": 4}
    assert config["batch_size"] == 4
    assert config["generator"] == {"hidden": [8, 16], "learning_rate": 0.5}


def test_a_directory_without_a_run_is_free(tmp_path, file):
    assert check_same_run(tmp_path / "none", small(file)) == []
    assert check_same_run(tmp_path, small(file)) == []


def test_the_same_run_goes_on(workdir, file):
    assert check_same_run(workdir, small(file)) == []
    may_change = {"total": "9 epochs", "log_every": "7 steps", "mesh.devices": "2"}
    may_change |= {"writers.tensorboard": "false", "checkpoint.keep_last": "9"}
    assert check_same_run(workdir, small(file, **may_change)) == []


def test_a_run_of_before_there_were_attributes_goes_on(workdir, file):
    config = json.loads((workdir / "config.json").read_text())
    assert config["data"].pop("attributes") == []
    (workdir / "config.json").write_text(json.dumps(config))
    assert check_same_run(workdir, small(file)) == []
    assert read(workdir)[1]["data"]["attributes"] == ()


def test_another_experiment_is_refused(workdir, file):
    with pytest.raises(UsageError, match="holds a run of made-small, not of made: choose another"):
        check_same_run(workdir, load_experiment(str(file)))


def test_other_settings_are_refused_and_shown(workdir, file):
    overrides = {"generator.hidden": "(8, 17)", "seed": "1", "mesh.view": "per_device"}
    with pytest.raises(UsageError) as raised:
        check_same_run(workdir, small(file, **overrides))
    assert str(raised.value).endswith(
        "or undo: generator.hidden: [8, 16] -> (8, 17); mesh.view: 'global' -> 'per_device'; "
        "seed: 0 -> 1"
    )


def test_a_changed_file_with_the_same_settings_is_noted(workdir, file):
    file.write_text(TEXT + "# a remark\n")
    (note,) = check_same_run(workdir, small(file))
    assert "made.py has changed since this run began; it goes on with the new file" in note


def test_changed_data_are_refused(workdir):
    check_same_data(workdir, "0123456789abcdef")
    with pytest.raises(DataError, match=r"fingerprint 0123456789ab, now fedcba987654\)"):
        check_same_data(workdir, "fedcba9876543210")


@pytest.mark.parametrize("name", ["run.json", "config.json"])
def test_files_that_cannot_be_read(workdir, name):
    (workdir / name).write_text("{")
    with pytest.raises(StorageError, match=r"run.json or config.json cannot be read"):
        read(workdir)


def test_a_directory_that_cannot_be_written(tmp_path, file):
    with pytest.raises(StorageError, match="none cannot be written: No such file"):
        begin(tmp_path / "none", small(file), "", {})


def git(*arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *names, *arguments], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_revision(tmp_path, monkeypatch):
    """None outside of a checkout; the commit in one, with a + where files differ from it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    assert environment()["git_revision"] is None
    git("init")
    (tmp_path / "checkout" / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one", "--no-gpg-sign")
    git("tag", "v1")
    revision = environment()["git_revision"]
    assert len(revision) == 40 and int(revision, 16)
    (tmp_path / "checkout" / "file").write_text("2")
    assert environment()["git_revision"] == f"{revision}+"


def test_no_git_at_all(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert json.loads(json.dumps(run_directory.environment()))["git_revision"] is None


def test_a_run_of_an_older_version_goes_on(workdir, file):
    """What it did not write yet is as its default; a setting that differs is still seen."""
    path = workdir / "config.json"
    config = json.loads(path.read_text())
    del config["initialise"], config["data"]["prefetch"]
    path.write_text(json.dumps(config))
    assert read(workdir)[1]["initialise"]["run"] == ""
    assert check_same_run(workdir, small(file)) == []
    with pytest.raises(UsageError, match="initialise.run"):
        check_same_run(workdir, small(file, **{"initialise.run": "runs/other"}))

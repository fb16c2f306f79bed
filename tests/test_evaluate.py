"""`gan-jax evaluate` as users meet it: runs, folders, statistics, and what can be wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli
from tests.conftest import EXPERIMENTS
from tests.networks.features.structured import structured_state
from tests.weights.torch_files import described, write_zip

DIGITS = f"{EXPERIMENTS / 'digits_mlp.py'}:smoke"


@pytest.fixture(scope="module")
def run(gan_jax, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("evaluated") / "run"
    result = gan_jax("train", DIGITS, f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    return workdir


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch, environment):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setitem(environment, "GAN_JAX_WEIGHTS_DIR", str(tmp_path / "weights"))


def test_a_run_is_evaluated_and_its_rows_are_kept(gan_jax, run):
    flags = ("--metrics=overfitting,interpolation,nearest", "--samples=100", "--json")
    result = gan_jax("evaluate", run, "--step=20,40", *flags)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    rows = found["evaluations"]
    assert [(row["step"], row["evaluator"]) for row in rows] == [
        (step, name) for step in (20, 40) for name in ("overfitting", "interpolation", "nearest")
    ]
    for row in rows:
        assert row["images_seen"] == row["step"] * 16
        fields = {"time", "seconds", "parameters", "samples", "seed", "truncation", "statistics"}
        assert fields | {"dtype", "protocol", "metrics"} <= row.keys()
        assert row["parameters"] == ("raw" if row["evaluator"] == "overfitting" else "ema")
    kept = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    assert kept[-6:] == rows
    for name in ("interpolation", "nearest"):
        assert (run / "evaluations" / f"0000040_{name}.png").is_file()


@pytest.mark.slow
def test_repeats_give_an_interval(gan_jax, run):
    flags = ("--metrics=nearest", "--samples=50", "--repeats=3", "--json")
    result = gan_jax("evaluate", run, *flags)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["evaluations"]
    metric = row["metrics"]["distance"]
    assert metric["low"] < metric["value"] < metric["high"] and metric["repeats"] == 3
    half = 4.302652729911275 * metric["std"] / np.sqrt(3)  # Student's t, 2 degrees of freedom
    assert metric["high"] - metric["value"] == pytest.approx(half)


@pytest.mark.slow
def test_the_same_twice_and_plain_lines(gan_jax, run):
    flags = ("--metrics=nearest", "--samples=60")
    lines = {gan_jax("evaluate", run, *flags).stdout for _ in range(2)}
    assert len(lines) == 1 and "distance" in lines.pop()


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)

    def make(name, count, size=20):
        path = tmp_path / name
        path.mkdir()
        for number in range(count):
            pixels = generator.integers(0, 256, (size + number, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path / f"{number:03d}.png")
        return path

    return make


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ((), 2, "a run directory, or give both"),
        (("--real=a",), 2, "both --real and --fake"),
        (("RUN", "--real=a", "--fake=b"), 2, "not both"),
        (("RUN", "--metrics=fidd"), 2, "no metric 'fidd'"),
        (("RUN", "--metrics=fid"), 2, "6726825d"),
        (("RUN", "--metrics=avatars"), 2, "avatars only"),
        (("RUN", "--samples=1"), 2, "at least 2"),
        (("RUN", "--seed=-1"), 2, "seed"),
        (("RUN", "--step=seven"), 2, "latest, best or all"),
        (("RUN", "--step=7"), 2, "7"),
        (("RUN", "--truncation=nan"), 2, "truncation"),
        (("RUN", "--config.seed=1"), 2, "settings of the run"),
        (("RUN", "--metrics=diversity", "--samples=20"), 5, "px"),
        (("/nowhere",), 2, "not a run directory"),
        (("--real=a", "--fake=b", "--metrics=nearest"), 2, "no metric 'nearest'"),
        (("--real=a", "--fake=b", "--protocol=fid"), 2, "pytorch-fid"),
        (("--real=a", "--fake=b"), 2, "gan-jax weights import"),
        (("--real=a", "--fake=b", "--truncation=1"), 2, "run directory"),
        (("--real=a", "--fake=b", "--weights=/nowhere.pth"), 2, "no such file"),
    ],
)
def test_bad_input_is_one_line(arguments, code, words, run, capfd, monkeypatch):
    given = [str(run) if argument == "RUN" else argument for argument in arguments]
    assert cli.run(["evaluate", *given]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert words in captured.err.strip().splitlines()[-1], captured.err


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("torch") / "inception.pth"
    state = {name: np.asarray(value) for name, value in structured_state("inception").items()}
    write_zip(path, *described(state))
    return path


@pytest.mark.slow
def test_folders_statistics_batches_and_devices(gan_jax, weights, folder, tmp_path):
    real, fake = folder("real", 23), folder("fake", 21, size=33)
    given = (f"--fake={fake}", f"--weights={weights}", "--kid_subset_size=10", "--json")
    statistics = tmp_path / "s.npz"

    def evaluate(*arguments, devices=1):
        result = gan_jax("evaluate", *arguments, *given, devices=devices)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    flags = ("--metrics=fid,kid,is,pr,prdc", f"--real={real}")
    one = evaluate(*flags, "--batch=8", f"--save_statistics={statistics}")
    assert one["protocol"] == "tf1" and one["settings"]["verified"] is False
    assert any("unverified" in warning for warning in one["warnings"])
    assert any("singular" in warning for warning in one["warnings"])
    other = evaluate(*flags, "--batch=21", devices=2)
    for name in ("fid", "kid", "is"):
        assert other[name]["value"] == pytest.approx(one[name]["value"], rel=1e-5)
    for name in ("precision", "recall", "density", "coverage"):
        assert abs(other[name]["value"] - one[name]["value"]) <= 2 / 21
    again = evaluate("--metrics=fid", f"--real={statistics}", "--batch=8")
    assert again["fid"]["value"] == pytest.approx(one["fid"]["value"], rel=1e-9)
    refused = gan_jax(
        "evaluate", "--metrics=fid", f"--real={statistics}", *given, "--protocol=clean"
    )
    assert refused.returncode == 5 and "another protocol" in refused.stderr
    assert refused.stdout == ""
    few = gan_jax("evaluate", "--metrics=kid", f"--real={real}", *given[:2])
    assert few.returncode == 5 and "1000" in few.stderr.strip().splitlines()[-1]
    (tmp_path / "empty").mkdir()
    empty = gan_jax("evaluate", f"--real={tmp_path / 'empty'}", *given)
    assert empty.returncode == 5 and "no pictures" in empty.stderr
    (real / "000.png").write_bytes(b"<html>")
    bad = gan_jax("evaluate", "--metrics=fid", f"--real={real}", *given)
    assert bad.returncode == 5 and "000.png" in bad.stderr

"""`gan-jax evaluate` as users meet it: runs, folders, statistics, and what can be wrong."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli, evaluate_pictures, evaluate_run, program
from gan_jax.evaluators.features import FeatureSpace
from gan_jax.metrics.protocol import as_used
from gan_jax.metrics.resize import resize
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
        assert row["images_seen"] == row["step"] * 16 and row["by"] == "evaluate"
        fields = {"time", "seconds", "parameters", "samples", "seed", "truncation", "statistics"}
        assert fields | {"dtype", "protocol", "metrics"} <= row.keys()
        assert row["parameters"] == ("raw" if row["evaluator"] == "overfitting" else "ema")
    kept = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    assert kept[-6:] == rows
    for name in ("interpolation", "nearest"):
        assert (run / "evaluations" / f"0000040_{name}_evaluate.png").is_file()


@pytest.mark.slow
def test_repeats_give_an_interval(gan_jax, run):
    flags = ("--metrics=nearest", "--samples=50", "--repeats=3", "--json")
    result = gan_jax("evaluate", run, *flags)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["evaluations"]
    assert row["seeds"] == [0, 1, 2]
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
        (("RUN", "--metrics=pr_vgg16"), 2, "for pr_vgg16, give --weights_vgg16=FILE"),
        (("RUN", "--metrics=pr_vgg16", "--weights_vgg16=/"), 2, "it is a folder"),
        (("RUN", "--metrics=pr_vgg16", "--weights=x"), 2, "nothing to pr_vgg16: it belongs to fid"),
        (("RUN", "--metrics=pr_vgg16", "--protocol=tf1"), 2, "--protocol means nothing"),
        (("RUN", "--metrics=fid", "--weights_vgg16=x"), 2, "to fid: it belongs to pr_vgg16"),
        (("RUN", "--metrics=avatars"), 2, "avatars only"),
        (("RUN", "--metrics=control"), 2, "avatars only"),
        (("RUN", "--metrics=lpips_diversity"), 2, "vgg16-397923af.pth"),
        (("RUN", "--metrics=path_length_w"), 2, "vgg16-397923af.pth"),
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
        (("--real=a", "--fake=b", "--metrics=pr_vgg16"), 2, "397923af8e79cdbb6a7127f12361acd7"),
        (("--real=a", "--fake=b", "--weights_vgg16=x"), 2, "kid: it belongs to pr_vgg16"),
        (("--real=a", "--fake=b", "--metrics=pr_vgg16", "--weights=x"), 2, "--weights means"),
        (("--real=a", "--fake=b", "--metrics=pr_vgg16", "--kid_seed=1"), 2, "--kid_seed means"),
        (("--real=a", "--fake=b", "--truncation=1"), 2, "run directory"),
        (("--real=a", "--fake=b", "--weights=/nowhere.pth"), 2, "no such file"),
        (("--real=a", "--fake=b", "--metrics=intra_fid"), 2, "needs labels"),
        (("--real=a", "--fake=b", "--metrics="), 2, "a name is missing"),
        (("--real=a", "--fake=b", "--kid_seed=-1"), 2, "kid_seed"),
        (("RUN", "--metrics="), 2, "a name is missing"),
        (("RUN", "--metrics=fid", "--weights=/"), 2, "it is a folder"),
        (("RUN", "--metrics=latency", "--protocol=nonsense"), 2, "pytorch-fid"),
        (("RUN", "--metrics=latency", "--protocol=tf1"), 2, "to latency: it belongs to fid, kid"),
        (("RUN", "--metrics=latency", "--kid_subsets=3"), 2, "--kid_subsets means nothing"),
        (("RUN", "--metrics=latency", "--kid_seed=0"), 2, "--kid_seed means nothing"),
        (("RUN", "--metrics=latency", "--statistics=standing"), 2, "diversity, pixels"),
        (("RUN", "--metrics=latency,interpolation", "--samples=9"), 2, "--samples means nothing"),
        (("RUN", "--metrics=path_length", "--truncation=0"), 2, "--truncation means nothing"),
        (("RUN", "--metrics=overfitting", "--raw"), 2, "--raw means nothing to overfitting"),
        (("RUN", "--metrics=avatars", "--weights=x"), 2, "--weights means nothing to avatars"),
        (("RUN", "--metrics=nearest", "--save_statistics=x.npz"), 2, "--real and --fake"),
    ],
)
def test_bad_input_is_one_line(arguments, code, words, run, capfd, monkeypatch):
    given = [str(run) if argument == "RUN" else argument for argument in arguments]
    assert cli.run(["evaluate", *given]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert words in captured.err.strip().splitlines()[-1], captured.err


def test_missing_weights_are_told_before_a_checkpoint_is_read(run, capfd, monkeypatch, tmp_path):
    late = pytest.fail.Exception("too late")

    def opened(*given):
        raise late

    monkeypatch.setattr(evaluate_run, "open_at", opened)
    assert cli.run(["evaluate", str(run), "--metrics=path_length"]) == 2
    assert "gan-jax weights import vgg16" in capfd.readouterr().err
    with pytest.raises(pytest.fail.Exception):
        cli.run(["evaluate", str(run), "--metrics=latency"])
    experiment = tmp_path / "judged.py"
    own = "from gan_jax.evaluators.fidelity import Fidelity\n\n"
    own += "def get_evaluators(config):\n    return (Fidelity(),)\n"
    experiment.write_text((EXPERIMENTS / "digits_mlp.py").read_text() + own)
    monkeypatch.setattr(program, "build", opened)
    assert cli.run(["train", f"{experiment}:smoke", f"--workdir={tmp_path / 'run'}"]) == 2
    assert "gan-jax weights import inception" in capfd.readouterr().err


def test_rows_that_cannot_be_kept_are_shown_and_the_command_fails(run, capfd, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "evaluations", ignore_errors=True)
    (copy / "evaluations").write_text("no folder")
    (copy / "evaluations.jsonl").unlink(missing_ok=True)
    (copy / "evaluations.jsonl").mkdir()
    assert cli.run(["evaluate", str(copy), "--metrics=interpolation", "--json"]) == 4
    captured = capfd.readouterr()
    (row,) = json.loads(captured.out)["evaluations"]
    assert row["by"] == "evaluate" and row["metrics"]["detour"]["value"] >= 1
    assert "evaluations.jsonl cannot be written" in captured.err.strip().splitlines()[-1]
    assert "try again" not in captured.err


@pytest.fixture
def brightness(monkeypatch, tmp_path):
    """In place of Inception and VGG-16: the means of the four quarters of a picture."""

    def space(network, settings, weights):
        def outputs(variables, x):
            quarters = x.reshape(len(x), 2, 4, 2, 4, -1).mean(axis=(2, 4, 5)).reshape(len(x), 4)
            return {"features": quarters / 255.0}

        return FeatureSpace(
            name=network,
            describe=as_used(settings) | {"weights_sha256": f"of {network}"},
            decides=("resize", "weights_sha256"),
            variables={},
            prepare=lambda images: resize(images, 8, "bilinear_antialias"),
            outputs=outputs,
        )

    monkeypatch.setattr(evaluate_pictures, "feature_space", space)
    monkeypatch.setattr(evaluate_pictures, "find_weights", lambda *given: None)
    monkeypatch.setattr(evaluate_pictures, "FEATURES", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "some.pth"
    path.write_bytes(b"")
    return f"--weights={path}"


def test_folders_tell_what_was_compared(brightness, folder, tmp_path, capfd):
    real, fake = folder("real", 23), folder("fake", 21, size=33)
    statistics = tmp_path / "new" / "s.npz"
    pair = (f"--real={real}", f"--fake={fake}", brightness, "--kid_subset_size=5", "--json")

    def evaluate(*flags):
        assert cli.run(["evaluate", *pair, *flags]) == 0
        return json.loads(capfd.readouterr().out)

    found = evaluate("--samples=20", f"--save_statistics={statistics}", "--kid_seed=3")
    for side, path, count in (("real", real, 23), ("fake", fake, 20)):
        assert found[side]["name"] == str(path) and found[side]["samples"] == count
        assert len(found[side]["fingerprint"]) >= 64
    assert found["real"]["fingerprint"] != found["fake"]["fingerprint"]
    assert "samples" not in found["settings"] and "real_split" not in found["settings"]
    assert found["settings"]["preset"]["samples"] == 50_000
    assert found["kid"]["seed"] == 3 == found["settings"]["kid_seed"]
    other = evaluate("--samples=20")
    assert other["kid"]["seed"] == 2020 and other["kid"]["value"] != found["kid"]["value"]
    assert cli.run(["evaluate", f"--real={statistics}", *pair[1:], "--metrics=fid"]) == 0
    again = json.loads(capfd.readouterr().out)["real"]
    sha256 = hashlib.sha256(statistics.read_bytes()).hexdigest()
    assert again == {"name": str(statistics), "samples": 23, "fingerprint": sha256}


def test_each_network_has_its_own_row(brightness, folder, tmp_path, capfd):
    vgg16 = brightness.replace("--weights=", "--weights_vgg16=")
    pair = (f"--real={folder('real', 7)}", f"--fake={folder('fake', 6, size=33)}", vgg16)

    def evaluate(*flags):
        assert cli.run(["evaluate", *pair, *flags, "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    both = evaluate("--metrics=pr_vgg16,fid", brightness, f"--save_statistics={tmp_path}/s.npz")
    assert both["protocol"] == "tf1" and both["settings"]["weights_sha256"] == "of inception"
    assert both["settings"]["vgg16"]["weights_sha256"] == "of vgg16"
    assert both["fid"].keys() == {"value"}
    alone = evaluate("--metrics=pr_vgg16")
    for name in ("precision_vgg16", "recall_vgg16"):
        about = both[name]
        assert about == alone[name] and 0 <= about["value"] <= 1
        assert (about["k"], about["strict"], about["weights_sha256"]) == (3, False, "of vgg16")
    assert alone["settings"]["weights_sha256"] == "of vgg16" and "fid" not in alone
    saved = json.loads(str(np.load(tmp_path / "s.npz")["protocol"]))
    assert saved["weights_sha256"] == "of inception"
    assert cli.run(["evaluate", *pair, "--metrics=pr_vgg16"]) == 0
    assert ": precision_vgg16 " in capfd.readouterr().out


def test_what_can_be_known_is_said_before_a_feature(
    brightness, folder, tmp_path, capfd, monkeypatch
):
    def extracted(*given):
        raise AssertionError("features are computed")

    monkeypatch.setattr(evaluate_pictures, "Extractor", extracted)
    real, fake = folder("real", 7), folder("fake", 5)
    good = {"mu": np.zeros(4), "sigma": np.eye(4)}
    files = {
        "wide": {"mu": np.zeros(64), "sigma": np.eye(64)},
        "negative": good | {"sigma": -np.eye(4)},
        "other": good | {"protocol": np.array(json.dumps({"resize": "bilinear"}))},
        "good": good,
    }
    for name, arrays in files.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
    (tmp_path / "taken").write_text("a file")
    vgg16 = brightness.replace("--weights=", "--weights_vgg16=")
    for of_real, flags, code, words in (
        (real, ("--metrics=kid",), 5, "1000 real pictures, not 7"),
        (real, ("--metrics=kid", "--kid_subset_size=6"), 5, "6 generated pictures, not 5"),
        (real, ("--metrics=prdc", "--real_samples=5"), 5, "6 real pictures, not 5"),
        (real, ("--metrics=pr", "--samples=3"), 5, "4 generated pictures, not 3"),
        (real, ("--metrics=is",), 5, "10 splits"),
        (tmp_path / "wide.npz", ("--metrics=fid",), 5, "64 features, but this network has 4"),
        (tmp_path / "negative.npz", ("--metrics=fid",), 5, "not positive semi-definite"),
        (tmp_path / "other.npz", ("--metrics=fid",), 5, "another protocol"),
        (tmp_path / "good.npz", ("--metrics=fid,kid",), 5, "not for kid"),
        (tmp_path / "good.npz", ("--metrics=fid,pr_vgg16", vgg16), 5, "not for pr_vgg16"),
        (real, ("--metrics=fid,pr_vgg16", vgg16, "--samples=3"), 5, "4 generated pictures, not 3"),
        (tmp_path / "good.npz", ("--metrics=fid", "--real_samples=9"), 2, "--real_samples"),
        (tmp_path / "good.npz", ("--metrics=fid", "--save_statistics=x.npz"), 2, "holds none"),
        (real, ("--metrics=fid", f"--save_statistics={tmp_path}"), 2, "end in .npz"),
        (real, ("--metrics=fid", f"--save_statistics={tmp_path}/taken/s.npz"), 4, "file in its"),
        (real, ("--metrics=fid", f"--save_statistics={tmp_path / 'real.npz'}"), 4, "a folder"),
    ):
        (tmp_path / "real.npz").mkdir(exist_ok=True)
        given = [f"--real={of_real}", f"--fake={fake}", brightness, *flags]
        assert cli.run(["evaluate", *given]) == code, (flags, capfd.readouterr())
        captured = capfd.readouterr()
        assert captured.out == "" and words in captured.err.strip().splitlines()[-1], captured.err


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

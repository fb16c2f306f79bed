"""`gan-jax weights` as a user runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.cli import run
from gan_jax.weights.known import NETWORKS
from gan_jax.weights.variables import sha256_of, write_variables
from tests.weights.test_store import linear
from tests.weights.torch_files import described, write_zip


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compilation"))
    return tmp_path / "weights"


@pytest.fixture
def weights(capfd):
    """`weights(code, arguments…)`: standard output, or the one line of an error."""

    def call(code, *arguments):
        assert run(["weights", *map(str, arguments)]) == code
        out, err = capfd.readouterr()
        if code == 0:
            return out
        (line,) = err.strip().splitlines()
        assert line.startswith("gan-jax: ")
        return line

    return call


@pytest.fixture
def source(tmp_path):
    return write_zip(tmp_path / "vgg.pth", *described(linear()))


def test_import_list_verify(weights, source, own_folder):
    out = weights(0, "list")
    assert str(own_folder) in out and out.count("missing") == len(NETWORKS)
    assert "6726825d0af5f729" in out and "pytorch-fid" in out
    out = weights(0, "import", "lpips", f"--from={source}")
    assert "lpips.safetensors" in out and "unverified: sha256" in out
    assert "vgg.pth, unverified" in weights(0, "list")
    found = json.loads(weights(0, "list", "--json"))
    (stored,) = found["stored"]
    assert stored["network"] == "lpips" and stored["verified"] is False and stored["size"] > 5000
    assert [item["network"] for item in found["missing"]] == [n for n in NETWORKS if n != "lpips"]
    out = weights(0, "verify")
    assert "lpips: whole" in out and out.count("mean") == 5


def test_verify_finds_damage(weights, source, own_folder):
    weights(0, "import", "lpips", f"--from={source}")
    path = own_folder / "lpips.safetensors"
    content = bytearray(path.read_bytes())
    content[-2] ^= 4
    path.write_bytes(content)
    assert "damaged since" in weights(2, "verify", "lpips")
    path.write_bytes(b"\x00" * 100)
    assert "not a safetensors file" in weights(2, "verify")
    assert "not a safetensors file" in weights(0, "list")


def test_bad_input(weights, source, tmp_path):
    assert "--from=FILE" in weights(2, "import", "lpips")
    assert "one network" in weights(2, "import", "lpips", "vgg16", f"--from={source}")
    assert "'resnet'" in weights(2, "import", "resnet", f"--from={source}")
    assert "no such file" in weights(2, "import", "lpips", f"--from={tmp_path / 'none.pth'}")
    assert "lacks" in weights(2, "import", "inception", f"--from={source}")
    assert "get vgg16-397923af.pth" in weights(2, "verify", "vgg16")
    assert "choose" in weights(2, "download", "vgg16")
    assert "--config" in weights(2, "list", "--config.seed=1")


def test_nothing_there(weights, monkeypatch, tmp_path):
    monkeypatch.setattr("gan_jax.weights.folder.SHIPPED", tmp_path)
    assert "no weights in" in weights(2, "verify")


def test_weights_that_come_with_the_package(weights, monkeypatch, tmp_path):
    for module in ("folder", "store"):
        monkeypatch.setattr(f"gan_jax.weights.{module}.SHIPPED", tmp_path)
    path = tmp_path / "small_judge.safetensors"
    write_variables(path, {"params": {"w": np.ones(3, np.float32)}}, {})
    (tmp_path / "small_judge.json").write_text(json.dumps({"sha256": sha256_of(path)}))
    assert "comes with gan_jax" in weights(0, "list")
    assert f"small_judge: whole, from a known file, sha256 {sha256_of(path)}" in weights(
        0, "verify"
    )
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert "not the file of its card" in weights(2, "verify", "small_judge")


def test_listing_needs_no_jax(tmp_path):
    script = (
        "import sys; from gan_jax.cli import run; code = run(['weights', 'list']);"
        "print(code, sorted({'jax', 'flax', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "0 []", result.stderr

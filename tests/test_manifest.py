"""The manifest detects any change of what it lists, and of itself."""

from __future__ import annotations

import hashlib
import json
import math
import os

import pytest

from gan_jax import manifest
from gan_jax.errors import StorageError
from gan_jax.manifest import Damaged, Manifest


def written(directory, step=7):
    (directory / "state" / "deep").mkdir(parents=True)
    (directory / "state" / "a").write_bytes(b"alpha")
    (directory / "state" / "deep" / "b").write_bytes(b"")
    header = Manifest(
        step=step,
        finite=True,
        metrics={"fid": 3.5, "kid": math.nan},
        information={"config": {10: "ten", 9: ("nine",)}},
        versions={"jax": "0"},
        leaves={"w": "float32[3]"},
        keys={"key": "threefry2x32"},
        files={},
    )
    manifest.write(directory, header)
    return directory


@pytest.fixture
def checkpoint(tmp_path):
    return written(tmp_path / "7")


def test_reads_back_what_was_written(checkpoint):
    found = manifest.verify(checkpoint)
    assert found.step == 7 and found.finite is True
    assert found.metrics["fid"] == 3.5 and math.isnan(found.metrics["kid"])
    assert found.information == {"config": {"10": "ten", "9": ["nine"]}}
    assert found.leaves == {"w": "float32[3]"} and found.keys == {"key": "threefry2x32"}
    assert {name: tuple(proof) for name, proof in found.files.items()} == {
        "state/a": (5, hashlib.sha256(b"alpha").hexdigest()),
        "state/deep/b": (0, hashlib.sha256(b"").hexdigest()),
    }


def test_any_flipped_bit_of_the_manifest_is_found(checkpoint):
    path = checkpoint / manifest.NAME
    intact = path.read_bytes()
    for index in range(len(intact)):
        changed = bytearray(intact)
        changed[index] ^= 1 << index % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged, match="manifest.json is not what was written"):
            manifest.read(checkpoint)
    for length in range(0, len(intact), 7):
        path.write_bytes(intact[:length])
        with pytest.raises(Damaged):
            manifest.read(checkpoint)
    path.write_bytes(intact)
    assert manifest.read(checkpoint).step == 7


@pytest.mark.parametrize(
    "content, reason",
    [(b"alphA", "sha256 differs"), (b"alph", "has 4 bytes where 5"), (None, "is missing")],
)
def test_a_changed_file_is_named(checkpoint, content, reason):
    path = checkpoint / "state" / "a"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(Damaged, match=reason) as caught:
        manifest.verify(checkpoint)
    assert caught.value.file == "state/a"


def test_a_checkpoint_under_another_step_is_damaged(checkpoint):
    with pytest.raises(Damaged, match="is that of step 7"):
        manifest.verify(checkpoint.rename(checkpoint.with_name("8")))


def test_a_later_format_says_so(checkpoint):
    path = checkpoint / manifest.NAME
    body = json.loads(path.read_bytes())["manifest"] | {"format": manifest.FORMAT + 1}
    path.write_bytes(manifest._render(body))
    with pytest.raises(StorageError, match="later version"):
        manifest.read(checkpoint)


@pytest.mark.parametrize("failures, survives", [(1, True), (3, True), (4, False)])
def test_a_read_error_is_tried_again_three_times(checkpoint, monkeypatch, failures, survives):
    left = failures
    digest = manifest._sha256

    def failing(path):
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(5, "Input/output error", str(path))
        return digest(path)

    monkeypatch.setattr(manifest, "_sha256", failing)
    monkeypatch.setattr(manifest, "PAUSE_SECONDS", 0)
    if survives:
        assert manifest.verify(checkpoint).step == 7
    else:
        with pytest.raises(Damaged, match="cannot be read: Input/output error"):
            manifest.verify(checkpoint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_not_called_damaged(checkpoint):
    (checkpoint / "state" / "a").chmod(0)
    with pytest.raises(StorageError, match="may not be read"):
        manifest.verify(checkpoint)

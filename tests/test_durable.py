"""Files that are replaced in one step or not at all."""

from __future__ import annotations

import json

import pytest

from gan_jax import durable


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    durable.write_json(path, {"step": 1})

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        durable.write_json(path, {"step": 2})
    assert json.loads(path.read_text()) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_rename_moves_a_directory(tmp_path):
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    durable.rename(tmp_path / "a" / "x", tmp_path / "b" / "y")
    assert (tmp_path / "b" / "y").is_dir() and not (tmp_path / "a" / "x").exists()

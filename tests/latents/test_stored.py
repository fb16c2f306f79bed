"""Latents that were projected, changed by the tools that else draw them."""

import numpy as np
import pytest
from PIL import Image

from tests.latents.test_command import cells


@pytest.fixture
def projected(latents, tmp_path, monkeypatch):
    """`projected(run, flag…)`: the projections of three pictures, and the file of their latents."""
    monkeypatch.setattr("gan_jax.latents_command.project.CANDIDATES", 20)
    files = [tmp_path / f"{level}.png" for level in (40, 120, 200)]
    for file, level in zip(files, (40, 120, 200), strict=True):
        Image.new("L", (8, 8), level).save(file)

    def call(which, *flags):
        sheet = latents("project", which, *files, "--steps=5", *flags, out="projected.png")
        return cells(sheet, 3)[1], sheet.with_suffix(".npz")

    return call


@pytest.mark.parametrize("which", ["z", "w"])
def test_a_way_between_them(latents, projected, which):
    """It ends at the very projections; those of w had noise planes of their own, if faint ones."""
    pictures, file = projected(which)
    assert pictures.std(axis=0).max() > 1
    sheet = cells(latents("interpolate", which, f"--latents={file}", "--frames=3"), 3)
    assert sheet.shape[0] == 2
    found = np.stack([sheet[0, 0], sheet[0, 2], sheet[1, 2]]).astype(float)
    if which == "z":
        np.testing.assert_allclose(found, pictures, atol=1)
    else:
        stored = np.load(file)["w"]
        assert stored.shape == (3, 6) and np.ptp(stored, axis=0).max() > 0
        assert np.ptp(found, axis=0).max() > 0
    np.testing.assert_array_equal(sheet[0, 2], sheet[1, 0])


def test_directions_begin_at_the_first(latents, projected):
    pictures, file = projected("z")
    flags = ("--method=sefa", "--count=2", "--steps=3", f"--latents={file}")
    sheet = cells(latents("directions", "z", *flags), 3)
    np.testing.assert_allclose(sheet[:, 1].astype(float), np.stack([pictures[0]] * 2), atol=1)
    assert np.any(sheet[:, 0] != sheet[:, 2])


def test_styles_of_each_layer_are_mixed(latents, projected):
    _, file = projected("w", "--space=w+")
    assert np.load(file)["w"].ndim == 3
    flags = ("--rows=1", "--columns=2", "--layers=0-1", f"--latents={file}")
    mixed = cells(latents("mixing", "w", *flags), 3)
    ends = cells(latents("interpolate", "w", f"--latents={file}", "--frames=2", out="i.png"), 2)
    np.testing.assert_array_equal(mixed[1, 0], ends[0, 0])
    np.testing.assert_array_equal(mixed[0, 1:], [ends[0, 1], ends[1, 1]])


def test_what_cannot_be_taken(latents, projected, tmp_path):
    _, of_w = projected("w")
    of_w = of_w.rename(tmp_path / "w.npz")
    _, of_z = projected("z")
    (tmp_path / "text.npz").write_text("no arrays")
    np.savez(tmp_path / "other.npz", w=np.zeros((3, 5)), distance=np.zeros(3))
    np.savez(tmp_path / "strange.npz", a=np.zeros(3))
    cases = [
        ("interpolate", "w", of_z, (), "holds latents z, and w are changed here: project into w"),
        ("interpolate", "z", of_w, (), "holds w, and latents z are changed here"),
        ("interpolate", "w", of_z, ("--space=z",), "holds the latents of another model"),
        ("interpolate", "w", tmp_path / "other.npz", (), "holds the latents of another model"),
        ("interpolate", "z", of_z, ("--count=4",), "of 3 pictures, and 4 are asked for"),
        ("interpolate", "z", of_z, ("--walks=2",), "--count=1: must be at least 2"),
        ("mixing", "w", of_w, (), "of 3 pictures, and 8 are asked for"),
        ("directions", "z", tmp_path / "no.npz", ("--method=pca",), "there is no such file"),
        ("interpolate", "z", tmp_path / "text.npz", (), "holds no latents that gan-jax latents"),
        ("interpolate", "z", tmp_path / "strange.npz", (), "holds no latents that gan-jax latents"),
    ]
    for tool, which, file, flags, message in cases:
        line = latents(tool, which, f"--latents={file}", *flags)
        assert message in str(line), (tool, which, file, line)

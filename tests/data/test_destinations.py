"""Files for made pictures: one for each, and none that is read."""

from pathlib import Path

import pytest

from gan_jax.data.destinations import check_file, check_files, names_in_one_folder, names_of
from gan_jax.errors import UsageError


def test_names():
    files = ["a.png", "b.jpg", "x/a.png", "x/A.gif"]
    assert names_of(files) == {
        "a.png": "a.png",
        "b.jpg": "b.png",
        "x/a.png": "x/a.png.png",
        "x/A.gif": "x/A.gif.png",
    }
    files = ["a.png", "a.jpg", "a.png.jpg", "b.jpg"]
    assert names_of(files) == {file: f"{file}.png" for file in files}


def test_names_of_pictures_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [Path("a/x.png"), tmp_path / "b" / "y.jpg"]
    assert names_in_one_folder(files) == ["x.png", "y.png"]
    files = [Path("a/x.png"), tmp_path / "a" / "x.jpg", Path("b/../b/X.png")]
    assert names_in_one_folder(files) == ["a/x.png.png", "a/x.jpg.png", "b/X.png"]


def test_a_file_that_is_read_is_not_written(tmp_path):
    picture, link = tmp_path / "a.png", tmp_path / "link.png"
    picture.touch()
    link.symlink_to(picture)
    for out in (picture, link, tmp_path / "." / "a.png"):
        with pytest.raises(UsageError, match="is one of the given pictures"):
            check_file(out, [picture])
    check_file(tmp_path / "b.png", [picture])


def test_nothing_is_written_beside_what_is_read(tmp_path):
    read = tmp_path / "read" / "a.jpg"
    read.parent.mkdir()
    read.touch()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "a.jpg"
    link.symlink_to(read)
    for out in (tmp_path / "read", tmp_path / "links"):
        with pytest.raises(UsageError, match=f"--out={out}: .* holds given pictures, which could"):
            check_files(out, [out / "a.png"], [link])
    with pytest.raises(UsageError, match="read holds given pictures"):
        check_files(tmp_path, [tmp_path / "x.png", read.with_suffix(".png")], [read])
    check_files(tmp_path, [tmp_path / "a.png", tmp_path / "b.png"], [read])
    with pytest.raises(UsageError, match="two pictures would be .*/a.png; give each but once"):
        check_files(tmp_path, 2 * [tmp_path / "a.png"], [read])

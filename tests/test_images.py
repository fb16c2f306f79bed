"""Grids and picture files, read back by Pillow."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import StorageError
from gan_jax.images import grid, save_gif, save_png, write_whole


def numbered(count, channels=3):
    """Pictures of 2x3 pixels, each filled with its number from 1."""
    values = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, 2, 3, channels))


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [
        (1, None, [[1]]),
        (4, None, [[1, 2], [3, 4]]),
        (5, None, [[1, 2, 3], [4, 5, 0]]),
        (5, 2, [[1, 2], [3, 4], [5, 0]]),
        (2, 3, [[1, 2, 0]]),
    ],
)
def test_grid_goes_row_by_row_and_ends_black(count, columns, expected):
    picture = grid(numbered(count), columns)
    assert picture.dtype == np.uint8
    cells = np.kron(np.array(expected), np.ones((2, 3)))
    np.testing.assert_array_equal(picture, np.repeat(cells[:, :, None], 3, axis=2))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_round_trip(tmp_path, channels):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    path = tmp_path / "made" / "for_it.png"
    save_png(path, picture)
    with Image.open(path) as opened:
        assert opened.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(opened).reshape(picture.shape), picture)
    assert [file.name for file in path.parent.iterdir()] == ["for_it.png"]


def test_gif_round_trip(tmp_path):
    """Few colours a frame, which a palette holds exactly."""
    frames = [np.full((4, 4, 3), (60 * index, 20, 250), np.uint8) for index in range(4)]
    save_gif(tmp_path / "walk.gif", frames, frames_per_second=25)
    with Image.open(tmp_path / "walk.gif") as opened:
        assert opened.n_frames == 4
        assert opened.info["duration"] == 40 and opened.info["loop"] == 0
        for index, frame in enumerate(frames):
            opened.seek(index)
            np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), frame)


def test_gif_of_one_grey_frame(tmp_path):
    save_gif(tmp_path / "still.gif", [np.full((4, 4, 1), 77, np.uint8)], frames_per_second=10)
    with Image.open(tmp_path / "still.gif") as opened:
        assert np.asarray(opened.convert("L")).tolist() == [[77] * 4] * 4


def test_an_unwritable_path_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.png", tmp_path):
        with pytest.raises(StorageError, match=f"{path} cannot be written: "):
            save_png(path, np.zeros((2, 2, 3), np.uint8))


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    write_whole(path, b"old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1

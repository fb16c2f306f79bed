"""Grids and picture files, read back by Pillow."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import StorageError, UsageError
from gan_jax.images import grid, save_frames, save_gif, save_mp4, save_png, write_whole


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


def film(count=6, channels=3):
    """Large cells of colours, which move; `[33, 47]` pixels."""
    colours = np.random.default_rng(0).integers(0, 256, (3, 4, channels))
    cells = np.kron(colours, np.ones((12, 12, 1))).astype(np.uint8)[:33, :47]
    return [np.roll(cells, 12 * index, axis=1) for index in range(count)]


def decoded(path, height, width):
    """Frames `[F, H, W, 3]` of a film of that size, and what the decoder says of it."""
    encoder = pytest.importorskip("imageio_ffmpeg")
    command = [
        encoder.get_ffmpeg_exe(),
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    result = subprocess.run(command, capture_output=True, check=True)
    frames = np.frombuffer(result.stdout, np.uint8)
    return frames.reshape(-1, height, width, 3), result.stderr.decode()


def test_mp4_round_trip(tmp_path):
    """Every frame, even sides, and colours within a few levels in the middle of a cell."""
    pytest.importorskip("imageio_ffmpeg")
    frames = film()
    save_mp4(tmp_path / "made" / "walk.mp4", frames, frames_per_second=20)
    found, about = decoded(tmp_path / "made" / "walk.mp4", 34, 48)
    assert len(found) == 6
    for word in ("h264", "yuv420p(tv, bt709, progressive)", "48x34", "20 fps"):
        assert word in about
    for seen, frame in zip(found, frames, strict=True):
        for y in (6, 18, 29):
            for x in (6, 18, 30, 41):
                assert np.abs(seen[y, x].astype(int) - frame[y, x]).max() <= 6
    np.testing.assert_allclose(found[0, 33].astype(int), found[0, 32], atol=12)  # filled up
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["walk.mp4"]


@pytest.mark.parametrize(("channels", "level"), [(1, 90), (4, 90)])
def test_mp4_of_grey_and_of_alpha(tmp_path, channels, level):
    """Alpha is laid over white."""
    pytest.importorskip("imageio_ffmpeg")
    frame = np.full((16, 16, channels), level, np.uint8)
    expected = level if channels == 1 else round(level * level / 255 + 255 - level)
    save_frames(tmp_path / "x.mp4", [frame] * 2, 10)
    np.testing.assert_allclose(decoded(tmp_path / "x.mp4", 16, 16)[0].astype(int), expected, atol=2)


def test_frames_as_a_folder_and_as_a_gif(tmp_path):
    save_frames(tmp_path / "frames", film(3), 10)
    assert sorted(file.name for file in (tmp_path / "frames").iterdir()) == [
        "000000.png", "000001.png", "000002.png"
    ]  # fmt: skip
    save_frames(tmp_path / "x.GIF", film(3), 10)
    with Image.open(tmp_path / "x.GIF") as opened:
        assert opened.n_frames == 3


def test_films_without_their_encoder(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r"x.mp4: films need .* pip install 'gan-jax\[video\]'"):
        save_mp4(tmp_path / "x.mp4", film(1), 10)


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

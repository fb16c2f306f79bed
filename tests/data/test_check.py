"""`data check` and `data preview` on folders with everything in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gan_jax.cli import run
from gan_jax.data.check import SHOWN, check_source
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.preview import preview
from gan_jax.errors import DataError


def checked(path, **changes):
    arguments = {"split": "all", "size": None, "data_dir": None, "progress": None}
    return check_source(f"folder:{path}", **(arguments | changes))


@pytest.fixture
def mixed(tmp_path):
    """Two classes: 4 usable pictures (a pair of them equal), 3 bad files, 2 that are none."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
    Image.fromarray(noise).save(tmp_path / "cat" / "1.png")
    Image.fromarray(noise).save(tmp_path / "cat" / "1 copy.bmp")
    Image.fromarray(noise[:10]).convert("CMYK").save(tmp_path / "cat" / "2.jpg")
    Image.fromarray(noise[..., 0]).resize((90, 70)).save(tmp_path / "dog" / "3.webp")
    (tmp_path / "dog" / "empty.png").write_bytes(b"")
    (tmp_path / "dog" / "page.jpg").write_text("<html>not found</html>")
    whole = (tmp_path / "cat" / "1.png").read_bytes()
    (tmp_path / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "dog" / "photo.heic").write_bytes(b"x")
    return tmp_path


def test_the_report_holds_everything(mixed):
    seen = []
    report = checked(mixed, size=25, progress=lambda done, total: seen.append((done, total)))
    assert report.count == 7 and report.exit_code == 5
    assert report.sizes == {(30, 20): 2, (30, 10): 1, (90, 70): 1}
    assert report.modes == {"RGB": 3, "CMYK": 1}
    assert report.labels == {"cat": 3, "dog": 1}
    assert report.duplicates == ((str(mixed / "cat/1 copy.bmp"), str(mixed / "cat/1.png")),)
    assert [name for name, _ in report.unusable] == [
        str(mixed / "dog" / name) for name in ("cut.png", "empty.png", "page.jpg")
    ]
    assert report.passed_over == {".txt": 1, ".heic": 1}
    assert report.smaller == 3
    assert seen[-1] == (7, 7)


def test_the_printed_lines(mixed):
    lines = checked(mixed, size=25).lines()
    assert lines[0] == f"folder:{mixed} (all): 7 pictures, 3 of them unusable"
    assert "width: min 30, median 30, max 90" in lines
    assert "height: min 10, median 20, max 70" in lines
    assert "size 30×20: 2" in lines and "label dog: 1" in lines
    assert "modes: RGB 3, CMYK 1" in lines
    assert "passed over, not pictures: .heic 1, .txt 1" in lines
    assert "smaller than 25×25, to be enlarged: 3" in lines
    assert f"same pixels {mixed}/cat/1 copy.bmp = {mixed}/cat/1.png" in lines
    bad = [line for line in lines if line.startswith("unusable: ")]
    assert len(bad) == 3 and not any("\n" in line for line in lines)
    assert bad[1] == f"unusable: {mixed}/dog/empty.png: the file is empty (0 bytes)"


def test_a_clean_folder_ends_with_0(tmp_path):
    for number in range(5):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    report = checked(tmp_path)
    assert (report.exit_code, report.count, report.duplicates) == (0, 5, ())
    assert report.smaller is None and report.labels is None
    assert "duplicates: 0" in report.lines()


def test_nothing_but_bad_pictures_is_still_a_report(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    report = checked(tmp_path, size=8)
    assert report.exit_code == 5 and report.count == 1
    assert report.lines()[-1].startswith(f"unusable: {tmp_path}/a.png: not a picture")


def test_missing_and_empty_sources_are_errors_with_5(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError) as caught:
            checked(path)
        assert caught.value.exit_code == 5


def test_long_lists_are_cut_but_never_the_unusable_ones(tmp_path):
    for number in range(SHOWN + 5):
        Image.new("L", (number + 1, 3)).save(tmp_path / f"{number}.png")
        (tmp_path / f"bad{number}.png").write_bytes(b"x")
    lines = checked(tmp_path).lines()
    assert len([line for line in lines if line.startswith("size ")]) == SHOWN
    assert "size: 5 more" in lines
    assert len([line for line in lines if line.startswith("unusable: ")]) == SHOWN + 5


def test_the_same_report_every_time(mixed):
    assert checked(mixed).lines() == checked(mixed).lines()


def test_other_kinds_of_source(tmp_path):
    digits = check_source("digits", split="all", size=8, data_dir=None, progress=None)
    assert digits.count == 1797 and digits.exit_code == 0 and digits.modes == {"L": 1797}
    assert digits.labels is not None and digits.labels["0"] == 178 and digits.smaller == 0
    images = np.zeros((4, 5, 6, 4), np.uint8)
    images[3] = 1
    np.savez(tmp_path / "set.npz", images=images, labels=[0, 0, 2, 2])
    name = f"npz:{tmp_path}/set.npz"
    report = check_source(name, split="all", size=None, data_dir=None, progress=None)
    assert report.modes == {"RGBA": 4} and report.labels == {"0": 2, "1": 0, "2": 2}
    assert [len(group) for group in report.duplicates] == [3]
    assert report.duplicates[0][2] == f"{tmp_path}/set.npz[2]"


def source(name: str, size: int, channels: int, labels="auto"):
    return open_source(
        name,
        split="all",
        geometry=Geometry(size=size, channels=channels),
        on_bad_image="error",
        data_dir=None,
        labels=labels,
        progress=None,
    )


def test_a_preview_shows_the_pictures_of_the_whole_source(tmp_path):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
    for number, colour in enumerate(c for c in colours for _ in range(10)):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{number:02}.png")
    sheet = preview(source(f"folder:{tmp_path}", 64, 3), 4)
    assert sheet.shape == (2 * 68 + 4, 2 * 68 + 4, 3) and sheet.dtype == np.uint8
    corners = [sheet[10, 10], sheet[10, 78], sheet[78, 10], sheet[78, 78]]
    assert [tuple(map(int, corner)) for corner in corners] == colours


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("count", [1, 7, 5000])
def test_a_preview_of_any_count_and_channels(channels, count):
    sheet = preview(source("digits", 8, channels), count)
    assert sheet.ndim == 3 and sheet.shape[2] == 3
    assert min(sheet.shape[:2]) >= 64 and sheet.std() > 10


def test_captions_are_drawn_under_labelled_pictures():
    labelled, bare = (preview(source("digits", 64, 3, labels), 1) for labels in ("auto", "none"))
    assert labelled.shape[0] == bare.shape[0] + 14
    np.testing.assert_array_equal(labelled[:68], bare[:68])
    assert labelled[68:-4].min() < 100, "no ink"


def test_single_pictures_of_a_source(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["data", "preview", "digits", "--size=8", "--count=3", f"--out={out}"]
    assert run(arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == ["0000.png", "0001.png", "0002.png"]
    example = source("digits", 8, 4)[1]["image"]
    np.testing.assert_array_equal(np.asarray(Image.open(out / "0001.png")), example)
    assert "3 of 1797 pictures of digits" in capsys.readouterr().err
    assert run(["data", "preview", f"folder:{out}", f"--out={out}/more"]) == 2
    assert "whose pictures are shown" in capsys.readouterr().err

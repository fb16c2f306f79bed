"""Pictures are found by name, made small, shown once each, and kept within the budget."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.images import save_png
from gan_jax.report.encoding import encode
from gan_jax.report.pictures import pictures
from gan_jax.report.record import read_records
from tests.report.directories import add_samples, grid_picture, make_run, save_fast


def quietly(done, total):
    assert 0 < done <= total


def decoded(address):
    kind, content = address.removeprefix("data:").split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == f"image/{(image.format or '').lower()}"
    return image


def shown(paths, budget=10**7):
    records = read_records(paths)
    return records, pictures(records, budget, quietly)


def flat(value, side=64):
    return np.full((side, side, 3), value, np.uint8)


def test_small_files_are_kept_to_the_byte(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    save_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(decoded(encode(tmp_path / "a.png", 1024))), picture)


def test_large_ones_become_webp_that_looks_the_same(tmp_path):
    picture = grid_picture(3)
    save_png(tmp_path / "a.png", picture)
    image = decoded(encode(tmp_path / "a.png", 1024))
    assert image.format == "WEBP" and image.size == (512, 512)
    difference = np.asarray(image).astype(float) - picture
    assert np.sqrt((difference**2).mean()) < 15  # of 255; the noise in it alone is 6
    assert decoded(encode(tmp_path / "a.png", 256)).size == (256, 256)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_every_mode_can_be_shown(tmp_path, mode):
    picture = Image.effect_noise((600, 600), 90).convert(mode)
    if "A" in mode:
        picture.putalpha(100)
    picture.save(tmp_path / "a.png")
    image = decoded(encode(tmp_path / "a.png", 512))
    assert image.size == (512, 512)
    assert ("A" in image.getbands()) == ("A" in mode)


def test_kinds_runs_and_weights_are_told_apart(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    save_png(first / "samples" / "0000010.png", flat(10))
    save_png(first / "samples" / "0000010_raw.png", flat(20))
    save_png(second / "samples" / "0000020.png", flat(30))
    save_png(first / "evaluations" / "0000010_nearest_neighbours.png", flat(40))
    save_png(first / "evaluations" / "0000010_walk_raw.png", flat(50))
    save_png(first / "samples" / "orphaned" / "0000030.png", flat(60))
    (first / "samples" / "notes.txt").write_text("no picture")
    _, found = shown([first, second])
    frames = {
        kind["name"]: [(frame["run"], frame["step"], frame["raw"]) for frame in kind["frames"]]
        for kind in found["kinds"]
    }
    assert frames == {
        "samples": [(0, 10, False), (0, 10, True), (1, 20, False)],
        "nearest_neighbours": [(0, 10, False)],
        "walk": [(0, 10, True)],
    }
    image = decoded(found["images"][found["kinds"][0]["frames"][1]["image"]])
    assert np.asarray(image.convert("RGB"))[0, 0].tolist() == [20, 20, 20]


def test_equal_pictures_are_carried_once(tmp_path):
    paths = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    for path in paths:
        save_png(path / "reals.png", flat(1))
        save_png(path / "samples" / "0000000.png", flat(2))
        save_png(path / "samples" / "0000000_raw.png", flat(2))
    _, found = shown(paths)
    assert len(found["images"]) == 2
    assert [real["runs"] for real in found["reals"]] == [[0, 1]]


def test_what_is_no_picture_is_a_note(tmp_path):
    path = make_run(tmp_path / "a")
    save_png(path / "samples" / "0000010.png", flat(1))
    save_png(path / "samples" / "0000020.png", grid_picture(0))
    whole = (path / "samples" / "0000020.png").read_bytes()
    (path / "samples" / "0000020.png").write_bytes(whole[: len(whole) // 2])
    (path / "samples" / "0000030.png").write_text("<script>")
    (path / "reals.png").write_bytes(b"")
    records, found = shown([path])
    assert found["kinds"][0]["steps"] == [10] and found["reals"] == []
    assert sorted(records[0].notes) == [
        "reals.png is no picture that can be read",
        "samples/0000020.png is no picture that can be read",
        "samples/0000030.png is no picture that can be read",
    ]


def test_a_budget_thins_evenly_and_keeps_the_ends(tmp_path):
    path = make_run(tmp_path / "a")
    add_samples(path, range(0, 400, 10), side=128)
    _, all_of_them = shown([path])
    assert len(all_of_them["kinds"][0]["steps"]) == 40
    budget = sum(map(len, all_of_them["images"])) // 2
    _, found = shown([path], budget)
    kind = found["kinds"][0]
    assert 12 <= len(kind["steps"]) <= 20 and kind["steps_there_are"] == 40
    assert (kind["steps"][0], kind["steps"][-1]) == (0, 390)
    assert sum(map(len, found["images"])) <= budget
    assert {step for step in kind["steps"]} == {
        frame["step"] for frame in kind["frames"] if frame["raw"]
    }


def test_pictures_shrink_before_time_gets_too_coarse(tmp_path):
    path = make_run(tmp_path / "a")
    big = grid_picture(0, 768)
    for step in range(13):
        save_fast(path / "samples" / f"{step}.png", big[:, 40 * step :])
    _, found = shown([path], 250_000)
    kind = found["kinds"][0]
    assert kind["largest_side"] < 768 and len(kind["steps"]) >= 12
    assert sum(map(len, found["images"])) <= 250_000

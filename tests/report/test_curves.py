"""Curves keep their extremes however few points are left, and gaps stay gaps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gan_jax.report.curves import curves, downsample
from gan_jax.report.record import read_records
from tests.report.directories import make_run, write_lines


def test_few_values_are_all_kept():
    np.testing.assert_array_equal(downsample(np.arange(7.0), 7), np.arange(7))


@pytest.mark.parametrize("count", [2_001, 2_500, 100_000])
def test_extremes_and_ends_survive(count):
    values = np.random.default_rng(count).normal(size=count)
    values[count // 3], values[count // 2] = 50.0, -50.0
    kept = downsample(values, 2_000)
    assert len(kept) <= 2_000 and (np.diff(kept) > 0).all()
    assert {0, count // 3, count // 2, count - 1} <= set(kept.tolist())
    for part in np.array_split(np.arange(count), 999):  # minimum and maximum of every bin
        assert {int(part[values[part].argmin()]), int(part[values[part].argmax()])} <= set(
            kept.tolist()
        )


def test_nan_is_passed_over_and_a_stretch_of_it_is_a_gap():
    values = np.random.default_rng(0).normal(size=10_000)
    values[4_000:6_000] = np.nan
    values[100] = np.nan
    kept = downsample(values, 100)
    shown = values[kept]
    assert len(kept) <= 100 and np.isnan(shown).any() and np.isfinite(shown).sum() > 50
    assert 2 <= len(downsample(np.full(10_000, np.nan), 100)) <= 100


def of_rows(tmp_path, rows, name="run"):
    path = make_run(tmp_path / name, steps=50)
    write_lines(path / "metrics.jsonl", rows)
    return path


def test_charts_of_two_runs_share_a_name_and_keep_their_own_axes(tmp_path):
    first = [{"step": s, "images_seen": 8 * s, "g/loss": s / 10, "seconds": s} for s in (1, 2, 3)]
    second = [{"step": s, "images_seen": 4 * s, "g/loss": s / 7, "odd": 1} for s in (10, 20)]
    paths = [of_rows(tmp_path, first, "a"), of_rows(tmp_path, second, "b")]
    found = curves(read_records(paths))
    assert [(chart["name"], chart["group"]) for chart in found["charts"]] == [
        ("g/loss", "g"),
        ("odd", "run"),
    ]
    loss = found["charts"][0]["series"]
    assert [(one["run"], one["rows"], one["values"]) for one in loss] == [
        (0, [0, 1, 2], [0.1, 0.2, 0.3]),
        (1, [0, 1], [1.42857, 2.85714]),
    ]
    assert found["axes"] == [
        {"step": [1, 2, 3], "images": [8, 16, 24], "seconds": [1, 2, 3]},
        {"step": [10, 20], "images": [40, 80], "seconds": [None, None]},
    ]
    assert [one["run"] for one in found["charts"][1]["series"]] == [1]


def test_what_is_no_number_is_missing_and_counted(tmp_path):
    rows = [
        {"step": 1, "loss": 1.0, "name": "x", "flag": True, "never": None},
        {"step": 2, "loss": None, "name": "y", "flag": False, "never": None},
        {"step": 3, "loss": "<b>", "images_seen": "many", "seconds": "long"},
    ]
    found = curves(read_records([of_rows(tmp_path, rows)]))
    charts = {chart["name"]: chart["series"][0] for chart in found["charts"]}
    assert set(charts) == {"loss", "never"}
    assert (charts["loss"]["values"], charts["loss"]["missing"]) == ([1.0, None, None], 2)
    assert charts["never"]["values"] == [None, None]


def test_many_curves_share_a_limit(tmp_path):
    names = [f"group/{index}" for index in range(400)]
    rows = [{"step": step, **dict.fromkeys(names, step * 0.1)} for step in range(1, 801)]
    found = curves(read_records([of_rows(tmp_path, rows)]))
    lengths = {len(chart["series"][0]["rows"]) for chart in found["charts"]}
    assert len(found["charts"]) == 400 and max(lengths) <= 500
    assert len(json.dumps(found)) < 4_000_000

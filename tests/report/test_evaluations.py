"""One table for each protocol; nothing that cannot be compared meets in a column."""

from __future__ import annotations

import pytest

from gan_jax.evaluate_run import EVALUATORS
from gan_jax.evaluators.avatar_truth import CONTROLS
from gan_jax.evaluators.compare import MEASURES
from gan_jax.report.best import HIGHER, LOWER, direction
from gan_jax.report.evaluations import entries, evaluation_tables
from gan_jax.report.record import read_records
from tests.report.directories import CLEAN, REAL, TF1, evaluation, make_run


def tables(tmp_path, *runs):
    paths = [
        make_run(tmp_path / f"run{index}", evaluations=rows) for index, rows in enumerate(runs)
    ]
    return evaluation_tables(read_records(paths))


def values(table, metric):
    column = [one["name"] for one in table["metrics"]].index(metric)
    return [row["cells"][column] and row["cells"][column]["value"] for row in table["rows"]]


def marks(table, metric):
    column = [one["name"] for one in table["metrics"]].index(metric)
    return [row["cells"][column] and row["cells"][column]["best"] for row in table["rows"]]


def test_protocols_do_not_mix(tmp_path):
    rows = [evaluation(100, fid=9.0), evaluation(100, fid=5.0, protocol=CLEAN)]
    found = tables(tmp_path, rows, [evaluation(200, fid=8.0)])
    assert [(table["protocol"], table["verified"]) for table in found] == [
        ("tf1", True),
        ("clean", False),
    ]
    assert [values(table, "fid") for table in found] == [[9.0, 8.0], [5.0]]
    assert ("weights_sha256", TF1["weights_sha256"]) in found[0]["details"]
    assert found[0]["samples"] == 10_000


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 2_000},
        {"real": {**REAL, "fingerprint": "another"}},
        {"evaluator": "intra"},
        {"protocol": {**TF1, "weights_sha256": "0" * 64}},
        {"protocol": {**TF1, "ddof": 0}},
        {"protocol": None},
    ],
)
def test_whatever_makes_a_value_incomparable_makes_a_table(tmp_path, change):
    rows = [evaluation(100, fid=9.0), evaluation(200, fid=8.0) | change]
    assert len(tables(tmp_path, rows)) == 2


def test_settings_of_the_generator_are_columns_and_curves_of_their_own(tmp_path):
    rows = [
        evaluation(100, fid=9.0),
        evaluation(100, fid=12.0, parameters="raw"),
        evaluation(200, fid=8.0, seconds=50.0, host="<b>a</b>"),
    ]
    table = tables(tmp_path, rows)[0]
    assert table["columns"] == ["parameters", "host"]  # not when, nor how long it took
    assert "time" not in dict(table["shared"]) and "seconds" not in dict(table["shared"])
    assert [row["fields"] for row in table["rows"]] == [
        ["ema", None],
        ["raw", None],
        ["ema", "<b>a</b>"],
    ]
    assert [row["label"] for row in table["rows"]] == ["ema", "raw", "ema"]
    assert ("truncation", "1.0") in table["shared"] and ("dtype", "float32") in table["shared"]


def test_the_best_is_marked_where_it_is_known_which_that_is(tmp_path):
    first = [evaluation(100, fid=9.0), evaluation(200, fid=7.0)]
    second = [evaluation(100, fid=8.0), evaluation(200, fid=11.0)]
    for row in (*first, *second):
        row["metrics"]["unknown"] = {"value": 1.0}
    table = tables(tmp_path, first, second)[0]
    assert marks(table, "fid") == [None, "all", "run", None]
    assert marks(table, "precision") == [None] * 4  # each lies in the intervals of the others
    assert marks(table, "kid") == [None, "all", "run", None]
    assert marks(table, "unknown") == [None] * 4


def test_ties_and_missing_values(tmp_path):
    rows = [evaluation(step, fid=7.0) for step in (100, 200, 300, 400)]
    rows[1]["metrics"]["fid"]["value"] = float("nan")
    del rows[2]["metrics"]["fid"]
    table = tables(tmp_path, rows)[0]
    assert values(table, "fid") == [7.0, None, None, 7.0]
    assert marks(table, "fid") == [None] * 4


def test_what_differs_by_rounding_alone_is_equally_good(tmp_path):
    rows = [evaluation(step, fid=value) for step, value in ((1, 7.0), (1, 7.00001), (1, 7.1))]
    assert marks(tables(tmp_path, rows)[0], "fid") == ["all", "all", None]
    assert marks(tables(tmp_path / "two", rows[:2])[0], "fid") == [None, None]


def test_directions():
    assert direction("fid") == direction("group/kid") == "lower"
    assert direction("recall") == direction("avatars/modes_covered") == "higher"
    assert direction("fidelity/precision_vgg16") == "higher"
    assert direction("pixels/swd_16") == direction("landmark_error") == "lower"
    assert direction("held_out_accuracy") is None


def test_only_what_is_emitted_has_a_direction():
    of_evaluators = (evaluator.metrics for evaluator in EVALUATORS.values())
    emitted = set().union(*of_evaluators, *MEASURES.values(), *CONTROLS.values())
    assert LOWER | HIGHER <= emitted


def test_a_row_may_say_which_way_is_better(tmp_path):
    rows = [evaluation(step, fid=1.0) for step in (1, 2)]
    for row, value in zip(rows, (3.0, 4.0), strict=True):
        row["metrics"] = {"odd": {"value": value, "better": "higher"}}
    assert marks(tables(tmp_path, rows)[0], "odd") == [None, "all"]


def test_warnings_are_counted_and_stand_in_their_rows(tmp_path):
    rows = [evaluation(step, fid=1.0, warnings=["too few"]) for step in (1, 2)]
    table = tables(tmp_path, [*rows, evaluation(3, fid=1.0)])[0]
    assert table["warnings"] == [("too few", 2)]
    assert [row["warnings"] for row in table["rows"]] == [["too few"], ["too few"], []]


def test_entries_of_every_form():
    found = entries(
        {
            "plain": 3,
            "interval": {"value": 0.5, "low": 0.4, "high": 0.6, "floor": 0.1},
            "group": {"inner": {"value": 2.0, "std": 0.1}},
            "text": {"value": "<b>"},
            "list": [1, 2],
        }
    )
    assert found["plain"]["value"] == 3
    assert (found["interval"]["low"], found["interval"]["high"]) == (0.4, 0.6)
    assert found["interval"]["more"] == [("floor", "0.1")]
    assert found["group/inner"]["std"] == 0.1
    assert (found["text"]["value"], found["text"]["more"]) == (None, [("value", "<b>")])
    assert found["list"]["more"] == [("value", "[1, 2]")]


def test_odd_rows_do_not_break_a_table(tmp_path):
    rows = [
        {"step": 1},
        {"metrics": None, "warnings": "alone", "protocol": "named", "real": "folder"},
        {"step": 3, "metrics": [1], "protocol": [1], "warnings": [None, {"a": 1}]},
    ]
    found = tables(tmp_path, rows)
    assert [table["protocol"] for table in found] == ["", "named", "[1]"]
    assert [table["is_stated"] for table in found] == [False, True, True]
    assert found[1]["warnings"] == [("alone", 1)]


def test_training_time_at_an_evaluation_is_that_of_the_row_before(tmp_path):
    rows = [evaluation(step, fid=1.0) for step in (10, 120, 9_000)]
    table = tables(tmp_path, rows)[0]
    assert [row["seconds"] for row in table["rows"]] == [None, 11.0, 330.0]

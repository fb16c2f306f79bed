"""What a run left is read as far as it goes; what is torn or missing becomes a note."""

from __future__ import annotations

import json

import pytest

from gan_jax.errors import UsageError
from gan_jax.report.record import read_records
from gan_jax.report.status import elapsed_seconds, status
from tests.report.directories import make_run, write_lines


def read(path):
    return read_records([path])[0]


def test_a_whole_run_leaves_no_note(tmp_path):
    record = read(make_run(tmp_path / "run"))
    assert record.notes == []
    assert [row["step"] for row in record.metrics] == list(range(50, 3001, 50))
    assert status(record) == {
        "state": "finished",
        "step": 3000,
        "total": "3000 steps",
        "share": 1.0,
        "images": 48_000,
        "seconds": 330.0,
    }


def test_torn_lines_are_counted_and_the_others_kept(tmp_path):
    path = make_run(tmp_path / "run", steps=100)
    with (path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 150, "generator/loss"\n\xff\xfe\n\n{"generator/loss": 1.0}\n')
    record = read(path)
    assert [row["step"] for row in record.metrics] == [50, 100]
    assert record.notes == [
        "metrics.jsonl: 2 of 5 lines are torn and left out",
        "metrics.jsonl: 1 rows without a step are left out",
    ]


def test_missing_and_damaged_files_are_notes(tmp_path):
    path = make_run(tmp_path / "run")
    (path / "metrics.jsonl").unlink()
    (path / "experiment.py").unlink()
    (path / "config.json").write_text('{"total": ')
    (path / "run.json").write_text("[1, 2]")
    (path / "events.jsonl").write_text("[" * 100_000)
    record = read(path)
    assert (record.config, record.run, record.metrics, record.events) == ({}, {}, [], [])
    told = "\n".join(record.notes)
    for name in ("metrics.jsonl", "experiment.py", "config.json", "run.json", "events.jsonl"):
        assert name in told
    assert status(record)["step"] == 0


def test_numbers_that_json_does_not_know_become_null(tmp_path):
    path = make_run(tmp_path / "run", steps=50)
    line = '{"step": 100, "a": NaN, "b": Infinity, "c": [-Infinity, {"d": NaN}], "e": 1%s}\n'
    (path / "metrics.jsonl").write_text(line % ("0" * 400))
    row = read(path).metrics[0]
    assert row == {"step": 100, "a": None, "b": None, "c": [None, {"d": None}], "e": None}


def test_names_tell_runs_of_one_name_apart(tmp_path):
    first = make_run(tmp_path / "a" / "run", steps=50)
    second = make_run(tmp_path / "b" / "run", steps=50)
    assert [record.name for record in read_records([first, second])] == ["a/run", "b/run"]


def test_no_run_directory_and_one_given_twice(tmp_path):
    run = make_run(tmp_path / "run", steps=50)
    with pytest.raises(UsageError, match="no such directory"):
        read_records([tmp_path / "absent"])
    with pytest.raises(UsageError, match="holds no config.json"):
        read_records([tmp_path])
    with pytest.raises(UsageError, match="given twice"):
        read_records([run, run / ".." / "run"])


def states(path, **settings):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **settings}))
    found = status(read(path))
    return found["state"], found["share"]


def test_how_far_a_run_has_come(tmp_path):
    path = make_run(tmp_path / "run", steps=100)
    assert states(path, total="400 steps") == ("unfinished", 0.25)
    assert states(path, total="3_200 images") == ("unfinished", 0.5)
    assert states(path, total="20 epochs") == ("unfinished", None)
    assert states(path, total="<b>") == ("unfinished", None)
    write_lines(path / "events.jsonl", [{"kind": "stopped", "step": 100}])
    assert states(path, total="400 steps") == ("stopped", 0.25)
    (path / "divergence.json").write_text("{}")
    assert states(path, total="400 steps") == ("diverged", 0.25)
    (path / "checkpoints" / "400").mkdir(parents=True)
    assert states(path, total="400 steps") == ("finished", 1.0)


def test_the_time_before_a_resume_counts(tmp_path):
    path = make_run(tmp_path / "run", steps=50)
    steps, seconds = (10, 20, 30, 40, 50), (5.0, 9.0, 2.0, 12.0, 1.0)
    rows = [{"step": a, "seconds": b} for a, b in zip(steps, seconds, strict=True)]
    write_lines(path / "metrics.jsonl", rows)
    # Step 40 was made by another process, although its clock does not give it away.
    write_lines(path / "events.jsonl", [{"kind": "resumed", "step": step} for step in (20, 30, 40)])
    assert elapsed_seconds(read(path)) == [5.0, 9.0, 11.0, 23.0, 24.0]

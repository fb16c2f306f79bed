"""`gan-jax bench`: what it times, what it writes, comparison with an earlier row, bad input."""

import dataclasses
import itertools
import json

import pytest

from gan_jax import bench_report
from gan_jax.bench_rounds import interleaved, kinds
from gan_jax.cli import run
from gan_jax.hardware import hardware
from gan_jax.recipe import Phase
from tests.conftest import EXPERIMENTS

DIGITS = f"{EXPERIMENTS}/digits_mlp.py:smoke"


def phases(*every):
    return [
        Phase(name=f"p{n}", trains=(), loss=lambda *_: None, every=n)  # pyright: ignore
        for n in every
    ]


def test_kinds_of_calls():
    one, *_ = kinds(phases(1), 1)
    assert dataclasses.astuple(one) == (0, 1.0, (1,))
    found = {kind.due: (kind.start, kind.share) for kind in kinds(phases(1, 4, 16), 1)}
    assert found == {(1, 1, 1): (0, 1 / 16), (1, 0, 0): (1, 12 / 16), (1, 1, 0): (4, 3 / 16)}
    # Steps 0-2, 3-5 and 6-8 hold a multiple of 4, and 9-11 none.
    found = {kind.due: (kind.start, kind.share) for kind in kinds(phases(1, 4), 3)}
    assert found == {(3, 1): (0, 3 / 4), (3, 0): (9, 1 / 4)}
    assert len(kinds(phases(1, 8), 16)) == 1


def test_calls_take_turns():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    seconds = interleaved(calls, warm_up=1, repeats=3, advance=lambda *_: None)
    assert {name: len(samples) for name, samples in seconds.items()} == {"a": 3, "b": 3}
    turns = [name for name, _ in itertools.groupby(order)]
    assert turns == ["a", "b"] * 4  # the first pair warms up


@pytest.mark.slow
def test_a_row_and_its_comparison(gan_jax, tmp_path):
    file = tmp_path / "rows.jsonl"
    arguments = ("bench", DIGITS, "--repeats=2", f"--json={file}")
    first = gan_jax(*arguments)
    assert first.returncode == 0, first.stderr
    row = json.loads(file.read_text())
    images = row["images_per_round"]
    assert row["images_per_second"] == pytest.approx(images / row["round_seconds"]["median"])
    assert row["seconds_per_kimg"] == pytest.approx(1000 / row["images_per_second"])
    assert 0 < row["share_of_ceiling"] < 2 and row["round_seconds"]["samples"] == 2
    assert {phase["name"] for phase in row["phases"]} == {"discriminator", "generator"}
    assert 0 <= row["data"]["wait_share"] < 1 and row["data"]["images_per_second"] > 0
    assert row["compile_seconds"].keys() == {"trace", "cold", "cached"}
    assert row["hardware"]["packages"].keys() >= {"jax", "flax"}
    assert "of the ceiling" in first.stdout and "waiting" in first.stdout
    assert row["population"] == []
    again = gan_jax(
        *arguments, "--synthetic", "--population=1,3", "--at_once=2", f"--against={file}"
    )
    assert again.returncode == 0, again.stderr
    assert "times as fast as on" in again.stdout and "waiting" not in again.stdout
    assert "compiling, cold" in again.stdout and "peak memory" in again.stdout
    first, second = map(json.loads, file.read_text().splitlines())
    fields = ("members", "devices", "at_once")
    assert [tuple(entry[name] for name in fields) for entry in second["population"]] == [
        (1, 1, 1),
        (3, 1, 2),
    ]
    assert "member-steps/s" in again.stdout


@pytest.mark.slow
def test_members_over_devices_of_a_processor(gan_jax, tmp_path):
    file = tmp_path / "rows.jsonl"
    done = gan_jax("bench", DIGITS, "--repeats=1", "--synthetic", f"--json={file}",
                   "--population=4", "--member_devices=2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(file.read_text())
    (entry,) = row["population"]
    assert (entry["members"], entry["devices"], entry["at_once"]) == (4, 2, 2)
    assert row["devices"] == 1 and row["hardware"]["devices"] == 2  # a run alone takes one


def test_what_differs_from_the_earlier_row_is_said():
    row = {
        "images_per_second": 20.0,
        "time": "then",
        "hardware": {"packages": {"jax": "0.10.1", "jaxlib": "0.10.1"}},
        "overrides": {"width": "16", "total": "1 step"},
        **dict.fromkeys(("batch_size", "steps_per_call", "accumulate", "flops_per_round"), 8),
        "precision": "float32",
    }
    now = row | {"images_per_second": 30.0, "batch_size": 16, "overrides": {"total": "1 step"}}
    now["hardware"] = {"packages": {"jax": "0.10.2", "jaxlib": "0.10.1"}}
    assert bench_report._compared(now, row) == (
        "1.50 times as fast as on then (batch_size 8 -> 16, --config.width 16 -> not given, "
        "jax 0.10.1 -> 0.10.2)"
    )
    assert bench_report._compared(row, row) == "1.00 times as fast as on then"


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--config.data.name=folder:/no/such", 5, "there is no such folder"),
        ("--json=/dev/null/rows.jsonl", 4, "cannot be written"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_timed(flag, code, message, capsys):
    assert run(["bench", DIGITS, flag]) == code
    error = capsys.readouterr().err
    assert message in error and "compiling" not in error


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "No such file or directory"),
        ("{", "not a file of JSON lines"),
        ("[]\n", "has no row of digits_mlp-smoke that bench wrote"),
        (
            '{"benchmark": "bench", "experiment": "digits_mlp-smoke"}\n\n',
            "does not say of what hardware",
        ),
        ({"cores": 1000}, "measured on other hardware: cores 1000, here"),
        ({"device": "TPU v9"}, "measured on other hardware: device TPU v9, here cpu"),
    ],
)
def test_what_cannot_be_compared_with(rows, message, tmp_path, capsys):
    file = tmp_path / "rows.jsonl"
    if isinstance(rows, str):
        file.write_text(rows)
    elif rows is not None:
        there = {"hardware": hardware() | rows}
        file.write_text(
            json.dumps({"benchmark": "bench", "experiment": "digits_mlp-smoke", **there})
        )
    assert run(["bench", DIGITS, f"--against={file}"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_rates():
    row = {
        "round_seconds": {"median": 0.5},
        "images_per_round": 64,
        "phases": [{"flops": 8e9, "every": 1}, {"flops": 16e9, "every": 8}],
        "ceiling_flops_per_second": 100e9,
    }
    assert bench_report.derived(row) == {
        "images_per_second": 128.0,
        "seconds_per_kimg": 7.8125,
        "flops_per_round": 10e9,
        "flops_per_second": 20e9,
        "share_of_ceiling": 0.2,
    }


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--repeats=0", "--repeats=0: must be at least 1"),
        ("--population=2,x", "--population='2,x': must be numbers of members, as 1,2,4,8"),
        ("--population=0", "--population='0': must be numbers of members, as 1,2,4,8"),
        ("--at_once=2", "--at_once=2: must be at least 1, with --population"),
        ("--member_devices=2", "--member_devices=2: must divide every number of --population"),
    ],
)
def test_bad_numbers(flag, message, capsys):
    assert run(["bench", DIGITS, flag]) == 2
    assert message in capsys.readouterr().err

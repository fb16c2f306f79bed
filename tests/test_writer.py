"""Metrics files, TensorBoard's event files, W&B, and writers that fail."""

import json
import struct
import sys
import types

import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import UsageError
from gan_jax.experiment import load_experiment
from gan_jax.train import train
from gan_jax.writer import JSONLines, TensorBoard, Tolerant, WeightsAndBiases, jsonable
from tests.conftest import EXPERIMENTS

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_json_lines(tmp_path):
    """Flushed line by line, NaN and infinity as null, appended to what is there."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n')
    writer = JSONLines(path, warn=pytest.fail)
    writer.row(2, {"d/loss": 0.5, "g/loss": float("nan"), "rate": float("-inf"), "note": "ok"})
    lines = path.read_text().splitlines()  # not closed yet
    assert lines[0] == '{"step": 1}'
    expected = {"step": 2, "d/loss": 0.5, "g/loss": None, "rate": None, "note": "ok"}
    assert json.loads(lines[1]) == expected
    writer.picture(2, "samples", PICTURE)
    writer.close()
    assert path.read_text().splitlines() == lines


def test_lines_that_the_disk_refuses_are_written_later_and_in_order(tmp_path):
    folder, warnings = tmp_path / "absent", []
    writer = JSONLines(folder / "metrics.jsonl", warnings.append)
    writer.row(1, {"loss": 1.0})
    writer.row(2, {"loss": 2.0})
    assert writer.pending and len(warnings) == 1 and "will try again" in warnings[0]
    folder.mkdir()
    writer.row(3, {"loss": 3.0})
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3] and not writer.pending


def test_jsonable_reaches_inside():
    assert jsonable({"a": {"b": float("inf"), "c": 1}}) == {"a": {"b": None, "c": 1}}


def events(directory):
    """Of TensorBoard's event files: records of length, its checksum, an Event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(directory.iterdir()):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def test_tensorboard(tmp_path):
    writer = TensorBoard(tmp_path / "tensorboard", 0)
    writer.row(5, {"d/loss": 0.5, "images_seen": 40, "note": "no number"})
    for channels in (1, 3, 4):
        writer.picture(5, f"samples{channels}", PICTURE.repeat(2, -1)[..., :channels])
    writer.close()
    values = {}
    for event in events(tmp_path / "tensorboard"):
        assert not event.HasField("session_log")
        for value in event.summary.value:
            assert event.step == 5
            values[value.tag] = value
    assert {tag for tag in values if not tag.startswith("samples")} == {"d/loss", "images_seen"}
    assert values["d/loss"].simple_value == 0.5 and values["images_seen"].simple_value == 40
    for channels in (1, 3, 4):
        path = tmp_path / "picture.png"
        path.write_bytes(values[f"samples{channels}"].image.encoded_image_string)
        with Image.open(path) as opened:
            pixels = np.asarray(opened.convert("RGBA"))[..., : max(channels, 3)]
        expected = np.broadcast_to(PICTURE.repeat(2, -1)[..., :channels], pixels.shape)
        np.testing.assert_array_equal(pixels, expected)


def test_tensorboard_hides_what_a_resumed_run_repeats(tmp_path):
    """From the step after the restored one on, whose own row no one writes again."""
    TensorBoard(tmp_path, 20).close()
    marks = [event for event in events(tmp_path) if event.HasField("session_log")]
    assert [(mark.step, mark.session_log.status) for mark in marks] == [(21, 1)]  # 1 is START


class Breaking:
    """Fails in one method, and counts calls."""

    def __init__(self, method):
        self.method, self.calls = method, []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append(name)
            if name == self.method:
                raise ConnectionError("no route to host")

        return call


def use(writer):
    writer.row(1, {})
    writer.picture(1, "samples", PICTURE)
    writer.row(2, {})
    writer.close()


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("row", ["row"]),
        ("picture", ["row", "picture"]),
        ("close", ["row", "picture", "row", "close"]),
        ("nothing", ["row", "picture", "row", "close"]),
    ],
)
def test_a_failing_writer_is_off_after_one_warning(method, calls):
    warnings, inner = [], Breaking(method)
    use(Tolerant("W&B", lambda: inner, warnings.append))
    assert inner.calls == calls
    expected = "W&B failed and is off from here on; training goes on: no route to host"
    assert warnings == ([] if method == "nothing" else [expected])


def test_a_writer_that_cannot_be_made_is_off_after_one_warning(tmp_path):
    warnings = []

    def make():
        raise OSError("no such service")

    use(Tolerant("TensorBoard", make, warnings.append))
    assert len(warnings) == 1 and "TensorBoard failed and is off" in warnings[0]


def test_a_missing_wandb_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import of it fails
    with pytest.raises(UsageError, match=r"pip install 'gan-jax\[wandb\]'"):
        Tolerant("W&B", lambda: WeightsAndBiases(tmp_path, "project", {}), lambda line: None)


class WandbRun:
    """What `wandb.init` returns; `broken` makes `log` raise."""

    def __init__(self, broken):
        self.broken, self.logged, self.finished = broken, [], False

    def log(self, row, step):
        self.logged.append((step, row))
        if self.broken:
            raise ConnectionError("wandb is down")

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    """A module in its place, with the runs that it began."""
    module = types.ModuleType("wandb")
    module.runs, module.broken = [], False

    def begin(**settings):
        module.runs.append((settings, WandbRun(module.broken)))
        return module.runs[-1][1]

    module.init, module.Image = begin, lambda image: ("image", image)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_weights_and_biases(wandb, tmp_path):
    writer = WeightsAndBiases(tmp_path / "run", "faces", {"seed": 3})
    writer.row(4, {"d/loss": 0.5})
    writer.picture(4, "samples", PICTURE)
    writer.close()
    settings, run = wandb.runs[0]
    assert settings["project"] == "faces" and settings["config"] == {"seed": 3}
    assert (
        settings["id"].startswith("run-")
        and settings["name"] == "run"
        and settings["resume"] == "allow"
    )
    assert run.logged == [(4, {"d/loss": 0.5}), (4, {"samples": ("image", PICTURE)})]
    assert run.finished


@pytest.mark.slow
def test_training_goes_on_without_a_broken_wandb(wandb, tmp_path, capfd):
    wandb.broken = True
    overrides = {
        "total": "4 steps", "log_every": "2 steps", "mesh.devices": "1", "writers.wandb": "true",
        "generator.hidden": "(8,)", "discriminator.hidden": "(8,)",
    }  # fmt: skip
    experiment = load_experiment(f"{EXPERIMENTS / 'digits_mlp.py'}:smoke", list(overrides.items()))
    train(experiment, tmp_path / "run")
    assert len(wandb.runs[0][1].logged) == 1
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2, 4]
    incidents = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    failures = [e for e in map(json.loads, incidents) if e["kind"] == "writer_failed"]
    assert len(failures) == 1 and "wandb is down" in failures[0]["message"]
    assert "W&B failed and is off from here on" in capfd.readouterr().err
    tags = {v.tag for e in events(tmp_path / "run" / "tensorboard") for v in e.summary.value}
    assert {"discriminator/loss", "samples", "samples_raw"} <= tags
    assert (tmp_path / "run" / "checkpoints" / "4").is_dir()

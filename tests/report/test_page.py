"""The file: one, closed, strict, escaped, bounded and the same every time."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from importlib import resources

import pytest

from gan_jax.cli import run
from gan_jax.report.command import report
from gan_jax.report.page import SCRIPTS, STYLES
from tests.report.directories import add_samples, evaluation, make_run, write_lines
from tests.report.hostile import STRINGS, make_hostile_run


class Tags(html.parser.HTMLParser):
    """Every tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.blocks = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.blocks.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if self.cdata_elem:
            self.blocks[-1][2].append(data)


def make(paths, size=10_000_000):
    return report(paths, size, lambda done, total: None)


def data_of(text):
    blocks = [b for b in Tags(text).blocks if b[1].get("type") == "application/json"]
    assert len(blocks) == 1
    return json.loads("".join(blocks[0][2]))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "run"
    make_run(path, evaluations=[evaluation(100, fid=9.0), evaluation(200, fid=8.0)])
    add_samples(path, (0, 100, 200), side=64)
    return path


def test_all_scripts_and_styles_are_named_and_shipped():
    folder = resources.files("gan_jax.report") / "page"
    assert {entry.name for entry in folder.iterdir()} == {*SCRIPTS, *STYLES, "page.html"}


def test_the_same_files_give_the_same_bytes(small):
    assert make([small]) == make([small])


def test_nothing_is_fetched_and_only_our_scripts_run(small):
    parsed = Tags(make([small]))
    for tag, attributes in parsed.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form"), tag
        assert not attributes.get("src")
        assert attributes.get("href", "data:,") == "data:,"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    policies = [
        attributes["content"]
        for tag, attributes in parsed.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    rules = dict(rule.split(" ", 1) for rule in policies[0].split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert "unsafe" not in policies[0] and "http" not in policies[0]
    for tag, attributes, texts in parsed.blocks:
        if attributes.get("type") != "application/json":
            digest = hashlib.sha256("".join(texts).encode()).digest()
            assert f"'sha256-{base64.b64encode(digest).decode()}'" in rules[f"{tag}-src"]


def test_our_scripts_never_parse_html():
    folder = resources.files("gan_jax.report") / "page"
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|\bsrcdoc"
    for name in SCRIPTS:
        source = (folder / name).read_text(encoding="utf-8")
        assert not re.search(
            forbidden + r"|https?://(?!www\.w3\.org/2000/svg)|</script|<!--", source
        )


def test_hostile_words_stay_words(tmp_path):
    path = make_hostile_run(tmp_path)
    text = make([path])
    harmless = Tags(make([make_run(tmp_path / "harmless")]))
    # The same elements in the same order, whatever the data say.
    assert [tag for tag, _ in Tags(text).tags] == [tag for tag, _ in harmless.tags]
    data = data_of(text)
    assert {row["key"] for row in data["config"]} >= set(STRINGS)
    assert {chart["name"] for chart in data["charts"]} >= set(STRINGS)
    assert data["runs"][0]["name"] == path.name


def test_nan_and_torn_rows_leave_valid_json(small, tmp_path):
    path = make_run(tmp_path / "run", events=[{"time": "now", "kind": "skipped", "value": 1}])
    (path / "metrics.jsonl").write_text('{"step": 1, "loss": NaN, "x": 1e999}\n{"step": 2, "lo')
    data = data_of(make([path, small]))
    charts = {chart["name"]: chart["series"] for chart in data["charts"]}
    assert charts["loss"][0]["values"] == charts["x"][0]["values"] == [None]
    assert data["runs"][0]["notes"] == ["metrics.jsonl: 1 of 2 lines are torn and left out"]


def test_differences_of_config(tmp_path):
    first = make_run(tmp_path / "a", settings={"x": {"y": 1}, "only": True, "same": "1"})
    second = make_run(tmp_path / "b", settings={"x": {"y": "1"}, "same": "1"})
    rows = {row["key"]: row for row in data_of(make([first, second]))["config"]}
    assert rows["x.y"] == {"key": "x.y", "values": ["1", "1"], "differs": True}
    assert rows["only"] == {"key": "only", "values": ["true", None], "differs": True}
    assert rows["same"]["differs"] is False


def test_many_incidents_are_cut_in_the_middle(tmp_path):
    events = [{"time": f"{i:05d}", "kind": "skipped", "step": i} for i in range(1000)]
    found = data_of(make([make_run(tmp_path / "run", events=events)]))["incidents"]
    assert found["left_out"] == 600
    assert [found["rows"][i]["step"] for i in (0, 199, 200, 399)] == [0, 199, 800, 999]


@pytest.mark.parametrize("size", [1_000_000, 2_000_000])
def test_the_size_is_kept(tmp_path, size):
    path = make_run(tmp_path / "run")
    add_samples(path, range(0, 400, 10), side=256)
    text = make([path], size)
    assert 0.5 * size < len(text.encode()) <= size
    assert 12 <= len(data_of(text)["pictures"]["kinds"][0]["steps"]) < 40


@pytest.mark.slow
def test_size_of_a_long_run(tmp_path):
    """100 evaluations, grids of 64 at 100 steps (EMA and raw), 20,000 rows of 12 metrics."""
    evaluations = [
        evaluation(300 * i, fid=100 / i, parameters=parameters, protocol={"name": name})
        for i in range(1, 101)
        for parameters in ("ema", "raw")
        for name in ("tf1", "clean")
    ]
    path = make_run(tmp_path / "run", steps=30_000, evaluations=evaluations)
    names = [f"generator/metric{index}" for index in range(12)]
    rows = [
        {"step": step, "images_seen": 16 * step, "seconds": step / 9}
        | {name: (step * 7919 % 1009) / 1009 + index for index, name in enumerate(names)}
        for step in range(1, 20_001)
    ]
    write_lines(path / "metrics.jsonl", rows)
    add_samples(path, range(0, 30_000, 300))
    text = make([path])
    assert 9_000_000 < len(text.encode()) <= 10_000_000
    kind = data_of(text)["pictures"]["kinds"][0]
    assert len(kind["steps"]) >= 40 and kind["steps_there_are"] == 100


def test_the_command(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(small)]) == 0
    assert (small / "report.html").read_text(encoding="utf-8") == make([small])
    other = make_run(tmp_path / "other")
    assert run(["report", str(small), str(other)]) == 0
    assert (tmp_path / "report.html").is_file()
    assert run(["report", str(small), f"--out={tmp_path / 'sub' / 'x.html'}"]) == 0
    assert "x.html" in capsys.readouterr().err


def test_errors_are_one_line(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for code, words, *arguments in (
        (2, "no such directory", tmp_path / "absent"),
        (2, "holds no config.json", tmp_path),
        (2, "must end in .html", small, "--out=a.pdf"),
        (2, "--megabytes=0", small, "--megabytes=0"),
        (2, "no --config.KEY=VALUE", small, "--config.seed=1"),
        (4, "cannot be written", small, f"--out={tmp_path / 'file' / 'x.html'}"),
    ):
        assert run(["report", *map(str, arguments)]) == code
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith("gan-jax: ") and words in line

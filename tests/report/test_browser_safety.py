"""The page in a real browser with data that are hostile, torn or large.

Needs the extra `browser` and a Chromium on the path (on Debian `apt-get install chromium`).
"""

from __future__ import annotations

import time

import pytest

from tests.report.conftest import write
from tests.report.directories import make_run, write_lines
from tests.report.hostile import STRINGS, make_hostile_run
from tests.report.screen import chart, settle

pytestmark = pytest.mark.slow


def test_hostile_words_do_nothing(opened, tmp_path):
    page = opened(write(tmp_path / "report.html", make_hostile_run(tmp_path)))
    for box in page.locator("details").all():
        box.evaluate("details => (details.open = true)")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.hacked") is None
    assert page.evaluate("() => ({}).toString()") == "[object Object]"
    assert page.locator("main script, main b[onclick], main img[onerror]").count() == 0
    names = page.locator("#curves figcaption strong").all_text_contents()
    assert sorted(names) == sorted(STRINGS)
    keys = page.locator("#config tbody th").all_text_contents()
    assert set(keys) >= set(STRINGS)
    assert STRINGS[0] in page.locator("#source pre").text_content()


def test_a_script_that_is_not_ours_would_not_run(browser, two_runs, tmp_path):
    """The content security policy holds even if something got into the markup."""
    strange = "<script>window.hacked=1</script><img src='x:y' onerror='window.hacked=1'></main>"
    text = two_runs.read_text(encoding="utf-8").replace("</main>", strange)
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("h1").text_content() == "2 runs"
    assert any("Content Security Policy" in line for line in refused)
    page.close()


def test_nan_torn_and_missing(opened, tmp_path):
    path = make_run(tmp_path / "run", evaluations=[{"step": 1}, {"metrics": {"fid": None}}])
    lines = ['{"step": 1, "a": NaN}', '{"step": 2, "a": 1e999, "b": 0.0}', '{"step": 3, "a": 2.0}']
    (path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 4, "a')
    (path / "run.json").unlink()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text("[")
    page = opened(write(tmp_path / "report.html", path, bare))
    assert "1 of 4 lines are torn" in page.locator(".notes").text_content()
    assert "2 of 3 not finite" in chart(page, "a").locator(".key").first.text_content()
    page.get_by_label("log y").check()
    settle(page)
    assert "NaN" not in page.locator("#curves").inner_html()


def test_a_long_run_opens_quickly(opened, tmp_path):
    """2,000 points of 30 metrics: the page answers within a second or two."""
    path = make_run(tmp_path / "run")
    names = [f"group{index % 4}/metric{index}" for index in range(30)]
    rows = [
        {"step": step, **{name: (step * 7919 % 1009) / 1009 for name in names}}
        for step in range(1, 6_001)
    ]
    write_lines(path / "metrics.jsonl", rows)
    page = opened(write(tmp_path / "report.html", path))
    page.get_by_label("smoothing").fill("0.9")
    begin = time.monotonic()
    settle(page)
    assert time.monotonic() - begin < 3
    loaded = page.evaluate("() => performance.getEntriesByType('navigation')[0].domComplete")
    assert loaded < 10_000  # milliseconds

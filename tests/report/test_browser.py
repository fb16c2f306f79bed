"""The page in a real browser, from a file, without a network: opened, read, pressed and slid.

Needs the extra `browser` and a Chromium on the path (on Debian `apt-get install chromium`).
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from gan_jax.images import save_png
from gan_jax.report.command import report
from tests.report.directories import (
    CLEAN,
    add_samples,
    evaluation,
    grid_picture,
    make_run,
    write_lines,
)
from tests.report.hostile import STRINGS, make_hostile_run

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is on the path"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra [browser]")


@pytest.fixture(scope="module")
def browser():
    # Root, as in containers, may start Chromium without its sandbox only.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """`opened(file, …)`: a page whose complaints and whose requests fail the test at its end."""
    contexts, complaints, requests = [], [], []

    def ask(request):
        if not request.url.startswith(("file:", "data:")):
            requests.append(request.url)

    def complain(message):
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_page(file: Path, **settings):
        context = browser.new_context(
            offline=True, viewport={"width": 1300, "height": 900}, **settings
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", ask)
        page.goto(file.absolute().as_uri())
        page.wait_for_selector("#source")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == [] and requests == []


def write(file: Path, *paths: Path) -> Path:
    file.write_text(report(paths, 10_000_000, lambda done, total: None), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    warning = ["1,000 samples are fewer than the 2,048 features"]
    first = make_run(
        folder / "first",
        steps=400,
        log_every=10,
        evaluations=[
            evaluation(step, fid=20.0 + 400 / step, parameters=parameters, warnings=warning)
            for step in range(100, 401, 100)
            for parameters in ("ema", "raw")
        ]
        + [evaluation(step, fid=900.0 / step, protocol=CLEAN) for step in (100, 200)],
        events=[{"time": "2026-11-20", "kind": "skipped", "step": 120, "message": "not finite"}],
    )
    second = make_run(
        folder / "second",
        steps=300,
        log_every=10,
        seed=1,
        settings={"batch_size": 32},
        evaluations=[evaluation(step, fid=10.0 + 400 / step) for step in range(100, 301, 100)],
    )
    add_samples(first, range(0, 401, 100), side=128)
    add_samples(second, range(0, 301, 100), side=128)
    for step in (100, 400):
        save_png(first / "evaluations" / f"{step}_walk.png", grid_picture(step, 64))
    return write(folder / "report.html", first, second)


def settle(page):
    """Until what was asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def chart(page, name):
    return page.locator("#curves figure.chart", has_text=name)


def samples(page):
    return page.locator("#pictures .panel", has=page.locator("h3", has_text="samples"))


def labels(figure):
    """Texts of a chart's axes."""
    return figure.locator(".axes text").all_text_contents()


def test_all_sections_are_there(opened, two_runs):
    page = opened(two_runs)
    assert page.title() == "first, second – gan_jax report"
    titles = page.locator("h2").all_text_contents()
    assert titles == [
        "Samples",
        "Evaluations",
        "Curves",
        "Incidents",
        "Config",
        "Environment",
        "Experiment file",
    ]
    assert page.locator(".runs-table tbody tr").count() == 2
    assert page.locator("#curves summary").all_text_contents() == [
        "discriminator 1 chart",
        "generator 1 chart",
        "r1 1 chart",
        "run 1 chart",
    ]


def test_the_legend_hides_a_run_everywhere(opened, two_runs):
    page = opened(two_runs)
    figure, second = chart(page, "generator/loss"), page.locator("button.legend", has_text="second")
    assert figure.locator("g.line").count() == 2
    second.click()
    settle(page)
    assert second.get_attribute("aria-pressed") == "false"
    assert figure.locator("g.line").count() == 1
    assert samples(page).locator("figure:visible", has_text="second").count() == 0
    assert page.locator("#evaluations tr:visible", has_text="second").count() == 0
    assert page.locator("#config td[data-run='1']:visible").count() == 0
    second.press("Enter")
    settle(page)
    assert figure.locator("g.line").count() == 2


def test_the_slider_and_the_switch_change_the_pictures(opened, two_runs):
    page = opened(two_runs)
    panel = samples(page)
    slider, images = panel.locator("input[type=range]"), panel.locator("img")
    assert panel.locator("output").text_content() == "step 400"
    assert "of step 300" in panel.locator("figcaption", has_text="second").text_content()
    last = images.nth(0).get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert panel.locator("output").text_content() == "step 300"
    before = images.nth(0).get_attribute("src")
    assert before != last and before.startswith("data:image/")
    panel.get_by_label("raw").check()
    raw = images.nth(0).get_attribute("src")
    assert raw not in (before, last)
    assert images.nth(0).evaluate("image => image.decode().then(() => image.naturalWidth)") == 128
    slider.focus()
    page.keyboard.press("Home")
    assert panel.locator("output").text_content() == "step 0"


def test_play_runs_from_the_first_step_to_the_last(opened, two_runs):
    page = opened(two_runs)
    panel = samples(page)
    panel.locator("button.play").click()
    assert panel.locator("output").text_content() == "step 0"
    assert panel.locator("button.play").text_content() == "pause"
    page.wait_for_function("() => document.querySelector('.play').textContent === 'play'")
    assert panel.locator("output").text_content() == "step 400"


def test_axes_logarithm_and_smoothing(opened, two_runs):
    page = opened(two_runs)
    figure = chart(page, "discriminator/loss")
    assert labels(figure)[-1] == "step" and "400" in labels(figure)
    page.select_option("#axis", "images")
    settle(page)
    assert labels(figure)[-1] == "images seen" and "6000" in labels(figure)
    page.select_option("#axis", "seconds")
    settle(page)
    assert labels(figure)[-1] == "seconds of training" and "40" in labels(figure)
    raw = figure.locator("path").first.get_attribute("d")
    page.get_by_label("log y").check()
    settle(page)
    assert figure.locator("path").first.get_attribute("d") != raw
    assert "NaN" not in figure.inner_html()
    assert chart(page, "skipped").locator(".key b").all_text_contents() == ["no value"] * 2
    page.get_by_label("smoothing").fill("0.9")
    settle(page)
    assert figure.locator("path.faint").count() == 2


def test_reading_and_zooming_with_the_pointer(opened, two_runs):
    page = opened(two_runs)
    figure = chart(page, "generator/loss")
    figure.scroll_into_view_if_needed()
    box = figure.locator("svg.plot").bounding_box()
    left, middle = box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(left, middle)
    readout = figure.locator(".readout")
    assert readout.is_visible()
    told = readout.text_content()
    assert told.startswith("step ") and "first" in told and "second" in told
    page.mouse.down()
    page.mouse.move(left + 0.2 * box["width"], middle)
    assert figure.locator(".selection").count() == 1
    page.mouse.up()
    settle(page)
    assert "400" not in labels(figure) and not readout.is_visible()
    assert "400" not in labels(chart(page, "discriminator/loss"))
    page.get_by_role("button", name="reset zoom").click()
    settle(page)
    assert "400" in labels(figure)
    assert page.locator("#reset").is_disabled()


def test_reading_and_zooming_with_the_keyboard(opened, two_runs):
    page = opened(two_runs)
    figure = chart(page, "generator/loss")
    figure.locator("svg.plot").focus()
    page.keyboard.press("ArrowRight")
    assert figure.locator(".readout .place").text_content() == "step 400"
    page.keyboard.press("ArrowLeft")
    assert figure.locator(".readout .place").text_content() == "step 390"
    page.keyboard.press("+")
    settle(page)
    assert "100" not in labels(figure)
    page.keyboard.press("Escape")
    settle(page)
    assert "100" in labels(figure)


def test_tables_of_evaluations(opened, two_runs):
    page = opened(two_runs)
    panels = page.locator("#evaluations .protocol")
    assert panels.locator("h3").all_text_contents() == [
        "fidelity · protocol tf1, 10,000 samples weights verified",
        "fidelity · protocol clean, 10,000 samples weights unverified",
    ]
    table = panels.nth(0).locator("table")
    assert "(8 rows)" in panels.nth(0).locator(".warnings").text_content()
    assert table.locator("td.best").all_text_contents()[0] == "★ 11.333"
    assert "±" in table.locator("td.best").nth(1).text_content()
    assert "☆ 21" in table.text_content()
    assert panels.nth(0).locator("figure.chart").count() == 3
    assert panels.nth(0).locator(".interval").count() > 10
    # EMA of both runs, and raw of the first.
    assert panels.nth(0).locator("figure.chart").nth(0).locator("g.line").count() == 3


def test_config_is_compared_and_searched(opened, two_runs):
    page = opened(two_runs)
    rows = page.locator("#config tbody tr:visible")
    assert page.locator("#config tr.differs th").all_text_contents() == [
        "batch_size",
        "seed",
        "total",
    ]
    page.locator("#config").get_by_label("only the 3 that differ").check()
    assert rows.count() == 3
    page.locator("#config input[type=search]").fill("BATCH")
    assert rows.locator("th").all_text_contents() == ["batch_size"]
    page.locator("#curves input[type=search]").fill("r1")
    assert page.locator("#curves figure:visible").count() == 1


def test_dark_light_and_paper(opened, two_runs):
    page = opened(two_runs, color_scheme="dark")
    colour = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(colour) == "rgb(255, 255, 255)" != dark
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 20_000


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


def test_arithmetic_of_the_charts(opened, two_runs):
    page = opened(two_runs)
    values, weight = [3.0, None, 1.0, 4.0], 0.8
    kept = [value for value in values if value is not None]
    expected = []
    for count in range(1, len(kept) + 1):  # a weighted mean, newest first
        weights = [weight**age for age in range(count)]
        past = zip(weights, reversed(kept[:count]), strict=True)
        mean = sum(share * value for share, value in past) / sum(weights)
        expected.append(mean)
    found = page.evaluate("([values, weight]) => smoothed(values, weight)", [values, weight])
    assert found[1] is None
    assert [found[0], *found[2:]] == pytest.approx(expected)
    assert page.evaluate("linearTicks(0.1, 0.9, 5)") == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert page.evaluate("logTicks(0.5, 2000)") == pytest.approx([1, 10, 100, 1000])
    assert page.evaluate("logTicks(2, 6)") == pytest.approx([2, 5])
    place = page.evaluate("new Scale([1, 100], [0, 50], true).place(10)")
    assert place == pytest.approx(25)
    texts = "[0.00012346, 1234567, 0.123456, 1e15, null].map(formatNumber)"
    assert page.evaluate(texts) == ["1.235e-4", "1,234,567", "0.12346", "1e15", "–"]


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

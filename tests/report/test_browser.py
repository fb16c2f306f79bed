"""The page in a real browser, from a file, without a network: read, pressed and slid.

Needs the extra `browser` and a Chromium on the path (on Debian `apt-get install chromium`).
"""

from __future__ import annotations

import pytest

from tests.report.screen import chart, labels, samples, settle

pytestmark = pytest.mark.slow


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
    best = table.locator("td.best").all_text_contents()
    assert "★ 11.333" in best  # of fid, without noise: one
    assert sum("±" in text for text in best) > 1  # of kid: what cannot be told from the best, too
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

"""A real browser that opens pages from files, without a network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gan_jax.images import save_png
from gan_jax.report.command import report
from tests.report.directories import CLEAN, add_samples, evaluation, grid_picture, make_run

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """A Chromium of the path, driven by Playwright. Not for the whole session: Playwright keeps an
    event loop running, in which nothing else could start one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra [browser]")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"needs a Chromium: none of {', '.join(NAMES)} is on the path")
    # Root, as in containers, may start Chromium without its sandbox only.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=flags)
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


@pytest.fixture(scope="session")
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

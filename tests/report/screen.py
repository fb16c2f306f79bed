"""Parts of an open page, as the browser tests look at them."""

from __future__ import annotations


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

"""The page: a frame, styles and scripts of this package, and the data beside them."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import Any

from gan_jax.report.contents import encoded

STYLES = (
    "page.css",
    "controls.css",
    "tables.css",
    "pictures.css",
    "charts.css",
    "print.css",
)
SCRIPTS = (
    "dom.js",
    "format.js",
    "view.js",
    "scales.js",
    "series.js",
    "chart.js",
    "chart_pointer.js",
    "toolbar.js",
    "head.js",
    "pictures.js",
    "evaluations.js",
    "curves.js",
    "incidents.js",
    "settings.js",
    "main.js",
)


def page(value: Any) -> str:
    """The whole HTML document.

    Nothing of `value` becomes markup: it stands as JSON in an element that browsers do not run,
    and the scripts, the only ones that the content security policy lets run, put it into text.
    """
    styles = [_read(name) for name in STYLES]
    scripts = [_read(name) for name in SCRIPTS]
    parts = {
        "policy": _policy(styles, scripts),
        "styles": "\n".join(f"<style>{style}</style>" for style in styles),
        "data": encoded(value),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    # In one pass, so that a mark inside a part means nothing.
    return re.sub(r"\[\[(\w+)\]\]", lambda mark: parts[mark[1]], _read("page.html"))


def _policy(styles: list[str], scripts: list[str]) -> str:
    """Nothing is fetched from anywhere, and only these scripts and styles count."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hashes(styles)}",
            f"script-src {_hashes(scripts)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _hashes(texts: list[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _read(name: str) -> str:
    return (resources.files("gan_jax.report") / "page" / name).read_text(encoding="utf-8")

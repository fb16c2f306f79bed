"""A run whose every name and value tries to become part of the page."""

from __future__ import annotations

from pathlib import Path

from gan_jax.images import save_png
from tests.report.directories import evaluation, grid_picture, make_run, write_lines

STRINGS = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    '"><svg onload=window.hacked=1>',
    "'-alert(1)-'",
    "<!--<script>",
    "]]>\u2028\u2029\\u003cb>&lt;[[data]]",
    "__proto__",
    "constructor",
    "javascript:window.hacked=1",
)


def make_hostile_run(folder: Path) -> Path:
    """`folder/<img …>`: metrics, config, events, evaluations, files and packages with `STRINGS`."""
    rows = [{"step": step, **dict.fromkeys(STRINGS, step / 7)} for step in (1, 2, 3)]
    word = STRINGS[0]
    evaluations = [
        evaluation(
            step,
            fid=1.0,
            evaluator=word,
            protocol={"name": STRINGS[1], **dict.fromkeys(STRINGS, word), "verified": False},
            metrics={name: {"value": step, name: name} for name in STRINGS},
            warnings=list(STRINGS),
            real=dict.fromkeys(STRINGS, word),
            **{name: f"{name}{step}" for name in STRINGS},
        )
        for step in (1, 2)
    ]
    events = [
        {"time": name, "kind": name, "step": 1, "message": name, name: {name: name}}
        for name in STRINGS
    ]
    path = make_run(
        folder / "<img src=x onerror='window.hacked=1'>\"",
        settings={**{name: f"{name}!" for name in STRINGS}, "total": STRINGS[1]},
        evaluations=evaluations,
        events=events,
    )
    write_lines(path / "metrics.jsonl", rows)
    write_lines(path / "run.json", [{"experiment": word, "argument": word, "started": [word]}])
    (path / "experiment.py").write_text("\n".join(STRINGS))
    save_png(path / "samples" / "1_<b onclick='window.hacked=1'>.png", grid_picture(0, 64))
    save_png(path / "samples" / "0000001.png", grid_picture(1, 64))
    (path / "samples" / "2_<i>broken.png").write_text("no picture")
    return path

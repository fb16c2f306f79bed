"""What a person sees: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY_SECONDS = 10.0

Advance = Callable[..., None]
"""`(done, total, note="")`."""


class Console:
    """Standard error for people; only process 0 of several is to be given a loud one."""

    def __init__(self, quiet: bool = False):
        self._console = RichConsole(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    @contextmanager
    def lines(self, what: str) -> Iterator[Advance]:
        """Plain lines even on a terminal: for work inside of a progress bar."""
        yield self._plain(what)

    @contextmanager
    def progress(self, what: str) -> Iterator[Advance]:
        """A bar on a terminal; elsewhere a line every ten seconds and at the end."""
        if not self._console.is_terminal:
            yield self._plain(what)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, refresh_per_second=4) as bar:
            task = bar.add_task(what, total=None, note="")

            def advance(done: int, total: int, note: str = "") -> None:
                bar.update(task, completed=done, total=total, note=note)

            yield advance

    def _plain(self, what: str) -> Advance:
        last = time.monotonic()
        first: tuple[int, float] | None = None  # what came before it was preparation, too

        def advance(done: int, total: int, note: str = "") -> None:
            nonlocal first, last
            now = time.monotonic()
            first = (done, now) if first is None else first
            if now - last >= PLAIN_EVERY_SECONDS or done == total:
                last = now
                left = (now - first[1]) / max(done - first[0], 1) * (total - done)
                ahead = f"{duration(left)} left" if first[0] < done < total else ""
                self.say("  ".join(filter(None, (f"{what} {done}/{total}", note, ahead))))

        return advance


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

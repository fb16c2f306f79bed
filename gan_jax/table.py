"""Plain columns for people."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def amount(number: float, unit: str = "") -> str:
    """A number >= 0 with three digits and a prefix of thousands: 31.2 GFLOP, 4.05 MB."""
    factors = {"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}
    prefix = next((name for name, factor in factors.items() if number >= factor), "")
    number /= factors[prefix]
    digits = f"{number:,.0f}" if number >= 999.5 else f"{number:.3g}"
    return f"{digits} {prefix}{unit}".rstrip()


def rate(number: float) -> str:
    """Something a second: whole above ten, three digits below."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.3g}"

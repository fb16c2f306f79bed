"""What a benchmark ran on, and the JSON lines it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gan_jax.hardware import hardware as hardware


def write_row(row: dict[str, Any], out: Path | None) -> None:
    """Prints a row, and appends it to `out`."""
    line = json.dumps(row)
    print(line, flush=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

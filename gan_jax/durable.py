"""Files that are whole or absent after a crash or a power cut: written aside, synced, renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def sync(path: Path) -> None:
    """Forces a file's content, or a directory's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Moves `source` to `target` within a file system, atomically, and for good."""
    os.replace(source, target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step; after an error the old content is still there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """The same for a JSON value, indented for a human reader."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())

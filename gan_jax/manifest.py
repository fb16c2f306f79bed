"""What a checkpoint holds, and the proof of it: a hash of every file, and of the list itself."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gan_jax import durable
from gan_jax.errors import StorageError

NAME = "manifest.json"
FORMAT = 1
PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN)  # may be gone a moment later
READ_ATTEMPTS = 4
PAUSE_SECONDS = 0.1

Value = TypeVar("Value")


class Damaged(Exception):
    """A checkpoint is not what was written; `file` is relative to it."""

    def __init__(self, file: str, reason: str):
        super().__init__(f"{file} {reason}")
        self.file = file
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Manifest:
    """One checkpoint's contents.

    Attributes:
        step: the step of the state.
        finite: whether every number of the state is finite.
        metrics: evaluation results at this step, by name; may hold NaN.
        information: what the writer wants to read again (JSON).
        versions: of the libraries that wrote it.
        leaves: dtype and shape by leaf name, such as `float32[3,3,64,128]`.
        keys: name of the generator of each typed PRNG key among the leaves.
        files: size in bytes and sha256 by relative path.
    """

    step: int
    finite: bool
    metrics: Mapping[str, float]
    information: Mapping[str, Any]
    versions: Mapping[str, str]
    leaves: Mapping[str, str]
    keys: Mapping[str, str]
    files: Mapping[str, tuple[int, str]]


def write(directory: Path, manifest: Manifest) -> None:
    """Hashes what lies in `directory`, forces it to the disk and writes the manifest beside it.

    The `files` of `manifest` are replaced by what is found.
    """
    files = {}
    for path in sorted(directory.rglob("*")):
        durable.sync(path)
        if path.is_file():
            files[path.relative_to(directory).as_posix()] = (path.stat().st_size, _sha256(path))
    body = {"format": FORMAT} | dataclasses.asdict(dataclasses.replace(manifest, files=files))
    # Through JSON and back: a tuple or a number as a key would not be read as it was written.
    durable.write_bytes(directory / NAME, _render(json.loads(json.dumps(body))))


def read(directory: Path) -> Manifest:
    """The manifest of the checkpoint in `directory`; the files that it lists are not looked at.

    Raises:
        Damaged: it is missing or not what was written.
        StorageError: it may not be read, or a later version of the format wrote it.
    """
    content = _attempt(NAME, (directory / NAME).read_bytes)
    try:
        body = json.loads(content)["manifest"]
        intact = _render(body) == content
    except (ValueError, LookupError, TypeError):
        intact = False
    if not intact:
        raise Damaged(NAME, "is not what was written")
    if body.pop("format") != FORMAT:
        raise StorageError(f"{directory} was written by a later version of gan_jax: update it")
    return Manifest(**body)


def verify(directory: Path) -> Manifest:
    """The manifest, after every file of the checkpoint was found to be as listed.

    Raises:
        Damaged: a file is missing, has another size or other content, or cannot be read.
        StorageError: a file may not be read.
    """
    manifest = read(directory)
    if directory.name != str(manifest.step):
        raise Damaged(NAME, f"is that of step {manifest.step}")
    for name, (size, sha256) in manifest.files.items():
        path = directory / name
        found = _attempt(name, lambda path=path: path.stat().st_size)
        if found != size:
            raise Damaged(name, f"has {found} bytes where {size} were written")
        if _attempt(name, lambda path=path: _sha256(path)) != sha256:
            raise Damaged(name, "is not what was written: its sha256 differs")
    return manifest


def _render(body: Mapping[str, Any]) -> bytes:
    """The one byte sequence for a manifest: any other sequence is a damaged one."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    envelope = {"manifest": body, "sha256": digest}
    return (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _attempt(name: str, action: Callable[[], Value]) -> Value:
    """The result of reading `name`, tried again after an error that may pass."""
    for attempt in range(READ_ATTEMPTS):
        try:
            return action()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Damaged(name, "is missing") from error
        except PermissionError as error:
            raise StorageError(
                f"{error.filename} may not be read: check its permissions"
            ) from error
        except OSError as error:
            if error.errno not in PASSING or attempt == READ_ATTEMPTS - 1:
                raise Damaged(name, f"cannot be read: {error.strerror}") from error
            time.sleep(PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")

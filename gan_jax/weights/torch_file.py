"""Weights out of torch's files (`.pth`, `.pt`) without torch; nothing in the file is run.

There are three forms: a zip archive (torch 1.6 and later), the same with code beside it
(TorchScript), and, before, a sequence of pickles followed by raw numbers.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.weights.torch_pickle import (
    LARGEST,
    Refused,
    Storage,
    Tensor,
    plain,
    read_pickle,
    reason_of,
    tensors_of,
    view,
)

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,  # an encrypted archive, or one packed in a way that zipfile does not know
)

Read = Callable[[Storage], bytes]


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, or of a TorchScript module, by their dotted names.

    bfloat16 is widened to float32, which is exact; other dtypes stay. Arrays are read-only.

    Raises:
        UsageError: no such file, not one of torch's, damaged, or one that asks for more than
            tensors and plain containers.
    """
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _read_zip(file)
            file.seek(0)
            return _read_legacy(file)
    except Refused as error:
        raise UsageError(f"weights {path}: {error}; nothing in it was run") from error
    except OSError as error:
        raise UsageError(f"weights {path}: {error.strerror or error}") from error
    except DAMAGE as error:
        reason = plain(reason_of(error))
        raise UsageError(f"weights {path}: damaged ({reason}); nothing in it was run") from error


def _read_zip(file: BinaryIO) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [n for n in names if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("it is a zip archive, but not one of torch's (no data.pkl)")
        folder = pickles[0].removesuffix("data.pkl")
        tensors = tensors_of(read_pickle(_member(archive, pickles[0], LARGEST)))
        order = b"little"
        if f"{folder}byteorder" in names:
            order = _member(archive, f"{folder}byteorder", 16).strip()

        def read(storage: Storage) -> bytes:
            size = storage.count * _dtype(storage).itemsize
            return _member(archive, f"{folder}data/{storage.key}", size)

        return _arrays(tensors, read, order == b"big", _size(file))


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Torch stores what it saves uncompressed, so a member is never larger than the file."""
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise Refused(f"it is damaged ({name} is missing)") from error
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > largest:
        raise Refused(f"{name} in it is compressed, or larger than it should be")
    return archive.read(info)


def _read_legacy(file: BinaryIO) -> dict[str, np.ndarray]:
    size = _size(file)
    try:
        known = _next_pickle(file) == MAGIC and _next_pickle(file) == PROTOCOL
    except Refused as error:
        raise Refused(f"it is not a file of torch's ({error})") from error
    if not known:
        raise Refused("it is a pickle, but not a file of torch's")
    system = _next_pickle(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("it was written on a big-endian machine: save it again with a newer torch")
    tensors = tensors_of(_next_pickle(file))
    counts = {t.storage.key: t.storage for t in tensors.values() if isinstance(t.storage, Storage)}
    numbers: dict[str, bytes] = {}
    for key in _keys(_next_pickle(file)):
        count = struct.unpack("<q", _exactly(file, 8, size))[0]
        if key not in counts or count != counts[key].count:
            raise Refused("it is damaged (its storages are not those of its tensors)")
        numbers[key] = _exactly(file, count * _dtype(counts[key]).itemsize, size)
    return _arrays(tensors, lambda storage: numbers.get(storage.key, b""), False, size)


def _next_pickle(file: BinaryIO):
    """Parses up to the pickle's end without running it, then reads just that."""
    begin = file.tell()
    head = file.read(LARGEST)
    stream = io.BytesIO(head)
    try:
        for _ in pickletools.genops(stream):
            pass
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused(f"its pickle is damaged or cut short: {reason_of(error)}") from error
    file.seek(begin + stream.tell())
    return read_pickle(head[: stream.tell()])


def _keys(found: object) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise Refused("it is damaged (no list of its storages)")
    return found


def _arrays(
    tensors: dict[str, Tensor], read: Read, big_endian: bool, largest: int
) -> dict[str, np.ndarray]:
    """Each storage is read once; together they cannot be more than the file."""
    numbers: dict[str, tuple[Storage, np.ndarray]] = {}
    total = 0
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if not isinstance(storage, Storage):
            raise Refused(f"{name} in it has no storage")
        if storage.key not in numbers:
            total += storage.count * _dtype(storage).itemsize
            if total > largest:
                raise Refused("it claims more numbers than it holds")
            numbers[storage.key] = storage, _numbers(storage, read(storage), big_endian)
        known, found = numbers[storage.key]
        if known != storage:
            raise Refused(f"{name} in it describes its storage wrongly")
        arrays[name] = view(tensor, found)
    return arrays


def _numbers(storage: Storage, content: bytes, big_endian: bool) -> np.ndarray:
    """In the machine's byte order."""
    dtype = _dtype(storage)
    if len(content) != storage.count * dtype.itemsize:
        raise Refused(f"it is damaged (storage {storage.key} is not as long as it should be)")
    found = np.frombuffer(content, dtype.newbyteorder(">" if big_endian else "<"))
    if storage.dtype == "bfloat16":
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found.astype(dtype, copy=False)


def _dtype(storage: Storage) -> np.dtype:
    return np.dtype("u2" if storage.dtype == "bfloat16" else storage.dtype)


def _exactly(file: BinaryIO, count: int, size: int) -> bytes:
    if not 0 <= count <= size - file.tell():
        raise Refused("it is cut short")
    return file.read(count)


def _size(file: BinaryIO) -> int:
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    return size

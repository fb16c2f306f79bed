"""Files as torch writes them, made without torch: a small writer of pickles and both containers."""

import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

STORAGES = {
    np.dtype("f8"): "DoubleStorage",
    np.dtype("f4"): "FloatStorage",
    np.dtype("f2"): "HalfStorage",
    np.dtype("i8"): "LongStorage",
    np.dtype("i4"): "IntStorage",
    np.dtype("i2"): "ShortStorage",
    np.dtype("i1"): "CharStorage",
    np.dtype("u1"): "ByteStorage",
    np.dtype("?"): "BoolStorage",
}
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class Global:
    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """`function(*arguments)` by REDUCE."""

    function: Any
    arguments: tuple


@dataclass(frozen=True)
class New:
    """`cls.__new__(cls)`, then its state by BUILD."""

    cls: Any
    state: Any


@dataclass(frozen=True)
class Build:
    """BUILD on whatever `value` is."""

    value: Any
    state: Any


@dataclass(frozen=True)
class Persistent:
    """A reference to something kept outside of the pickle."""

    identity: Any


ORDERED = Global("collections", "OrderedDict")
REBUILD = Global("torch._utils", "_rebuild_tensor_v2")


def dumps(value: Any) -> bytes:
    return b"\x80\x02" + opcodes(value) + b"."


def opcodes(value: Any) -> bytes:
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int() if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        case int():
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(content)]) + content
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(opcodes, value)) + b"e"
        case dict():
            items = b"".join(opcodes(key) + opcodes(item) for key, item in value.items())
            return b"}(" + items + b"u"
        case Global():
            return f"c{value.module}\n{value.name}\n".encode()
        case Call():
            return opcodes(value.function) + opcodes(value.arguments) + b"R"
        case New():
            return opcodes(value.cls) + b")\x81" + opcodes(value.state) + b"b"
        case Build():
            return opcodes(value.value) + opcodes(value.state) + b"b"
        case Persistent():
            return opcodes(value.identity) + b"Q"
    raise TypeError(value)


def storage(kind: str, key: str, count: int) -> Persistent:
    return Persistent(("storage", Global("torch", kind), key, "cpu", count))


def tensor(source: Persistent, offset: int, size: tuple, stride: tuple) -> Call:
    return Call(REBUILD, (source, offset, size, stride, False, Call(ORDERED, ())))


def described(arrays: dict[str, np.ndarray]) -> tuple[dict[str, Call], dict[str, bytes]]:
    """What a pickle says of arrays, and the storages beside it."""
    tensors, storages = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        key = str(number)
        source = storage(STORAGES[array.dtype], key, array.size)
        tensors[name] = tensor(source, 0, array.shape, _strides(array))
        storages[key] = np.ascontiguousarray(array).tobytes()
    return tensors, storages


def _strides(array: np.ndarray) -> tuple[int, ...]:
    """Of a contiguous array, in numbers."""
    return tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))


def write_zip(path, value: Any, storages: dict[str, bytes], order: str | None = "little", **keys):
    with zipfile.ZipFile(path, "w", **keys) as archive:
        archive.writestr("archive/data.pkl", dumps(value))
        if order:
            archive.writestr("archive/byteorder", order)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(
    path, value: Any, storages: dict[str, bytes], widths: dict[str, int] | None = None
):
    """`widths`: bytes of a number, where they are not 4."""
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [dumps(MAGIC), dumps(PROTOCOL), dumps(system), dumps(value), dumps(list(storages))]
    for key, content in storages.items():
        parts += [struct.pack("<q", len(content) // (widths or {}).get(key, 4)), content]
    path.write_bytes(b"".join(parts))
    return path

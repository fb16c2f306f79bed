"""Pickles inside torch's files, read without torch and without running what they name.

A pickle is a program: it names functions and calls them. This reader knows a closed list of names,
each of which stands for an inert record made here; every other name ends the reading. The opcodes
are looked through first, so that none of another kind is reached.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

LARGEST = 16 * 2**20
"""Bytes of a pickle; that of a network's weights holds names and shapes: a few hundred kB."""
MOST_NAMES = 100_000
"""Of tensors and containers; containers that refer to each other could make them endless."""

OPCODES = frozenset(
    """
    PROTO STOP FRAME MARK MEMOIZE BINGET LONG_BINGET BINPUT LONG_BINPUT
    NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES
    EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS
    GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID
    """.split()
)

DTYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
"""Of torch's storage classes; `bfloat16` is the only one that NumPy has no name for."""


class Refused(Exception):
    """The pickle is damaged, or asks for what weights have no need of; one line that says what."""

    def __init__(self, message: str):
        super().__init__(plain(message))


def plain(message: str) -> str:
    """Of what a file may have put into a message: one short line, no control characters."""
    line = "".join(c if c.isprintable() else "?" for c in message)
    return line if len(line) <= 300 else f"{line[:300]} …"


def reason_of(error: Exception) -> str:
    """Why a damaged pickle cannot be read, for people."""
    if isinstance(error, UnicodeError):
        return "there are bytes in it where a name should be"
    return str(error)[:80]


class Fixed:
    """What a pickle may make or mention, but not change afterwards."""

    def __setstate__(self, state: Any) -> NoReturn:
        raise Refused(f"it changes a {type(self).__name__}")


@dataclass(frozen=True)
class Storage(Fixed):
    """`count` numbers of a dtype of `DTYPES`, kept elsewhere in the file under `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Tensor(Fixed):
    """A view of a storage, as the file describes it: not checked yet."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


class StorageType(Fixed, str):
    """The name of a storage class."""


class Mapping(dict):
    """Stands for `collections.OrderedDict`; attributes that the file would set are passed over."""

    def __setstate__(self, state: Any) -> None:
        pass


class ScriptObject:
    """Stands for every class that a TorchScript file brings along: its attributes, no code."""

    attributes: dict[Any, Any]

    def __new__(cls, *arguments: Any) -> ScriptObject:
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if type(state) is dict else {}


class Rebuild(Fixed):
    """Stands for torch's functions that make a tensor of a storage; what follows the strides
    (gradient flags, hooks, metadata) does not matter to weights."""

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
        return Tensor(storage, offset, size, stride)


class Unwrap(Fixed):
    """Stands for what wraps a value: a parameter, a typed list, a type tag."""

    def __call__(self, value: Any, *rest: Any) -> Any:
        return value


STAND_INS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Mapping,
    ("torch._utils", "_rebuild_tensor"): Rebuild(),
    ("torch._utils", "_rebuild_tensor_v2"): Rebuild(),
    ("torch._utils", "_rebuild_parameter"): Unwrap(),
    ("torch", "Size"): tuple,
    ("torch.jit._pickle", "build_intlist"): Unwrap(),
    ("torch.jit._pickle", "build_doublelist"): Unwrap(),
    ("torch.jit._pickle", "build_boollist"): Unwrap(),
    ("torch.jit._pickle", "build_tensorlist"): Unwrap(),
    ("torch.jit._pickle", "restore_type_tag"): Unwrap(),
} | {("torch", name): StorageType(name) for name in DTYPES}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return ScriptObject
        if (module, name) not in STAND_INS:
            raise Refused(f"it asks for {module}.{name}, which weights have no need of")
        return STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """Reads ("storage", type, key, device, count) and, in old files, a view of it (None)."""
        kind, storage_type, key, _, count, *view = _tuple(pid, at_least=5)
        if kind != "storage" or type(storage_type) is not StorageType or any(view):
            raise Refused(f"it refers to a {str(kind)[:40]!r} that is no plain storage")
        if type(key) is not str or type(count) is not int or count < 0:
            raise Refused("it describes a storage wrongly")
        return Storage(key, DTYPES[storage_type], count)


def read_pickle(content: bytes) -> Any:
    """The object in `content`: plain containers and the records of this module.

    Raises:
        Refused: damaged, or with an opcode or a name outside the closed lists.
    """
    if len(content) > LARGEST:
        raise Refused(f"its pickle of {len(content)} bytes is too large for a list of tensors")
    check_opcodes(content)
    try:
        return _Unpickler(io.BytesIO(content), encoding="utf-8").load()
    except Refused:
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        raise Refused(
            f"its pickle is damaged ({type(error).__name__}: {reason_of(error)})"
        ) from error


def check_opcodes(content: bytes) -> None:
    """Looks through a pickle without running it.

    Raises:
        Refused: it does not parse, does an unknown thing, or would take memory beyond its own size.
    """
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in OPCODES:
                raise Refused(f"its pickle uses {opcode.name}, which weights have no need of")
            # The memo is a table as long as its largest index.
            if (
                opcode.name == "LONG_BINPUT"
                and isinstance(argument, int)
                and argument > len(content)
            ):
                raise Refused("its pickle is damaged (memo index)")
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused(f"its pickle is damaged ({reason_of(error)})") from error


def tensors_of(found: Any) -> dict[str, Tensor]:
    """Tensors by name: keys and attributes joined by dots, `state_dict` containers unwrapped.

    Raises:
        Refused: no mapping of names to tensors.
    """
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    tensors: dict[str, Tensor] = {}
    waiting, seen = [("", found)], 0
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Tensor) and name:
            tensors[name] = value
        if isinstance(value, ScriptObject):
            value = value.attributes
        if isinstance(value, dict):
            items = [(key, item) for key, item in value.items() if isinstance(key, str)]
            waiting += [(f"{name}.{k}" if name else k, item) for k, item in reversed(items)]
        if not name.isprintable():
            raise Refused("a name in it is no text")
        seen += 1
        if seen > MOST_NAMES or len(name) > 1000:
            raise Refused("its containers refer to each other without end")
    if not tensors:
        raise Refused("it holds no named tensors")
    return tensors


def view(tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    """The tensor in the numbers of its storage; no copy.

    Raises:
        Refused: it reaches beyond the storage, or is larger than it.
    """
    offset, size, stride = tensor.offset, _tuple(tensor.size), _tuple(tensor.stride)
    if len(size) != len(stride) or len(size) > 8:
        raise Refused("a tensor has a wrong shape")
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise Refused("a tensor has a wrong shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = math.prod(size)
    if count and last >= len(numbers) or count > len(numbers):
        raise Refused("a tensor is larger than its storage")
    if not count:
        return np.zeros(size, numbers.dtype)
    axes = zip(size, stride, strict=True)
    steps = tuple(step * numbers.itemsize if n > 1 else 0 for n, step in axes)
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False)


def _tuple(value: Any, at_least: int = 0) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)) or len(value) < at_least:
        raise Refused("it describes a tensor wrongly")
    return tuple(value)

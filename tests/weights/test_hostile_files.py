"""A pickle in place of weights is never executed: the marker that it would make stays away."""

import copyreg
import os
import pickle
import struct
import zipfile

import pytest

from gan_jax.cli import run
from gan_jax.errors import UsageError
from gan_jax.weights.torch_file import read_torch_file
from gan_jax.weights.torch_pickle import STAND_INS, Refused, read_pickle
from tests.weights.torch_files import (
    MAGIC,
    PROTOCOL,
    REBUILD,
    Build,
    Call,
    Global,
    New,
    described,
    dumps,
    opcodes,
    storage,
    tensor,
    write_zip,
)


class Evil:
    """What `pickle.dump` of an object with a `__reduce__` makes."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


HARMLESS = {
    "getattr",
    "torch.load",
    "dotted",
    "dotted method",
    "hidden",
    "script",
    "newobj",
    "build",
    "lines",
}
"""Of the evils: those that do nothing even in Python's own reader, and must be refused as well."""


def evils(marker) -> dict[str, bytes]:
    """Bodies of pickles (without PROTO and STOP), most of which would touch the marker."""
    command, code = f"touch {marker}", f"__import__('pathlib').Path({str(marker)!r}).touch()"
    text = opcodes(command)
    call = Call(Global("os", "system"), (command,))

    def reduce(module, name, *arguments):
        return opcodes(Call(Global(module, name), arguments))

    return {
        "os.system": opcodes(call),
        "posix.system": reduce("posix", "system", command),
        "eval": reduce("builtins", "eval", code),
        "exec": reduce("builtins", "exec", code),
        "subprocess": reduce("subprocess", "getoutput", command),
        "in a key": b"}" + opcodes(call) + b"Ns",
        "in an argument": reduce("collections", "OrderedDict", [[call, 1]]),
        "stack_global": b"\x8c\x05posix\x8c\x06system\x93" + text + b"\x85R",
        "inst": b"(" + text + b"ios\nsystem\n",
        "obj": b"(cos\nsystem\n" + text + b"o",
        "newobj_ex": opcodes(Global("pathlib", "Path")) + b")}\x92" + opcodes(call),
        "ext1": b"\x82\x2a" + text + b"\x85R",
        "ext2": b"\x83\x2a\x00" + text + b"\x85R",
        "ext4": b"\x84\x2a\x00\x00\x00" + text + b"\x85R",
        "in a script": opcodes(New(Global("types", "SimpleNamespace"), {"x": call})),
        "getattr": reduce("builtins", "getattr", Global("os", "system"), "__name__"),
        "torch.load": reduce("torch.serialization", "load", str(marker)),
        "dotted": reduce("torch._utils", "_rebuild_tensor_v2.__globals__", command),
        "dotted method": reduce("collections", "OrderedDict.__init__", command),
        "hidden": reduce("torch", "Fixed", command),
        "script": opcodes(New(Global("__torch__.os", "system"), {"x": Global("os", "system")})),
        "newobj": opcodes(Global("subprocess", "Popen")) + opcodes((command,)) + b"\x81",
        "build": opcodes(Build(Global("os", "environ"), {"x": 1})),
        "lines": b"\x8c\x02os\x8c\x0bsy\nstem\x1b[2J\x93" + text + b"\x85R",
    }


@pytest.fixture
def marker(tmp_path):
    path = tmp_path / "marker"
    yield path
    assert not path.exists(), "the file ran"


NAMES = list(evils("x"))


@pytest.fixture
def extension():
    """Code 42 of copyreg stands for os.system, and is in the cache."""
    copyreg.add_extension("os", "system", 42)
    pickle.loads(b"\x82\x2a.")
    yield
    copyreg.remove_extension("os", "system", 42)


def check(path):
    with pytest.raises(UsageError) as caught:
        read_torch_file(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HARMLESS])
def test_the_evils_are_evil_enough(name, tmp_path, extension):
    marker = tmp_path / "marker"
    pickle.loads(b"\x80\x04" + evils(marker)[name] + b".")
    assert marker.exists()


@pytest.mark.parametrize("name", NAMES)
def test_in_a_zip(name, marker, tmp_path, extension):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + evils(marker)[name] + b".")
    assert "nothing in it was run" in check(path)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("name", NAMES)
def test_in_each_pickle_of_the_old_form(name, place, marker, tmp_path, extension):
    parts = [dumps(MAGIC), dumps(PROTOCOL), dumps({"little_endian": True})]
    tensors, storages = described({})
    parts += [dumps({"w": tensor(storage("FloatStorage", "0", 1), 0, (1,), (1,))}), dumps(["0"])]
    parts[place] = b"\x80\x02" + evils(marker)[name] + b"."
    path = tmp_path / "w.pth"
    path.write_bytes(b"".join(parts) + struct.pack("<qf", 1, 1.0))
    assert "nothing in it was run" in check(path)


def test_the_line_names_what_was_asked_for(marker, tmp_path):
    with open(tmp_path / "evil.pth", "wb") as file:
        pickle.dump(Evil(marker), file)
    message = check(tmp_path / "evil.pth")
    assert "evil.pth" in message and "posix.system" in message


def test_as_a_user(marker, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path / "weights"))
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    with path.open("wb") as file:
        pickle.dump({"fc.weight": Evil(marker)}, file)
    assert run(["weights", "import", "inception", f"--from={path}"]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("gan-jax: weights ") and "posix.system" in line
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    "value",
    [
        Build(storage("FloatStorage", "0", 1), {"dtype": "O", "count": 10**9}),
        Build(Global("torch", "FloatStorage"), {"x": 1}),
        Build(REBUILD, (None, {"__class__": 1, "__call__": 2})),
        Build(tensor(storage("FloatStorage", "0", 1), 0, (1,), (1,)), {"size": (9,)}),
        Build(Global("collections", "OrderedDict"), {"x": 1}),
        Build(Global("__torch__", "Net"), {"attributes": {}}),
        Build(Global("torch", "Size"), (None, {"x": 1})),
        Call(Global("torch", "FloatStorage"), (1,)),
        Call(storage("FloatStorage", "0", 1), ()),
        tensor(("no", "storage"), 0, (1,), (1,)),
    ],
    ids=str,
)
def test_stand_ins_cannot_be_changed_or_misused(value, tmp_path):
    made = [stand_in for stand_in in STAND_INS.values() if hasattr(stand_in, "__dict__")]
    before = [dict(vars(stand_in)) for stand_in in made]
    check(write_zip(tmp_path / "w.pth", {"w": value}, {"0": bytes(4)}))
    assert [dict(vars(stand_in)) for stand_in in made] == before


def test_the_size_of_a_pickle_is_bounded():
    with pytest.raises(Refused, match="too large"):
        read_pickle(bytes(17 * 2**20))

"""Both forms of torch's files give their numbers; damaged ones give one line."""

import struct
import zipfile

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.weights.torch_file import read_torch_file
from tests.weights.torch_files import (
    MAGIC,
    ORDERED,
    PROTOCOL,
    Build,
    Call,
    Global,
    New,
    described,
    dumps,
    storage,
    tensor,
    write_legacy,
    write_zip,
)

ARRAYS = {
    "a.weight": np.arange(24, dtype="f4").reshape(2, 3, 4),
    "a.bias": np.float32([1.5, -2.5, np.inf]),
    "scalar": np.float32(7.0),
}
OTHERS = {
    "double": np.float64([[0.1], [1e300]]),
    "half": np.float16([0.5, 1.25]),
    "long": np.int64([-(2**62), 3]),
    "int": np.int32([-5]),
    "short": np.int16([-300, 4]),
    "char": np.int8([-5, 5]),
    "byte": np.uint8([250, 5]),
    "bool": np.array([True, False]),
}


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def refused(path) -> str:
    with pytest.raises(UsageError) as caught:
        read_torch_file(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 1000 and str(path) in message
    return message


def test_zip_of_every_dtype(tmp_path):
    arrays = ARRAYS | OTHERS
    same(read_torch_file(write_zip(tmp_path / "w.pth", *described(arrays))), arrays)


def test_legacy_of_every_dtype(tmp_path):
    arrays = ARRAYS | OTHERS
    tensors, storages = described(arrays)
    widths = {str(i): array.itemsize for i, array in enumerate(arrays.values())}
    same(read_torch_file(write_legacy(tmp_path / "w.pth", tensors, storages, widths)), arrays)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_an_ordered_dict_with_attributes(tmp_path, write):
    tensors, storages = described(ARRAYS)
    pairs = [[name, item] for name, item in tensors.items()]
    state = Build(Call(ORDERED, (pairs,)), {"_metadata": {"": {"version": 1}}, "items": "x"})
    same(read_torch_file(write(tmp_path / "w.pth", state, storages)), ARRAYS)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_views_of_one_storage(tmp_path, write):
    numbers = np.arange(12, dtype="f4")
    source = storage("FloatStorage", "0", 12)
    tensors = {
        "transposed": tensor(source, 0, (4, 3), (1, 4)),
        "shifted": tensor(source, 5, (2, 2), (2, 1)),
        "repeated": tensor(source, 3, (2, 3), (0, 1)),
        "empty": tensor(source, 12, (0, 4), (4, 1)),
    }
    found = read_torch_file(write(tmp_path / "w.pth", tensors, {"0": numbers.tobytes()}))
    np.testing.assert_array_equal(found["transposed"], numbers.reshape(3, 4).T)
    np.testing.assert_array_equal(found["shifted"], [[5, 6], [7, 8]])
    np.testing.assert_array_equal(found["repeated"], [[3, 4, 5]] * 2)
    assert found["empty"].shape == (0, 4)


def test_bfloat16_is_widened_exactly(tmp_path):
    numbers = np.float32([1.0, -2.5, 3.140625, 1e30])
    high = (numbers.view("u4") >> 16).astype("<u2")
    tensors = {"w": tensor(storage("BFloat16Storage", "0", 4), 0, (4,), (1,))}
    found = read_torch_file(write_zip(tmp_path / "w.pth", tensors, {"0": high.tobytes()}))["w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (high.astype("u4") << 16).view("f4"))
    assert found[1] == -2.5 and found[2] == 3.140625


def test_byte_order_is_honoured(tmp_path):
    tensors = {"w": tensor(storage("FloatStorage", "0", 3), 0, (3,), (1,))}
    numbers = {"0": np.array([1, 2, 3.5], ">f4").tobytes()}
    path = write_zip(tmp_path / "w.pth", tensors, numbers, order="big")
    np.testing.assert_array_equal(read_torch_file(path)["w"], [1, 2, 3.5])
    old = write_zip(tmp_path / "old.pth", tensors, numbers, order=None)
    assert read_torch_file(old)["w"][0] != 1


def test_containers_are_unwrapped(tmp_path):
    tensors, storages = described(ARRAYS)
    path = write_zip(tmp_path / "w.pth", {"epoch": 3, "state_dict": tensors}, storages)
    same(read_torch_file(path), ARRAYS)
    path = write_zip(tmp_path / "n.pth", {"model": tensors, "lr": None, 5: "x"}, storages)
    same(read_torch_file(path), {f"model.{name}": array for name, array in ARRAYS.items()})


def test_a_script_module_gives_its_tensors(tmp_path):
    """As `torch.jit.save` writes it: classes of the file's own, attributes by BUILD."""
    tensors, storages = described({"w": ARRAYS["a.weight"], "b": ARRAYS["a.bias"]})
    inner = New(
        Global("__torch__.torch.nn.modules.conv", "Conv2d"),
        {"weight": tensors["w"], "bias": tensors["b"], "stride": (1, 1), "training": False},
    )
    sizes = Call(Global("torch.jit._pickle", "build_intlist"), ([1, 2],))
    outer = New(Global("__torch__", "Net"), {"layers": inner, "sizes": sizes})
    found = read_torch_file(write_zip(tmp_path / "w.pt", outer, storages))
    same(found, {"layers.weight": ARRAYS["a.weight"], "layers.bias": ARRAYS["a.bias"]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"w": tensor(storage("FloatStorage", "0", 3), 1, (3,), (1,))}, "larger than its storage"),
        ({"w": tensor(storage("FloatStorage", "0", 3), 0, (2,), (3,))}, "larger than its storage"),
        ({"w": tensor(storage("FloatStorage", "0", 3), 0, (10**12,), (0,))}, "larger than its"),
        ({"w": tensor(storage("FloatStorage", "0", 3), 0, (10**30,), (1,))}, "larger than its"),
        ({"w": tensor(storage("FloatStorage", "0", 3), 2, (2,), (-1,))}, "wrong shape"),
        ({"w": tensor(storage("FloatStorage", "0", 3), -1, (2,), (1,))}, "wrong shape"),
        ({"w": tensor(storage("FloatStorage", "0", 3), 0, (2, 1), (1,))}, "wrong shape"),
        ({"w": tensor(storage("FloatStorage", "0", 10**15), 0, (2,), (1,))}, ""),
        ({"w": tensor(storage("FloatStorage", "0", -3), 0, (2,), (1,))}, "storage wrongly"),
        ({"w": tensor(storage("FloatStorage", "1", 3), 0, (2,), (1,))}, "damaged"),
        ({"w": tensor(storage("FloatStorage", "0", 2), 0, (2,), (1,))}, ""),
        ({"w": tensor(storage("QInt8Storage", "0", 3), 0, (2,), (1,))}, "torch.QInt8Storage"),
        ({"w": 3}, "no named tensors"),
        ([1, 2], "no named tensors"),
    ],
)
@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_what_does_not_fit_its_storage(tmp_path, write, value, message):
    content = {"0": np.zeros(3, "f4").tobytes()}
    assert message in refused(write(tmp_path / "w.pth", value, content))


def test_not_weights_at_all(tmp_path):
    path = tmp_path / "x"
    assert "No such file" in refused(path)
    for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        assert "not a file of torch's" in refused(path)
    path.write_bytes(dumps({"a": 1}))
    assert "a pickle, but not a file of torch's" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not one of torch's" in refused(path)
    assert "directory" in refused(tmp_path)


def test_compressed_members_are_not_unpacked(tmp_path):
    """A megabyte of zeros packs to a kilobyte; torch packs nothing."""
    tensors = {"w": tensor(storage("FloatStorage", "0", 2**18), 0, (2**18,), (1,))}
    path = tmp_path / "w.pth"
    write_zip(path, tensors, {"0": bytes(2**20)}, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(path)


def test_a_big_endian_machine(tmp_path):
    parts = [dumps(MAGIC), dumps(PROTOCOL), dumps({"little_endian": False}), dumps({})]
    (tmp_path / "w.pth").write_bytes(b"".join(parts))
    assert "big-endian" in refused(tmp_path / "w.pth")


def test_memory_is_not_promised_away(tmp_path):
    """A memo index of two thousand million would make a table of that length."""
    evil = b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b"."
    (tmp_path / "w.pth").write_bytes(evil)
    assert "memo index" in refused(tmp_path / "w.pth")


def test_containers_without_end(tmp_path):
    circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."
    doubling = b"}q\x00"
    for level in range(60):
        inner = bytes([level])
        pair = b"X\x01\x00\x00\x00ah" + inner + b"X\x01\x00\x00\x00bh" + inner
        doubling += b"}q" + bytes([level + 1]) + b"(" + pair + b"u"
    for content in (circle, b"\x80\x02" + doubling + b"."):
        with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
            archive.writestr("archive/data.pkl", content)
        assert "without end" in refused(tmp_path / "w.pth")


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_damage_of_any_kind_is_one_line(tmp_path, write):
    """Cut short anywhere, or with bytes changed: the right numbers, or a UsageError."""
    arrays = {"w": ARRAYS["a.weight"], "b": ARRAYS["a.bias"]}
    whole = write(tmp_path / "w.pth", *described(arrays)).read_bytes()
    path, generator = tmp_path / "damaged.pth", np.random.default_rng(0)
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        refused(path)
    read = 0
    for _ in range(400):
        content = bytearray(whole)
        for place in generator.integers(len(content), size=generator.integers(1, 4)):
            content[place] = generator.integers(256)
        path.write_bytes(content)
        try:
            read += bool(read_torch_file(path))
        except UsageError as error:
            assert len(str(error)) < 1000
    assert 0 < read < 400


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"c\xff\xfe\n", b"\x80\x02c\xe9\nx\n."])
def test_what_is_no_file_of_torchs_is_said_in_words(head, tmp_path):
    """Not in those of a decoder of Python's."""
    path = tmp_path / "picture.pth"
    path.write_bytes(head + bytes(range(256)))
    with pytest.raises(UsageError) as caught:
        read_torch_file(path)
    message = str(caught.value)
    assert "codec" not in message and "ordinal" not in message
    assert "not a file of torch's" in message or "bytes in it where a name should be" in message

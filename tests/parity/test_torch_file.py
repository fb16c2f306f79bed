"""Files that torch itself writes, read without it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gan_jax.errors import UsageError  # noqa: E402
from gan_jax.weights.torch_file import read_torch_file  # noqa: E402

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, (3, 2), bias=False)
        self.bn = torch.nn.BatchNorm2d(4)
        self.register_buffer("scale", torch.tensor(2.0))
        self.size: list[int] = [1, 2]

    def forward(self, x):
        return self.bn(self.conv(x)) * self.scale


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(Block(), torch.nn.ReLU(), torch.nn.Flatten())
        self.fc = torch.nn.Linear(8, 5).half()

    def forward(self, x):
        return self.layers(x)


def same(found, state):
    assert found.keys() == state.keys()
    for name, value in state.items():
        wanted = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        assert found[name].dtype == wanted.numpy().dtype and found[name].shape == wanted.shape
        np.testing.assert_array_equal(found[name], wanted.numpy())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_state_dicts(tmp_path, zipped, protocol):
    generator = torch.Generator().manual_seed(0)
    state = {str(d): (torch.randn(3, 4, generator=generator) * 100).to(d) for d in DTYPES}
    whole = torch.randn(6, 5, generator=generator)
    state |= {
        "transposed": whole.T,
        "sliced": whole[1:5:2, 1:],
        "expanded": whole[:1].expand(3, 5),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "w.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    same(read_torch_file(path), state)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_state_dict_of_a_module(tmp_path, zipped):
    network, path = Net(), tmp_path / "w.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    same(read_torch_file(path), network.state_dict())
    checkpoint = {"epoch": 3, "state_dict": network.state_dict(), "name": "x"}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped)
    same(read_torch_file(path), network.state_dict())


@pytest.mark.parametrize("form", ["script", "trace"])
def test_torchscript(tmp_path, form):
    network = Net().eval()
    x = torch.zeros(1, 3, 4, 3)
    module = torch.jit.script(network) if form == "script" else torch.jit.trace(network, x)
    path = tmp_path / "net.pt"
    torch.jit.save(module, str(path))
    same(read_torch_file(path), network.state_dict())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_is_refused(tmp_path, zipped):
    path = tmp_path / "net.pth"
    torch.save(Net(), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match=r"tests\.parity\.test_torch_file\.Net|no plain storage"):
        read_torch_file(path)

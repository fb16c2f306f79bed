"""`python -m benchmarks.peers`: both sides agree at equal weights, rounds do what they are said to,
and the table's numbers are those of the seconds."""

from __future__ import annotations

import dataclasses
import json
import math
import sys

import numpy as np
import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import agreement
from benchmarks.peers.row import line, pairs, row, summary
from benchmarks.peers.work import WORKS, Adam, Work
from benchmarks.peers.worker import Worker
from gan_jax.errors import UserError

torch = pytest.importorskip("torch")

from benchmarks.peers import torch_measure  # noqa: E402
from benchmarks.peers.torch_networks.spectral import SpectralNorm  # noqa: E402
from benchmarks.peers.torch_round import Players, TorchRound, scaled  # noqa: E402


def narrow(name: str, **fields) -> Work:
    """The work with few pictures and features."""
    (work,) = (work for work in WORKS if work.name == name)
    return dataclasses.replace(work, **({"batch": 4} | fields))


DENSE = narrow("dense", size=4, latent_size=6, rounds=2, generator_hidden=(8, 5),
               discriminator_hidden=(7, 6))  # fmt: skip
DCGAN = narrow("dcgan64", size=32, width=4, latent_size=6)
SNGAN = narrow("sngan32", width=2, latent_size=6, classes=3, turns=2)
BIGGAN = narrow("biggan32", width=2, latent_size=8, classes=3, turns=2)
STYLED = {"width": 128, "latent_size": 8, "w_features": 8, "group_size": 2}
STYLEGAN2 = narrow("stylegan2_32", **STYLED, classes=3)
STYLEGAN2_PATHS = narrow("stylegan2_256", **STYLED, size=16)
R3GAN = narrow("r3gan32", widths=(16, 16, 16, 16), latent_size=6, classes=3)


SLOW = (DCGAN, SNGAN, BIGGAN, STYLEGAN2, STYLEGAN2_PATHS, R3GAN)
each_work = pytest.mark.parametrize(
    "work",
    [DENSE, *(pytest.param(work, marks=pytest.mark.slow) for work in SLOW)],
    ids=lambda work: work.name,
)


@each_work
def test_both_sides_agree(work, tmp_path):
    from benchmarks.peers import jax_measure

    work = agreement.comparable(work)
    variables, given, ours = jax_measure.measure(work)
    file = tmp_path / "given.npz"
    agreement.save(file, variables, given)
    theirs = torch_measure.measure(work, *agreement.load(file))
    assert agreement.disagreements(ours, theirs) == []
    assert set(ours["loss"]) == {"discriminator", "generator", *work.lazy()}
    assert all(norm > 1e-5 for norm in ours["gradient_norm"].values())


MEASURED = {
    "parameters": {"generator": 10, "discriminator": 20},
    "loss": {"discriminator": 2.0, "generator": -1.0},
    "gradient_norm": {"discriminator": 3.0, "generator": 4.0},
}


@pytest.mark.parametrize(
    ("quantity", "change"),
    [
        ("parameters", {"generator": 11}),
        ("loss", {"generator": -1.0002}),
        ("loss", {"discriminator": math.nan}),
        ("gradient_norm", {"discriminator": 3.001}),
        ("loss", {"r1": 0.0}),
    ],
)
def test_a_disagreement_is_named(quantity, change):
    assert agreement.disagreements(MEASURED, MEASURED) == []
    close = MEASURED | {"loss": {"discriminator": 2.0001, "generator": -1.00005}}
    assert agreement.disagreements(MEASURED, close) == []
    other = MEASURED | {quantity: MEASURED[quantity] | change}
    (found,) = agreement.disagreements(MEASURED, other)
    assert found.startswith(quantity) and next(iter(change)) in found


def test_variables_that_do_not_fit_are_refused():
    players = Players(DENSE, compiled=False)

    def of(network):
        params, kept = {}, {}
        linears = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
        norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        for index, layer in enumerate(linears):
            weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            params[f"Dense_{index}"] = {"kernel": weight.T + 1, "bias": bias}
        for index, layer in enumerate(norms):
            ones = np.ones(layer.num_features, np.float32)
            params[f"BatchNorm_{index}"] = {"scale": 2 * ones, "bias": ones}
            kept[f"BatchNorm_{index}"] = {"mean": ones, "var": 3 * ones}
        return {"params": params, "batch_stats": kept}

    variables = {"generator": of(players.generator), "discriminator": of(players.discriminator)}
    before = players.discriminator.layers[1].weight.detach().clone()
    players.load(variables)
    assert torch.equal(players.discriminator.layers[1].weight, before + 1)
    assert players.generator.layers[2].running_var.tolist() == [3.0] * 8
    params = variables["discriminator"]["params"]
    params["Dense_9"] = {"bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="left over of the variables: params/Dense_9/bias"):
        players.load(variables)
    del params["Dense_9"]
    kernel = params["Dense_1"].pop("kernel")
    with pytest.raises(ValueError, match="no params/Dense_1/kernel"):
        players.load(variables)
    params["Dense_1"]["kernel"] = kernel[:-1]
    with pytest.raises(ValueError, match=r"params/Dense_1/kernel is \(6, 6\)"):
        players.load(variables)


def test_a_round_takes_the_updates_of_its_phases():
    """Three turns and R1 in round 0, three turns in round 1; the average moves once a round."""
    work = dataclasses.replace(
        DENSE, rounds=1, turns=3, r1_weight=1.0, r1_every=2, dropout=0.0, ema_decay=0.75
    )
    rounds = TorchRound(work, "eager")
    before = [param.detach().clone() for param in rounds.params]

    def updates(name):  # R1 gives the last bias no gradient
        return max(int(state["step"]) for state in rounds.optimizers[name].state.values())

    _, losses = rounds(0)
    assert (updates("discriminator"), updates("generator")) == (4, 1)
    assert set(losses) == {"discriminator", "r1", "generator"}
    for average, old, new in zip(rounds.average, before, rounds.params, strict=True):
        torch.testing.assert_close(average, 0.75 * old + 0.25 * new)
        assert not torch.equal(old, new)
    _, losses = rounds(1)
    assert (updates("discriminator"), updates("generator")) == (7, 2)
    assert set(losses) == {"discriminator", "generator"}


def test_a_phase_trains_and_tracks_its_own_network_only():
    players = Players(SNGAN, compiled=False)
    real = torch.zeros(4, 3, 32, 32)
    z, label = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    norms = [m for m in players.discriminator.modules() if isinstance(m, SpectralNorm)]
    assert len(norms) == 8 + 2 + 2  # convolutions, shortcuts, logit and label

    def vectors():  # that of the logit has one number, which stays 1 or -1
        return [norm.u.clone() for norm in norms if len(norm.u) > 1]

    start = vectors()
    with players.training("generator"):
        loss = players.generator_loss(real, label, z)
    loss.backward()
    assert all(map(torch.equal, vectors(), start))
    assert all(param.grad is None for param in players.discriminator.parameters())
    assert all(param.grad is not None for param in players.generator.parameters())
    players.generator.zero_grad()
    with players.training("discriminator"):
        loss = players.discriminator_loss(real, label, z)
    loss.backward()
    assert not any(map(torch.equal, vectors(), start))
    assert all(param.grad is not None for param in players.discriminator.parameters())
    assert all(param.grad is None for param in players.generator.parameters())


class Styles(torch.nn.Module):
    """w is z."""

    tracked = 0

    def map(self, z, label, track):
        self.tracked += track
        return z[:, None].expand(-1, 5, -1)


def test_styles_are_mixed_in_the_share_of_pictures_that_is_asked():
    players = Players(DENSE, compiled=False)
    players.work = dataclasses.replace(DENSE, style_mixing=0.75)
    players.generator = Styles()
    torch.manual_seed(0)
    z = torch.randn(4000, 2)
    with torch.no_grad():
        ws = players._styles(z, None, True)
    own = (ws == z[:, None]).all(2)
    assert players.generator.tracked == 1  # the second mapping leaves the average of w alone
    assert own[:, 0].all()
    assert bool((own[:, 1:] <= own[:, :-1]).all())  # from some layer on all are the other's
    shares = [float((own.sum(1) == layers).float().mean()) for layers in range(1, 6)]
    np.testing.assert_allclose(shares, [0.75 / 4] * 4 + [0.25], atol=0.03)


def test_pictures_are_scaled_where_they_lie():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert scaled(pixels).flatten().tolist() == [-1.0, 1.0]
    rounds = TorchRound(DCGAN, "eager")
    (pictures,) = rounds.pictures
    assert pictures.dtype == torch.uint8 and pictures.shape == (4, 3, 32, 32)
    assert scaled(pictures).is_contiguous(memory_format=torch.channels_last)


def test_a_work_survives_its_json():
    for work in WORKS:
        assert Work.from_json(work.to_json()) == work


def test_kinds_of_rounds_and_their_shares():
    work = narrow("stylegan2_256")
    assert work.kinds() == {0: 1 / 16, 1: 12 / 16, 4: 3 / 16}
    assert [work.due(number) for number in work.kinds()] == [
        ("r1", "path_length"), (), ("path_length",),
    ]  # fmt: skip
    assert narrow("r3gan32").kinds() == {0: 1.0}


def test_lazy_adam_is_gan_jax_s():
    from gan_jax.optimizers import lazy_adam

    found = Adam(0.0025, 0.5, 0.99).lazy(4)
    expected = lazy_adam(0.0025, 0.5, 0.99, every=4)
    assert found[:3] == (expected["learning_rate"], expected["b1"], expected["b2"])


def test_a_period_weighs_its_rounds():
    work = narrow("stylegan2_32")
    seconds = {0: [0.048, 0.016, 0.032], 1: [0.016, 0.032, 0.016]}
    found = summary(work, seconds)
    assert found["ms"] == 17.0 and found["min_ms"] == 16.0 and found["max_ms"] == 33.0
    assert found["rounds"] == 6
    assert found["kinds"]["r1"] == {"share": 1 / 16, "ms": 32.0, "min_ms": 16.0, "max_ms": 48.0}
    assert found["kinds"]["plain"]["share"] == 15 / 16
    ours = {0: [0.016] * 3, 1: [0.016] * 3}
    assert pairs(work, ours, seconds) == [1.125, 1.938, 1.062]
    assert summary(dataclasses.replace(DENSE, rounds=50), {0: [0.001] * 3})["rounds"] == 150


def test_a_variant_that_is_not_to_be_had_is_said():
    packages = {"gan-jax": "0.1.0", "jax": "0.10", "jaxlib": "0.10"}
    hardware = {"processor": "", "cores": 2, "device": "cpu", "python": "3", "packages": packages}
    made = row(
        DCGAN,
        {"gan_jax": {0: [0.5]}, "eager": {0: [0.75]}},
        {"gan_jax": {"generator": [0.2]}, "eager": {"generator": [0.25, 0.1, 0.1]}},
        {"gan_jax": 9.0, "eager": 1.0, "compile": 0.0},
        {"compile": "InvalidCxxCompiler: no g++"},
        {
            "jax": {"parameters": {}, "platform": "cpu", "hardware": hardware},
            "torch": {"torch": "2", "python": "3"},
        },
        {},
    )
    assert (made["ratio"], made["fastest"]) == (1.5, "eager")
    assert made["variants"]["compile"] == {"unavailable": "InvalidCxxCompiler: no g++"}
    first, second, third = line(made).splitlines()
    assert first.split() == ["dcgan64", "4", "500.0", "750.0", "-", "1.50"]
    assert second.strip() == "compile is not to be had: InvalidCxxCompiler: no g++"
    assert third.split() == ["generator", "200.0", "100.0", "-", "0.50"]


def test_phases_alone_are_timed_on_both_sides():
    from benchmarks.peers.jax_round import JaxRound

    work = dataclasses.replace(DENSE, turns=2)
    assert work.phases() == ("discriminator", "generator")
    ours, theirs = JaxRound(work), TorchRound(work, "eager")
    turns = []
    theirs._update = lambda network, loss, turn: turns.append((network, turn))
    for phase in work.phases():
        assert ours.phase(phase)[0] > 0 and theirs.phase(phase)[0] > 0
    assert turns == [("discriminator", 0), ("discriminator", 1), ("generator", 0)]
    assert narrow("stylegan2_256").phases()[2:] == ("r1", "path_length")


@pytest.mark.slow
def test_without_a_compiler_torch_compile_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "/no/compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    with Worker(sys.executable, "torch", DENSE, "compile") as worker:
        assert worker.answer()["platform"] == "cpu"
        assert "/no/compiler" in worker.ask(0)["unavailable"]


@each_work
def test_half_precision_changes_little(work):
    def losses(precision):
        rounds = TorchRound(dataclasses.replace(work, precision=precision, dropout=0.0), "eager")
        torch.manual_seed(1)
        return rounds(0)[1]

    exact, rounded = losses("float32"), losses("bfloat16")
    assert rounded != exact
    for name, loss in exact.items():
        assert rounded[name] == pytest.approx(loss, rel=0.05, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only=dcgan128"], "no work 'dcgan128'; there are dense, dcgan64"),
        (["--repeats=-1"], "--repeats=-1: must be at least 1"),
        (["--repeats=many"], "argument --repeats: invalid int value"),
        (["--only=dense", "--python=/no/python"], "--python=/no/python: No such file"),
        (["--device=cpu"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line(arguments, said, capsys):
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


def test_without_torch_there_is_one_line(tmp_path, monkeypatch, capfd):
    missing = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / "torch.py").write_text(missing)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert command.main(["--only=dense"]) == 2
    error = capfd.readouterr().err
    assert f"{sys.executable} has no torch" in error and error.count("\n") == 1


def test_a_file_that_cannot_be_written_is_known_at_once(tmp_path, capsys):
    assert command.main([f"--json={tmp_path}"]) == 4
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} cannot be written")


@pytest.mark.slow
def test_a_row_of_a_tiny_work(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(command, "WORKS", (DENSE,))
    file = tmp_path / "rows.jsonl"
    assert command.main(["--repeats=2", f"--json={file}"]) == 0
    table = capfd.readouterr().out
    (made,) = map(json.loads, file.read_text().splitlines())
    assert made["work"] == "dense" and made["differences"]["loss"] < 1e-5
    assert made["parameters"] == {"generator": 56 + 16 + 45 + 10 + 96, "discriminator": 174}
    ours, eager = made["variants"]["gan_jax"], made["variants"]["eager"]
    assert ours["rounds"] == eager["rounds"] == 4 and len(eager["pairs"]) == 2
    assert eager["ratio"] == pytest.approx(eager["ms"] / ours["ms"], abs=1e-3)
    assert made["ratio"] == made["variants"][made["fastest"]]["ratio"]
    assert line(made) in table
    assert made["versions"]["torch"] == torch.__version__


@pytest.mark.slow
def test_a_side_that_differs_is_not_timed(monkeypatch):
    monkeypatch.setattr(agreement, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="dense: gan_jax and PyTorch disagree in loss of "):
        command.compare(DENSE, 1, sys.executable)

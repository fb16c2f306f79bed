"""The model of benchmarks/scaling_model.py: its arithmetic by hand, its bytes against those of
compiled programs, and the document that holds its tables."""

import importlib.util
import math
import re
import subprocess
import sys

import jax.numpy as jnp
import pytest

from gan_jax import program
from gan_jax.experiment import load_experiment
from gan_jax.ops.convolution import in_form
from gan_jax.recipe import Phase
from gan_jax.state import NetState
from tests.conftest import EXPERIMENTS, ROOT
from tests.marks import only

FILE = ROOT / "benchmarks" / "scaling_model.py"


@pytest.fixture(scope="module")
def model():
    spec = importlib.util.spec_from_file_location("scaling_model", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_ring_by_hand(model):
    assumed = model.Assumptions(share=1.0, bandwidth_share=0.5, latency=3.0)
    one = (model.Level(8, 100.0),)
    # Seven eighths out and seven eighths back, at half of the bandwidth.
    assert model.all_reduce_seconds(200.0, 8, one, assumed) == 3.0 + 2 * 7 / 8 * 200.0 / 50.0
    assert model.all_reduce_seconds(200.0, 1, one, assumed) == 3.0
    assert model.all_reduce_seconds(200.0, 16, one, assumed) is None
    two = (*one, model.Level(4, 10.0))
    inside = 2 * 7 / 8 * 200.0 / 50.0
    # Of what eight have added up each sends its eighth on.
    across = 2 * 3 / 4 * (200.0 / 8) / 5.0
    assert math.isclose(model.all_reduce_seconds(200.0, 32, two, assumed), 3.0 + inside + across)


def net(params, **stats):
    return NetState(params=params, stats=stats, opt=(), ema=None)


def test_what_a_turn_adds_up(model):
    nets = {
        "generator": net(
            jnp.zeros(10), batch_stats={"mean": jnp.zeros(3), "var": jnp.zeros(3)}, buffers={}
        ),
        "discriminator": net(jnp.zeros(20), spectral={"u": jnp.zeros(5)}),
    }

    def sent(trains, **settings):
        phase = Phase(name="some", trains=trains, loss=None, **settings)
        return model.sent_by(phase, nets)

    judge = sent(("discriminator",), repeat=5)
    assert (judge.gradients, judge.statistics) == (4 * 20, 4 * (3 + 3 + 5))
    assert (judge.batch_norm, judge.layers) == (4 * 6, 1)  # forwards alone
    maker = sent(("generator",), every=4)
    assert (maker.gradients, maker.batch_norm, maker.layers) == (4 * 10, 2 * 4 * 6, 2)
    assert (judge.turns_a_round, maker.turns_a_round) == (5, 0.25)
    with pytest.raises(ValueError, match="only generators' is reckoned with"):
        model.sent_by(Phase(name="some", trains=(), loss=None), {"judge": nets["generator"]})


def test_a_round_weights_its_phases(model):
    assumed = model.Assumptions(share=1.0, bandwidth_share=1.0, latency=1.0)
    often = model.Sent("often", 5, 1, gradients=80, statistics=20, batch_norm=0, layers=0)
    seldom = model.Sent("seldom", 1, 4, gradients=200, statistics=0, batch_norm=0, layers=0)
    levels = (model.Level(2, 10.0),)
    found = model.round_seconds([often, seldom], 2, levels, assumed)
    assert found == 5 * (1.0 + 100 / 10) + (1.0 + 200 / 10) / 4
    assert model.round_seconds([often], 4, levels, assumed) is None


def test_a_name_stands_once(model):
    table = model.markdown(["", "x"], [["a", "1"], ["a", "2"], ["b", "3"]])
    assert table.splitlines() == ["|  | x |", "|---|---|", "| a | 1 |", "|  | 2 |", "| b | 3 |"]


@pytest.mark.slow
@pytest.mark.parametrize("view", only(["global"], ["global", "per_device"]))
def test_the_compiler_adds_up_what_the_model_says(model, view):
    """Each phase's turn stands once in the program. The rest are metrics, a bias whose gradient is
    a sum of BatchNorm's, and statistics that a phase leaves alone."""
    name = f"{EXPERIMENTS}/cifar10_sngan.py:smoke"
    built = program.build(load_experiment(name, [("mesh.view", view)]))
    with in_form("lax"):
        text = built.compile().as_text()
    sizes = all_reduces(text)
    sent = [model.sent_by(phase, built.abstract_state.nets) for phase in built.recipe.phases]
    beside = "batch_norm" if view == "global" else "statistics"
    expected = sum(one.gradients + getattr(one, beside) for one in sent)
    assert sum(sizes) == pytest.approx(expected, rel=1e-3)
    assert len(sizes) == len(sent) + (sum(o.layers for o in sent) if view == "global" else 0)
    assert not re.findall(r" (all-to-all|all-gather|collective-permute)\(", text)  # no pixel moves


@pytest.mark.slow
def test_accumulating_sends_the_gradients_once(model):
    """After the loop over the parts, in which statistics alone are averaged."""
    name = f"{EXPERIMENTS}/avatars_dcgan.py:smoke"
    settings = [("mesh.view", "per_device"), ("batch_size", "16"), ("accumulate", "2")]
    built = program.build(load_experiment(name, settings))
    text = built.compile().as_text()
    sent = [model.sent_by(phase, built.abstract_state.nets) for phase in built.recipe.phases]
    loops = set(re.findall(r"body=%([\w.-]+)", text))
    inside = [block for block in text.split("\n\n") if block.split(" ", 1)[0].lstrip("%") in loops]
    assert len(loops) == len(inside) >= len(sent)
    assert sum(all_reduces(text)) > 0.99 * sum(one.gradients for one in sent)
    in_loops = sum(sum(all_reduces(block)) for block in inside)
    assert in_loops <= 1.01 * sum(one.statistics for one in sent)


def all_reduces(text):
    """Bytes of every all-reduce in a compiled program."""
    results = re.findall(r" = (.*) all-reduce\(", text)
    return [
        4 * sum(math.prod(map(int, filter(None, shape.split(",")))) for shape in shapes)
        for shapes in (re.findall(r"f32\[([\d,]*)\]", result) for result in results)
    ]


@pytest.mark.slow
def test_biggan_is_of_the_published_size(model):
    """The authors' count for their networks at 128 pixels."""
    (workload,) = (found for found in model.WORKLOADS if found.name == "BigGAN, 128×128")
    experiment = load_experiment(str(EXPERIMENTS / workload.file), workload.overrides)
    nets = program.build(experiment).abstract_state.nets
    sizes = {name: model.size_of(net.params) // 4 for name, net in nets.items()}
    assert sizes == {"generator": 70_433_988, "discriminator": 87_982_370}


@pytest.mark.slow
@pytest.mark.long
def test_the_document_holds_its_tables():
    command = [sys.executable, str(FILE)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    document = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for table in result.stdout.strip().split("\n\n"):
        assert table in document

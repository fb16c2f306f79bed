"""Every experiment file: traced at full size without data, and run for real at smoke size."""

import json

import jax
import jax.numpy as jnp
import pytest

from gan_jax import manifest
from gan_jax.errors import UsageError
from gan_jax.experiment import load_experiment
from gan_jax.program import build, step_of
from tests.conftest import EXPERIMENTS
from tests.marks import LONG

NAMES = sorted(path.stem for path in EXPERIMENTS.glob("*.py"))
KINDS = ("digits_mlp",)
"""Run in the default tests."""
ALIKE = (
    *("cifar10_r3gan", "cifar10_reacgan", "cifar10_stylegan2_ada", "folder_stylegan2"),
    *("ffhq256_r3gan", "ffhq256_stylegan2", "avatars_biggan_conditional", "avatars_sngan"),
    *("avatars_stabilisers", "avatars_wgan_gp", "avatars_stylegan2", "folder_persona"),
    *("avatars_expression_landmarks", "folder_expression", "avatars_dcgan", "cifar10_dcgan"),
    *("cifar10_wgan_gp", "avatars_vaegan", "avatar_encoder", "avatar_landmarks"),
    *("avatars_r3gan", "avatars_persona", "avatars_stylegan", "cifar10_biggan", "cifar10_sngan"),
    *("avatar_judge", "avatar_identity", "digits_ada", "folder_dcgan", "mnist_dcgan"),
)
"""Those that run what others run too, or compile for minutes: by hand."""

TRAINED_IN_HALF = (
    "cifar10_dcgan",
    pytest.param("avatars_dcgan", marks=pytest.mark.long),
    pytest.param("avatars_r3gan", marks=pytest.mark.long),
    pytest.param("avatars_stylegan2", marks=pytest.mark.long),
)
BFLOAT16 = ("precision", "bfloat16")


def marks(name):
    if name in KINDS:
        return ()
    return LONG if name in ALIKE else pytest.mark.slow


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.subset
@pytest.mark.parametrize("name", NAMES)
def test_trace(name):
    """At full size: init and step agree on the state, and the metrics are float32 scalars."""
    trace(f"{name}.py")


@pytest.mark.slow
def test_trace_at_1024():
    """The largest that there is, with all that it is trained with; its last resolutions frozen."""
    trace("folder_stylegan2.py:1024", ("frozen", "4"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "avatar_judge"])
def test_precision_reaches_every_network(name):
    networks = load_experiment(f"{EXPERIMENTS}/{name}.py", [BFLOAT16]).recipe().networks
    assert {network.dtype for network in networks.values()} == {jnp.bfloat16}


def test_a_precision_that_a_network_does_not_have():
    with pytest.raises(
        UsageError, match="precision='bfloat16': the network 'judge' computes in fl"
    ):
        build(load_experiment(f"{EXPERIMENTS}/avatar_judge.py", [BFLOAT16]))
    with pytest.raises(UsageError, match="precision='half': must be float32 or bfloat16"):
        build(load_experiment(f"{EXPERIMENTS}/digits_mlp.py", [("precision", "half")]))


@pytest.mark.parametrize(
    ("name", "key", "size", "message"),
    [
        ("cifar10_dcgan", "generator.width", "0", "the generator has width=0: must be at least 1"),
        ("cifar10_biggan", "discriminator.width", "-4", "the discriminator has width=-4"),
        ("cifar10_r3gan", "widths", "(768,0,768,768)", r"has widths=\(768, 0, 768, 768\)"),
        ("digits_mlp", "generator.hidden", "(0,)", r"the generator has hidden=\(0,\): must be"),
        ("avatars_stylegan2", "most", "0", "has channel_max=0: must be at least 1"),
    ],
)
def test_sizes_of_networks_must_be_positive(name, key, size, message):
    with pytest.raises(UsageError, match=message):
        build(load_experiment(f"{EXPERIMENTS}/{name}.py", [(key, size)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED_IN_HALF)
def test_training_in_bfloat16(name, gan_jax, tmp_path):
    """Ten steps, and ten more after a restart: finite, and the parameters stay float32."""
    arguments = ("train", f"{EXPERIMENTS / name}.py:smoke", f"--workdir={tmp_path}")
    for end in ("--stop_at=10", "--stop_at=20"):
        result = gan_jax(*arguments, "--config.precision=bfloat16", end, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 20 and rows[-1]["skipped"] == 0
    leaves = manifest.read(tmp_path / "checkpoints" / "20").leaves
    assert "float32" in str(leaves) and "bfloat16" not in str(leaves)


def trace(file, *overrides):
    experiment = load_experiment(f"{EXPERIMENTS}/{file}", [("mesh.devices", "1"), *overrides])
    program = build(experiment)
    step = step_of(experiment, program.recipe, program.optimizers)
    rounds = program.recipe.batches_per_round
    batches = {
        key: jax.ShapeDtypeStruct((rounds, *leaf.shape), leaf.dtype)
        for key, leaf in experiment.batch_spec().items()
    }
    after, metrics = jax.eval_shape(step, program.abstract_state, program.frozen, batches)
    assert jax.tree.structure(after) == jax.tree.structure(program.abstract_state)
    assert shapes(after) == shapes(program.abstract_state)
    assert all((leaf.shape, leaf.dtype) == ((), jnp.float32) for leaf in metrics.values())
    names = {f"{phase.name}/loss" for phase in program.recipe.phases}
    assert names <= metrics.keys()


@pytest.mark.parametrize("name", NAMES)
def test_header_and_smoke_setting(name):
    """It opens with its command, and smoke is a batch of at most 16 with two checkpoints."""
    path = EXPERIMENTS / f"{name}.py"
    assert f"gan-jax train experiments/{name}.py" in path.read_text().partition('"""\n\nfrom')[0]
    config = load_experiment(f"{path}:smoke").config
    assert config.batch_size <= 16
    total, every = (int(config[key].split()[0]) for key in ("total", "checkpoint_every"))
    assert total >= 2 * every and not config.data.name.startswith("tfds:")


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in NAMES])
def test_smoke_run(name, gan_jax, tmp_path):
    workdir = tmp_path / "run"
    result = gan_jax(
        "train", f"{EXPERIMENTS / name}.py:smoke", f"--workdir={workdir}", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    total = int(load_experiment(f"{EXPERIMENTS / name}.py:smoke").config.total.split()[0])
    assert (workdir / "checkpoints" / str(total) / "manifest.json").is_file()
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == total and rows[-1]["skipped"] == 0
    assert (workdir / "reals.png").is_file()
    recipe = load_experiment(f"{EXPERIMENTS / name}.py:smoke").recipe()
    if recipe.generate is not None:
        last = f"samples/{total:07d}{'_raw' if recipe.ema else ''}.png"
        for picture in ("samples/0000000.png", last):
            assert (workdir / picture).is_file()
    if recipe.generate is None or recipe.given:
        assert gan_jax("sample", workdir).returncode == 2
        return
    # Each form compiles; which form it is has to do with the experiment no more than its name.
    for form in ("grid.png", "walk.gif", "single") if name in KINDS else ("single",):
        arguments = ("--count=5", "--frames=3", f"--out={tmp_path / form}")
        result = gan_jax("sample", workdir, *arguments)
        assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "single").glob("*.png"))) == 5

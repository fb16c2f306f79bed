"""Runs of two steps whose latents are looked at: a dense one on z, a styled one with classes."""

import shutil
import textwrap

import pytest

from gan_jax.cli import run
from tests.conftest import EXPERIMENTS

STYLED = '''
"""StyleGAN2 of a few features on digits."""
import optax
from gan_jax import losses
from gan_jax.config import base_config
from gan_jax.networks.mlp import MLPDiscriminator
from gan_jax.networks.stylegan2.generator import StyleGAN2Generator
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.noise import noise_recipe

def get_config(argument=""):
    config = base_config()
    config.batch_size = 4
    config.total = "2 steps"
    config.data.name = "digits"
    config.data.size = 8
    config.data.channels = 1
    config.num_classes = 10
    config.samples.count = 4
    return config

def get_recipe(config):
    return noise_recipe(
        generator=StyleGAN2Generator(
            8, 1, 10, w_features=6, mapping_layers=2, channel_base=64, channel_max=8
        ),
        discriminator=MLPDiscriminator((8,), 10),
        latent_size=6,
        num_classes=10,
        loss=losses.non_saturating,
        values={"ema_decay": 0.5},
        schedules={},
        drawing=Styled(mixing=0.5),
    )

def get_optimizers(config):
    return {name: optax.sgd(0.1) for name in ("generator", "discriminator")}
'''


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Run directories: `z` without classes, `w` with ten."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "styled.py").write_text(textwrap.dedent(STYLED))
    shutil.copyfile(EXPERIMENTS / "digits_mlp.py", folder / "dense.py")
    one = "--config.mesh.devices=1"
    assert run(["train", str(folder / "styled.py"), f"--workdir={folder / 'w'}", one]) == 0
    dense = f"{folder / 'dense.py'}:smoke"
    steps = "--config.total=2 steps"
    assert run(["train", dense, f"--workdir={folder / 'z'}", one, steps]) == 0
    return {"z": folder / "z", "w": folder / "w"}


@pytest.fixture
def latents(runs, tmp_path, capfd, monkeypatch):
    """`latents(tool, run, flag…)`: what was written to `out`, or the line of an error."""
    monkeypatch.setattr("gan_jax.latents_command.opened.MEASURED", 200)

    def call(tool, which, *flags, out="out.png"):
        target = tmp_path / out
        arguments = ["latents", tool, str(runs[which]), *map(str, flags), f"--out={target}"]
        code = run(arguments)
        line = capfd.readouterr().err.strip().splitlines()[-1]
        if code:
            assert code in (2, 5) and line.startswith("gan-jax: ") and not target.exists()
            return line
        assert str(target) in line
        return target

    return call

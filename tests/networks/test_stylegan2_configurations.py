"""StyleGAN2's published settings, one by one.

The figures are those of the release: NVlabs/stylegan2-ada-pytorch, train.py, `cfg_specs` and what
follows it (`auto`; `cifar` without path lengths, style mixing and shortcuts), with the defaults of
`StyleGAN2Loss` in training/loss.py for the rest: style mixing 0.9, path lengths 2.
"""

import jax.numpy as jnp
import pytest

from gan_jax.networks.stylegan2.configurations import (
    CIFAR,
    CONFIG_F,
    PAPER_256,
    PAPER_512,
    PAPER_1024,
    automatic,
)


def published(*, mb, mbstd, fmaps, lrate, gamma, ema, ramp, map, kimg=25_000, **others):
    """A row of the release's table, in its words, as a configuration's fields."""
    return {
        "batch_size": mb,
        "group_size": mbstd,
        "channel_base": fmaps * 32768,
        "learning_rate": lrate,
        "r1_gamma": gamma,
        "ema_kimg": ema,
        "ema_rampup": ramp,
        "mapping_layers": map,
        "kimg": kimg,
        "architecture": "resnet",
        "style_mixing": 0.9,
        "path_length": 2,
    } | others


LARGE = {"ramp": None, "map": 8}
SMALL = {"ramp": 0.05, "map": 2}
PLAIN = {"path_length": 0, "style_mixing": 0, "architecture": "orig", "kimg": 100_000}
SPECIFIED = {
    "stylegan2": (
        CONFIG_F,
        published(mb=32, mbstd=4, fmaps=1, lrate=0.002, gamma=10, ema=10, **LARGE),
    ),
    "paper256": (
        PAPER_256,
        published(mb=64, mbstd=8, fmaps=0.5, lrate=0.0025, gamma=1, ema=20, **LARGE),
    ),
    "paper512": (
        PAPER_512,
        published(mb=64, mbstd=8, fmaps=1, lrate=0.0025, gamma=0.5, ema=20, **LARGE),
    ),
    "paper1024": (
        PAPER_1024,
        published(mb=32, mbstd=4, fmaps=1, lrate=0.002, gamma=2, ema=10, **LARGE),
    ),
    "cifar": (
        CIFAR,
        published(mb=64, mbstd=32, fmaps=1, lrate=0.0025, gamma=0.01, ema=500, **SMALL, **PLAIN),
    ),
}
HEURISTIC = {
    # Pictures of a side, devices.
    (32, 1): published(mb=32, mbstd=4, fmaps=0.5, lrate=0.0025, gamma=0.0064, ema=10, **SMALL),
    (256, 1): published(mb=16, mbstd=4, fmaps=0.5, lrate=0.0025, gamma=0.8192, ema=5, **SMALL),
    (512, 8): published(mb=64, mbstd=4, fmaps=1, lrate=0.0025, gamma=0.8192, ema=20, **SMALL),
    (1024, 1): published(mb=4, mbstd=4, fmaps=1, lrate=0.002, gamma=52.4288, ema=1.25, **SMALL),
    (1024, 8): published(mb=32, mbstd=4, fmaps=1, lrate=0.002, gamma=6.5536, ema=10, **SMALL),
    (1024, 64): published(mb=64, mbstd=1, fmaps=1, lrate=0.002, gamma=3.2768, ema=20, **SMALL),
    (1024, 128): published(mb=128, mbstd=1, fmaps=1, lrate=0.002, gamma=1.6384, ema=40, **SMALL),
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_field_is_the_published_one(name):
    ours, theirs = SPECIFIED[name]
    assert ours._asdict() == theirs


@pytest.mark.parametrize(("size", "devices"), HEURISTIC)
def test_every_field_of_auto_is_the_release_heuristics(size, devices):
    theirs = HEURISTIC[size, devices]
    gamma = theirs["r1_gamma"]
    ours = automatic(size, devices)
    assert ours._asdict() == theirs | {"r1_gamma": pytest.approx(gamma, rel=1e-12)}


@pytest.mark.parametrize("name", SPECIFIED)
def test_networks_are_given_what_the_configuration_says(name):
    """Clamped at 256 in half precision and nowhere else."""
    ours, theirs = SPECIFIED[name]
    for dtype, clamp in ((None, None), (jnp.float16, 256.0)):
        generator = ours.generator(64, channels=1, num_classes=5, dtype=dtype)
        discriminator = ours.discriminator(64, num_classes=5, dtype=dtype)
        for network in (generator, discriminator):
            assert (network.size, network.num_classes, network.dtype) == (64, 5, dtype)
            assert (network.channel_base, network.channel_max) == (theirs["channel_base"], 512)
            assert (network.clamp, network.dtype_resolutions) == (clamp, 4)
        assert (generator.channels, generator.w_features) == (1, 512)
        assert generator.mapping_layers == theirs["mapping_layers"]
        assert discriminator.group_size == theirs["group_size"]
        assert discriminator.architecture == theirs["architecture"]

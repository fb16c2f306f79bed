"""Presets say everything, and their pixel arithmetic is that of the tools they name."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.metrics.protocol import (
    PROTOCOLS,
    VGG16_PROTOCOL,
    Protocol,
    as_used,
    describe,
    normalise,
    protocol,
    quantise,
)

LEVELS = np.arange(256, dtype=np.uint8)


def test_the_four_presets():
    assert list(PROTOCOLS) == ["tf1", "pytorch-fid", "clean", "torchmetrics"]
    choices = {
        name: (preset.resize, preset.normalisation, preset.ddof, preset.kid_sampling)
        for name, preset in PROTOCOLS.items()
    }
    assert choices == {
        "tf1": ("tf1", "(x-128)/128", 1, "torch-fidelity"),
        "pytorch-fid": ("bilinear", "2x/255-1", 1, "torch-fidelity"),
        "clean": ("bicubic_antialias", "(x-128)/128", 1, "clean-fid"),
        "torchmetrics": ("bilinear_antialias", "(x-128)/128", 1, "torchmetrics"),
    }
    assert protocol("torchmetrics").inception_score_ddof == 1
    for name, preset in PROTOCOLS.items():
        assert preset.name == name
        assert preset.notes


def test_what_goes_into_vgg16():
    """The channels' means and deviations of ImageNet: red 0.485 and 0.229 of 1, and so on."""
    assert VGG16_PROTOCOL.name not in PROTOCOLS
    assert (VGG16_PROTOCOL.resize, VGG16_PROTOCOL.size) == ("tf1", 224)
    for preset in PROTOCOLS.values():
        assert (preset.precision_recall_k, preset.precision_recall_strict) == (3, False)
    rgb = np.array([[0, 100, 255]], np.uint8)
    wanted = [-0.485 / 0.229, (100 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    for array in (np.asarray, jnp.asarray):
        found = normalise(array(rgb), VGG16_PROTOCOL.normalisation)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, [wanted], rtol=1e-6)


def test_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        PROTOCOLS["mine"] = protocol("tf1")  # type: ignore
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol("tf1").ddof = 0  # type: ignore


def test_no_choice_is_hidden():
    for field in dataclasses.fields(Protocol):
        assert field.default is dataclasses.MISSING
        assert field.default_factory is dataclasses.MISSING


@pytest.mark.parametrize("name", PROTOCOLS)
def test_description_is_all_of_it_in_json(name):
    described = json.loads(json.dumps(describe(protocol(name))))
    assert Protocol(**described) == protocol(name)


def test_a_row_tells_the_presets_counts_apart_from_what_was_used():
    row = as_used(protocol("tf1"))
    assert row["preset"] == {"samples": 50_000, "real_split": "train, all of it"}
    assert row.keys() == describe(protocol("tf1")).keys() - row["preset"].keys() | {"preset"}


def test_unknown_name():
    with pytest.raises(UsageError, match="'fid'; it is one of tf1, pytorch-fid, clean, torchm"):
        protocol("fid")


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_normalisations(array):
    tensorflow, torch = (normalise(array(LEVELS), how) for how in ("(x-128)/128", "2x/255-1"))
    assert tensorflow.dtype == torch.dtype == np.float32
    np.testing.assert_array_equal(tensorflow, (np.arange(256) - 128) / 128)
    np.testing.assert_allclose(torch, np.arange(256) / 127.5 - 1, atol=2e-7)
    assert np.abs(np.asarray(tensorflow) - np.asarray(torch)).max() > 7e-3  # no rounding slip


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_quantisations(array):
    between = np.array([-1.2, -1.0, 0.0, 0.49 / 127.5, 1.0, 1.7], np.float32)
    np.testing.assert_array_equal(quantise(array(between), "round"), [0, 0, 128, 128, 255, 255])
    np.testing.assert_array_equal(quantise(array(between), "truncate"), [0, 0, 127, 127, 255, 255])


def test_rounding_brings_every_level_back_and_truncation_moves_some():
    stored = LEVELS.astype(np.float32) / np.float32(127.5) - np.float32(1)
    np.testing.assert_array_equal(quantise(stored, "round"), LEVELS)
    truncated = quantise(stored, "truncate").astype(int)
    assert set(LEVELS.astype(int) - truncated) == {0, 1}


def test_unknown_ways():
    with pytest.raises(UsageError, match="normalisation 'none'"):
        normalise(LEVELS, "none")  # type: ignore
    with pytest.raises(UsageError, match="quantisation 'floor'"):
        quantise(LEVELS, "floor")  # type: ignore

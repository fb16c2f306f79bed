"""Overrides keep types and name the nearest key; resume compares what matters."""

import pytest

from gan_jax.config import base_config, choose, differences, flatten, override
from gan_jax.errors import UsageError


def overridden(key, text):
    config = base_config()
    config.generator = {"hidden": (8, 16), "rate": 1e-3}
    override(config, [(key, text)])
    return flatten(config)[key]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("batch_size", "32", 32),
        ("generator.rate", "2e-4", 2e-4),
        ("generator.rate", "1", 1.0),
        ("data.flip", "true", True),
        ("data.flip", "False", False),
        ("total", "20 epochs", "20 epochs"),
        ("generator.hidden", "(4,)", (4,)),
        ("generator.hidden", "[4, 5]", (4, 5)),
        ("data.directory", "", ""),
    ],
)
def test_override(key, text, value):
    result = overridden(key, text)
    assert result == value and type(result) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("batch_sise", "32", "nearest is 'batch_size'"),
        ("rate", "1", "nearest is 'generator.rate'"),
        ("data.sizes", "1", "nearest is 'data.size'"),
        ("data", "1", "it is a group of .*data.name"),
        ("batch_size", "many", "must be int"),
        ("batch_size", "2.5", "must be int"),
        ("generator.rate", "fast", "must be float"),
        ("data.flip", "maybe", "must be bool"),
        ("generator.hidden", "8", "must be tuple"),
        ("generator.hidden", "__import__('os')", "must be tuple"),
    ],
)
def test_wrong_overrides(key, text, message):
    with pytest.raises(UsageError, match=message):
        overridden(key, text)


def test_choose():
    def small(config):
        config.batch_size = 1

    assert choose("small", base_config(), small=small).batch_size == 1
    assert choose("", base_config(), small=small).batch_size == 64
    with pytest.raises(UsageError, match="no setting 'tiny'.*small"):
        choose("tiny", base_config(), small=small)


def test_differences():
    before = base_config().to_dict()
    after = base_config()
    after.total = "2000 steps"
    after.log_every = "1 step"
    after.writers.tensorboard = False
    after.checkpoint.keep_last = 9
    after.mesh.devices = 4
    assert differences(before, after.to_dict()) == []
    after.steps_per_call = 4
    after.data.seed = 1
    after.mesh.view = "per_device"
    found = differences(before, after.to_dict())
    assert [line.split(":")[0] for line in found] == ["data.seed", "mesh.view", "steps_per_call"]
    assert "data.seed: 0 -> 1" in found

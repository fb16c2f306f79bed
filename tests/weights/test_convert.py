"""Every key of the source is used once, every leaf filled; what does not fit is named."""

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.weights.convert import Target, convert, convolution, dense, flat_shapes, same
from gan_jax.weights.feature_networks import network_names, network_shapes
from gan_jax.weights.inception_names import units
from gan_jax.weights.known import NETWORKS
from tests.networks.features.structured import structured_state

NAMES = {
    "conv.weight": Target("params/conv/kernel", convolution),
    "fc.weight": Target("params/fc/kernel", dense),
    "fc.bias": Target("params/fc/bias", same),
    "seen": None,
}
SHAPES = {
    "params/conv/kernel": (5, 4, 3, 2),
    "params/fc/kernel": (6, 7),
    "params/fc/bias": (7,),
}


def state():
    generator = np.random.default_rng(0)
    return {
        "conv.weight": generator.normal(size=(2, 3, 5, 4)).astype(np.float32),
        "fc.weight": generator.normal(size=(7, 6)).astype(np.float16),
        "fc.bias": generator.normal(size=7),
        "seen": np.int64(3),
    }


def fails(changed) -> str:
    with pytest.raises(UsageError) as caught:
        convert(changed, NAMES, SHAPES, "weights x.pth for it")
    assert str(caught.value).startswith("weights x.pth for it: ")
    return str(caught.value)


def test_axes_and_dtypes():
    source = state()
    made = convert(source, NAMES, SHAPES, "x")
    kernel = made["params"]["conv"]["kernel"]
    assert kernel[4, 3, 2, 1] == source["conv.weight"][1, 2, 4, 3]
    assert made["params"]["fc"]["kernel"][5, 6] == np.float32(source["fc.weight"][6, 5])
    assert flat_shapes(made) == SHAPES
    assert all(leaf.dtype == np.float32 for leaf in made["params"]["fc"].values())


def test_what_does_not_fit_is_named():
    source = state()
    lacking = {key: value for key, value in source.items() if key != "fc.bias"}
    assert "lacks fc.bias" in fails(lacking)
    more = source | {name: np.zeros(1) for name in "abcdef"}
    assert "has the unknown a, b, c and 3 more" in fails(more)
    wrong = source | {"fc.weight": np.zeros((7, 5))}
    assert "fc.weight becomes [5, 7], not [6, 7]" in fails(wrong)
    assert "conv.weight has the shape [3]" in fails(source | {"conv.weight": np.zeros(3)})
    nan = source | {"fc.bias": np.full(7, np.nan)}
    assert "fc.bias holds numbers that are not finite" in fails(nan)


@pytest.mark.parametrize("network", NETWORKS)
def test_maps_fill_each_leaf_once(network):
    targets = [target.path for target in network_names(network, ()).values() if target]
    assert len(targets) == len(set(targets))
    assert set(targets) == set(network_shapes(network))


@pytest.mark.parametrize("prefix", ["", "layers."])
@pytest.mark.parametrize("batches", [True, False])
def test_inception_files_old_and_prefixed(prefix, batches):
    """566 keys, or 472 of a torch before 0.4.1, under the prefix of a wrapper."""
    keys = {prefix + key for key in network_names("inception", ())}
    if batches:
        keys |= {f"{prefix}{unit}.bn.num_batches_tracked" for unit in units()}
    assert len(keys) == (566 if batches else 472)
    assert network_names("inception", keys).keys() == keys


def test_two_ends_of_an_inception_file():
    source = structured_state("inception", only="Mixed_7c.branch3x3dbl_3b")
    names = {key: t for key, t in network_names("inception", ()).items() if key in source}
    shapes = {t.path: network_shapes("inception")[t.path] for t in names.values() if t}
    state = {key: source[key] for key in names}
    made = convert(state, names, shapes, "x")
    kernel = made["params"]["Mixed_7c"]["branch3x3dbl_3b"]["conv"]["kernel"]
    weight = state["Mixed_7c.branch3x3dbl_3b.conv.weight"]
    assert kernel.shape == (3, 1, 384, 384) and kernel[2, 0, 5, 7] == weight[7, 5, 2, 0]
    variance = made["batch_stats"]["Mixed_7c"]["branch3x3dbl_3b"]["bn"]["var"]
    assert (variance == state["Mixed_7c.branch3x3dbl_3b.bn.running_var"]).all()

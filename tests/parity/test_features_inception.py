"""One structured random state dict through pytorch-fid, torch-fidelity and `FIDInception`.

Every tap agrees to 5e-6 in float32 and 1e-12 in float64 (of the largest magnitude), and each single
mistake that is usual in such ports is caught by the same check.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_fid")
pytest.importorskip("torch_fidelity")

from gan_jax.networks.features import inception  # noqa: E402
from gan_jax.networks.features.inception import TAPS, FIDInception  # noqa: E402
from gan_jax.weights.store import find_weights  # noqa: E402
from tests.networks.features.structured import (  # noqa: E402
    golden,
    structured_state,
    summary,
    worst,
)
from tests.parity.references import (  # noqa: E402
    channels_first,
    golden_features,
    logits,
    pytorch_fid_features,
    pytorch_fid_net,
    tensors,
)

FLOAT32, FLOAT64 = 5e-6, 1e-12


@pytest.fixture(scope="module")
def pixels():
    """Two pictures, not square nor of one colour: a plain one and noise; uint8."""
    generator = np.random.default_rng(3)
    noise = generator.integers(0, 256, (1, 299, 299, 3))
    ramp = np.linspace(0, 255, 299)[None, :, None, None] * np.ones((1, 1, 299, 3))
    ramp = np.roll(ramp, 40, axis=2) * (1.0, 0.5, 0.2)
    return np.concatenate((noise, ramp)).astype(np.uint8)


@pytest.fixture(scope="module")
def x(pixels):
    return (pixels.astype(np.float32) - 128) / 128


@pytest.fixture(scope="module")
def state():
    return structured_state("inception")


@pytest.fixture(scope="module")
def variables(state, tmp_path_factory):
    """Through a real file of torch's and our reader."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(tensors(state), path)
    return find_weights("inception", path).variables


@pytest.fixture(scope="module")
def reference(state, x):
    return pytorch_fid_features(pytorch_fid_net(state), channels_first(x))


apply = jax.jit(FIDInception().apply)


def features(variables, x):
    return jax.device_get(apply(variables, x))


def test_pytorch_fid(variables, reference, x, state):
    wanted = reference | logits(state, reference["2048"])
    errors = worst(features(variables, x), wanted)
    print("float32 against pytorch-fid", errors)
    assert errors.keys() == set(TAPS) and max(errors.values()) <= FLOAT32


def test_pytorch_fid_in_float64(variables, state, x):
    network = pytorch_fid_net(state).double()
    wanted = pytorch_fid_features(network, channels_first(x.astype(np.float64)))
    wanted |= logits(state, wanted["2048"])
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: leaf.astype(np.float64), variables)
        network = FIDInception(dtype=jnp.float64)
        found = jax.device_get(jax.jit(network.apply)(exact, x.astype(np.float64)))
    assert all(value.dtype == np.float64 for value in found.values())
    errors = worst(found, wanted)
    print("float64 against pytorch-fid", errors)
    assert errors.keys() == set(TAPS) and max(errors.values()) <= FLOAT64


def test_torch_fidelity(variables, state, x, pixels, tmp_path):
    """It takes uint8, resizes (to the size that it has already) and normalises by itself."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path / "inception.pth"
    torch.save(tensors(state), path)
    taps = [*TAPS]
    extractor = FeatureExtractorInceptionV3("x", taps, feature_extractor_weights_path=str(path))
    with torch.no_grad():
        found = extractor(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    wanted = {tap: value.numpy() for tap, value in zip(taps, found, strict=True)}
    errors = worst(features(variables, x), wanted)
    print("float32 against torch-fidelity", errors)
    assert max(errors.values()) <= FLOAT32


def test_the_golden_file_is_what_pytorch_fid_gives():
    found = summary(golden_features("inception"))
    assert found.keys() == golden("inception").keys()
    for tap, values in golden("inception").items():
        np.testing.assert_allclose(found[tap], values, rtol=1e-9, atol=1e-9)


def torchvision_pool(x):
    """Counts its padding; torchvision has it in each block."""
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=True)


def epsilon(monkeypatch):
    monkeypatch.setattr(inception, "EPSILON", 1e-5)


def last_pool_is_an_average(monkeypatch):
    monkeypatch.setattr(inception, "max_pool", inception.average_pool)


def padding_counts(monkeypatch):
    monkeypatch.setattr(inception, "average_pool", torchvision_pool)


def pools_of_torchvision(monkeypatch):
    monkeypatch.setattr(inception, "average_pool", torchvision_pool)
    monkeypatch.setattr(inception, "max_pool", torchvision_pool)


def order_of_branches(monkeypatch):
    class Swapped(inception.MixedA):
        """The 5×5 branch before the 1×1 one; both have 64 channels."""

        @nn.compact
        def __call__(self, x):
            y = super().__call__(x)
            return jnp.concatenate((y[..., 64:128], y[..., :64], y[..., 128:]), -1)

    monkeypatch.setattr(inception, "MixedA", Swapped)


MUTATIONS = {
    epsilon: {"64", "192", "768", "2048"},
    last_pool_is_an_average: {"2048"},
    padding_counts: {"768", "2048"},
    pools_of_torchvision: {"768", "2048"},
    order_of_branches: {"768", "2048"},
}
"""Each mistake, and the taps at which it must show."""


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_mistakes_are_caught(mutate, variables, reference, x, monkeypatch):
    mutate(monkeypatch)
    found = jax.device_get(jax.jit(FIDInception().apply)(variables, x))
    errors = worst(found, reference)
    print(mutate.__name__, errors)
    assert {tap for tap, error in errors.items() if error > 100 * FLOAT32} == MUTATIONS[mutate]


def test_another_normalisation_is_caught(variables, reference, pixels):
    """(x - 127.5) / 127.5 in place of (x - 128) / 128."""
    errors = worst(features(variables, (pixels.astype(np.float32) - 127.5) / 127.5), reference)
    print("normalisation", errors)
    assert min(errors.values()) > 100 * FLOAT32

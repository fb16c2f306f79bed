"""Encoders of style transfer: VGG-19 as torchvision has it behind StyleVGG's first layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.features.style_vgg import StyleVGG
from gan_jax.networks.features.vgg import VGG, VGG19
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.weights import style_weights as module
from gan_jax.weights.store import Weights
from gan_jax.weights.style_weights import IMAGENET_DEVIATION, IMAGENET_MEAN, style_weights


@pytest.mark.slow
def test_vgg_is_the_same_away_from_the_border(monkeypatch, tmp_path):
    images = jax.random.uniform(jax.random.key(0), (1, 40, 40, 3), minval=-1.0)
    network = VGG(VGG19)
    variables = network.init(jax.random.key(1), images, taps=("relu3_1",))
    found = Weights("vgg19", tmp_path, dict(variables), "hash", True)
    monkeypatch.setattr(module, "find_weights", lambda name, given: found)
    weights = style_weights("vgg19")
    assert weights.sha256 == "hash" and "conv0" in weights.variables["params"]
    taps = ("relu1_1", "relu3_1")
    styled = StyleVGG().apply(weights.variables, images, taps=taps)
    normalised = ((images + 1) / 2 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_DEVIATION)
    plain = network.apply(variables, jnp.asarray(normalised, jnp.float32), taps=taps)
    for tap, border in (("relu1_1", 2), ("relu3_1", 4)):
        inside = (slice(None), slice(border, -border), slice(border, -border))
        np.testing.assert_allclose(styled[tap][inside], plain[tap][inside], rtol=1e-3, atol=1e-4)
        assert not np.allclose(styled[tap], plain[tap], atol=1e-4), "borders differ"


@pytest.mark.slow
def test_the_packaged_encoder_sees_filters_that_count_alike():
    weights = style_weights("avatar_encoder")
    assert weights.verified
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1.0)
    found = AvatarEncoder().apply(weights.variables, images, train=False)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_errors(monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="no style encoder 'vgg16': there are avatar_encoder"):
        style_weights("vgg16")
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="no weights of vgg19: get vgg19-dcbb9e9d.pth"):
        style_weights("vgg19")

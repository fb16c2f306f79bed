"""The space of VGG-16: what goes in, what comes out, what a row says of it."""

from pathlib import Path

import flax.traverse_util
import jax
import numpy as np
import pytest

from gan_jax.evaluators.spaces import feature_space, stated, stated_protocol
from gan_jax.metrics.protocol import IMAGENET_DEVIATION, IMAGENET_MEAN, PROTOCOLS
from gan_jax.metrics.ranges import range_of
from gan_jax.metrics.resize import resize
from gan_jax.weights.feature_networks import network_shapes
from gan_jax.weights.store import Weights


def spaces(protocol="tf1", verified=True):
    weights = {
        name: Weights(name, Path("w.pth"), {}, f"sha of {name}", verified)
        for name in ("inception", "vgg16")
    }
    return {name: feature_space(name, PROTOCOLS[protocol], x) for name, x in weights.items()}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_resized_as_tensorflow_did_and_normalised_as_imagenet(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 70, 260, channels), dtype=np.uint8)
    found = spaces("clean")["vgg16"].prepare(pixels)  # the protocol's own resize is Inception's
    rgb = np.broadcast_to(pixels[..., :3], (2, 70, 260, 3))
    resized = resize(rgb, 224, "tf1").astype(np.float64)
    wanted = (resized / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    assert found.dtype == np.float32 and found.shape == (2, 224, 224, 3)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_features_are_those_of_the_second_dense_layer():
    leaves = {
        path: jax.ShapeDtypeStruct(x, "float32") for path, x in network_shapes("vgg16").items()
    }
    variables = flax.traverse_util.unflatten_dict(leaves, sep="/")
    images = jax.ShapeDtypeStruct((2, 224, 224, 3), "float32")
    found = jax.eval_shape(spaces()["vgg16"].outputs, variables, images)
    assert {name: x.shape for name, x in found.items()} == {"features": (2, 4096)}


def test_a_metric_in_vgg16_tells_all_that_it_rests_on():
    both = spaces("torchmetrics")
    metrics = {"precision_vgg16": {"value": 0.5, "k": 3, "strict": False}}
    assert stated(metrics, both["inception"]) == metrics
    about = {
        "network": "vgg16",
        "weights_sha256": "sha of vgg16",
        "verified": True,
        "features": "fc2_relu",
        "quantisation": "truncate",
        "resize": "tf1",
        "size": 224,
        "normalisation": "imagenet",
    }
    assert stated(metrics, both["vgg16"])["precision_vgg16"] == metrics["precision_vgg16"] | about
    protocol = stated_protocol(list(both.values()))
    assert protocol["name"] == "torchmetrics" and protocol["vgg16"] == about
    assert stated_protocol([both["vgg16"]]) == {"name": "vgg16"} | about
    assert set(both["vgg16"].decides) <= about.keys()
    assert range_of("recall_vgg16") == (0.0, 1.0)


def test_unknown_weights_are_warned_of():
    assert spaces()["vgg16"].warnings == ()
    (warning,) = spaces(verified=False)["vgg16"].warnings
    assert "vgg16" in warning and "unverified" in warning

"""The identity recogniser against its convolutions by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.networks.identity_recogniser import (
    CHOICES,
    IDENTITY_FACTORS,
    IdentityRecogniser,
    probabilities_of,
)

FACTORS = (("hair", 3), ("glasses", 2))
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)


def test_size():
    shapes = jax.eval_shape(
        lambda x: IdentityRecogniser().init(jax.random.key(0), x, train=False), IMAGES
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_810_726
    assert CHOICES == 70 and len(IDENTITY_FACTORS) == 9


def test_convolutions_that_halve_and_a_head_a_factor():
    module = IdentityRecogniser(widths=(4, 5, 6), factors=FACTORS)
    variables = module.init(jax.random.key(0), IMAGES, train=False)
    p, x = variables["params"], jnp.asarray(IMAGES)
    for index in range(3):
        layer = p[f"Convolution_{index}"]
        edges = ((1, 1), (1, 1))
        x = lax.conv_general_dilated(
            x, layer["kernel"], (2, 2), edges, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = nn.relu(x + layer["bias"])
    found = module.apply(variables, IMAGES, train=False)
    assert isinstance(found, dict) and list(found) == ["hair", "glasses"]
    for name, logits in found.items():
        expected = x.reshape(2, -1) @ p[name]["kernel"] + p[name]["bias"]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    probabilities = probabilities_of(found)
    assert probabilities.shape == (2, 5)
    np.testing.assert_allclose(probabilities[:, :3], nn.softmax(found["hair"]), rtol=1e-6)
    np.testing.assert_allclose(probabilities[:, 3:].sum(axis=1), 1, rtol=1e-6)


def test_other_sizes_are_brought_to_its_own():
    module = IdentityRecogniser(widths=(4,), factors=FACTORS)
    variables = module.init(jax.random.key(0), IMAGES, train=False)
    larger = np.repeat(np.repeat(IMAGES, 2, axis=1), 2, axis=2)
    smaller = jax.image.resize(larger, IMAGES.shape, "linear", antialias=True)
    found, expected = (module.apply(variables, x, train=False) for x in (larger, smaller))
    assert isinstance(found, dict) and isinstance(expected, dict)
    np.testing.assert_allclose(found["hair"], expected["hair"], rtol=1e-5, atol=1e-5)

"""The perceptual distance that needs no weights of others: its features, blocks and colours."""

import hashlib
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.geometry import composite
from gan_jax.errors import UsageError
from gan_jax.evaluators import perceptual
from gan_jax.evaluators.perceptual import avatar_perceptual
from gan_jax.networks.features.style_vgg import TAPS
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.weights.folder import SHIPPED

COUNT = 5


def images(channels, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (COUNT, 16, 16, channels)).astype(np.uint8)


@pytest.fixture
def small(monkeypatch):
    """An encoder that compiles at once, in the place of the one that comes with the package."""
    encoder = AvatarEncoder(width=2, blocks=(1, 1, 1, 1))
    variables = encoder.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)
    weights = SimpleNamespace(variables=variables, sha256="of the file", verified=True)
    monkeypatch.setattr(perceptual, "AvatarEncoder", lambda: encoder)
    monkeypatch.setattr(perceptual, "style_weights", lambda name: weights)
    return lambda x: encoder.apply(variables, jnp.float32(x) / 127.5 - 1, train=False)


def test_it_is_the_written_formula_of_the_encoders_features(small, monkeypatch):
    monkeypatch.setattr(perceptual, "BLOCK", 3)  # the second one is filled up
    a, b = images(3), images(3, seed=1)
    expected = np.zeros(COUNT)
    of_a, of_b = small(a), small(b)
    assert len(of_a) == 4
    for tap in of_a:
        u, v = (np.float64(features[tap]) for features in (of_a, of_b))
        u, v = (x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10) for x in (u, v))
        expected += ((u - v) ** 2).sum(-1).mean((1, 2)) / 4
    assert (expected > 0.01).all()
    made = avatar_perceptual()
    np.testing.assert_allclose(made.distance(a, b), expected, rtol=1e-4)
    np.testing.assert_array_equal(made.distance(a, a), 0.0)
    assert made.describe["network"] == "avatar_encoder" and made.describe["taps"] == list(TAPS)
    assert made.describe["weights_sha256"] == "of the file"


def test_grey_is_repeated_and_alpha_dropped(small):
    distance = avatar_perceptual().distance
    a, b = images(1), images(1, seed=1)
    grey = distance(np.repeat(a, 3, axis=-1), np.repeat(b, 3, axis=-1))
    np.testing.assert_array_equal(distance(a, b), grey)
    a, b = images(4), images(4, seed=1)
    np.testing.assert_array_equal(distance(a, b), distance(a[..., :3], b[..., :3]))
    with pytest.raises(UsageError, match="perceptual distance of shapes .* not alike"):
        distance(a, b[:2])


def test_a_row_names_the_file_that_comes_with_the_package():
    sha256 = hashlib.sha256((SHIPPED / "avatar_encoder.safetensors").read_bytes()).hexdigest()
    describe = avatar_perceptual().describe
    assert describe["weights_sha256"] == sha256 and describe["verified"]


@pytest.mark.slow
def test_avatars_are_nearer_to_their_shifted_selves_than_to_others():
    drawn = np.asarray(draw_avatars(77, 0, 0, CHUNK, 64).image)
    avatars = np.stack([composite(picture, (255, 255, 255)) for picture in drawn])
    shifted = np.roll(avatars, 1, axis=2)
    distance = avatar_perceptual().distance
    near, far = distance(avatars, shifted), distance(avatars, np.roll(avatars, 1, axis=0))
    assert (near < far).mean() > 0.95 and 0.01 < near.mean() < 0.5 * far.mean() < 0.5

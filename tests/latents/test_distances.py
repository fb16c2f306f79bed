"""How alike two pictures are: by pixels, LPIPS and the avatar encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.latents.distances import Distance, as_vectors, distance_named
from gan_jax.metrics.perceptual import lpips_distance
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.weights.variables import write_variables

PIXELS = distance_named("pixels")


def test_the_distance_of_pixels_is_the_mean_squared_error():
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    target = PIXELS.features({}, jnp.asarray(b)[None])[0]
    np.testing.assert_allclose(PIXELS.between({}, a, target), np.mean((a - b) ** 2), rtol=1e-5)


def random_variables(init, *example):
    """Of a network's shapes, without running it."""
    shapes = jax.eval_shape(init, jax.random.key(0), *example)
    rng = np.random.default_rng(0)

    def draw(leaf):
        deviation = 1 / np.sqrt(np.prod(leaf.shape[:-1]))
        return (deviation * rng.standard_normal(leaf.shape)).astype(np.float32)

    return jax.tree.map(draw, shapes)


def encoder_file(path, **settings):
    network = AvatarEncoder(**settings)
    picture = jnp.zeros((1, 32, 32, 3))
    variables = random_variables(lambda key, x: network.init(key, x, train=False), picture)
    write_variables(path, variables, {"network": "avatar_encoder"})
    return path, variables


def test_vectors_whose_squared_distance_is_that_of_lpips():
    rng = np.random.default_rng(0)
    shapes = ((2, 6, 6, 3), (2, 3, 3, 5))
    maps = [np.maximum(rng.standard_normal(shape), 0).astype(np.float32) for shape in shapes]
    maps[1][0] = 0.0  # nothing was seen anywhere
    weights = [rng.uniform(0, 1, shape[-1]).astype(np.float32) for shape in shapes]

    def apart(maps):
        a, b = as_vectors(maps, weights)
        return jnp.sum(jnp.square(a - b))

    a, b = ([m[i : i + 1] for m in maps] for i in (0, 1))
    expected = lpips_distance(a, b, weights, epsilon_inside=True)[0]
    found, slope = jax.value_and_grad(apart)([jnp.asarray(m) for m in maps])
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert all(np.isfinite(x).all() for x in slope)


@pytest.mark.slow
def test_the_features_of_the_avatar_encoder(tmp_path):
    """Of grey pictures, repeated."""
    path, variables = encoder_file(tmp_path / "encoder.safetensors")
    distance = distance_named("avatar_encoder", path)
    grey = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 1)).astype(np.float32)

    @jax.jit
    def both(variables, x):
        maps = AvatarEncoder().apply(variables, jnp.repeat(x, 3, axis=-1), train=False)
        return distance.features(variables, x), maps

    found, maps = both(variables, grey)
    expected = as_vectors(list(maps.values()), [np.ones(m.shape[-1]) for m in maps.values()])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_distances_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="--features=vgg: there are pixels, avatar_encoder, lpips"):
        distance_named("vgg")
    path, _ = encoder_file(tmp_path / "narrow.safetensors", width=8)
    with pytest.raises(UsageError, match="do not fit the avatar encoder"):
        distance_named("avatar_encoder", path)
    for name in ("pixels", "lpips"):
        with pytest.raises(UsageError, match=f"--features={name} reads none; avatar_encoder does"):
            distance_named(name, path)
    text = tmp_path / "text.png"
    text.write_text("no weights")
    with pytest.raises(UsageError, match="text.png: the avatar encoder's are a safetensors file"):
        distance_named("avatar_encoder", text)
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path / "no_weights"))
    with pytest.raises(UsageError, match="no weights of vgg16: .*weights import vgg16 .*FILE`$"):
        distance_named("lpips")


@pytest.mark.slow
def test_lpips_as_a_squared_distance(tmp_path, monkeypatch):
    """With random weights, it is what `evaluators.lpips` measures."""
    from gan_jax.evaluators import lpips as measured
    from gan_jax.latents import distances
    from gan_jax.networks.features.vgg import LPIPS_VGG16, VGG, VGG16

    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 1, 32, 32, 3)).astype(np.float32)
    vgg = random_variables(lambda key, x: VGG(VGG16).init(key, x, taps=LPIPS_VGG16), a)
    channels = (64, 128, 256, 512, 512)
    linear = {
        name: jnp.linspace(0.1, 1.0, count)
        for name, count in zip(LPIPS_VGG16, channels, strict=True)
    }
    variables = {"vgg": vgg, "linear": {"params": linear}}
    monkeypatch.setattr(distances, "find_lpips", lambda: (variables, {}))
    distance = distance_named("lpips")
    target = jax.jit(distance.features)(variables, b)[0]
    ours = float(jax.jit(distance.between)(variables, a[0], target))
    theirs = float(jax.jit(measured.lpips)(variables, a, b)[0])
    assert ours == pytest.approx(theirs, rel=1e-4) and isinstance(distance, Distance)

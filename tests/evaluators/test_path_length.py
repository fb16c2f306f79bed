"""Perceptual path length against a computation by hand: a plain distance in place of LPIPS, and
generators that NumPy can follow."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.evaluators import path_length
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.evaluators.path_length import PathLength, along
from gan_jax.mesh import make_mesh
from gan_jax.recipe import Phase, Recipe
from gan_jax.state import NetState
from tests.evaluators import toy
from tests.recipes.test_noise_parts import SHAPE, StyledGenerator

LATENT, SAMPLES = 5, 100
EPSILON = 0.05
"""Large enough for float32 to tell two pictures apart by five digits."""


class Linear(nn.Module):
    """z [B, 5] -> z A, as pictures [B, 4, 4, 1]."""

    @nn.compact
    def __call__(self, z, label, *, train):
        return nn.Dense(16, use_bias=False)(z).reshape(-1, *SHAPE)


@pytest.fixture(autouse=True)
def plain_distance(monkeypatch):
    """The mean of squared differences; pictures come as RGB."""

    def distance(eye, a, b):
        assert a.shape[1:] == (4, 4, 3)
        return jnp.mean(jnp.square(a - b), axis=(1, 2, 3))

    monkeypatch.setattr(path_length, "find_lpips", lambda: ({}, {"verified": True}))
    monkeypatch.setattr(path_length, "lpips", distance)


def loss(nets, extra, batch, key, values):
    raise AssertionError("never trained")


def recipe(generator, **styles):
    return Recipe(
        networks={"generator": generator},
        phases=(Phase(name="generator", trains=("generator",), loss=loss),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jax.random.normal(key, (len(batch["label"]), LATENT)),
        generate=lambda nets, z, batch, t: nets("generator", z, None)[0],
        **styles,
    )


STYLED = recipe(
    StyledGenerator(),
    styles=lambda nets, z, batch: nets("generator", z, None, method="map")[0],
    synthesise=lambda nets, ws: nets("generator", ws, method="synthesise")[0],
)


def subject(made):
    module = made.networks["generator"]
    variables = module.init(jax.random.key(3), jnp.zeros((2, LATENT)), None, train=False)
    stats = {name: leaf for name, leaf in variables.items() if name != "params"}
    return Subject(1, {"generator": NetState(variables["params"], stats, (), None)}, {})


def world(made):
    generated = Generated(made, make_mesh(1), 0)
    return dataclasses.replace(toy.world(), recipe=made, generated=generated)


def found(made, **settings):
    evaluator = PathLength(samples=SAMPLES, epsilon=EPSILON, **settings)
    evaluation = evaluator.open(world(made))(subject(made), 7)
    assert evaluation.protocol["space"] == settings.get("space", "z")
    return evaluation.metrics["ppl"]["value"]


def pairs(made):
    """In float64: the two latents of each of the first pairs."""
    latents, _, _ = Generated(made, make_mesh(1), 0).inputs(2 * SAMPLES, 7)
    latents = np.asarray(latents, np.float64)
    half = len(latents) // 2
    return latents[:SAMPLES], latents[half : half + SAMPLES]


def middle(distances):
    """By hand: those between the first and the last percentile, the bounds kept."""
    values = np.sort(distances)
    low, high = int(0.01 * (SAMPLES - 1)), int(np.ceil(0.99 * (SAMPLES - 1)))
    return values[low : high + 1].mean()


def on_the_sphere(a, b, t):
    """The direction along the great circle, the length in a straight line."""
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    u, v = a / lengths[0], b / lengths[1]
    angle = np.arccos((u * v).sum(axis=1, keepdims=True))
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return direction * ((1 - t) * lengths[0] + t * lengths[1])


def test_along_the_sphere():
    a, b = pairs(recipe(Linear()))
    compiled = jax.jit(along)
    for t in (0.0, 0.3, 1.0):
        result = compiled(np.float32(a), np.float32(b), np.full(SAMPLES, t, np.float32))
        np.testing.assert_allclose(result, on_the_sphere(a, b, t), rtol=1e-4, atol=2e-5)
    parallel = compiled(np.float32(a), np.float32(4 * a), np.full(SAMPLES, 0.5, np.float32))
    np.testing.assert_allclose(parallel, 2.5 * a, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("path", ["end", "full"])
def test_in_z_of_a_linear_generator(path):
    made = recipe(Linear())
    a, b = pairs(made)
    matrix = np.asarray(subject(made).nets["generator"].params["Dense_0"]["kernel"], np.float64)
    # As many as whole blocks of pairs hold: 2 * 100 latents are 4 blocks of 64, so 128 pairs.
    t = np.random.default_rng(7).random(128, np.float32)[:SAMPLES, None].astype(np.float64)
    t = t if path == "full" else np.zeros_like(t)
    step = on_the_sphere(a, b, t + EPSILON) - on_the_sphere(a, b, t)
    wanted = middle(np.square(step @ matrix).mean(axis=1) / EPSILON**2)
    assert found(made, path=path) == pytest.approx(wanted, rel=1e-4)


def test_in_w_of_a_styled_generator():
    """The mapping is a dense layer; each layer of the synthesis a dense one behind a tanh."""
    a, b = pairs(STYLED)
    layers = jax.device_get(subject(STYLED).nets["generator"].params)

    def dense(name, x):
        layer = layers[name]
        return x @ layer["kernel"].astype(np.float64) + layer["bias"].astype(np.float64)

    def picture(w):
        return np.tanh(dense("layers_0", np.tanh(w)) + dense("layers_1", np.tanh(w)))

    start, end = dense("mapping", a), dense("mapping", b)
    t = np.random.default_rng(7).random(128, np.float32)[:SAMPLES, None].astype(np.float64)
    step = picture(start + (t + EPSILON) * (end - start)) - picture(start + t * (end - start))
    wanted = middle(np.square(step).mean(axis=1) / EPSILON**2)
    assert found(STYLED, path="full", space="w") == pytest.approx(wanted, rel=1e-4)


def test_wrong_settings_are_told_at_once():
    for settings, word in (
        ({"path": "middle"}, "full or end"),
        ({"space": "x"}, "z or w"),
        ({"space": "w"}, "no w"),
    ):
        with pytest.raises(UsageError, match=word):
            PathLength(**settings).open(world(recipe(Linear())))

"""The supervised recipe against least squares by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.recipes.supervised import no_augmentation, supervised_recipe
from gan_jax.state import init
from gan_jax.step import make_step

SIZE, RATE, DECAY = 6, 0.1, 0.9
VALUES = {"square_weight": 3.0, "size_weight": 0.5, "ema_decay": DECAY}


class Linear(nn.Module):
    """`[B, I] -> [B]`."""

    @nn.compact
    def __call__(self, x, *, train):
        seen = self.variable("batch_stats", "seen", lambda: jnp.zeros(()))
        if train and not self.is_initializing():
            seen.value += 1.0
        return nn.Dense(1, use_bias=False)(x)[:, 0]


def losses(y, batch):
    return {"square": 0.5 * (y - batch["target"]) ** 2, "size": y}


def measures(y, batch):
    return {"error": jnp.mean(jnp.abs(y - batch["target"]))}


def recipe(augmentation=no_augmentation, schedules=None):
    return supervised_recipe(
        name="line",
        network=Linear(),
        inputs=("x",),
        losses=losses,
        measures=measures,
        augmentation=augmentation,
        values=VALUES,
        schedules=schedules or {},
    )


def batches(rounds):
    random = np.random.default_rng(0)
    x = random.normal(size=(rounds, 1, SIZE, 3)).astype(np.float32)
    return {"x": x, "target": random.normal(size=x.shape[:3]).astype(np.float32)}


def start(made):
    spec = {
        name: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype) for name, leaf in batches(1).items()
    }
    return init(made, {"line": optax.sgd(RATE)}, jax.random.key(0), spec)


def weights(state):
    return np.asarray(state.nets["line"].params["Dense_0"]["kernel"])[:, 0]


def test_rounds_are_those_written_by_hand():
    """Gradient of 3 * mean (xw - t)^2 / 2 + 0.5 * mean xw, the average behind, all logged."""
    made = recipe()
    assert made.generate is None and made.latents is None and made.batches_per_round == 1
    state = start(made)
    step = jax.jit(make_step(made, {"line": optax.sgd(RATE)}))
    data = batches(3)
    w, average = weights(state), weights(state)
    for index in range(3):
        x, t = data["x"][index, 0], data["target"][index, 0]
        state, metrics = step(state, {}, {name: leaf[index] for name, leaf in data.items()})
        y = x @ w
        square, size = np.mean(0.5 * (y - t) ** 2), np.mean(y)
        assert metrics["line/square"] == pytest.approx(square, rel=1e-5)
        assert metrics["line/size"] == pytest.approx(size, rel=1e-4)
        assert metrics["line/loss"] == pytest.approx(3 * square + 0.5 * size, rel=1e-4)
        assert metrics["line/error"] == pytest.approx(np.mean(np.abs(y - t)), rel=1e-5)
        w = w - RATE * np.mean((3 * (y - t) + 0.5)[:, None] * x, axis=0)
        average = DECAY * average + (1 - DECAY) * w
        np.testing.assert_allclose(weights(state), w, rtol=1e-5)
    ema = np.asarray(state.nets["line"].ema["Dense_0"]["kernel"])[:, 0]
    np.testing.assert_allclose(ema, average, rtol=1e-5)
    assert state.nets["line"].stats["batch_stats"]["seen"] == 3.0


def test_weights_follow_their_schedule():
    """With both losses' weights brought to zero nothing moves."""
    off = {name: lambda step, images, base: 0.0 * base for name in ("square_weight", "size_weight")}
    made = recipe(schedules=off)
    state = start(made)
    step = jax.jit(make_step(made, {"line": optax.sgd(RATE)}))
    after, metrics = step(state, {}, {name: leaf[0] for name, leaf in batches(1).items()})
    np.testing.assert_array_equal(weights(after), weights(state))
    assert metrics["line/loss"] == 0.0 and metrics["line/square"] > 0.0


def test_augmentation_moves_inputs_and_truth_by_the_round_s_key():
    """A target replaced by noise: the measured loss is that of another noise in every round, and
    the same again from the same state."""

    def noisy(key, batch):
        return {**batch, "target": 10.0 * jax.random.normal(key, batch["target"].shape)}

    made = recipe(noisy)
    state = start(made)
    step = jax.jit(make_step(made, {"line": optax.sgd(0.0)}))
    data = {name: leaf[0] for name, leaf in batches(1).items()}
    first, metrics = step(state, {}, data)
    second = step(first, {}, data)[1]["line/square"]
    assert metrics["line/square"] > 5.0  # 0.5 * 100 expected, 0.5 without the augmentation
    assert second != metrics["line/square"] == step(state, {}, data)[1]["line/square"]

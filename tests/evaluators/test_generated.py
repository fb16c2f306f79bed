"""Pictures by the thousand: whole, repeatable, whatever the devices; statistics measured anew."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.evaluators.generated import BLOCK, Generated, Sampling, Subject
from gan_jax.evaluators.standing import batch_statistics
from gan_jax.mesh import make_mesh
from gan_jax.recipe import Nets, Phase, Recipe
from gan_jax.state import NetState

SIZE = 4


class Normalising(nn.Module):
    """Two BatchNorms of different momentum, and noise of its own."""

    noise: float = 0.0

    @nn.compact
    def __call__(self, z, *, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(8)(z))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(nn.relu(x) + 3.0)
        x = jnp.tanh(nn.Dense(SIZE * SIZE * 3)(x))
        if self.noise:
            x = x + self.noise * jax.random.normal(self.make_rng("noise"), x.shape)
        return x.reshape(-1, SIZE, SIZE, 3)


def recipe(noise=0.0):
    def loss(nets, extra, batch, key, values):
        raise AssertionError("never trained")

    def generate(nets, latents, batch, truncation):
        return nets("generator", latents * truncation)[0]

    return Recipe(
        networks={"generator": Normalising(noise)},
        phases=(Phase(name="generator", trains=("generator",), loss=loss),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jax.random.normal(key, (len(batch["label"]), 5)),
        generate=generate,
    )


@pytest.fixture(scope="module")
def subject():
    variables = Normalising().init(jax.random.key(1), jnp.zeros((2, 5)), train=True)
    stats = {"batch_stats": variables["batch_stats"]}
    ema = jax.tree.map(lambda leaf: 2.0 * leaf, variables["params"])
    return Subject(7, {"generator": NetState(variables["params"], stats, (), ema)}, {})


def pictures(subject, sampling, devices=1, noise=0.0):
    generated = Generated(recipe(noise), make_mesh(devices), 0)
    return np.concatenate(list(generated(subject, sampling)))


def test_as_many_as_asked_for_and_the_same_again(subject):
    sampling = Sampling(samples=2 * BLOCK + 3, seed=5)
    found = pictures(subject, sampling)
    assert found.shape == (2 * BLOCK + 3, SIZE, SIZE, 3) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, pictures(subject, sampling))
    other = pictures(subject, dataclasses.replace(sampling, seed=6))
    assert (found != other).mean() > 0.2  # many pixels are saturated in both


def test_devices_change_nothing(subject):
    sampling = Sampling(samples=100)
    one, four = pictures(subject, sampling), pictures(subject, sampling, devices=4)
    assert np.abs(one.astype(int) - four).max() <= 1
    assert (one != four).mean() < 1e-3


def test_the_average_or_the_raw_parameters(subject):
    ema, raw = (pictures(subject, Sampling(samples=8, ema=ema)) for ema in (True, False))
    assert (ema != raw).any()


def test_noise_does_not_come_again_in_the_next_block(subject):
    zeroed = Sampling(samples=2 * BLOCK, truncation=0.0)  # only the noise is left
    first, second = np.split(pictures(subject, zeroed, noise=0.2), 2)
    assert (first != second).mean() > 0.5


def test_statistics_of_one_batch_are_those_of_the_formula(subject):
    net = subject.nets["generator"]
    z = jax.random.normal(jax.random.key(3), (50, 5))
    variables = {"generator": {"params": net.params, **net.stats}}
    nets = Nets({"generator": Normalising()}, variables, jax.random.key(0), train=False)
    found = batch_statistics(recipe().generate, nets, z, {"label": jnp.zeros(50)})["generator"]
    x = nn.Dense(8).apply({"params": net.params["Dense_0"]}, z)
    np.testing.assert_allclose(found["BatchNorm_0"]["mean"], x.mean(0), atol=1e-5)
    np.testing.assert_allclose(found["BatchNorm_0"]["var"], x.var(0), rtol=1e-4)
    norm = (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5)
    y = nn.relu(norm) + 3.0
    np.testing.assert_allclose(found["BatchNorm_1"]["mean"], y.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found["BatchNorm_1"]["var"], y.var(0), rtol=1e-3, atol=1e-6)


def test_the_three_modes_of_statistics(subject):
    """The running averages here are those of initialisation, so far from the truth; standing ones
    and those of each batch nearly agree."""
    running, standing, batch = (
        pictures(subject, Sampling(samples=256, statistics=mode)).astype(int)
        for mode in ("running", "standing", "batch")
    )
    assert np.abs(standing - batch).mean() < 0.2 * np.abs(running - batch).mean()
    assert (standing != batch).any()


def test_a_recipe_that_generates_nothing():
    with pytest.raises(ValueError, match="no pictures"):
        Generated(dataclasses.replace(recipe(), generate=None), make_mesh(1), 0)


def test_conditions_that_are_given_come_in_turn_and_pictures_among_them_as_floats():
    generated = Generated(recipe(), make_mesh(1), 0)
    source = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    given = {"label": np.array([5, 6, 7], np.int32), "source": source}
    latents, batch, _ = generated.inputs(BLOCK + 1, 0, given)
    rows = np.arange(2 * BLOCK) % 3
    np.testing.assert_array_equal(batch["label"], rows + 5)
    np.testing.assert_allclose(batch["source"], source[rows] / 127.5 - 1.0, rtol=1e-6)
    assert latents.shape == (2 * BLOCK, 5)
    np.testing.assert_array_equal(latents, generated.inputs(BLOCK + 1, 0)[0])


def test_standing_statistics_are_those_of_the_conditions(subject):
    """A generator that adds its condition to the latents: its means are those of what it is
    given."""

    def generate(nets, latents, batch, truncation):
        return nets("generator", latents + batch["shift"][:, None])[0]

    shifted = dataclasses.replace(
        recipe(),
        latents=lambda key, batch: jax.random.normal(key, (len(batch["shift"]), 5)),
        generate=generate,
    )
    generated = Generated(shifted, make_mesh(1), 0)
    sampling = Sampling(samples=4, statistics="standing")

    def drawn(shift):
        return np.concatenate(list(generated(subject, sampling, {"shift": np.float32([shift])})))

    assert drawn(0.0).shape == (4, SIZE, SIZE, 3)
    running = dataclasses.replace(sampling, statistics="running")
    far = {"shift": np.float32([9.0])}
    assert (drawn(9.0) != np.concatenate(list(generated(subject, running, far)))).any()


def test_conditions_are_classes_in_turn_or_the_labels_of_examples():
    classes = Generated(recipe(), make_mesh(1), 3)
    assert classes.conditions(5)["label"].tolist() == [0, 1, 2, 0, 1]
    assert classes.describe(Sampling(samples=5))["labels"] == "in turn"
    asked = []

    def labels(count):
        asked.append(count)
        return np.arange(2 * count, dtype=np.float32).reshape(count, 2)

    examples = Generated(recipe(), make_mesh(1), 2, labels)
    np.testing.assert_array_equal(examples.inputs(BLOCK + 1, 0)[1]["label"], labels(2 * BLOCK))
    assert asked == [2 * BLOCK] * 2
    np.testing.assert_array_equal(examples.conditions(3)["label"], labels(3))
    row = examples.describe(Sampling(samples=5, ema=True))
    assert (row["labels"], row["parameters"], row["samples"]) == ("of the examples", "raw", 5)

"""Sampling: whose weights, whose statistics, which latents."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.evaluators.samples import conditions, fixed_latents, make_sampler, sample_key
from gan_jax.mesh import make_mesh
from gan_jax.ops.pixels import to_uint8
from gan_jax.recipe import Phase, Recipe, batch_size
from gan_jax.state import NetState

LATENT, CLASSES = 3, 4


class Maker(nn.Module):
    """2x2 pictures of noise and a label, with BatchNorm."""

    @nn.compact
    def __call__(self, z, label, *, train):
        x = nn.Dense(4)(z) + nn.Embed(CLASSES, 4)(label)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return jnp.tanh(x).reshape(-1, 2, 2, 1)


def generate(nets, latents, batch, truncation):
    return nets("maker", latents * truncation, batch["label"])[0]


@pytest.fixture(scope="module")
def recipe():
    return Recipe(
        networks={"maker": Maker()},
        phases=(Phase(name="none", trains=(), loss=lambda *_: None),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jax.random.normal(key, (batch_size(batch), LATENT)),
        generate=generate,
    )


@pytest.fixture(scope="module")
def net():
    """Parameters, their average and running statistics, all apart."""
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(
        lambda: Maker().init(
            jax.random.key(0), jnp.ones((1, LATENT)), jnp.zeros(1, int), train=True
        )
    )

    def draw(tree):
        return jax.tree.map(lambda s: random.uniform(0.2, 1, s.shape).astype(np.float32), tree)

    params, stats = shapes["params"], {"batch_stats": shapes["batch_stats"]}
    return NetState(params=draw(params), stats=draw(stats), opt=(), ema=draw(params))


@pytest.fixture(scope="module")
def sampler(recipe):
    return make_sampler(recipe, make_mesh(1))


def inputs(recipe, count=6, seed=0):
    batch = conditions(count, CLASSES, None)
    return fixed_latents(recipe, batch, seed), batch, sample_key(seed)


@pytest.mark.parametrize("ema", [True, False])
@pytest.mark.parametrize("truncation", [1.0, 0.5])
def test_weights_asked_for_with_the_live_statistics(recipe, net, sampler, ema, truncation):
    z, batch, key = inputs(recipe)
    pictures = sampler({"maker": net}, {}, z, batch, key, truncation, ema)
    variables = {"params": net.ema if ema else net.params, **net.stats}
    expected = to_uint8(Maker().apply(variables, truncation * z, batch["label"], train=False))
    assert isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8
    assert pictures.shape == (6, 2, 2, 1)
    np.testing.assert_allclose(pictures.astype(int), expected.astype(int), atol=1)
    moved = net.replace(stats=jax.tree.map(lambda leaf: leaf + 1.0, net.stats))
    assert not np.array_equal(
        sampler({"maker": moved}, {}, z, batch, key, truncation, ema), pictures
    )


def test_without_an_average_the_parameters_are_used(recipe, net, sampler):
    args = ({}, *inputs(recipe), 1.0)
    without = {"maker": net.replace(ema=None)}
    raw = sampler({"maker": net}, *args, False)
    np.testing.assert_array_equal(sampler(without, *args, True), raw)


def test_the_same_latents_make_the_same_pictures(recipe, net, sampler):
    """For a seed; another one makes others, and none are those of the run's own key."""
    z, batch, key = inputs(recipe)
    nets = {"maker": net}
    pictures = [sampler(nets, {}, *inputs(recipe, seed=seed), 1.0, True) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    assert not np.array_equal(z, jax.random.normal(jax.random.key(0), z.shape))


def test_latents_do_not_depend_on_how_many_there_are(recipe):
    few, many = (inputs(recipe, count=count)[0] for count in (3, 70))
    np.testing.assert_array_equal(few, many[:3])


@pytest.mark.parametrize(
    ("classes", "label", "expected"),
    [(3, None, [0, 1, 2, 0, 1]), (3, 2, [2] * 5), (0, None, [0] * 5)],
)
def test_conditions(classes, label, expected):
    made = conditions(5, classes, label)["label"]
    assert made.tolist() == expected and made.dtype == np.int32


def test_a_recipe_that_generates_nothing(recipe):
    classifier = Recipe(networks={}, phases=(), inputs=recipe.inputs)
    with pytest.raises(ValueError, match="generates no pictures"):
        make_sampler(classifier, make_mesh(1))


def test_conditions_of_attributes():
    """Each alone in turn, or the vector that is given."""
    made = conditions(5, 3, None, attributes=True)["label"]
    np.testing.assert_array_equal(made, np.eye(3)[[0, 1, 2, 0, 1]])
    asked = np.array([1.0, 0.0, 0.5])
    given = conditions(2, 3, asked, attributes=True)["label"]
    np.testing.assert_array_equal(given, [asked, asked])
    assert made.dtype == given.dtype == np.float32

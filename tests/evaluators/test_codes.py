"""What codes have come to mean, of a generator that obeys them and of one that does not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.geometry import composite
from gan_jax.errors import UsageError
from gan_jax.evaluators.codes import LEAST_ENTROPY, Codes, told
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.information import normalised_mutual_information
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Phase, Recipe
from tests.evaluators import toy

COUNT = 128
WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def by_style():
    """`[4, n, 64, 64, 3]`: avatars of each drawing style."""
    drawn = draw_avatars(77, 0, 0, CHUNK, 64)
    styles, images = np.asarray(drawn.style), np.asarray(drawn.image)
    groups = [images[styles == style] for style in range(4)]
    count = min(map(len, groups))
    return np.stack([[composite(i, WHITE) for i in group[:count]] for group in groups])


def nothing(*arguments):
    raise AssertionError("never trained")


def recipe(by_style, obeys: bool, codes: bool = True) -> Recipe:
    shelf = to_float(jnp.asarray(by_style))

    def latents(key, batch):
        count, keys = len(batch["label"]), jax.random.split(key, 3)
        return {
            "z": jax.random.randint(keys[0], (count,), 0, shelf.shape[1]),
            "categorical" if codes else "c": jax.random.randint(keys[1], (count, 1), 0, 4),
            "continuous": jax.random.normal(keys[2], (count, 1)),
        }

    def generate(nets, drawn, batch, truncation):
        style = drawn["categorical"][:, 0] if obeys else drawn["z"] % 4
        return shelf[style, drawn["z"]]

    return Recipe(networks={}, phases=(Phase(name="a", trains=(), loss=nothing),),
                  inputs=lambda batch: {}, latents=latents, generate=generate)  # fmt: skip


def found(made: Recipe):
    world = dataclasses.replace(toy.world(is_avatars=True), recipe=made)
    world = dataclasses.replace(world, generated=Generated(made, world.mesh, 0))
    evaluator = Codes(categorical=(4,), continuous=1, samples=COUNT, rows=2)
    return evaluator, evaluator.open(world)(Subject(1, {}, {}), 0)


def test_a_code_that_is_obeyed_tells_its_factor(by_style):
    evaluator, evaluation = found(recipe(by_style, obeys=True))
    assert tuple(evaluation.metrics) == evaluator.metrics == ("categorical_0", "continuous_0")
    of_code = evaluation.metrics["categorical_0"]
    assert of_code["value"] == of_code["style"] > 0.95 and of_code["hairFront"] < 0.5
    assert of_code["floor"] < 0.2
    assert evaluation.metrics["continuous_0"]["style"] < 0.15
    assert evaluation.protocol["least_entropy"] == LEAST_ENTROPY
    assert evaluation.protocol["floor"].startswith("largest of shuffled codes, mean of 5")
    sheet = evaluation.pictures["codes"]
    assert sheet.shape == (4 * 64, 10 * 64, 3)
    # A row of the categorical code: four styles of one draw, then again from the first.
    row = sheet[:64].reshape(64, 10, 64, 3).swapaxes(0, 1)
    np.testing.assert_array_equal(row[0], row[4])
    assert not np.array_equal(row[0], row[1])
    # A row of the continuous one, which changes nothing here.
    row = sheet[128:192].reshape(64, 10, 64, 3).swapaxes(0, 1)
    assert all(np.array_equal(row[0], other) for other in row)


def test_a_code_that_is_ignored_tells_nothing(by_style):
    _, evaluation = found(recipe(by_style, obeys=False))
    assert evaluation.metrics["categorical_0"]["style"] < 0.1
    for name in ("categorical_0", "continuous_0"):
        metric = evaluation.metrics[name]
        assert metric["floor"] > 0.01  # 128 pictures and 30 factors tell something by chance
        assert metric["value"] == pytest.approx(metric["floor"], abs=0.1)


def test_a_factor_that_hardly_occurs_is_left_out():
    """One in 2,000 lies in one bin of the code: a quarter of all that there is to know of it."""
    random = np.random.RandomState(0)
    code, rare, even = random.randint(0, 10, 2000), np.zeros(2000, int), random.randint(0, 2, 2000)
    rare[7] = 1
    assert normalised_mutual_information(code, rare) > 0.25
    found = told(code, {"rare": rare, "even": even})
    assert set(found) == {"value", "floor", "even"} and found["value"] < 0.02
    assert told(code, {"rare": rare}) == {"value": 0.0, "floor": 0.0}
    often = (np.arange(2000) < 45).astype(int)
    assert "often" in told(code, {"often": often})


def test_the_floor_is_what_chance_tells():
    """Of few pictures and many factors; the same code against itself stands far above it."""
    random = np.random.RandomState(1)
    code = random.randint(0, 20, 128)
    factors = {str(n): random.randint(0, 2, 128) for n in range(30)}
    ignored = told(code, factors)
    assert ignored["floor"] > 0.05
    assert ignored["value"] == pytest.approx(ignored["floor"], abs=0.08)
    obeyed = told(code, factors | {"own": code})
    assert obeyed["value"] == pytest.approx(1.0) and obeyed["floor"] < 0.4
    assert told(code, factors) == ignored


def test_a_recipe_without_codes(by_style):
    with pytest.raises(UsageError, match="codes: the recipe draws no codes"):
        found(recipe(by_style, obeys=True, codes=False))

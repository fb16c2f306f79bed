"""Control of avatars by generators that obey, that ignore what they are told, that obey in part."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import CONTINUOUS, FACTORS, HIGH, INDEX, LOW, group
from gan_jax.data.avatars.parameters import CONTINUOUS_NAMES as NAMED
from gan_jax.data.avatars.renderer import render, to_uint8
from gan_jax.data.geometry import composite
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators import pictures
from gan_jax.evaluators.avatar_control import AvatarControl
from gan_jax.evaluators.avatar_truth import CONTROLS, obedience, others
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.mesh import make_mesh
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Phase, Recipe
from gan_jax.state import NetState
from tests.evaluators import toy

COUNT, SEED = 64, 77
WHITE = (255, 255, 255)


class Source:
    """Avatars with their truth, of a seed that neither the judge nor a data set has."""

    fingerprint = "drawn"

    def __init__(self):
        drawn = draw_avatars(SEED, 0, 0, CHUNK, 64)
        self.arrays = {name: np.asarray(leaf)[:COUNT] for name, leaf in drawn._asdict().items()}
        images = [composite(image, WHITE) for image in self.arrays["image"]]
        self.arrays |= {"image": np.stack(images), "label": self.arrays["expression"]}

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {name: array[index] for name, array in self.arrays.items()}


@pytest.fixture(scope="module")
def source():
    return Source()


class Shelf(nn.Module):
    """Holds a picture `[64, 64, 3]` for every one that may be asked for, and hands them out."""

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, which, *, train):
        return self.param("pictures", nn.initializers.zeros, self.shape)[which]


def world(source, shelf, ask, conditions):
    """`ask(batch) -> which`: how the generator uses its conditions."""

    def loss(nets, extra, batch, key, values):
        raise AssertionError("never trained")

    recipe = Recipe(
        networks={"generator": Shelf(shelf.shape)},
        phases=(Phase(name="generator", trains=("generator",), loss=loss),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jnp.zeros(len(jax.tree.leaves(batch)[0])),
        generate=lambda nets, z, batch, t: nets("generator", ask(batch))[0],
    )
    return dataclasses.replace(
        toy.world(is_avatars=True),
        recipe=recipe,
        generated=Generated(recipe, make_mesh(1), 0),
        conditions=conditions,
        reals=lambda split: pictures.of_source(f"avatars {split}", source, "64x64"),
    )


def measure(source, shelf, ask, evaluator, conditions=None):
    shelf = np.asarray(to_float(jnp.asarray(shelf)))
    subject = Subject(1, {"generator": NetState({"pictures": shelf}, {}, (), None)}, {})
    given = {"parameters": "parameters"} if conditions is None else conditions
    return evaluator.open(world(source, shelf, ask, given))(subject, 0)


def index_of(source):
    """The number of the avatar that a batch's parameters describe."""

    def ask(batch):
        every = jnp.asarray(source.arrays["parameters"])
        return jnp.argmin(jnp.abs(batch["parameters"][:, None] - every).sum(axis=-1), axis=1)

    return ask


EVERYTHING = AvatarControl(controls=tuple(CONTROLS), samples=COUNT)


@pytest.mark.slow
def test_the_renderer_itself_is_at_the_ceiling(source):
    found = measure(source, source.arrays["image"], index_of(source), EVERYTHING).metrics
    assert tuple(found) == EVERYTHING.metrics and len(found) == 5
    for name, metric in found.items():
        assert metric["value"] == pytest.approx(metric["ceiling"], abs=1e-6), name
    best, worst = (
        {name: metric[bound] for name, metric in found.items()} for bound in ("ceiling", "floor")
    )
    assert best["expression_accuracy"] > 0.95 and best["style_accuracy"] > 0.95
    assert best["identity_drift"] < 0.02 and best["landmark_error"] < 0.1
    assert worst["expression_accuracy"] < 0.3 and worst["style_accuracy"] < 0.5
    assert worst["identity_drift"] > 0.6 and worst["landmark_error"] > 3 * best["landmark_error"]
    assert worst["expression_error"] > 2 * best["expression_error"]


@pytest.mark.slow
def test_a_generator_that_ignores_its_conditions_is_at_the_floor(source):
    """It draws each of the avatars as often as they are asked for, but not for whom."""
    ask = index_of(source)
    chosen = jnp.asarray(np.random.default_rng(1).permutation(COUNT))
    found = measure(source, source.arrays["image"], lambda b: chosen[ask(b)], EVERYTHING)
    for name, metric in found.metrics.items():
        gap = abs(metric["ceiling"] - metric["floor"])
        assert abs(metric["value"] - metric["floor"]) < 0.3 * gap, name  # both are small samples


@pytest.mark.slow
def test_identity_right_and_expression_wrong(source):
    """Every avatar is drawn as itself, with another one's expression."""
    indices = jnp.asarray(group("expression"))
    vectors = jnp.asarray(source.arrays["parameters"])
    swapped = vectors.at[:, indices].set(vectors[others(COUNT)][:, indices])
    drawn = jax.jit(lambda every: jax.lax.map(lambda one: to_uint8(render(one, 64)), every))
    images = np.stack([composite(image, WHITE) for image in np.asarray(drawn(swapped))])
    found = measure(source, images, index_of(source), EVERYTHING).metrics
    for name in ("identity_drift", "style_accuracy"):
        assert found[name]["value"] == pytest.approx(found[name]["ceiling"], abs=0.03)
    for name in ("expression_accuracy", "expression_error"):
        gap = abs(found[name]["ceiling"] - found[name]["floor"])
        assert abs(found[name]["value"] - found[name]["floor"]) < 0.25 * gap


@pytest.mark.slow
@pytest.mark.parametrize("field", ["label", "style"])
def test_classes_say_themselves_what_they_control(source, field):
    """One avatar of each class on the shelf; more pictures than examples, which come again."""
    classes = source.arrays[field]
    first = [int(np.argmax(classes == number)) for number in range(classes.max() + 1)]
    evaluator = AvatarControl(samples=COUNT + 10)
    found = measure(
        source,
        source.arrays["image"][first],
        lambda batch: batch["label"],
        evaluator,
        conditions={"label": field},
    )
    (name,) = found.metrics
    assert name == {"label": "expression_accuracy", "style": "style_accuracy"}[field]
    assert found.metrics[name]["value"] > 0.9 > 0.6 > found.metrics[name]["floor"]
    assert found.protocol["controls"] == [name.removesuffix("_accuracy")]
    assert found.sampling["labels"] == "of the examples"
    assert found.real is not None and found.real["samples"] == COUNT


def test_what_cannot_be_checked_is_told_at_once():
    shelf = np.zeros((1, 64, 64, 3), np.uint8)
    bare = [{"image": shelf[0], "expression": 0}]

    def opened(evaluator, conditions):
        return evaluator.open(world(bare, shelf, lambda batch: 0, conditions))

    with pytest.raises(UsageError, match="no conditions"):
        opened(AvatarControl(), {})
    with pytest.raises(UsageError, match="say in the experiment"):
        opened(AvatarControl(), {"landmarks": "landmarks"})
    with pytest.raises(UsageError, match="no control 'smile'"):
        opened(AvatarControl(controls=("smile",)), {"label": "label"})
    with pytest.raises(UsageError, match="avatars only"):
        AvatarControl().open(toy.world())
    with pytest.raises(DataError, match="have no 'landmarks'"):
        opened(EVERYTHING, {"label": "expression"})(toy.subject(), 0)


@pytest.fixture(scope="module")
def truth():
    """Of 200 avatars that nobody drew."""
    random = np.random.default_rng(0)
    parameters = LOW + (HIGH - LOW) * random.random((200, len(LOW))).astype(np.float32)
    for factor in FACTORS:
        parameters[:, INDEX[factor.name]] = random.integers(0, len(factor.choices), 200)
    return {
        "expression": random.integers(0, 8, 200),
        "style": parameters[:, INDEX["style"]].astype(int),
        "parameters": parameters,
        "landmarks": random.random((200, len(LANDMARKS), 2)),
    }


def perfect(truth):
    """Readings without an error."""
    shares = (truth["parameters"][:, CONTINUOUS] - LOW[CONTINUOUS]) / (HIGH - LOW)[CONTINUOUS]
    factors = {
        f"factor/{factor.name}": np.eye(len(factor.choices))[
            truth["parameters"][:, INDEX[factor.name]].astype(int)
        ]
        for factor in FACTORS
    }
    return {
        "expression": np.eye(8)[truth["expression"]],
        "parameters": np.concatenate([shares, np.full((200, 1), 9.0)], axis=1),
        "landmarks": truth["landmarks"],
        **factors,
    }


def test_obedience_of_readings_without_and_with_one_error(truth):
    def value(control, **wrong):
        return tuple(obedience(perfect(truth) | wrong, truth, (control,)).items())

    read = perfect(truth)
    for control, names in CONTROLS.items():
        best = 1.0 if names[0].endswith("accuracy") else 0.0
        assert value(control) == ((names[0], pytest.approx(best, abs=1e-6)),)
    half = read["expression"].copy()
    half[:100] = np.roll(half[:100], 1, axis=1)
    assert value("expression", expression=half) == (("expression_accuracy", 0.5),)
    off = read["parameters"] + 0.25 * np.array([name == "jawOpen" for name in (*NAMED, "")])
    assert value("expression_vector", parameters=off) == (
        ("expression_error", pytest.approx(0.25 / len(group("expression")), rel=1e-4)),
    )
    other = read["parameters"] + 0.25 * np.array([name == "headYaw" for name in (*NAMED, "")])
    assert value("expression_vector", parameters=other)[0][1] < 1e-6
    style = np.roll(read["factor/style"], 1, axis=1)
    assert value("style", **{"factor/style": style}) == (("style_accuracy", 0.0),)
    assert value("identity", **{"factor/style": style}) == (("identity_drift", 0.0),)
    hat = np.roll(read["factor/headwear"], 1, axis=1)
    assert value("identity", **{"factor/headwear": hat}) == (("identity_drift", 1 / 9),)
    eyes = truth["landmarks"][:, LANDMARKS.index("eyeRightOuterCorner")]
    eyes = np.linalg.norm(
        eyes - truth["landmarks"][:, LANDMARKS.index("eyeLeftOuterCorner")], axis=1
    )
    moved = truth["landmarks"] + 0.1 * eyes[:, None, None] * np.array([0.6, 0.8])
    assert value("landmarks", landmarks=moved) == (("landmark_error", pytest.approx(0.1)),)


def test_others_is_a_shuffle_without_fixed_points():
    for count in (2, 3, 64):
        found = others(count)
        assert sorted(found) == list(range(count)) and (found != np.arange(count)).all()

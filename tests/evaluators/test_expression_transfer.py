"""Expressions against the truth: who is asked for what, masks, and with the real renderer and judge
a copy and the truth itself."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS, express
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.landmarks import landmarks
from gan_jax.data.avatars.parameters import HIGH, INDEX, LOW, group
from gan_jax.data.avatars.renderer import render
from gan_jax.data.geometry import composite
from gan_jax.errors import UsageError
from gan_jax.evaluators import expression_transfer
from gan_jax.evaluators.avatar_truth import others
from gan_jax.evaluators.expression_transfer import JUDGED, ExpressionTransfer, asked_of, of_masks
from gan_jax.evaluators.generated import Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.networks.stargan import Translation
from gan_jax.recipe import Recipe
from gan_jax.state import NetState
from tests.evaluators import toy

COUNT = 12


def quiet(*progress):
    pass


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(expression_transfer, "avatar_perceptual", toy.perceptual)


@pytest.fixture(scope="module")
def drawn():
    """Avatars by their numbers; what they look like plays no part."""
    random = np.random.default_rng(0)
    return {
        "image": random.integers(0, 256, (COUNT, 32, 32, 4)).astype(np.uint8),
        "parameters": LOW + (HIGH - LOW) * random.random((COUNT, len(LOW))).astype(np.float32),
        "expression": random.integers(0, len(EXPRESSIONS), COUNT).astype(np.int32),
        "intensity": random.uniform(0.5, 1.0, COUNT).astype(np.float32),
        "style": random.integers(0, 4, COUNT).astype(np.int32),
        "landmarks": random.random((COUNT, 34, 2)).astype(np.float32),
    }


def reals(arrays, channels=3):
    images = composite(arrays["image"], (255, 255, 255))
    return Pictures(
        name="drawn",
        fingerprint="f",
        count=len(images),
        uniform=True,
        read=lambda index: images[index, ..., :channels],
        read_fields=lambda index: {name: leaf[index] for name, leaf in arrays.items()},
    )


def told(parameters, size):
    """A renderer that draws the numbers it is told of: red is how far the jaw is open."""
    pictures = np.zeros((len(parameters), size, size, 4), np.uint8)
    pictures[..., 0] = np.round(200 * np.asarray(parameters)[:, INDEX["jawOpen"], None, None])
    pictures[..., 3] = 255
    return pictures


@pytest.mark.parametrize("classes", [True, False])
def test_each_avatar_gets_the_expression_of_another(drawn, monkeypatch, classes):
    monkeypatch.setattr(expression_transfer, "render_batch", told)
    monkeypatch.setattr(expression_transfer, "BLOCK", 5)
    task = asked_of(reals(drawn), classes, quiet)
    other, columns = others(COUNT), group("expression")
    assert (other != np.arange(COUNT)).all()
    rest = np.setdiff1d(np.arange(len(INDEX)), columns)
    asked = task.asked["parameters"]
    np.testing.assert_array_equal(asked[:, rest], drawn["parameters"][:, rest])
    np.testing.assert_array_equal(task.asked["expression"], drawn["expression"][other])
    for i in range(COUNT):
        wanted = drawn["parameters"][other[i], columns]
        if classes:
            name = jnp.asarray(drawn["expression"][other[i]])
            whole = express(jnp.zeros(len(INDEX)), name, drawn["intensity"][other[i]])
            wanted = np.asarray(whole)[columns]
        np.testing.assert_allclose(asked[i, columns], wanted, atol=1e-6)
    np.testing.assert_allclose(
        task.asked["landmarks"], jax.vmap(landmarks)(jnp.asarray(asked)), atol=1e-6
    )
    red = np.round(200 * asked[:, INDEX["jawOpen"]])
    np.testing.assert_array_equal(task.truth[:, 0, 0, 0], red)
    assert task.truth.shape == task.given.shape == (COUNT, 32, 32, 3)


def test_masks():
    masks = np.array([1.0, 0.96, 0.5, 0.04]).reshape(1, 2, 2, 1)
    found = {name: metric["value"] for name, metric in of_masks(masks).items()}
    assert found == {"mask_mean": 0.625, "mask_full": 0.5, "mask_empty": 0.25}


def test_what_cannot_be_asked(drawn):
    made = ExpressionTransfer(
        condition=lambda batch: batch["expression"],
        classes=True,
        inputs=lambda nets, images: (),
    )
    with pytest.raises(UsageError, match="knows the project's own avatars only"):
        made.open(toy.world())
    with pytest.raises(UsageError, match="set data.channels to 3"):
        asked_of(reals(drawn, channels=1), True, quiet)


class Copy(nn.Module):
    @nn.compact
    def __call__(self, images, condition, *, train):
        return Translation(images, jnp.ones_like(images[..., :1]), images)


class Placed(nn.Module):
    """Shows the places that it is given."""

    @nn.compact
    def __call__(self, images, condition, places, *, train):
        return Translation(places, jnp.ones_like(images[..., :1]), images)


class Truth(nn.Module):
    """Told all of an avatar, it draws that."""

    @nn.compact
    def __call__(self, images, condition, *, train):
        drawn = jax.lax.map(lambda vector: render(vector, images.shape[1]), condition)
        alpha = drawn[..., 3:]
        white = alpha * drawn[..., :3] + 1 - alpha
        return Translation(2 * white - 1, jnp.zeros_like(images[..., :1]), images)


class Told(nn.Module):
    """Draws as `told`."""

    @nn.compact
    def __call__(self, images, condition, *, train):
        red = jnp.round(200 * condition[:, INDEX["jawOpen"], None, None])
        drawn = jnp.zeros_like(images).at[..., 0].set(red) / 127.5 - 1
        return Translation(drawn, jnp.zeros_like(images[..., :1]), images)


def of_a_net(evaluator, pictures, generator):
    recipe = Recipe(networks={"generator": generator}, phases=(), inputs=lambda batch: {})
    world = dataclasses.replace(toy.world(opened=lambda split: pictures), recipe=recipe)
    world = dataclasses.replace(world, is_avatars=True)
    subject = Subject(1, {"generator": NetState({}, {}, (), None)}, {})
    return evaluator.open(world)(subject, 0)


def test_a_copy_stands_at_the_floor_and_the_truth_at_the_ceiling(drawn, monkeypatch):
    """With a renderer of red and a judge that reads how far that is off."""

    def off(read, asked, controls):
        assert controls == expression_transfer.READ
        error = np.abs(read - np.round(200 * asked["parameters"][:, INDEX["jawOpen"]])).mean()
        return {name: float(error) + place for place, name in enumerate(JUDGED)}

    def judge(space, mesh, batch):
        return lambda blocks: blocks[0][:, 0, 0, 0].astype(float)

    monkeypatch.setattr(expression_transfer, "render_batch", told)
    monkeypatch.setattr(expression_transfer, "Extractor", judge)
    monkeypatch.setattr(expression_transfer, "obedience", off)
    evaluator = ExpressionTransfer(
        condition=lambda batch: batch["parameters"],
        classes=False,
        inputs=lambda nets, images: (),
    )
    copied, true = (of_a_net(evaluator, reals(drawn), net) for net in (Copy(), Told()))
    assert set(copied.metrics) == set(evaluator.metrics)
    for place, name in enumerate(JUDGED):
        at_floor, at_ceiling = copied.metrics[name], true.metrics[name]
        assert at_floor["value"] == at_floor["floor"] > 10 + place
        assert at_ceiling["value"] == at_ceiling["ceiling"] == at_floor["ceiling"] == place
    for name in ("l1", "psnr", "ssim", "perceptual"):
        assert copied.metrics[name]["value"] == copied.metrics[name]["floor"]
        assert true.metrics[name]["floor"] == copied.metrics[name]["floor"]
    assert true.metrics["l1"]["value"] == true.metrics["l1"]["ceiling"] == 0
    assert true.metrics["l1"]["floor"] > 0.1 and "ceiling" not in true.metrics["psnr"]
    assert "RandomState(0).permutation" in copied.protocol["partners"]
    assert copied.protocol["psnr"]["cap_db"] == 83.01
    assert copied.protocol["ssim"]["range"] == 255
    assert copied.protocol["perceptual"] == {"network": "levels"}


def test_the_generator_is_shown_where_faces_are(drawn, monkeypatch):
    monkeypatch.setattr(expression_transfer, "render_batch", told)
    monkeypatch.setattr(expression_transfer, "Extractor", lambda *a: lambda blocks: blocks[0])
    monkeypatch.setattr(expression_transfer, "obedience", lambda *a: dict.fromkeys(JUDGED, 0.0))
    evaluator = ExpressionTransfer(
        condition=lambda batch: batch["parameters"],
        classes=False,
        inputs=lambda nets, images: (-images,),
    )
    pictures = reals(drawn)
    made = of_a_net(evaluator, pictures, Placed()).pictures["expression_transfer"]
    given = np.concatenate(list(pictures.each())[:8], axis=1)
    np.testing.assert_array_equal(made[:32], given)
    np.testing.assert_array_equal(made[32:64], 255 - given)


@pytest.mark.slow
def test_a_copy_is_the_floor_and_the_truth_the_ceiling():
    made = draw_avatars(77, 0, 0, 64, 64)._asdict()
    arrays = {name: np.asarray(leaf) for name, leaf in made.items()}
    evaluator = ExpressionTransfer(
        condition=lambda batch: batch["parameters"],
        classes=True,
        inputs=lambda nets, images: (),
    )
    copied, true = (of_a_net(evaluator, reals(arrays), net) for net in (Copy(), Truth()))
    assert set(copied.metrics) == set(evaluator.metrics)
    for name in ("expression_accuracy", "expression_error", "landmark_error", "identity_drift"):
        assert copied.metrics[name]["value"] == copied.metrics[name]["floor"]
        ceiling = true.metrics[name]["ceiling"]
        assert true.metrics[name]["value"] == pytest.approx(ceiling, rel=0.1, abs=0.02)
    assert true.metrics["expression_accuracy"]["ceiling"] > 0.9
    assert copied.metrics["expression_accuracy"]["value"] < 0.4
    assert copied.metrics["identity_drift"]["value"] < 0.02
    assert true.metrics["l1"]["value"] < 0.003 < copied.metrics["l1"]["value"]
    assert copied.metrics["mask_full"]["value"] == 1.0 and true.metrics["mask_empty"]["value"] == 1
    assert true.pictures["expression_transfer"].shape == (4 * 64, 8 * 64, 3)

"""What drives a face: conditions and readings against their formulas, and what a user may ask."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.heat_maps import heat_maps
from gan_jax.networks.landmark_finder import points_of
from gan_jax.recipe import Nets
from gan_jax.recipes.expression_drives import (
    blank_of,
    class_drive,
    graded_class_drive,
    identified,
    located,
    point_drive,
    strength_drive,
)
from gan_jax.translation import Choice, Number

NAMES = ("calm", "happy", "sad")


def cross_entropy(logits, truth):
    return -np.log(np.exp(logits[truth]) / np.exp(logits).sum())


def test_a_class():
    drive = class_drive(NAMES, "mood")
    batch = {"mood": jnp.array([2, 0])}
    outputs = np.array([[0.1, -1.0, 2.0], [0.5, 0.2, 0.3]], np.float32)
    assert drive.given == ("mood",) and drive.outputs == 3
    assert drive.conditions == {"mood": Choice(NAMES, None)}
    np.testing.assert_array_equal(drive.condition(batch), [[0, 0, 1], [1, 0, 0]])
    expected = [cross_entropy(outputs[0], 2), cross_entropy(outputs[1], 0)]
    np.testing.assert_allclose(drive.reading(jnp.asarray(outputs), batch), expected, rtol=1e-5)
    assert drive.recognised
    found = drive.recognised(jnp.asarray(outputs)).probabilities
    np.testing.assert_allclose(sum(found.values()), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found["sad"], np.exp([2.0, 0.3]) / np.exp(outputs).sum(1), rtol=1e-5)


def test_a_class_with_its_intensity():
    """The neutral face has none, whatever its example says."""
    drive = graded_class_drive(NAMES, neutral=0)
    batch = {"expression": jnp.array([1, 0]), "intensity": jnp.array([0.7, 0.9])}
    outputs = np.array([[0.1, -1.0, 2.0, 0.5], [0.5, 0.2, 0.3, 0.2]], np.float32)
    np.testing.assert_allclose(drive.condition(batch), [[0, 0.7, 0], [0, 0, 0]])
    expected = [
        cross_entropy(outputs[0, :3], 1) + (0.5 - 0.7) ** 2,
        cross_entropy(outputs[1, :3], 0) + 0.2**2,
    ]
    assert drive.outputs == 4
    np.testing.assert_allclose(drive.reading(jnp.asarray(outputs), batch), expected, rtol=1e-5)
    assert drive.conditions == {
        "expression": Choice(NAMES, None),  # which has to be named
        "intensity": Number(0.0, 1.0, 1.0),
    }


def test_strengths():
    drive = strength_drive(
        ("jaw", "brow"), [0.0, -1.0], [1.0, 1.0], lambda batch: batch["all"][:, 1:], "all"
    )
    batch = {"all": jnp.array([[9.0, 0.2, -0.4]])}
    np.testing.assert_allclose(drive.condition(batch), [[0.2, -0.4]])
    reading = drive.reading(jnp.array([[0.5, 0.1]]), batch)
    np.testing.assert_allclose(reading, [0.3**2 + 0.5**2], rtol=1e-5)
    assert drive.conditions == {"jaw": Number(0.0, 1.0, 0.0), "brow": Number(-1.0, 1.0, 0.0)}
    assert drive.asked
    asked = drive.asked({"jaw": jnp.array([0.6]), "brow": jnp.array([-1.0])})
    np.testing.assert_allclose(asked, [[0.6, -1.0]])


@pytest.mark.parametrize(("size", "sigma"), [(32, 0.5), (256, 2.0)])
def test_points(size, sigma):
    drive = point_drive(
        size,
        3,
        lambda batch: batch["moved"],
        lambda batch, others: batch,
        ("landmarks", "moved"),
        finder=None,  # pyright: ignore[reportArgumentType]
        anchors=(0, 1),
    )
    batch = {
        "landmarks": jnp.array([[[0.25, 0.5], [0.75, 0.375]]]),
        "moved": jnp.array([[0.5, 0.0, -1.0]]),
    }
    np.testing.assert_allclose(
        drive.condition(batch), heat_maps(batch["landmarks"], size, sigma), rtol=1e-6
    )
    reading = drive.reading(jnp.array([[0.25, 0.0, 1.0]]), batch)
    np.testing.assert_allclose(reading, [0.25**2 + 2.0**2], rtol=1e-6)
    assert drive.judged
    np.testing.assert_array_equal(drive.judged(batch), batch["moved"])
    assert drive.outputs == drive.told == 3 and not drive.conditions
    assert jax.tree.leaves(drive.frozen) == []


class Finder(nn.Module):
    """Three points, where each colour is brightest."""

    @nn.compact
    def __call__(self, images, *, train):
        maps = nn.avg_pool(images, (4, 4), (4, 4))
        return 40.0 * maps


def test_a_generator_may_be_shown_where_the_parts_of_a_face_are():
    drive = located(class_drive(NAMES, "mood"), Finder(), lines=((0, 2), (1,)))
    assert drive.places == 2 and set(drive.frozen) == {"finder"} and drive.outputs == 3
    nets = Nets({"finder": Finder()}, {"finder": {}}, jax.random.key(0), train=False)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jnp.float32)
    (maps,) = drive.shown(nets, images)
    points = points_of(lambda x: 40.0 * nn.avg_pool(x, (4, 4), (4, 4)), images)
    heat = np.asarray(heat_maps(points, 64, 1.0))
    expected = np.stack([np.maximum(heat[..., 0], heat[..., 2]), heat[..., 1]], axis=-1)
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    slope = jax.grad(lambda x: jnp.sum(jnp.square(drive.shown(nets, x)[0])))(images)
    np.testing.assert_array_equal(slope, 0)


class Recogniser(nn.Module):
    """A factor of two choices and one of three, of a picture's colours."""

    @nn.compact
    def __call__(self, images, *, train):
        colour = jnp.mean(images, axis=(1, 2))
        return {"glasses": 9.0 * colour[:, :2], "hair": colour}


def test_a_generator_may_be_told_who_it_paints():
    modules = {"recogniser": Recogniser(), "finder": Finder()}
    nets = Nets(modules, dict.fromkeys(modules, {}), jax.random.key(0), train=False)
    images = jnp.asarray(np.random.default_rng(1).normal(size=(2, 64, 64, 3)), jnp.float32)
    plain = class_drive(NAMES, "mood")
    drive = identified(plain, Recogniser(), 5)
    assert drive.traits == 5 and set(drive.frozen) == {"recogniser"}
    places, who = drive.shown(nets, images)
    colour = np.asarray(images, np.float64).mean((1, 2))
    expected = [np.exp(scale * colour[:, :n]) for scale, n in ((9.0, 2), (1.0, 3))]
    expected = np.concatenate([x / x.sum(axis=1, keepdims=True) for x in expected], axis=1)
    assert places is None
    np.testing.assert_allclose(who, expected, rtol=1e-4)
    slope = jax.grad(lambda x: jnp.sum(jnp.square(drive.shown(nets, x)[1])))(images)
    np.testing.assert_array_equal(slope, 0)
    lines = ((0, 2), (1,))
    (maps,) = located(plain, Finder(), lines).shown(nets, images)
    for both in (
        identified(located(plain, Finder(), lines), Recogniser(), 5),
        located(identified(plain, Recogniser(), 5), Finder(), lines),
    ):
        assert set(both.frozen) == {"recogniser", "finder"}
        found = both.shown(nets, images)
        np.testing.assert_array_equal(found[0], maps)
        np.testing.assert_array_equal(found[1], who)
        assert [x.shape for x in blank_of(both, images)] == [x.shape for x in found]
    assert blank_of(plain, images) == () and blank_of(drive, images)[0] is None

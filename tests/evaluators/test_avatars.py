"""The judge on pictures whose verdict is known: the renderer, noise, a collapsed generator."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.parameters import INDEX
from gan_jax.errors import DataError
from gan_jax.evaluators import avatar_bounds, avatars, pictures
from gan_jax.evaluators.avatar_bounds import bound_sets, fresh_avatars, kept, noise
from gan_jax.evaluators.avatars import AvatarFidelity, beside, judged
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.spaces import judge_space
from gan_jax.mesh import make_mesh
from gan_jax.metrics.attributes import expression_accuracy, style_accuracy
from gan_jax.weights.folder import SHIPPED
from gan_jax.weights.store import find_weights
from tests.evaluators import toy

COUNT = 500


@pytest.fixture(scope="module")
def extractor():
    return Extractor(judge_space(find_weights("avatar_judge", None)), make_mesh(1), 64)


def read(extractor, images):
    return extractor.of_pictures(pictures.of_array("x", images), lambda *progress: None)


def on_white(rgba):
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.round(alpha * rgba[..., :3] + (1 - alpha) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def drawn():
    """Avatars with their truth, of a seed that neither the judge nor a data set has."""
    chunks = [draw_avatars(77, 0, start, 125, 64) for start in range(0, COUNT, 125)]
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(p) for p in parts]), *chunks)


@pytest.fixture(scope="module")
def real(extractor, drawn):
    return read(extractor, on_white(drawn.image))


def test_shipped_weights_are_small_and_have_a_card():
    path = SHIPPED / "avatar_judge.safetensors"
    assert path.stat().st_size <= 2_000_000
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["accuracy"]["expression"] > 0.97 and card["accuracy"]["hairFront"] > 0.97


@pytest.mark.slow
def test_it_reads_what_was_drawn(real, drawn):
    strong = drawn.intensity >= 0.5
    assert expression_accuracy(real["expression"][strong], drawn.expression[strong]) > 0.97
    assert style_accuracy(real["factor/style"], drawn.style) > 0.97
    hair = drawn.parameters[:, INDEX["hairFront"]].round().astype(int)
    assert (real["factor/hairFront"].argmax(axis=1) == hair).mean() > 0.97
    assert real["expression"].shape == (COUNT, len(EXPRESSIONS))


@pytest.mark.slow
def test_ceiling_floor_and_collapse(extractor, real, drawn):
    found = {
        "ceiling": fresh_avatars(COUNT, 64),
        "noise": noise(COUNT, 64),
        "copies": np.repeat(fresh_avatars(1, 64), COUNT, axis=0),
        # A generator that has lost all but one expression and draws few faces, each perfectly.
        "collapsed": on_white(
            np.resize(drawn.image[drawn.expression == 1][:12], (COUNT, 64, 64, 4))
        ),
    }
    judgement = {name: judged(real, read(extractor, x))[0] for name, x in found.items()}
    value = {
        name: {metric: entry["value"] for metric, entry in metrics.items()}
        for name, metrics in judgement.items()
    }
    ceiling, floor, collapsed = value["ceiling"], value["noise"], value["collapsed"]
    assert ceiling["precision"] > 0.8 and ceiling["recall"] > 0.8 and ceiling["coverage"] > 0.8
    assert abs(ceiling["kid"]) < 0.01 and ceiling["modes_covered"] > 0.75
    assert floor["fd_avatar"] > 20 * ceiling["fd_avatar"]  # which is biased upwards: N is small
    assert floor["precision"] == floor["coverage"] == floor["modes_covered"] == 0
    assert collapsed["precision"] > 0.95
    assert collapsed["coverage"] < 0.2 and collapsed["modes_covered"] < 0.06
    assert value["copies"]["modes_covered"] <= 1 / 256
    assert collapsed["fd_avatar"] > 5 * ceiling["fd_avatar"]
    together = beside(judgement["collapsed"], {"ceiling": judgement["ceiling"]})
    assert together["recall"]["ceiling"] == ceiling["recall"]


def test_bounds_are_drawn_when_read():
    sets = bound_sets(10_000, 64)
    counts = {name: pictures.count for name, pictures in sets.items()}
    assert counts == {"ceiling": 10_000, "noise": 10_000, "copies": 1}
    others = bound_sets(10_000, 32)
    assert len({s.fingerprint for s in (*sets.values(), *others.values())}) == 6


class Reader:
    """In place of the judge: reads colours. What is read of 8 pixels is enough for a distance."""

    def __init__(self, space, mesh, batch):
        self.space = space

    def __call__(self, blocks, advance=None):
        flat = np.concatenate(list(blocks)).reshape(-1, 16 * 16 * 3)[:, ::99].astype(np.float32)
        features = flat / 255
        one_hot = np.eye(4, dtype=np.float32)[(flat[:, 0] // 64).astype(int)]
        hair, expression = np.repeat(one_hot, 2, axis=1) / 2, np.pad(one_hot, ((0, 0), (0, 4)))
        factors = {"factor/hairFront": hair, "factor/style": one_hot}
        return {"features": features, "expression": expression, **factors}

    def of_pictures(self, found, advance):
        return self([np.stack(list(found.each()))])


def test_every_value_stands_between_its_bounds_which_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(avatars, "Extractor", Reader)
    drawn = []

    def fresh(count, size):
        drawn.append((count, size))
        return toy.images("train", count)

    monkeypatch.setattr(avatar_bounds, "fresh_avatars", fresh)
    world = dataclasses.replace(toy.world(is_avatars=True), cache=tmp_path)
    found = AvatarFidelity(samples=50).open(world)(toy.subject(), 0).metrics
    assert drawn == [(50, toy.SIZE), (1, toy.SIZE)]
    assert set(found) == set(AvatarFidelity().metrics)
    for metric in found.values():
        assert {"value", "ceiling", "noise", "copies"} <= metric.keys()
    assert found["fd_avatar"]["ceiling"] < found["fd_avatar"]["noise"]
    assert found["precision"]["ceiling"] > found["precision"]["noise"] == 0.0
    # Another process finds them.
    monkeypatch.setattr(avatars, "judge_bounds", lambda *given: pytest.fail("judged again"))
    assert AvatarFidelity(samples=50).open(world)(toy.subject(), 0).metrics == found
    with pytest.raises(pytest.fail.Exception):  # those of as many pictures only
        AvatarFidelity(samples=51).open(world)(toy.subject(), 0)


def test_a_torn_cache_of_bounds_is_judged_again(tmp_path):
    judgements = {"ceiling": {"kid": {"value": 0.5}}}
    key = {"samples": 3}
    assert kept(tmp_path, key, lambda: judgements) == judgements
    (file,) = tmp_path.glob("*.json")
    assert kept(tmp_path, key, pytest.fail) == judgements
    file.write_text('{"ceiling"')
    assert kept(tmp_path, key, lambda: judgements) == judgements
    assert kept(None, key, lambda: judgements) == judgements


def test_too_few_avatars_are_told_before_any_is_judged():
    with pytest.raises(DataError, match="prdc|pr"):
        AvatarFidelity(samples=3).open(toy.world(is_avatars=True))
    with pytest.raises(DataError, match="6 real"):
        AvatarFidelity(samples=9, real_samples=5).open(toy.world(is_avatars=True))

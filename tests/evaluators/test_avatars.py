"""The judge on pictures whose verdict is known: the renderer, noise, a collapsed generator."""

import json

import jax
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.parameters import INDEX
from gan_jax.evaluators import pictures
from gan_jax.evaluators.avatar_bounds import bound_sets, fresh_avatars, noise
from gan_jax.evaluators.avatars import beside, judged
from gan_jax.evaluators.features import Extractor
from gan_jax.evaluators.spaces import judge_space
from gan_jax.mesh import make_mesh
from gan_jax.metrics.attributes import expression_accuracy, style_accuracy
from gan_jax.weights.folder import SHIPPED
from gan_jax.weights.store import find_weights

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
        "ceiling": fresh_avatars(COUNT),
        "noise": noise(COUNT),
        "copies": np.repeat(fresh_avatars(1), COUNT, axis=0),
        # A generator that has lost all but one expression and draws few faces, each perfectly.
        "collapsed": on_white(
            np.resize(drawn.image[drawn.expression == 1][:12], (COUNT, 64, 64, 4))
        ),
    }
    judgement = {name: judged(real, read(extractor, x), None)[0] for name, x in found.items()}
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
    sets = bound_sets(10_000)
    assert {name: s.count for name, s in sets.items()} == dict.fromkeys(
        ("ceiling", "noise", "copies"), 10_000
    )
    assert len({s.fingerprint for s in sets.values()}) == 3

"""Styles against the truth: a copy, the truth itself, another avatar; with a renderer and a judge
of one colour, and with the real ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import CONTINUOUS, FACTORS, HIGH, INDEX, LOW, STYLES
from gan_jax.data.avatars.renderer import render_batch
from gan_jax.data.collection import Raw
from gan_jax.data.geometry import Geometry, composite
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators import style_truth
from gan_jax.evaluators.style_truth import StyleTruth
from gan_jax.metrics.reconstruction import l1
from gan_jax.ops.pixels import to_float
from tests.evaluators import toy

COUNT, SIDE, SEED = 40, 16, 77
RED, GREEN = 6, 60
"""Levels that tell two avatars, and two styles, from each other."""


def coloured(numbers, styles):
    """RGBA `[N, SIDE, SIDE, 4]`, a gradient to the right that none of them has to itself."""
    pictures = np.zeros((len(numbers), SIDE, SIDE, 4), np.uint8)
    pictures[..., 0] = RED * np.asarray(numbers)[:, None, None]
    pictures[..., 1] = GREEN * np.asarray(styles)[:, None, None]
    pictures[..., 2] = 10 * np.arange(SIDE)
    pictures[..., 3] = 255
    return pictures


class Collection:
    """Avatar i has its number in `jawOpen`; its style is i mod 4."""

    fingerprint = "coloured"

    def __init__(self):
        random = np.random.default_rng(0)
        parameters = LOW + (HIGH - LOW) * random.random((COUNT, len(LOW))).astype(np.float32)
        for factor in FACTORS:
            parameters[:, INDEX[factor.name]] = random.integers(0, len(factor.choices), COUNT)
        parameters[:, INDEX["jawOpen"]] = np.arange(COUNT) / 100
        parameters[:, INDEX["style"]] = np.arange(COUNT) % 4
        self.fields = {
            "parameters": parameters,
            "style": (np.arange(COUNT) % 4).astype(np.int32),
            "expression": random.integers(0, 8, COUNT).astype(np.int32),
            "landmarks": random.random((COUNT, len(LANDMARKS), 2)).astype(np.float32),
        }

    def __len__(self):
        return COUNT

    def read_many(self, indices, features):
        images = coloured(indices, self.fields["style"][np.asarray(indices)])
        fields = [{name: self.fields[name][i] for name in features} for i in indices]
        return [Raw(*pair[:1], "RGBA", pair[1]) for pair in zip(images, fields, strict=True)]


def drawn(vectors, size):
    assert size == 64  # that of the data set, whatever the geometry
    vectors = np.asarray(vectors)
    numbers = np.round(100 * vectors[:, INDEX["jawOpen"]]).astype(int)
    return coloured(numbers, np.round(vectors[:, INDEX["style"]]).astype(int))


@pytest.fixture
def avatars(monkeypatch):
    """Stand in for the data set, the renderer and the judge; what the data set was opened with."""
    collection, opened = Collection(), []

    class Judge:
        """Reads number and style off the colours, and knows the rest by heart."""

        def __init__(self, space, mesh, batch):
            pass

        def __call__(self, blocks):
            (pictures,) = blocks
            numbers = np.round(pictures[:, 0, 0, 0] / RED).astype(int)
            styles = np.round(pictures[:, 0, 0, 1] / GREEN).astype(int)
            vectors = collection.fields["parameters"][numbers]
            shares = (vectors[:, CONTINUOUS] - LOW[CONTINUOUS]) / (HIGH - LOW)[CONTINUOUS]
            factors = {
                f"factor/{factor.name}": np.eye(len(factor.choices))[
                    vectors[:, INDEX[factor.name]].astype(int)
                ]
                for factor in FACTORS
            }
            return {
                "expression": np.eye(8)[collection.fields["expression"][numbers]],
                "parameters": np.concatenate([shares, np.zeros((len(shares), 1))], axis=1),
                "landmarks": collection.fields["landmarks"][numbers],
                **factors,
                "factor/style": np.eye(4)[styles],
            }

    def opening(name, **settings):
        opened.append((name, settings["split"], settings["data_dir"], settings["labels"]))
        return collection

    monkeypatch.setattr(style_truth, "open_avatar_collection", opening)
    monkeypatch.setattr(style_truth, "render_batch", drawn)
    monkeypatch.setattr(style_truth, "Extractor", Judge)
    monkeypatch.setattr(style_truth, "avatar_perceptual", toy.perceptual)
    return opened


def copy(nets, batch):
    return batch["image"]


def recoloured(nets, batch):
    """The truth: a style is a level of green."""
    level = to_float(GREEN * batch["style"].astype(jnp.float32))
    return batch["image"].at[..., 1].set(level[:, None, None])


def another(nets, batch):
    return batch["reference"]


def evaluator(translate, **settings):
    geometry = Geometry(size=SIDE, channels=3)
    form = {"source": "cel", "target": "pastel", "geometry": geometry, "translate": translate}
    return StyleTruth(**(form | settings))


def measure(made):
    found = made.open(toy.world())(toy.subject(), 5)
    assert tuple(found.metrics) and set(found.metrics) == set(made.metrics)
    return found


def test_a_copy_is_at_the_floor_of_style_and_keeps_the_content(avatars):
    found = measure(evaluator(copy))
    for name in ("l1", "psnr", "ssim", "perceptual", "style_accuracy"):
        assert found.metrics[name]["value"] == found.metrics[name]["floor"]
    # Green is off by two styles in all pixels.
    assert found.metrics["l1"]["value"] == pytest.approx(2 * GREEN / 255 / 3)
    assert found.metrics["style_accuracy"] == {"value": 0.0, "ceiling": 1.0, "floor": 0.0}
    for name in ("landmark_error", "identity_drift"):
        metric = found.metrics[name]
        assert metric["value"] == pytest.approx(0, abs=1e-6) and metric["floor"] > 0.3


def test_the_truth_is_at_the_ceiling(avatars):
    found = measure(evaluator(recoloured)).metrics
    assert found["l1"]["value"] == 0 and found["ssim"]["value"] == pytest.approx(1)
    assert found["style_accuracy"] == {"value": 1.0, "ceiling": 1.0, "floor": 0.0}
    for name in ("landmark_error", "identity_drift"):
        assert found[name]["value"] == found[name]["ceiling"] == pytest.approx(0, abs=1e-6)


def test_another_avatar_in_the_right_style_is_at_the_floor_of_content(avatars):
    found = measure(evaluator(another)).metrics
    assert found["style_accuracy"]["value"] == 1.0 and found["l1"]["value"] > 0
    for name in ("landmark_error", "identity_drift"):
        assert found[name]["value"] == pytest.approx(found[name]["floor"]) and (
            found[name]["value"] > 0.3
        )


def test_which_avatars_and_what_is_shown(avatars):
    found = measure(evaluator(recoloured, avatars="avatars/64", directory="/somewhere"))
    assert avatars == [("avatars/64", "test", "/somewhere", "none")]
    assert found.sampling == {"parameters": "raw", "samples": COUNT // 4, "seed": 5}
    assert found.real == {
        "name": "avatars/64 test, cel as pastel", "samples": COUNT // 4, "fingerprint": "coloured",
    }  # fmt: skip
    (sheet,) = found.pictures.values()
    inputs, outputs, truth = sheet.reshape(3, SIDE, 8, SIDE, 3).swapaxes(1, 2)
    cel = np.arange(COUNT)[1::4][:8]
    np.testing.assert_array_equal(inputs, coloured(cel, [1] * 8)[..., :3])
    np.testing.assert_array_equal(outputs, coloured(cel, [3] * 8)[..., :3])
    np.testing.assert_array_equal(truth, outputs)
    fewer = measure(evaluator(recoloured, samples=3, shown=2, split="train"))
    assert fewer.sampling["samples"] == 3 and avatars[-1][1] == "train"
    assert fewer.pictures["style"].shape == (3 * SIDE, 2 * SIDE, 3)


def test_more_than_a_block_and_another_size(avatars, monkeypatch):
    """Blocks are filled up, and the filling is no part of the numbers."""
    whole = measure(evaluator(another))
    monkeypatch.setattr(style_truth, "BLOCK", 4)
    parts = measure(evaluator(another))
    assert parts.sampling["samples"] == 10 and parts.metrics == whole.metrics
    np.testing.assert_array_equal(parts.pictures["style"], whole.pictures["style"])
    made = evaluator(copy, geometry=Geometry(size=8, channels=1)).restyled(lambda *a: None)
    assert made.inputs.shape == made.truth.shape == (10, 8, 8, 1)
    assert set(np.unique(made.fields["style"])) == {STYLES.index("pastel")}
    column = made.fields["parameters"][:, INDEX["style"]]
    assert set(column) == {float(STYLES.index("pastel"))}


def test_what_cannot_be_asked_is_told_at_once(avatars):
    def opened(**settings):
        return evaluator(copy, **settings).open(toy.world())

    with pytest.raises(UsageError, match="no drawing style 'outline'; .* nearest is outlined"):
        opened(source="outline")
    with pytest.raises(UsageError, match="no drawing style 'oil'; there are flat, cel"):
        opened(target="oil")
    with pytest.raises(UsageError, match="avatars come as avatars/32, /64 and /128"):
        opened(avatars="avatars/50")
    assert not avatars
    with pytest.raises(DataError, match="avatars/64 test: too few avatars are cel"):
        opened(samples=1)(toy.subject(), 0)


@pytest.mark.slow
def test_the_judge_tells_copies_from_the_truth(monkeypatch):
    """Real avatars, of a seed that neither the judge nor a data set has."""
    made = draw_avatars(SEED, 0, 0, CHUNK, 64)._asdict()
    arrays = {name: np.asarray(leaf) for name, leaf in made.items() if name != "image"}
    images = np.asarray(made["image"])

    class Drawn(Collection):
        def __init__(self):
            self.fields = arrays

        def __len__(self):
            return CHUNK

        def read_many(self, indices, features):
            return [
                Raw(images[i], "RGBA", {name: arrays[name][i] for name in features})
                for i in indices
            ]

    monkeypatch.setattr(style_truth, "open_avatar_collection", lambda *a, **k: Drawn())
    geometry = Geometry(size=64, channels=3)
    settings = {"source": "pastel", "target": "outlined", "geometry": geometry}
    asked = evaluator(copy, **settings).restyled(lambda *a: None)
    vectors = jnp.asarray(asked.fields["parameters"]).at[:, INDEX["style"]].set(3.0)
    back = np.stack([composite(x, (255, 255, 255)) for x in np.asarray(render_batch(vectors, 64))])
    np.testing.assert_array_equal(back, asked.inputs)  # nothing but the style is another
    assert 0.04 < l1(asked.inputs, asked.truth).mean() < 0.09
    copies = measure(evaluator(copy, **settings)).metrics
    others = measure(evaluator(another, **settings)).metrics
    assert copies["style_accuracy"]["ceiling"] > 0.95 and copies["style_accuracy"]["value"] < 0.1
    assert others["style_accuracy"]["value"] > 0.95
    for name in ("landmark_error", "identity_drift"):
        assert copies[name]["value"] < 0.5 * copies[name]["floor"]
        assert others[name]["value"] == pytest.approx(others[name]["floor"], rel=0.2)

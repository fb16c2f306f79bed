"""Personas against the truth: a copy, the truth itself, a restyled avatar, the reference; with a
renderer and a judge of colours, and with the real ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import CONTINUOUS, FACTORS, HIGH, INDEX, LOW, STYLES
from gan_jax.data.collection import Raw
from gan_jax.data.geometry import Geometry
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators import persona_truth, style_truth
from gan_jax.evaluators.persona_readings import PALETTES, SHAPES, diversity
from gan_jax.evaluators.persona_truth import PersonaTruth
from gan_jax.ops.pixels import to_float
from gan_jax.translation import Choice, Number, Translation
from tests.evaluators import toy

COUNT, SIDE = 40, 16
RED, GREEN, BLUE = 6, 60, 15
"""Levels that tell two avatars, two styles and two palettes from each other."""
COLUMNS = dict(zip(PALETTES, range(4), strict=True))
"""Of pixels, whose blue is a palette's."""


def coloured(vectors):
    """RGBA `[N, SIDE, SIDE, 4]` of avatars `[N, P]`; to the right a gradient."""
    pictures = np.zeros((len(vectors), SIDE, SIDE, 4), np.uint8)
    level = lambda name: np.round(vectors[:, INDEX[name]])[:, None, None]  # noqa: E731
    pictures[..., 0] = RED * np.round(100 * vectors[:, INDEX["jawOpen"]])[:, None, None]
    pictures[..., 1] = GREEN * level("style")
    pictures[..., 2] = 10 * np.arange(SIDE)
    for name, column in COLUMNS.items():
        pictures[:, :, column, 2] = BLUE * level(name)[:, 0]
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
        return len(self.fields["style"])

    def read_many(self, indices, features):
        images = coloured(self.fields["parameters"][np.asarray(indices)])
        fields = [{name: self.fields[name][i] for name in features} for i in indices]
        return [Raw(image, "RGBA", each) for image, each in zip(images, fields, strict=True)]


@pytest.fixture
def avatars(monkeypatch):
    """Stand in for the data set, the renderer and the judge; what the data set was opened with."""
    collection, opened = Collection(), []

    class Judge:
        """Reads number, style and palettes off the colours, and knows the rest by heart."""

        def __init__(self, space, mesh, batch):
            pass

        def __call__(self, blocks):
            (pictures,) = blocks
            top = np.asarray(pictures)[:, 0].astype(float)
            numbers = np.round(top[:, 0, 0] / RED).astype(int)
            vectors = collection.fields["parameters"][numbers].copy()
            vectors[:, INDEX["style"]] = np.round(top[:, 0, 1] / GREEN)
            for name, column in COLUMNS.items():
                vectors[:, INDEX[name]] = np.round(top[:, column, 2] / BLUE)
            shares = (vectors[:, CONTINUOUS] - LOW[CONTINUOUS]) / (HIGH - LOW)[CONTINUOUS]
            factors = {
                f"factor/{factor.name}": np.eye(20)[vectors[:, INDEX[factor.name]].astype(int)]
                for factor in FACTORS
            }
            return {
                "expression": np.eye(8)[collection.fields["expression"][numbers]],
                "parameters": np.concatenate([shares, np.zeros((len(shares), 1))], axis=1),
                "landmarks": collection.fields["landmarks"][numbers],
                **factors,
            }

    def opening(name, **settings):
        opened.append((name, settings["split"], settings["data_dir"], settings["labels"]))
        return collection

    def drawn(vectors, size):
        assert size == 64  # that of the data set, whatever the geometry
        return coloured(np.asarray(vectors))

    monkeypatch.setattr(persona_truth, "open_avatar_collection", opening)
    monkeypatch.setattr(style_truth, "render_batch", drawn)
    monkeypatch.setattr(persona_truth, "Extractor", Judge)
    monkeypatch.setattr(persona_truth, "avatar_perceptual", toy.perceptual)
    return opened


def quiet(*progress):
    pass


def copy(nets, batch):
    return batch["image"]


def restyling(personas):
    """In the persona's style, and in the palettes of a reference if there is one."""
    levels = jnp.asarray([GREEN * STYLES.index(name) for name in personas], jnp.float32)

    def run(nets, batch):
        made = batch["image"].at[..., 1].set(to_float(levels)[batch["persona"]][:, None, None])
        return made

    return run


def exact(personas):
    def run(nets, batch):
        made = restyling(personas)(nets, batch)
        if "reference" not in batch:
            return made
        return made.at[:, :, :4, 2].set(batch["reference"][:, 0, :, :4, 2])

    return run


def the_reference(nets, batch):
    return batch["reference"][:, 0] if "reference" in batch else batch["image"]


def various(nets, batch):
    """Draws a level of blue for each picture."""
    levels = jax.random.uniform(nets.key, (len(batch["image"]), 1, 1), minval=-1.0)
    return batch["image"].at[..., 2].set(levels)


def world(run, personas=STYLES, references="optional"):
    conditions = {"persona": Choice(tuple(personas))} if personas else {"alpha": Number(0, 1, 0.5)}
    translation = Translation(run=run, conditions=conditions, references=references)
    recipe = dataclasses.replace(toy.recipe(), translation=translation if run else None)
    return dataclasses.replace(toy.world(), recipe=recipe)


def evaluator(**settings):
    return PersonaTruth(**({"geometry": Geometry(size=SIDE, channels=3)} | settings))


def measure(run, personas=STYLES, seed=5, **settings):
    made = evaluator(**settings)
    found = made.open(world(run, personas))(toy.subject(), seed)
    assert set(found.metrics) == set(made.metrics)
    return found


def test_the_truth_is_at_the_ceiling(avatars):
    found = measure(exact(STYLES)).metrics
    assert found["l1"]["value"] == found["perceptual"]["value"] == 0
    assert found["ssim"]["value"] == pytest.approx(1)
    assert 0 < found["l1_own_palettes"]["value"] < found["l1_own_palettes"]["floor"]
    for name in ("style_accuracy", "palette_accuracy", "drawn_style_accuracy"):
        assert found[name]["value"] == found[name]["ceiling"] == 1 and found[name]["floor"] < 0.3
    for name in ("landmark_error", "identity_drift"):
        assert found[name]["value"] == found[name]["ceiling"] == pytest.approx(0, abs=1e-6)


def test_a_copy_is_at_the_floor_of_style_and_keeps_the_content(avatars):
    found = measure(copy).metrics
    pixels = ("l1", "psnr", "ssim", "perceptual")
    for name in (*pixels, *(f"{x}_own_palettes" for x in pixels), *persona_truth.OF_STYLE):
        assert found[name]["value"] == found[name]["floor"], name
    assert found["style_accuracy"] == {"value": 0.0, "ceiling": 1.0, "floor": 0.0}
    assert found["drawn_style_accuracy"]["value"] == found["diversity"]["value"] == 0
    for name in ("landmark_error", "identity_drift"):
        assert found[name]["value"] == pytest.approx(0, abs=1e-6) and found[name]["floor"] > 0.3


def test_a_style_without_its_colours(avatars):
    """The truth in palettes of its own."""
    found = measure(restyling(STYLES)).metrics
    assert found["l1_own_palettes"]["value"] == 0 < found["l1"]["value"] < found["l1"]["floor"]
    assert found["style_accuracy"]["value"] == 1
    assert found["palette_accuracy"]["value"] == found["palette_accuracy"]["floor"]
    assert found["identity_drift"]["value"] == 0  # palettes are no part of it


def test_the_reference_itself_is_at_the_floor_of_content(avatars):
    found = measure(the_reference).metrics
    assert found["style_accuracy"]["value"] == found["palette_accuracy"]["value"] == 1
    for name in ("landmark_error", "identity_drift"):
        assert found[name]["value"] == pytest.approx(found[name]["floor"])
    assert found["l1"]["value"] > 0


def test_who_becomes_whom(avatars):
    """Avatars of two personas, in the order of the recipe's, each the reference's."""
    personas = ("pastel", "cel")
    found = measure(exact(personas), personas, directory="/somewhere", shown=8)
    assert avatars == [("avatars/64", "test", "/somewhere", "none")]
    task = evaluator().task((3, 1), lambda *progress: None)
    count = len(task.inputs)
    assert found.sampling == {
        "parameters": "raw", "samples": count, "seed": 5, "drawn": 5, "drawn_avatars": count,
    }  # fmt: skip
    assert found.real and found.real["samples"] == count
    assert "RandomState(0).permutation" in found.protocol["references"]
    assert found.protocol["psnr"]["cap_db"] == 76.98 and found.protocol["ssim"]["range"] == 255
    assert found.protocol["perceptual"] == {"network": "levels"}
    before, after = task.inputs[:, 0, 0, 1] // GREEN, task.references[:, 0, 0, 1] // GREEN
    assert set(zip(before.tolist(), after.tolist(), strict=True)) == {(1, 3), (3, 1)}
    np.testing.assert_array_equal(task.personas, np.where(after == 3, 0, 1))
    np.testing.assert_array_equal(task.fields["style"], after)
    np.testing.assert_array_equal(task.truth[:, :, :4, 2], task.references[:, :, :4, 2])
    np.testing.assert_array_equal(task.truth[..., 0], task.inputs[..., 0])
    np.testing.assert_array_equal(task.truth[..., 1], task.references[..., 1])
    np.testing.assert_array_equal(task.own[..., 2], task.inputs[..., 2])
    np.testing.assert_array_equal(task.own[..., 1], task.references[..., 1])
    for picture in task.spread:  # the same avatar and style in other palettes
        np.testing.assert_array_equal(picture[..., :2], task.truth[..., :2])
    sheet = found.pictures["persona"].reshape(4, SIDE, 8, SIDE, 3).swapaxes(1, 2)
    for row, expected in zip(
        sheet, (task.inputs, task.references, task.truth, task.truth), strict=True
    ):
        np.testing.assert_array_equal(row, expected[:8])
    drawn = found.pictures["persona_drawn"].reshape(6, SIDE, 8, SIDE, 3).swapaxes(1, 2)
    np.testing.assert_array_equal(drawn[0], task.inputs[:8])


def test_diversity(avatars):
    """Of two levels of blue that are drawn apart, a third of the range, over three channels."""
    found = measure(various, drawn=12).metrics["diversity"]
    assert found["value"] == pytest.approx(1 / 9, rel=0.1)
    assert set(found) == {"value", "truth", "floor"}, "noise differs more than the renderer's own"
    assert found["truth"] == diversity(evaluator(drawn=12).task((0, 1, 2, 3), quiet).spread)
    assert 0 < found["truth"] < 0.2 and found["floor"] == 0
    pictures = np.zeros((3, 2, 1, 1, 1), np.uint8)
    pictures[1], pictures[2] = 51, 102
    assert diversity(pictures) == pytest.approx((0.2 + 0.2 + 0.4) / 3)
    one, other = (measure(various, seed=seed).metrics["diversity"]["value"] for seed in (1, 2))
    assert one != other


def test_more_than_a_block(avatars, monkeypatch):
    """Blocks are filled up, and the filling is no part of the numbers."""
    whole = measure(exact(STYLES), drawn_avatars=6)
    monkeypatch.setattr(persona_truth, "BLOCK", 4)
    parts = measure(exact(STYLES), drawn_avatars=6)
    assert parts.metrics == whole.metrics and parts.sampling["drawn_avatars"] == 6
    np.testing.assert_array_equal(parts.pictures["persona"], whole.pictures["persona"])


def test_a_recipe_that_names_no_personas(avatars):
    """Conditions are as a user leaves them; nothing is drawn."""
    seen = []

    def run(nets, batch):
        seen.append(sorted(batch))
        return batch["image"] + 0 * batch["alpha"][:, None, None, None]

    made = evaluator(drawn=0)
    found = made.open(world(run, (), "required"))(toy.subject(), 5)
    assert set(found.metrics) == set(made.metrics) and "diversity" not in found.metrics
    assert seen == [["alpha", "image", "reference"]] and list(found.pictures) == ["persona"]
    assert found.metrics["style_accuracy"] == {"value": 0.0, "ceiling": 1.0, "floor": 0.0}


def test_what_cannot_be_asked_is_told_at_once(avatars):
    def opened(run=copy, personas=STYLES, **settings):
        return evaluator(**settings).open(world(run, personas))

    with pytest.raises(UsageError, match="the recipe turns no pictures into personas"):
        opened(run=None)
    with pytest.raises(UsageError, match="the recipe turns no pictures into personas"):
        evaluator().open(world(copy, references="none"))
    with pytest.raises(UsageError, match="the recipe draws no styles: set drawn=0"):
        evaluator().open(world(copy, references="required"))
    with pytest.raises(UsageError, match="no drawing style 'outline'; .* nearest is outlined"):
        opened(personas=("flat", "outline"))
    with pytest.raises(UsageError, match="drawn=1: diversity takes two or more"):
        opened(drawn=1)
    with pytest.raises(UsageError, match="avatars come as avatars/32, /64 and /128"):
        opened(avatars="avatars/50")
    assert not avatars
    for few in ({"samples": 1}, {"personas": ("cel",)}):
        with pytest.raises(DataError, match="avatars/64 test: too few avatars of different per"):
            opened(**few)(toy.subject(), 0)


@pytest.mark.slow
def test_the_judge_reads_palettes(monkeypatch):
    """Real avatars, of a seed that neither the judge nor a data set has."""
    made = draw_avatars(77, 0, 0, CHUNK, 64)._asdict()
    arrays = {name: np.asarray(leaf) for name, leaf in made.items() if name != "image"}
    images = np.asarray(made["image"])

    class Drawn(Collection):
        def __init__(self):
            self.fields = arrays

        def read_many(self, indices, features):
            return [
                Raw(images[i], "RGBA", {name: arrays[name][i] for name in features})
                for i in indices
            ]

    monkeypatch.setattr(persona_truth, "open_avatar_collection", lambda *a, **k: Drawn())
    settings = {"geometry": Geometry(size=64, channels=3), "drawn": 2, "drawn_avatars": 8}
    copies, strangers = (measure(run, **settings).metrics for run in (copy, the_reference))
    for name in ("style_accuracy", "palette_accuracy"):
        assert copies[name]["ceiling"] > 0.9
        assert copies[name]["value"] == copies[name]["floor"] < 0.3
        assert strangers[name]["value"] > 0.9
    for name in ("landmark_error", "identity_drift"):
        assert copies[name]["value"] < 0.4 * copies[name]["floor"]
        assert strangers[name]["value"] == pytest.approx(strangers[name]["floor"])
    assert set(SHAPES) == {"hairFront", "hairBack", "headwear", "eyewear", "clothes"}

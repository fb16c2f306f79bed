"""The avatar judge: what it takes in, what it gives out, and the weights that come with it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.parameters import (
    CONTINUOUS,
    CONTINUOUS_NAMES,
    FACTORS,
    HIGH,
    LOW,
    factors,
    shares,
)
from gan_jax.data.avatars.version import RENDERER_VERSION
from gan_jax.data.geometry import Geometry, with_channels
from gan_jax.metrics.attributes import landmark_error
from gan_jax.networks.features.avatar_judge import (
    SIZE,
    AvatarJudge,
    batch_norm,
    expectation,
    to_judge_input,
)
from gan_jax.weights.folder import SHIPPED
from gan_jax.weights.store import find_weights

JUDGE = AvatarJudge()


@pytest.fixture(scope="module")
def weights():
    return find_weights("avatar_judge", None)


@pytest.fixture(scope="module")
def judge(weights):
    return jax.jit(lambda images: JUDGE.apply(weights.variables, images, train=False))


def pictures(count, size=SIZE, channels=3):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


class TestInput:
    def test_64_pixels_stay_as_they_are(self):
        images = pictures(3)
        np.testing.assert_allclose(to_judge_input(images), images / 127.5 - 1, atol=1e-6)

    def test_grey_is_repeated(self):
        image = pictures(2, channels=1)
        expected = np.repeat(to_judge_input(np.repeat(image, 3, axis=-1))[..., :1], 3, axis=-1)
        np.testing.assert_array_equal(to_judge_input(image), expected)

    def test_alpha_lies_over_white_as_in_the_data_pipeline(self):
        images = pictures(2, channels=4)
        images[:, 0, 0, 3], images[:, 0, 1, 3] = 0, 255
        found = np.asarray(to_judge_input(images))
        geometry = Geometry(size=SIZE, channels=3)
        laid = np.stack([with_channels(image, geometry) for image in images])
        np.testing.assert_allclose((found + 1) * 127.5, laid, atol=1e-3)
        assert (found[:, 0, 0] == 1.0).all()

    @pytest.mark.parametrize("size", [32, 100, 128, 256])
    def test_other_sizes_are_antialiased(self, size):
        """Pillow's bilinear filter in float32, which widens to shrink, is an independent one."""
        images = pictures(2, size)
        found = (np.asarray(to_judge_input(images)) + 1) * 127.5
        for picture, reference in zip(found, images, strict=True):
            for channel in range(3):
                plane = Image.fromarray(reference[..., channel].astype(np.float32))
                resized = plane.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
                np.testing.assert_allclose(picture[..., channel], np.asarray(resized), atol=2e-3)

    def test_a_picture_that_is_not_square_is_squeezed(self):
        image = np.full((1, 32, 96, 3), 51, np.uint8)
        np.testing.assert_allclose(to_judge_input(image), np.full((1, SIZE, SIZE, 3), -0.6), 1e-5)


def test_it_reads_what_the_renderer_is_told():
    assert dict(JUDGE.factors) == {factor.name: len(factor.choices) for factor in FACTORS}
    assert [name for name, _ in JUDGE.factors] == [factor.name for factor in FACTORS]
    assert JUDGE.expressions == len(EXPRESSIONS)
    assert JUDGE.parameters == len(CONTINUOUS_NAMES) + 1  # and the intensity
    assert JUDGE.landmarks == len(LANDMARKS)


def test_shares():
    vectors = np.stack([LOW, HIGH, (LOW + HIGH) / 2])
    expected = np.repeat([[0.0], [1.0], [0.5]], len(CONTINUOUS), axis=1)
    np.testing.assert_allclose(shares(jnp.asarray(vectors)), expected, atol=1e-6)


class TestExpectation:
    def test_one_hot(self):
        """Pixel (row 3, column 1) of 4x8: its centre is x = 1.5 / 8, y = 3.5 / 4."""
        logits = jnp.zeros((1, 4, 8, 1)).at[0, 3, 1, 0].set(100.0)
        np.testing.assert_allclose(expectation(logits), [[[1.5 / 8, 3.5 / 4]]], rtol=1e-6)

    def test_between_pixels(self):
        """A quarter of the weight on the right neighbour moves the point by a quarter of a pixel;
        maps are apart from one another."""
        logits = jnp.full((1, 4, 4, 2), -100.0).at[0, 1, 1, 0].set(jnp.log(3.0))
        logits = logits.at[0, 1, 2, 0].set(0.0).at[0, 0, 0, 1].set(0.0)
        np.testing.assert_allclose(
            expectation(logits), [[[1.75 / 4, 1.5 / 4], [0.5 / 4, 0.5 / 4]]], rtol=1e-6
        )


@pytest.mark.slow
def test_a_picture_s_readings_do_not_depend_on_its_batch(judge):
    images = to_judge_input(pictures(5))
    together = judge(images)
    alone = [judge(images[i : i + 1]) for i in range(5)]
    for whole, *parts in zip(*(map(jax.tree.leaves, [together, *alone])), strict=True):
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-4)


def test_running_averages_keep_98_hundredths_of_a_training_step():
    """Of a single norm; with `train=False` they stay."""
    x = jnp.asarray(np.random.default_rng(0).normal(3.0, 1.0, (50, 4)), jnp.float32)
    for train, expected in ((True, 0.02 * np.mean(x, axis=0)), (False, np.zeros(4))):
        norm = batch_norm(train)
        variables = norm.init(jax.random.key(0), x)
        stats = norm.apply(variables, x, mutable=["batch_stats"])[1]["batch_stats"]
        np.testing.assert_allclose(stats["mean"], expected, rtol=1e-5)


class TestShippedWeights:
    def test_file_and_card(self, weights):
        card = json.loads((SHIPPED / "avatar_judge.json").read_text())
        assert weights.verified and card["sha256"] == weights.sha256
        assert weights.path.stat().st_size <= 2e6
        assert card["renderer_version"] == RENDERER_VERSION, "train the judge on the new drawings"
        accuracy = card["accuracy"]
        assert min(accuracy[name] for name in ("expression", "hairFront", "style")) >= 0.97

    def test_it_fits_the_network(self, weights):
        images = jnp.zeros((1, SIZE, SIZE, 3))
        fresh = jax.eval_shape(lambda: JUDGE.init(jax.random.key(0), images, train=True))
        assert jax.tree.map(jnp.shape, dict(fresh)) == jax.tree.map(jnp.shape, weights.variables)

    @pytest.mark.slow
    def test_it_reads_drawings_it_has_not_seen(self, judge):
        avatars = draw_avatars(5, 0, 0, 64, SIZE)
        readings = judge(to_judge_input(avatars.image))
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(readings))
        truth = factors(avatars.parameters)
        right = {
            name: np.mean(np.argmax(readings.factors[name], axis=-1) == truth[:, index])
            for index, (name, _) in enumerate(JUDGE.factors)
        }
        right["expression"] = np.mean(np.argmax(readings.expression, axis=-1) == avatars.expression)
        for name in ("expression", "hairFront", "style", "eyewear"):
            assert right[name] >= 0.9, right
        assert np.mean(np.abs(readings.parameters[:, :-1] - shares(avatars.parameters))) < 0.1
        corners = tuple(LANDMARKS.index(f"eye{side}OuterCorner") for side in ("Right", "Left"))
        assert landmark_error(readings.landmarks, avatars.landmarks, outer_corners=corners) < 0.06

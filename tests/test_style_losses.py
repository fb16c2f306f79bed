"""Statistics of feature maps and the losses on them against NumPy's formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import style_losses
from gan_jax.errors import UsageError
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

EPSILON = 1e-5


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def maps(*shape, seed=0):
    return 0.5 + np.random.default_rng(seed).normal(size=shape)


CONTENT, STYLE = maps(2, 5, 4, 3), 2 * maps(2, 3, 6, 3, seed=1) - 4


def statistics_of(x):
    return x.mean(axis=(1, 2)), np.sqrt(x.var(axis=(1, 2), ddof=1) + EPSILON)


def restyled(content, style):
    """The formula in NumPy."""
    (mean, std), (to_mean, to_std) = statistics_of(content), statistics_of(style)
    normalised = (content - mean[:, None, None]) / std[:, None, None]
    return normalised * to_std[:, None, None] + to_mean[:, None, None]


class TestStatistics:
    def test_formula(self):
        found = style_losses.statistics(CONTENT)
        for ours, expected in zip(found, statistics_of(CONTENT), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-12)
        assert found.mean.shape == found.std.shape == (2, 3)
        assert_slip_is_seen(found.std, CONTENT.std(axis=(1, 2)))  # biased

    def test_a_small_deviation_about_a_large_mean(self):
        """In float32."""
        x = np.float32(50 + 0.1 * maps(2, 16, 16, 3))
        expected = statistics_of(np.float64(x))[1]
        np.testing.assert_allclose(style_losses.statistics(x).std, expected, rtol=1e-4)

    def test_a_constant_map_has_the_least_deviation(self):
        flat = jnp.full((1, 2, 2, 3), 7.0)
        np.testing.assert_allclose(style_losses.statistics(flat).std, np.sqrt(EPSILON))
        gradient = jax.grad(lambda x: jnp.sum(style_losses.statistics(x).std))(flat)
        np.testing.assert_array_equal(gradient, np.zeros_like(flat))

    def test_one_pixel_is_one_clear_line(self):
        with pytest.raises(UsageError, match="1 x 1 have no deviation"):
            style_losses.statistics(jnp.zeros((2, 1, 1, 3)))
        style_losses.statistics(jnp.zeros((2, 1, 2, 3)))


class TestAdaIN:
    def test_formula(self):
        found = style_losses.adain(CONTENT, STYLE)
        np.testing.assert_allclose(found, restyled(CONTENT, STYLE), rtol=1e-12)

    def test_it_takes_over_the_statistics(self):
        found = style_losses.statistics(style_losses.adain(CONTENT, STYLE))
        for ours, expected in zip(found, statistics_of(STYLE), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-4)

    def test_of_itself_it_is_itself(self):
        np.testing.assert_allclose(style_losses.adain(CONTENT, CONTENT), CONTENT, rtol=1e-12)

    def test_a_style_s_statistics_are_enough(self):
        found = style_losses.with_statistics(CONTENT, style_losses.statistics(STYLE))
        np.testing.assert_array_equal(found, style_losses.adain(CONTENT, STYLE))

    def test_half_precision_is_kept_and_computed_in_single(self):
        content, style = jnp.bfloat16(CONTENT), jnp.bfloat16(STYLE)
        found = style_losses.adain(content, style)
        assert found.dtype == jnp.bfloat16
        assert style_losses.statistics(content).std.dtype == jnp.float32
        expected = restyled(np.float64(content), np.float64(style))
        np.testing.assert_allclose(np.float64(found), expected, rtol=2**-8)


class TestGram:
    def test_formula(self):
        found = style_losses.gram_matrix(CONTENT)
        expected = np.empty((2, 3, 3))
        for b in range(2):
            for i in range(3):
                for j in range(3):
                    expected[b, i, j] = np.mean(CONTENT[b, :, :, i] * CONTENT[b, :, :, j])
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    def test_where_a_pixel_lies_does_not_matter(self):
        shuffled = np.random.default_rng(2).permutation(CONTENT.reshape(2, 20, 3), axis=1)
        found = style_losses.gram_matrix(shuffled.reshape(2, 4, 5, 3))
        np.testing.assert_allclose(found, style_losses.gram_matrix(CONTENT), rtol=1e-12)

    def test_the_loss_is_that_of_gatys(self):
        """Sums of F F', squared differences over 4 N^2 M^2 with N features of M pixels."""
        other = maps(2, 5, 4, 3, seed=3)
        sums = [np.einsum("bhwi,bhwj->bij", x, x) for x in (CONTENT, other)]
        expected = np.sum((sums[0] - sums[1]) ** 2, axis=(1, 2)) / (4 * 3**2 * 20**2)
        grams = [style_losses.gram_matrix(x) for x in (CONTENT, other)]
        np.testing.assert_allclose(style_losses.gram_loss(*grams), expected, rtol=1e-12)


class TestLosses:
    def test_statistics_loss(self):
        found, wanted = map(style_losses.statistics, (CONTENT, STYLE))
        expected = np.mean((found.mean - wanted.mean) ** 2, axis=1) + np.mean(
            (found.std - wanted.std) ** 2, axis=1
        )
        loss = style_losses.statistics_loss(found, wanted)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        np.testing.assert_array_equal(style_losses.statistics_loss(found, found), np.zeros(2))

    def test_content_loss(self):
        other = maps(2, 5, 4, 3, seed=3)
        found = style_losses.content_loss(CONTENT, other)
        np.testing.assert_allclose(found, np.mean((CONTENT - other) ** 2, axis=(1, 2, 3)))
        gatys = 0.5 * np.sum((CONTENT - other) ** 2, axis=(1, 2, 3))
        np.testing.assert_allclose(5 * 4 * 3 / 2 * found, gatys, rtol=1e-12)

    def test_variation(self):
        expected = {1: np.zeros(2), 2: np.zeros(2)}
        for power in expected:
            for b in range(2):
                down = [CONTENT[b, y + 1] - CONTENT[b, y] for y in range(4)]
                along = [CONTENT[b, :, x + 1] - CONTENT[b, :, x] for x in range(3)]
                for steps in (down, along):
                    expected[power][b] += np.mean(np.abs(steps) ** power)
        np.testing.assert_allclose(style_losses.total_variation(CONTENT), expected[2], rtol=1e-12)
        np.testing.assert_allclose(style_losses.absolute_variation(CONTENT), expected[1])

    def test_variation_of_a_ramp(self):
        """0.1 a row, 0.2 a column: each direction by itself, whatever the size."""
        for height, width in ((4, 4), (7, 3)):
            y, x = np.mgrid[:height, :width]
            ramp = (0.1 * y + 0.2 * x)[None, :, :, None]
            found = [
                f(ramp) for f in (style_losses.total_variation, style_losses.absolute_variation)
            ]
            np.testing.assert_allclose(found, [[0.01 + 0.04], [0.1 + 0.2]], rtol=1e-12)

    @pytest.mark.parametrize("name", ["gram", "statistics", "adain", "variation"])
    def test_gradients_are_slopes(self, name):
        weights = np.array([1.0, -0.5])
        gram, wanted = style_losses.gram_matrix(STYLE), style_losses.statistics(STYLE)
        values = {
            "gram": lambda x: style_losses.gram_loss(style_losses.gram_matrix(x), gram),
            "statistics": lambda x: style_losses.statistics_loss(
                style_losses.statistics(x), wanted
            ),
            "adain": lambda x: style_losses.content_loss(style_losses.adain(x, STYLE), CONTENT),
            "variation": style_losses.total_variation,
        }
        start = maps(2, 5, 4, 3, seed=5)
        assert_gradient_is_the_slope(lambda x: jnp.sum(weights * values[name](x)), start)

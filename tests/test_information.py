"""Losses and estimates of mutual information against closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from gan_jax import information
from gan_jax.information import (
    entropy,
    mutual_information,
    normalised_mutual_information,
    quantile_bins,
)
from tests.formulas import assert_slip_is_seen


def samples(table):
    """Codes and factors `[N]` of a table of counts."""
    codes, factors = np.indices(np.shape(table))
    return np.repeat(codes.ravel(), np.ravel(table)), np.repeat(factors.ravel(), np.ravel(table))


class TestBound:
    def test_categorical_loss(self):
        random = np.random.default_rng(0)
        logits = [random.normal(size=(5, choices)) for choices in (3, 4)]
        codes = np.stack([random.integers(0, choices, 5) for choices in (3, 4)], axis=1)
        found = information.categorical_loss(list(map(jnp.asarray, logits)), jnp.asarray(codes))
        terms = [
            -np.log(np.exp(row[np.arange(5), code]) / np.exp(row).sum(axis=1))
            for row, code in zip(logits, codes.T, strict=True)
        ]
        np.testing.assert_allclose(found, terms[0] + terms[1], rtol=1e-5)
        assert_slip_is_seen(found, terms[0])
        assert_slip_is_seen(found, (terms[0] + terms[1]) / 2)
        assert found.shape == (5,) and found.dtype == jnp.float32

    def test_no_categorical_code_costs_nothing(self):
        found = information.categorical_loss((), jnp.zeros((5, 0), jnp.int32))
        np.testing.assert_array_equal(found, np.zeros(5))

    def test_as_many_columns_as_codes(self):
        with pytest.raises(ValueError):
            information.categorical_loss([jnp.zeros((5, 3))], jnp.zeros((5, 2), jnp.int32))

    @pytest.mark.parametrize("learnt", [True, False])
    def test_continuous_loss(self, learnt):
        random = np.random.default_rng(1)
        mean, codes = random.normal(size=(2, 6, 2))
        log_variance = random.normal(size=(6, 2)) if learnt else np.zeros((6, 2))
        found = information.continuous_loss(*map(jnp.float32, (mean, log_variance, codes)))
        density = stats.norm(mean, np.exp(0.5 * log_variance)).logpdf(codes)
        np.testing.assert_allclose(found, -density.sum(axis=1), rtol=1e-5)
        if not learnt:
            expected = 0.5 * np.sum((codes - mean) ** 2, axis=1) + np.log(2 * np.pi)
            np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_it_is_the_information_where_q_is_the_posterior(self):
        """A code of four even choices, shown as it is with probability 0.7 and as each other with
        0.1; the mean over that joint distribution."""
        channel = 0.6 * np.eye(4) + 0.1
        codes, shown = samples(np.ones((4, 4), int))
        logits = jnp.log(jnp.asarray(channel[shown]))
        loss = np.asarray(information.categorical_loss([logits], jnp.asarray(codes)[:, None]))
        bound = np.log(4) - np.sum(0.25 * channel[codes, shown] * loss)
        exact = np.log(4) + 0.7 * np.log(0.7) + 0.3 * np.log(0.1)
        assert bound == pytest.approx(exact, rel=1e-6)
        counted = mutual_information(*samples((10 * channel).round().astype(int)), corrected=False)
        assert counted == pytest.approx(exact, rel=1e-12)


class TestCounts:
    def test_entropy(self):
        """Of shares 1/2, 1/4, 1/4; Miller and Madow add two values more than one, over 2 · 8."""
        values = [7, 7, 7, 7, -1, -1, 3, 3]
        assert entropy(values, corrected=False) == pytest.approx(1.5 * np.log(2), rel=1e-12)
        assert entropy(values) == pytest.approx(1.5 * np.log(2) + 2 / 16, rel=1e-12)
        assert entropy([5, 5, 5]) == 0.0 and not np.signbit(entropy([5, 5, 5]))

    def test_a_table(self):
        """Against sum p log(p / (p_c p_f)) and scikit-learn."""
        table = np.array([[5, 1, 0], [2, 2, 7]])
        p = table / table.sum()
        outer = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
        exact = np.sum(p[p > 0] * np.log(p[p > 0] / outer[p > 0]))
        codes, factors = samples(table)
        plug_in = mutual_information(codes, factors, corrected=False)
        assert plug_in == pytest.approx(exact, rel=1e-12)
        assert plug_in == pytest.approx(mutual_info_score(codes, factors), rel=1e-12)
        assert plug_in == pytest.approx(mutual_information(factors, codes, corrected=False))
        # Two codes, three factors, five cells that are not empty, 17 samples.
        corrected = mutual_information(codes, factors)
        assert corrected == pytest.approx(exact + (1 + 2 - 4) / (2 * 17), rel=1e-12)

    def test_independent_and_equal_ones(self):
        independent = samples(np.outer([1, 2, 3], [4, 1]))
        assert mutual_information(*independent, corrected=False) == pytest.approx(0, abs=1e-12)
        codes = np.repeat(np.arange(5), 4)
        for factors in (codes, 4 - codes):
            plain = mutual_information(codes, factors, corrected=False)
            assert plain == pytest.approx(np.log(5), rel=1e-12)
            assert mutual_information(codes, factors) == pytest.approx(np.log(5) + 4 / 40)

    def test_the_correction_takes_the_bias_of_few_samples_away(self):
        """Of independent even choices out of 4 and 5, 200 times 100 samples: 12 / 200 too much."""
        random = np.random.default_rng(0)
        draws = [(random.integers(0, 4, 100), random.integers(0, 5, 100)) for _ in range(200)]
        plain = [mutual_information(*pair, corrected=False) for pair in draws]
        corrected = [mutual_information(*pair) for pair in draws]
        assert np.mean(plain) == pytest.approx(12 / 200, abs=0.01) and min(plain) >= 0
        assert np.mean(corrected) == pytest.approx(0.0, abs=0.005)

    @pytest.mark.parametrize("corrected", [True, False])
    def test_normalised(self, corrected):
        factors = np.repeat(np.arange(8), 6)

        def of(codes):
            return normalised_mutual_information(codes, factors, corrected=corrected)

        assert of(7 - factors) == pytest.approx(1.0, rel=1e-12)
        # A code finer than the factor tells all of it; one of its three bits a third.
        assert of(np.arange(48)) == pytest.approx(1.0, rel=1e-12)
        bit = mutual_information(factors % 2, factors, corrected=corrected)
        assert of(factors % 2) == pytest.approx(bit / entropy(factors, corrected=corrected))
        if not corrected:
            assert of(factors % 2) == pytest.approx(1 / 3, rel=1e-12)
        constant = np.zeros(48, int)
        assert of(constant) == 0.0
        assert normalised_mutual_information(factors, constant, corrected=corrected) == 0.0

    @pytest.mark.parametrize(
        ("codes", "factors"),
        [([], []), ([1, 2], [1]), ([0.5, 1.0], [1, 2]), ([[1], [2]], [1, 2])],
    )
    def test_errors(self, codes, factors):
        with pytest.raises(ValueError):
            mutual_information(np.array(codes), np.array(factors))


class TestBins:
    def test_each_holds_as_many(self):
        values = np.random.default_rng(0).normal(size=1000)
        found = quantile_bins(values)
        np.testing.assert_array_equal(np.bincount(found), np.full(20, 50))
        # In order.
        assert np.all(np.diff(found[np.argsort(values)]) >= 0)
        np.testing.assert_array_equal(np.bincount(quantile_bins(values, 8)), np.full(8, 125))
        # The shape of the distribution does not matter.
        np.testing.assert_array_equal(quantile_bins(np.exp(values), 8), quantile_bins(values, 8))

    def test_ties_stay_together(self):
        """Medians of 0, 0, 0, 1 and of four numbers alike: what lies on an edge goes up."""
        np.testing.assert_array_equal(quantile_bins([0, 0, 1, 0], 2), [1, 1, 1, 1])
        np.testing.assert_array_equal(quantile_bins([3, 1, 2, 2, 0], 2), [1, 0, 1, 1, 0])

    def test_a_code_that_a_factor_is_cut_from(self):
        """log 4 of information, in 20 bins or in 4; in 2 bins log 2."""
        values = np.random.default_rng(0).permutation(np.linspace(-1, 1, 2000))
        factors = np.digitize(values, [-0.5, 0.0, 0.5])

        def found(bins):
            return mutual_information(quantile_bins(values, bins), factors, corrected=False)

        for bins, exact in ((20, np.log(4)), (4, np.log(4)), (2, np.log(2))):
            assert found(bins) == pytest.approx(exact, rel=1e-9)

    @pytest.mark.parametrize("values", [[], [[1.0]], [1.0, np.nan], [np.inf, 0.0]])
    def test_errors(self, values):
        with pytest.raises(ValueError, match="finite"):
            quantile_bins(values)
        with pytest.raises(ValueError, match="bins > 1"):
            quantile_bins([1.0, 2.0], 1)

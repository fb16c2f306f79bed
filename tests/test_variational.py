"""The terms of the variational bound against closed forms, SciPy and numerical integration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from gan_jax import variational
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

LEVELS = np.arange(256) / 127.5 - 1.0
LIKELIHOODS = {
    "gaussian": variational.gaussian_log_likelihood,
    "laplace": variational.laplace_log_likelihood,
    "logistic": variational.discretised_logistic_log_likelihood,
}
of_each_likelihood = pytest.mark.parametrize("name", LIKELIHOODS)


@pytest.fixture
def double_precision():
    with jax.enable_x64(True):
        yield


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def pictures():
    """`[3, 2, 4, 2]` on the levels, both ends among them, and means near them."""
    x = np.random.default_rng(0).choice(LEVELS, size=(3, 2, 4, 2))
    x[0, 0, 0], x[1, 1, 1] = -1.0, 1.0
    return x, x + 0.3 * drawn(*x.shape)


class TestDivergence:
    def test_closed_form(self, double_precision):
        mean, log_variance = drawn(5, 3), drawn(5, 3, seed=1)
        found = variational.kl_to_standard_normal(mean, log_variance)
        variance = np.exp(log_variance)
        expected = 0.5 * (variance + mean**2 - 1 - np.log(variance))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert found.shape == (5, 3)
        assert_slip_is_seen(found, expected * 2)
        assert_slip_is_seen(found, 0.5 * (np.sqrt(variance) + mean**2 - 1 - np.log(variance)))

    @pytest.mark.parametrize(("mean", "deviation"), [(0.7, 0.4), (-2.0, 1.5), (0.0, 1.0)])
    def test_integral(self, mean, deviation):
        q, p = stats.norm(mean, deviation), stats.norm()
        expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -20, 20)
        found = variational.kl_to_standard_normal(
            jnp.full((1, 1), mean), jnp.full((1, 1), 2 * np.log(deviation))
        )
        np.testing.assert_allclose(found, [[expected]], rtol=1e-5, atol=1e-7)

    def test_it_keeps_its_digits_near_the_prior(self):
        """In float32, where exp(v) - 1 - v is rounding alone; the exact one is v^2 / 4."""
        log_variance = np.float32([[1e-3, -3e-4]])
        found = variational.kl_to_standard_normal(np.zeros_like(log_variance), log_variance)
        np.testing.assert_allclose(found, log_variance**2 / 4, rtol=2e-3)

    def test_free_bits(self):
        """Batch means 0.2, 1 and 3; a floor of 0.5 holds the first alone."""
        kl = jnp.array([[0.1, 0.0, 5.0], [0.3, 2.0, 1.0]])
        np.testing.assert_allclose(variational.free_bits(kl, 0.5), 0.5 + 1 + 3, rtol=1e-6)
        np.testing.assert_allclose(variational.free_bits(kl, 0.0), jnp.mean(jnp.sum(kl, 1)))
        gradient = jax.grad(variational.free_bits)(kl, 0.5)
        np.testing.assert_array_equal(gradient, [[0, 0.5, 0.5]] * 2)


class TestLikelihoods:
    @pytest.mark.parametrize("scales", ["one", "each"])
    @pytest.mark.parametrize(("name", "family"), [("gaussian", "norm"), ("laplace", "laplace")])
    def test_densities_are_scipy_s(self, name, family, scales, double_precision):
        x, mean = pictures()
        log_scale = np.float64(-0.7) if scales == "one" else drawn(*x.shape, seed=2)
        found = LIKELIHOODS[name](x, mean, log_scale)
        logpdf = getattr(stats, family).logpdf(x, mean, np.exp(log_scale))
        np.testing.assert_allclose(found, logpdf.sum(axis=(1, 2, 3)), rtol=1e-12)
        assert found.shape == (3,)

    def test_logistic_is_the_difference_of_distribution_functions(self, double_precision):
        x, mean = pictures()
        log_scale = drawn(*x.shape, seed=2) - 1.5
        logistic = stats.logistic(mean, np.exp(log_scale))
        upper = np.where(x == 1, 1.0, logistic.cdf(x + 1 / 255))
        lower = np.where(x == -1, 0.0, logistic.cdf(x - 1 / 255))
        expected = np.log(upper - lower).sum(axis=(1, 2, 3))
        found = LIKELIHOODS["logistic"](x, mean, log_scale)
        np.testing.assert_allclose(found, expected, rtol=1e-11)
        without_ends = np.log(logistic.cdf(x + 1 / 255) - logistic.cdf(x - 1 / 255))
        assert_slip_is_seen(found, without_ends.sum(axis=(1, 2, 3)))

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-12)])
    def test_logistic_sums_to_one(self, dtype, tolerance):
        """Over the levels, wherever the mean lies and however narrow it is."""
        means = np.array([-1.7, -1.0, 0.0, 0.1234, 0.999, 3.0], dtype)
        log_scales = np.array([-9.0, -5.0, -3.0, 0.0, 4.0], dtype)
        x, mean, log_scale = np.meshgrid(LEVELS.astype(dtype), means, log_scales, indexing="ij")
        columns = (array.reshape(-1, 1) for array in (x, mean, log_scale))
        with jax.enable_x64(dtype == "float64"):
            found = np.asarray(LIKELIHOODS["logistic"](*columns))
        assert found.dtype == dtype
        sums = np.exp(np.float64(found.reshape(x.shape))).sum(axis=0)
        # In units of the scale a mean is rounded by eps / scale.
        rounding = np.finfo(dtype).eps * np.exp(-log_scales)
        assert np.all(np.abs(sums - 1) < tolerance + rounding)

    def test_logistic_far_from_its_mean(self):
        """In float32 against sigmoid(a) - sigmoid(b) = sinh(d / 2) / (cosh(d / 2) + cosh(t)),
        t = (x - mean) / scale and d the bin's width, written with logarithms."""
        t = np.linspace(-600, 600, 25)
        scale = 1e-3
        x = np.full((25, 1), LEVELS[128])
        d = 2 / 255 / scale
        cosh = np.logaddexp(np.logaddexp(d / 2, -d / 2), np.logaddexp(t, -t)) - np.log(2)
        expected = d / 2 + np.log1p(-np.exp(-d)) - np.log(2) - cosh
        found = LIKELIHOODS["logistic"](
            jnp.float32(x), jnp.float32(x - scale * t[:, None]), jnp.float32(np.log(scale))
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
        assert found[0] < -500

    @of_each_likelihood
    def test_gradients_are_slopes(self, name, double_precision):
        x, mean = pictures()
        likelihood, weights = LIKELIHOODS[name], np.array([1.0, -0.5, 2.0])

        def value(start):
            return jnp.sum(weights * likelihood(x, *start))

        assert_gradient_is_the_slope(value, (mean, drawn(*x.shape, seed=2)))

    @of_each_likelihood
    def test_values_and_gradients_are_finite_at_extremes(self, name):
        """At both ends, beside them and between, near and far from the mean."""
        grid = np.meshgrid(
            LEVELS[[0, 1, 127, 254, 255]],
            [-2.0, -1.0, 0.0, 1.0, 2.0],
            [-40.0, -20.0, 20.0, 40.0],
        )
        x, *start = (np.float32(axis.reshape(-1, 1)) for axis in grid)

        @jax.jit
        def value_and_gradients(start):
            value, gradients = jax.vjp(lambda start: LIKELIHOODS[name](x, *start), start)
            return value, gradients(jnp.ones_like(value))

        outcome = jax.tree.leaves(value_and_gradients(start))
        assert len(outcome) == 3 and all(np.isfinite(leaf).all() for leaf in outcome)

    @of_each_likelihood
    def test_half_precision_comes_out_single(self, name):
        x = jnp.bfloat16(pictures()[0])
        assert LIKELIHOODS[name](x, x, jnp.bfloat16(0.0)).dtype == jnp.float32


class TestSample:
    def test_it_is_mean_and_deviation_times_noise(self):
        mean, log_variance = jnp.float32(drawn(4, 3)), jnp.float32(drawn(4, 3, seed=1))
        key = jax.random.key(3)
        found = variational.reparametrised_sample(mean, log_variance, key)
        noise = jax.random.normal(key, (4, 3))
        np.testing.assert_allclose(found, mean + jnp.exp(log_variance) ** 0.5 * noise, rtol=1e-5)
        gradients = jax.grad(
            lambda *q: jnp.sum(variational.reparametrised_sample(*q, key)), argnums=(0, 1)
        )(mean, log_variance)
        np.testing.assert_allclose(gradients[0], np.ones((4, 3)))
        np.testing.assert_allclose(gradients[1], 0.5 * (found - mean), rtol=1e-4, atol=1e-6)

    def test_divergence_and_sample_are_finite_at_extremes(self):
        """The gradients too."""
        q = jnp.float32([[-1e4, 0.0, 1e4]]), jnp.float32([[-80.0, 80.0, 0.0]])

        def value(mean, log_variance):
            sample = variational.reparametrised_sample(mean, log_variance, jax.random.key(0))
            kl = variational.kl_to_standard_normal(mean, log_variance)
            return jnp.sum(sample) + jnp.sum(kl)

        outcome = jax.value_and_grad(value, argnums=(0, 1))(*q)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(outcome))


class TestBounds:
    """On x = W z + b + noise, z ~ N(0, I), W with orthogonal columns: p(x) is Gaussian, and so is
    p(z|x), with a diagonal covariance."""

    weights = np.array([[1.0, 0.5], [1.0, -0.5], [0.5, 0.0]])
    offset, noise = np.array([0.3, -0.2, 0.1]), 0.6
    x = np.array([[0.5, -1.0, 0.2], [2.0, 0.4, -0.7]])

    def exact(self):
        covariance = self.weights @ self.weights.T + self.noise**2 * np.eye(3)
        return stats.multivariate_normal(self.offset, covariance).logpdf(self.x)

    def posterior(self):
        """Means `[2, 2]` and variances `[2]`."""
        variance = 1 / (1 + (self.weights**2).sum(0) / self.noise**2)
        return variance * ((self.x - self.offset) @ self.weights) / self.noise**2, variance

    def log_weights(self, mean, variance, count):
        """`[K, B]` of draws from N(mean, variance)."""
        noise = drawn(count, *mean.shape, seed=4)
        zeros, log_variance = np.zeros_like(mean), np.log(np.broadcast_to(variance, mean.shape))

        @jax.jit
        @jax.vmap
        def weight(noise):
            z = mean + np.sqrt(variance) * noise
            decoded = z @ self.weights.T + self.offset
            return (
                variational.gaussian_log_likelihood(self.x, decoded, np.log(self.noise))
                + variational.gaussian_log_likelihood(z, zeros, 0.0)
                - variational.gaussian_log_likelihood(z, mean, 0.5 * log_variance)
            )

        return weight(noise)

    def test_the_columns_are_orthogonal(self):
        assert (self.weights.T @ self.weights)[0, 1] == pytest.approx(0.0)

    @pytest.mark.parametrize("count", [1, 7])
    def test_exact_under_the_true_posterior(self, count, double_precision):
        found = variational.importance_weighted_bound(self.log_weights(*self.posterior(), count))
        np.testing.assert_allclose(found, self.exact(), rtol=1e-11)

    def test_it_rises_to_the_log_likelihood(self, double_precision):
        """Means over 2,000 sets of draws, from another posterior."""
        mean, variance = self.posterior()
        draws = self.log_weights(mean + 0.3, 1.5 * variance, 200_000)

        def bound(count):
            sets = draws.reshape(count, -1, 2)[:, :2000]
            values = jax.vmap(variational.importance_weighted_bound, in_axes=1)(sets)
            return np.mean(values, axis=0)

        found = [bound(count) for count in (1, 20, 100)]
        assert np.all(np.diff(found, axis=0) > 0) and np.all(found[-1] < self.exact() + 0.01)
        np.testing.assert_allclose(found[-1], self.exact(), atol=0.02)
        every = variational.importance_weighted_bound(draws)
        np.testing.assert_allclose(every, self.exact(), atol=5e-3)
        assert np.all(self.exact() - found[0] > 0.2)

    def test_one_draw_is_the_variational_bound(self, double_precision):
        """Its mean: E log p(x|z) - KL, here in closed form."""
        mean, variance = self.posterior()
        mean, variance = mean + 0.3, np.broadcast_to(1.5 * variance, mean.shape)
        decoded = mean @ self.weights.T + self.offset
        # E |x - W z - b|^2 is that at the mean plus sum_j variance_j |w_j|^2.
        likelihood = stats.norm(decoded, self.noise).logpdf(self.x).sum(1)
        likelihood -= 0.5 * (variance @ (self.weights**2).sum(0)) / self.noise**2
        kl = variational.kl_to_standard_normal(mean, np.log(variance)).sum(1)
        draws = self.log_weights(mean, variance, 50_000)
        bounds = jax.vmap(variational.importance_weighted_bound)(draws[:, None])
        error = 5 * np.std(draws, axis=0) / np.sqrt(len(draws))
        np.testing.assert_array_less(np.abs(np.mean(bounds, axis=0) - (likelihood - kl)), error)

    def test_far_from_zero(self):
        log_weights = jnp.array([[-1e4, 1e4], [-1e4 - 1.0, 1e4]])
        found = variational.importance_weighted_bound(log_weights)
        expected = [-1e4 + np.log((1 + np.exp(-1)) / 2), 1e4]
        np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_bits_per_dimension():
    """A uniform choice of 256 levels is 8 bits."""
    dimensions = 3 * 32 * 32
    uniform = jnp.full(2, -dimensions * np.log(256.0))
    found = variational.bits_per_dimension(uniform, dimensions)
    np.testing.assert_allclose(found, [8.0, 8.0], rtol=1e-6)

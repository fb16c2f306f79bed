"""Each penalty against its formula, finite differences, and the slips that it must not make."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import penalties
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

SHAPE = (4, 2, 3, 1)
SIZE = 6


@pytest.fixture
def quadratic():
    """D(x) = x' A x / 2 + b' x, whose gradient is (A + A') x / 2 + b."""
    random = np.random.default_rng(0)
    a, b = random.standard_normal((SIZE, SIZE)), random.standard_normal(SIZE)

    def discriminator(batch):
        flat = batch.reshape(len(batch), -1)
        return 0.5 * jnp.einsum("bi,ij,bj->b", flat, a, flat) + flat @ b

    def gradient(batch):
        return np.asarray(batch).reshape(len(batch), -1) @ (0.5 * (a + a.T)).T + b

    return discriminator, gradient


@pytest.fixture
def batches():
    random = np.random.default_rng(1)
    return random.standard_normal(SHAPE), random.standard_normal(SHAPE)


def test_r1_and_r2_are_half_the_squared_gradient(quadratic, batches):
    discriminator, gradient = quadratic
    for penalty, images in zip((penalties.r1, penalties.r2), batches, strict=True):
        square, value = gradient(images) ** 2, penalty(discriminator, images)
        np.testing.assert_allclose(value, 0.5 * np.sum(square, axis=1), rtol=1e-5)
        assert_slip_is_seen(value, np.sum(square, axis=1))  # no half
        assert_slip_is_seen(value, 0.5 * np.mean(square, axis=1))
        assert_slip_is_seen(value, 0.5 * np.sqrt(np.sum(square, axis=1)))
        assert_slip_is_seen(value, 0.5 * (np.sqrt(np.sum(square, axis=1)) - 1) ** 2)
        other = 0.5 * np.sum(gradient(batches[0] + batches[1]) ** 2, axis=1)
        assert_slip_is_seen(value, other)  # at other pictures


def test_between_is_one_share_a_pair(batches):
    real, fake = batches
    point = penalties.between(jnp.asarray(real), jnp.asarray(fake), jax.random.key(0))
    shares = np.asarray((point - fake) / (real - fake)).reshape(len(real), -1)
    np.testing.assert_allclose(shares, np.broadcast_to(shares[:, :1], shares.shape), atol=1e-3)
    assert np.all((shares >= 0) & (shares <= 1)) and len(set(shares[:, 0].round(3))) == len(real)


@pytest.mark.parametrize(
    ("penalty", "formula", "slips"),
    [
        (
            penalties.gradient_penalty,
            lambda norm: (norm - 1) ** 2,
            {
                "no one": lambda norm: norm**2,
                "sign of the one": lambda norm: (norm + 1) ** 2,
                "no root": lambda norm: (norm**2 - 1) ** 2,
                "no square": lambda norm: np.abs(norm - 1),
                "a half": lambda norm: 0.5 * (norm - 1) ** 2,
                "a mean for the sum": lambda norm: (norm / np.sqrt(SIZE) - 1) ** 2,
            },
        ),
        (
            penalties.zero_centred,
            lambda norm: norm**2,
            {
                "a half": lambda norm: 0.5 * norm**2,
                "no square": lambda norm: norm,
                "a one": lambda norm: (norm - 1) ** 2,
                "a mean for the sum": lambda norm: norm**2 / SIZE,
            },
        ),
    ],
    ids=["gradient_penalty", "zero_centred"],
)
def test_on_interpolates(quadratic, batches, penalty, formula, slips):
    discriminator, gradient = quadratic
    real, fake = map(jnp.asarray, batches)
    key = jax.random.key(3)
    norm = np.linalg.norm(gradient(penalties.between(real, fake, key)), axis=1)
    value = penalty(discriminator, real, fake, key)
    np.testing.assert_allclose(value, formula(norm), rtol=1e-4)
    for slip in slips.values():
        assert_slip_is_seen(value, slip(norm))
    for images in (real, fake):  # not between them
        assert_slip_is_seen(value, formula(np.linalg.norm(gradient(images), axis=1)))


def half_square(batch):
    """D(x) = |x|^2 / 2, whose gradient is x."""
    return 0.5 * jnp.sum(jnp.square(batch), axis=(1, 2, 3))


def test_dragan_is_its_formula(batches):
    real, key = jnp.asarray(batches[0]), jax.random.key(3)
    pixel_key, picture_key = jax.random.split(key)
    u = jax.random.uniform(pixel_key, SHAPE)
    a = jax.random.uniform(picture_key, (len(real), 1, 1, 1))

    def by_hand(half=0.5, power=1, one=1):
        point = batches[0] + a * half * batches[0].std() ** power * u
        return (np.sqrt(np.sum(point**2, axis=(1, 2, 3))) - one) ** 2

    value = jax.jit(functools.partial(penalties.dragan, half_square))(real, key)
    np.testing.assert_allclose(value, by_hand(), rtol=1e-4)
    for slip in ({"half": 1.0}, {"half": -0.5}, {"power": 2}, {"one": 0}, {"one": -1}):
        assert_slip_is_seen(value, by_hand(**slip))


def test_dragan_moves_pictures_by_up_to_half_a_deviation():
    real = jnp.where(jnp.arange(20_000) % 2, 10.0, 12.0)[:, None, None, None]  # of deviation 1
    penalty = jax.jit(functools.partial(penalties.dragan, half_square))
    moved = 1 + jnp.sqrt(penalty(real, jax.random.key(0)))
    shift = np.asarray(moved - real[:, 0, 0, 0])
    assert shift.min() > -1e-4 and 0.45 < shift.max() < 0.5
    assert shift.mean() == pytest.approx(0.5 / 4, rel=0.05)


def test_a_vanishing_gradient_gives_no_nan():
    real = jnp.ones(SHAPE)

    def value(weight):
        return jnp.sum(
            penalties.gradient_penalty(
                lambda x: weight * jnp.sum(x, axis=(1, 2, 3)), real, real, jax.random.key(0)
            )
        )

    found, gradient = jax.value_and_grad(value)(0.0)
    assert found == pytest.approx(len(real)) and np.isfinite(gradient)


PENALTIES = {
    "r1": lambda d, real, fake, key: penalties.r1(d, real),
    "r2": lambda d, real, fake, key: penalties.r2(d, fake),
    "gradient_penalty": penalties.gradient_penalty,
    "dragan": lambda d, real, fake, key: penalties.dragan(d, real, key),
    "zero_centred": penalties.zero_centred,
}


@pytest.mark.parametrize("name", PENALTIES)
def test_its_gradient_by_parameters_against_finite_differences(name, batches):
    with jax.enable_x64(True):
        real, fake = (jnp.asarray(batch, jnp.float64) for batch in batches)
        start = jnp.asarray(np.random.default_rng(5).standard_normal((SIZE, 8)))

        def value(weights):
            def discriminator(batch):
                return jnp.sum(jnp.tanh(batch.reshape(len(batch), -1) @ weights), axis=1)

            return jnp.mean(PENALTIES[name](discriminator, real, fake, jax.random.key(7)))

        assert_gradient_is_the_slope(value, start)


WIDTH, LAYERS = 3, 2


def synthesis(weights):
    """Images `[B, 2, 3, 1]` that are linear in the styles, with the Jacobian `weights`."""
    return lambda ws: (ws.reshape(len(ws), -1) @ weights).reshape(len(ws), 2, 3, 1)


def test_path_length_is_its_formula():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        weights = random.standard_normal((LAYERS * WIDTH, 6))
        ws = jnp.asarray(random.standard_normal((5, LAYERS, WIDTH)))
        key, mean, decay = jax.random.key(2), 0.7, 0.01
        value, after = jax.jit(
            lambda ws: penalties.path_length(synthesis(weights), ws, key, mean, decay)
        )(ws)
        y = np.asarray(jax.random.normal(key, (5, 2, 3, 1), jnp.float64)).reshape(5, 6) / np.sqrt(6)
    square = np.sum((y @ weights.T).reshape(5, LAYERS, WIDTH) ** 2, axis=2)  # of each layer
    lengths = np.sqrt(np.mean(square, axis=1))
    moved = mean + decay * (lengths.mean() - mean)
    np.testing.assert_allclose(value, (lengths - moved) ** 2, rtol=1e-12)
    np.testing.assert_allclose(after, moved, rtol=1e-12)
    for slip in (
        np.sqrt(np.sum(square, axis=1)) - moved,  # a sum for the mean over layers
        np.sqrt(np.mean(square, axis=1) / WIDTH) - moved,  # a mean over the style
        np.mean(np.sqrt(square), axis=1) - moved,  # a mean of lengths
        np.sqrt(6) * lengths - moved,  # noise that is not over the root of the pixels
        lengths + moved,  # a sign
        np.sqrt(np.abs(lengths - moved)),  # no square
        np.sqrt(0.5) * (lengths - moved),  # a half
    ):
        assert_slip_is_seen(value, slip**2)
    # The move is a small one: what is mistaken there shows in a finer digit.
    for slip in (lengths.mean(), mean, mean - decay * (lengths.mean() - mean)):
        assert_slip_is_seen(after, slip, rtol=1e-3)
        assert_slip_is_seen(value, (lengths - slip) ** 2, rtol=1e-3)


def test_path_length_reaches_its_gradient_and_detaches_its_mean():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        start = jnp.asarray(random.standard_normal((LAYERS * WIDTH, 6)))
        ws = jnp.asarray(random.standard_normal((5, LAYERS, WIDTH)))

        @jax.jit
        def value(weights):
            found = penalties.path_length(synthesis(weights), ws, jax.random.key(2), 0.7, 0.01)
            return jnp.mean(found[0]), found[1]

        assert_gradient_is_the_slope(lambda weights: value(weights)[0], start)
        np.testing.assert_array_equal(jax.grad(lambda w: value(w)[1])(start), 0.0)


def per_example(discriminator, real):
    gradient = jax.vmap(jax.grad(lambda x: discriminator(x[None])[0]))(real)
    return 0.5 * jnp.sum(jnp.square(gradient), axis=(1, 2))


def test_equals_vmap_of_grad_where_examples_are_apart():
    real = jax.random.normal(jax.random.key(0), (5, 3, 2))

    def apart(batch):
        return jnp.sum(jnp.sin(batch), axis=(1, 2))

    np.testing.assert_allclose(penalties.r1(apart, real), per_example(apart, real), rtol=1e-5)


def test_differs_from_vmap_of_grad_under_batch_statistics():
    real = jax.random.normal(jax.random.key(0), (5, 3, 2))

    def normalised(batch):
        return jnp.sum(jnp.square(batch - jnp.mean(batch, axis=0)), axis=(1, 2))

    gradient = 2.0 * (real - jnp.mean(real, axis=0))  # the sum's: the mean's share cancels
    expected = 0.5 * jnp.sum(jnp.square(gradient), axis=(1, 2))
    np.testing.assert_allclose(penalties.r1(normalised, real), expected, rtol=1e-5)
    assert not np.allclose(per_example(normalised, real), expected, rtol=0.5)


def test_is_float32_under_bfloat16():
    real = jnp.ones((2, 4, 4, 1), jnp.bfloat16)
    assert penalties.r1(lambda x: jnp.sum(x, axis=(1, 2, 3)), real).dtype == jnp.float32

"""Schedules at their corners, and the EMA ramp against the half-life that it promises."""

import math

import numpy as np
import pytest

from gan_jax import schedules
from gan_jax.errors import UsageError


@pytest.mark.parametrize(("step", "expected"), [(0, 0.25), (1, 0.5), (3, 1.0), (100, 1.0)])
def test_linear_warm_up(step, expected):
    np.testing.assert_allclose(schedules.linear_warm_up(4)(step, 0, 2.0), 2.0 * expected)


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (10, 1.0), (15, 0.5), (20, 0.0), (99, 0)])
def test_linear_decay(step, expected):
    np.testing.assert_allclose(schedules.linear_decay(10, 20)(step, 0, 3.0), 3.0 * expected)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.5), (2, 0.5), (4, 0.75), (6, 1.0), (16, 2.0), (26, 3.0), (99, 3.0)]
)
def test_piecewise_linear(step, expected):
    schedule = schedules.piecewise_linear(((2, 0.5), (6, 1.0), (26, 3.0)))
    np.testing.assert_allclose(schedule(step, 0, 4.0), 4.0 * expected)


@pytest.mark.parametrize("points", [(), ((5, 1.0), (5, 2.0)), ((5, 1.0), (2, 1.0)), ((1, 2, 3),)])
def test_points_that_are_none(points):
    with pytest.raises(UsageError, match=r"must be \(step, factor\) of rising steps"):
        schedules.piecewise_linear(points)


def test_inverse_time():
    np.testing.assert_allclose(schedules.inverse_time(0.5)(4, 0, 6.0), 2.0)


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (5, 0.6), (10, 0.2), (11, 0.2)])
def test_cosine(step, expected):
    np.testing.assert_allclose(schedules.cosine(10, 0.2)(step, 0, 1.0), expected, rtol=1e-6)


def test_ema_decay_has_the_promised_half_life():
    decay = schedules.ema_decay(images_per_step=32, half_life=schedules.ramp_up(0.05))
    value = float(decay(0, 6400, 10_000.0))  # a half-life of 320 images, so of 10 steps
    assert math.isclose(value**10, 0.5, rel_tol=1e-5)
    assert float(decay(0, 0, 10_000.0)) == 0.0
    late = float(decay(0, 10**9, 10_000.0))
    assert math.isclose(late ** (10_000 / 32), 0.5, rel_tol=1e-4)
    assert float(schedules.ema_decay(32)(0, 0, 10_000.0)) == pytest.approx(late)


@pytest.mark.parametrize(("images", "expected"), [(0, 2.0), (50, 1.1), (100, 0.2), (999, 0.2)])
def test_cosine_over_images(images, expected):
    schedule = schedules.cosine_over_images(100, 0.2)
    np.testing.assert_allclose(schedule(7, images, 2.0), expected, rtol=1e-6)


def test_from_step_switches_on():
    assert [float(schedules.from_step(3)(step, 0, 0.3)) for step in (0, 2)] == [0, 0]
    assert float(schedules.from_step(3)(3, 0, 0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1.0), (9, 1.0), (10, 0.9), (25, 0.81), (900, 0.5)]
)
def test_geometric(step, expected):
    np.testing.assert_allclose(schedules.geometric(0.9, 10, 0.5)(step, 0, 1.0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.linear_warm_up(0),
        lambda: schedules.linear_decay(5, 5),
        lambda: schedules.cosine(0, 0.2),
        lambda: schedules.cosine_over_images(-1, 0.2),
        lambda: schedules.geometric(0.9, 0, 0.5),
    ],
)
def test_a_length_that_is_none_is_refused(make):
    with pytest.raises(UsageError, match=r"its length is (0|-1), and must be above 0"):
        make()

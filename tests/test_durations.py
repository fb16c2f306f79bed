"""Durations to steps, and the forms that are refused."""

import pytest

from gan_jax.durations import to_steps
from gan_jax.errors import UsageError


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        ("2100 steps", 2100),
        ("1 step", 1),
        ("2 epochs", 63),  # 2 x 1000 / 32 = 62.5
        ("0.5 epochs", 16),
        ("64_000 images", 2000),
        ("1 image", 1),
    ],
)
def test_to_steps(duration, steps):
    assert to_steps("total", duration, images_per_step=32, images_per_epoch=1000) == steps


@pytest.mark.parametrize("duration", ["", "12", "steps", "3 days", "-1 steps", "1e3 steps"])
def test_other_forms_are_refused(duration):
    with pytest.raises(UsageError, match="total="):
        to_steps("total", duration, images_per_step=32, images_per_epoch=1000)

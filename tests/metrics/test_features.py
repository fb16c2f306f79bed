"""What may be measured, and what the line says where it may not."""

import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.metrics.features import checked, checked_pair
from gan_jax.metrics.frechet import frechet_distance_of_features
from gan_jax.metrics.inception_score import inception_score
from gan_jax.metrics.kernel import kid_full
from gan_jax.metrics.moments import moments_of
from gan_jax.metrics.neighbours import nearest, prdc
from gan_jax.metrics.sliced import mind, sliced_wasserstein


def rows(count=20, size=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def test_keeps_floats_and_makes_floats():
    assert checked(rows()).dtype == np.float32
    assert checked(rows().astype(np.float64)).dtype == np.float64
    assert checked(np.arange(6).reshape(2, 3)).dtype == np.float32


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (2, 3, 4)])
def test_shape(shape):
    with pytest.raises(DataError, match="shape"):
        checked(np.zeros(shape, np.float32))


def test_counts_bad_rows():
    bad = rows(9000)
    bad[5, :2] = np.nan
    bad[8500, 1] = np.inf
    with pytest.raises(DataError, match="real: NaN or infinity in 2 of 9000 rows"):
        checked(bad, "real")


MEASURES = {
    "moments": lambda a, b: moments_of(b),
    "frechet": frechet_distance_of_features,
    "kid": kid_full,
    "prdc": lambda a, b: prdc(a, b, k=2, strict=True),
    "nearest": lambda a, b: nearest(a, b, count=2),
    "sliced": lambda a, b: sliced_wasserstein(a, b, projections=4, seed=0),
    "mind": lambda a, b: mind(a, b, seed=0),
    "inception score": lambda a, b: inception_score(b, splits=2, seed=0, ddof=0),
}


@pytest.mark.parametrize("name", MEASURES)
def test_no_measure_takes_nan(name):
    bad = rows(seed=1)
    bad[3, 0] = np.nan
    with pytest.raises(DataError, match="1 of 20 rows"):
        MEASURES[name](rows(), bad)


@pytest.mark.parametrize("name", ["frechet", "kid", "prdc", "nearest", "sliced", "mind"])
def test_no_measure_takes_two_widths(name):
    with pytest.raises(DataError, match="3 dimensions, .* 4; take both from the same layer"):
        MEASURES[name](rows(), rows(size=4))


def test_pair_is_named():
    with pytest.raises(DataError, match="query features have 3 dimensions"):
        checked_pair(rows(), rows(size=4), ("query", "reference"))

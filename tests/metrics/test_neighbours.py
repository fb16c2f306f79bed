"""Neighbours against full distance matrices in float64, and where the counts are known."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics import distances as module
from gan_jax.metrics.distances import Distances
from gan_jax.metrics.neighbours import (
    density_coverage,
    nearest,
    prdc,
    precision_recall,
    radii_squared,
)

GENERATOR = np.random.default_rng(0)
REAL = GENERATOR.normal(size=(150, 20)).astype(np.float32)
FAKE = (1.1 * GENERATOR.normal(size=(120, 20))).astype(np.float32)
SETS = {
    "generic": (REAL, FAKE),
    "identical": (REAL, REAL.copy()),
    "far from zero": (REAL + 500, FAKE + 500),
    "copied reals": (REAL, np.repeat(REAL[:12], 10, axis=0)),
    "one point": (REAL, np.repeat(FAKE[:1], 120, axis=0)),
    "both one point": (np.repeat(REAL[:1], 150, axis=0), np.repeat(REAL[:1], 120, axis=0)),
    "on a grid": (np.round(REAL[:, :2]), np.round(FAKE[:, :2])),
}


def squared(x, y):
    """Rounded as the features are: distances of equal pairs are equal."""
    difference = x.astype(np.float64)[:, None] - y.astype(np.float64)[None]
    return np.square(difference).sum(axis=2).astype(x.dtype)


def by_formula(real, fake, k, strict):
    compare = np.less if strict else np.less_equal
    of_real = np.sort(squared(real, real), axis=1)[:, k]
    of_fake = np.sort(squared(fake, fake), axis=1)[:, k]
    between = squared(real, fake)
    in_real = compare(between, of_real[:, None])
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": compare(between, of_fake[None]).any(axis=1).mean(),
        "density": in_real.sum(axis=0).mean() / k,
        "coverage": in_real.any(axis=1).mean(),
    }


@pytest.fixture(params=[1, 100, 10**6])
def tile(request, monkeypatch):
    monkeypatch.setattr(module, "TILE", request.param)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("name", SETS)
def test_all_four_in_any_blocks(name, k, strict, tile):
    real, fake = SETS[name]
    ours = prdc(real, fake, k=k, strict=strict)
    for key, value in by_formula(real, fake, k, strict).items():
        assert getattr(ours, key) == pytest.approx(value, rel=1e-14), key
    two = precision_recall(real, fake, k=k, strict=strict)
    assert (two.precision, two.recall) == (ours.precision, ours.recall)


@pytest.mark.parametrize("crowded", [0.0, 1.0])
@pytest.mark.parametrize("name", SETS)
def test_either_way_to_settle_open_pairs_gives_the_same(name, crowded, monkeypatch):
    real, fake = SETS[name]
    expected = [prdc(real, fake, k=3, strict=strict) for strict in (True, False)]
    indices = nearest(real, fake, count=5)[0]
    monkeypatch.setattr(module, "OPEN", crowded)
    assert [prdc(real, fake, k=3, strict=strict) for strict in (True, False)] == expected
    np.testing.assert_array_equal(nearest(real, fake, count=5)[0], indices)


def test_density_and_coverage_are_strict():
    real, fake = SETS["identical"]
    ours, strict = density_coverage(real, fake, k=3), prdc(real, fake, k=3, strict=True)
    assert (ours.density, ours.coverage) == (strict.density, strict.coverage)
    assert ours.density != prdc(real, fake, k=3, strict=False).density


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 3, 120])
@pytest.mark.parametrize("name", SETS)
def test_nearest_is_the_stable_sort(name, count, dtype, tile):
    queries, references = (features.astype(dtype) for features in SETS[name])
    indices, distances = nearest(queries, references, count=count)
    exact = squared(queries, references)
    order = np.argsort(exact, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(distances, np.sqrt(np.take_along_axis(exact, order, axis=1)))


def test_bounds_hold_and_are_close():
    real, fake = SETS["far from zero"]
    (tile,) = Distances(real, fake).tiles()
    lower, upper = tile.bounds()
    exact = squared(real.astype(np.float64), fake.astype(np.float64))
    assert (lower <= exact).all() and (exact <= upper).all()
    assert (upper - lower).max() < 1e-4 * exact.max()
    i, j = np.indices(exact.shape).reshape(2, -1)
    np.testing.assert_allclose(tile.exact(i, j), exact.ravel(), rtol=1e-6)
    np.testing.assert_allclose(tile.dense(), exact, rtol=1e-6)


def test_naive_float32_would_fail_on_copies():
    """|x|^2 + |y|^2 - 2 x.y of a point and its copy, away from zero."""
    x = REAL + np.float32(500)
    norms = np.sum(x * x, axis=1)
    naive = norms[:, None] + norms[None] - 2 * x @ x.T
    assert np.abs(np.diag(naive)).max() > 1.0
    indices, distances = nearest(x, x, count=1)
    np.testing.assert_array_equal(indices[:, 0], np.arange(len(x)))
    np.testing.assert_array_equal(distances, 0.0)


def test_identical_and_distant_sets():
    same = prdc(REAL, REAL.copy(), k=3, strict=True)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)
    apart = prdc(REAL, FAKE + 100, k=3, strict=False)
    assert (apart.precision, apart.recall, apart.density, apart.coverage) == (0, 0, 0, 0)


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    collapsed = np.repeat(REAL[:1], 120, axis=0) + np.float32(1e-3) * FAKE
    ours = prdc(REAL, collapsed, k=3, strict=True)
    assert ours.precision == 1.0
    assert ours.recall <= 1 / 150  # the real that they sit on
    assert ours.coverage < 0.1


@pytest.mark.slow
def test_published_figures_of_one_normal_distribution():
    """N(0, I) in 1000 dimensions, 10k and 10k, k = 5: Naeem et al.'s example."""
    generator = np.random.default_rng(0)
    real, fake = generator.standard_normal((2, 10_000, 1000), dtype=np.float32)
    ours = prdc(real, fake, k=5, strict=True)
    assert ours.precision == pytest.approx(0.4772, abs=0.03)
    assert ours.recall == pytest.approx(0.4705, abs=0.03)
    assert ours.density == pytest.approx(1.0555, abs=0.05)
    assert ours.coverage == pytest.approx(0.9735, abs=0.01)


def test_bad_arguments():
    with pytest.raises(DataError, match="5 neighbours of 5 fake samples; take at least 6"):
        prdc(REAL, FAKE[:5], k=5, strict=True)
    with pytest.raises(UsageError, match="0 neighbours"):
        radii_squared(REAL, 0, "real")
    with pytest.raises(DataError, match="121 neighbours among 120"):
        nearest(REAL, FAKE, count=121)
    with pytest.raises(DataError, match="too large"):
        prdc(REAL * np.float32(1e19), FAKE, k=1, strict=True)

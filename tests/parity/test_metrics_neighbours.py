"""Precision, recall, density and coverage against `prdc` (exactly) and torch-fidelity."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

torch = pytest.importorskip("torch")
pytest.importorskip("torch_fidelity")
reference = pytest.importorskip("prdc")

from gan_jax.metrics.neighbours import density_coverage, prdc, precision_recall  # noqa: E402

GENERATOR = np.random.default_rng(0)
REAL = GENERATOR.normal(size=(800, 128))
FAKE = 1.02 * GENERATOR.normal(size=(600, 128)) + 0.02
JITTER = GENERATOR.normal(size=(600, 128))

SETS = {
    "generic": (REAL, FAKE),
    "more fakes": (FAKE, REAL),
    "far from zero": (REAL + 1000, FAKE + 1000),
    "skewed": (np.maximum(REAL, 0) ** 2, np.maximum(FAKE, 0) ** 2),
    "tiny": (1e-3 * REAL, 1e-3 * FAKE),
    "two dimensions": (REAL[:, :2], FAKE[:, :2]),
    "on a grid": (np.round(REAL[:, :4]), np.round(FAKE[:, :4])),
    "almost one point": (REAL, FAKE[:1] + 1e-3 * JITTER),
    "few tight clusters": (REAL, np.repeat(FAKE[:30], 20, axis=0) + 1e-4 * JITTER),
}
# Samples that repeat. A copy is at distance zero, but scikit-learn gets it as the difference of
# two matrix products: rounding noise, which depends on the processor, and so does `prdc` then.
COPIES = {
    "few modes": (REAL, np.repeat(FAKE[:30], 20, axis=0)),
    "few reals copied": (REAL, np.repeat(REAL[:30], 20, axis=0)),
    "reals copied three times": (REAL, np.repeat(REAL[:200], 3, axis=0)),
    "one point": (REAL, np.repeat(FAKE[:1], 600, axis=0)),
    "both collapsed": (np.repeat(REAL[:3], 99, axis=0), np.repeat(REAL[:3], 77, axis=0)),
    "on a grid": SETS["on a grid"],
    "identical": (REAL, REAL.copy()),
}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETS)
def test_equals_prdc_exactly(name, dtype, k, capsys):
    real, fake = (features.astype(dtype) for features in SETS[name])
    assert_equals_prdc(real, fake, k)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", COPIES)
def test_equals_prdc_of_distances_from_differences(name, dtype, k, capsys, monkeypatch):
    def distances(x, y=None):
        return cdist(x, x if y is None else y).astype(dtype)

    monkeypatch.setattr(reference.prdc, "compute_pairwise_distance", distances)
    real, fake = (features.astype(dtype) for features in COPIES[name])
    assert_equals_prdc(real, fake, k)


def assert_equals_prdc(real, fake, k):
    theirs = reference.compute_prdc(real, fake, k)
    ours = prdc(real, fake, k=k, strict=True)
    for key, value in theirs.items():
        # The counts are equal; a mean of counts may end in another last bit.
        assert getattr(ours, key) == pytest.approx(value, rel=1e-14), key
    density = density_coverage(real, fake, k=k)
    assert (density.density, density.coverage) == (ours.density, ours.coverage)


def torch_fidelity(real, fake, k):
    from torch_fidelity.metric_prc import prc_features_to_metric

    theirs = prc_features_to_metric(  # input 1 is the generated set
        torch.from_numpy(fake), torch.from_numpy(real), prc_neighborhood=k, verbose=False
    )
    return theirs["precision"], theirs["recall"]


@pytest.mark.parametrize("name", ["generic", "more fakes", "skewed", "two dimensions"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_torch_fidelity(name, k):
    real, fake = (features.astype(np.float32) for features in SETS[name])
    ours = precision_recall(real, fake, k=k, strict=False)
    theirs = torch_fidelity(real, fake, k)
    assert (ours.precision, ours.recall) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("name", ["few reals copied", "few modes"])
def test_collapsed_duplicates_in_float64_equal_torch_fidelity(name):
    # In float32 torch's distance of a point to its copy is rounding noise, and so is its recall.
    real, fake = COPIES[name]
    ours = precision_recall(real, fake, k=3, strict=False)
    theirs = torch_fidelity(real, fake, 3)
    assert (ours.precision, ours.recall) == pytest.approx(theirs, abs=1e-6)


def test_strictness_is_what_tells_them_apart_on_copies():
    real, fake = COPIES["few reals copied"]
    strict = precision_recall(real, fake, k=3, strict=True)
    loose = precision_recall(real, fake, k=3, strict=False)
    assert strict.recall == 0.0
    assert loose.recall == pytest.approx(30 / 800)


@pytest.mark.slow
def test_equals_prdc_exactly_at_full_width():
    generator = np.random.default_rng(1)
    real = generator.standard_normal((4000, 2048), dtype=np.float32)
    fake = generator.standard_normal((4000, 2048), dtype=np.float32)
    theirs = reference.compute_prdc(real, fake, 5)
    ours = prdc(real, fake, k=5, strict=True)
    for key, value in theirs.items():
        assert getattr(ours, key) == pytest.approx(value, rel=1e-14), key

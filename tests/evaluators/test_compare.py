"""The metrics of two sets of features: those of metrics/, with what they rest on."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.compare import MEASURES, check_measures, compare, names_of, statistics_of
from gan_jax.metrics.frechet import frechet_distance_of_features
from gan_jax.metrics.kernel import kid_full
from gan_jax.metrics.protocol import PROTOCOLS

TF1 = PROTOCOLS["tf1"]


@pytest.fixture(scope="module")
def sets():
    generator = np.random.default_rng(0)
    return [
        {
            "features": (shift + generator.normal(size=(1200, 5))).astype(np.float32),
            "logits": generator.normal(size=(1200, 7)).astype(np.float32),
            "label": np.arange(1200) % 3,
        }
        for shift in (0.0, 0.5)
    ]


def test_every_measure(sets):
    real, fake = sets
    found, warnings = compare(list(MEASURES), real, fake, TF1)
    assert set(found) == set(names_of(list(MEASURES))) and warnings == ()
    expected = frechet_distance_of_features(real["features"], fake["features"])
    assert found["fid"]["value"] == pytest.approx(expected, rel=1e-8)
    assert found["kid_full"]["value"] == kid_full(real["features"], fake["features"])
    assert found["kid"]["value"] == pytest.approx(found["kid_full"]["value"], rel=0.2)
    assert 1.0 < found["is"]["value"] < 7.0 and found["is"]["splits"] == 10
    assert found["precision"]["k"] == 3 and found["density"]["k"] == 5
    assert found["intra_fid"]["value"] == pytest.approx(expected, rel=0.3)


def test_statistics_are_enough_for_fid_alone(sets):
    real, fake = sets
    statistics = statistics_of(real, "s.npz", TF1)
    found, _ = compare(["fid"], statistics, fake, TF1)
    assert found["fid"] == compare(["fid"], real, fake, TF1)[0]["fid"]
    with pytest.raises(DataError, match="s.npz.*not for kid"):
        compare(["kid"], statistics, fake, TF1)


def test_few_pictures_are_warned_of_or_refused(sets):
    real, fake = sets
    few = {name: value[:5] for name, value in fake.items()}
    _, (warning,) = compare(["fid"], real, few, TF1)
    assert "5 generated" in warning and "singular" in warning
    with pytest.raises(DataError, match="1000"):
        compare(["kid"], real, few, TF1)
    broken = {**fake, "features": np.full((1200, 5), np.nan, np.float32)}
    with pytest.raises(DataError, match="NaN"):
        compare(["fid"], real, broken, TF1)
    with pytest.raises(DataError, match="labels"):
        compare(["intra_fid"], {"features": real["features"]}, fake, TF1)


@pytest.mark.parametrize("measures", [["fid", "nonsense"], []])
def test_unknown_measures(measures):
    with pytest.raises(UsageError, match="fid"):
        check_measures(measures)

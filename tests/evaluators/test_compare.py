"""The metrics of two sets of features: those of metrics/, with what they rest on."""

import dataclasses

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.compare import (
    MEASURES,
    check_counts,
    check_measures,
    compare,
    names_in,
    names_of,
    statistics_of,
)
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


@pytest.mark.parametrize("protocol", ["tf1", "clean"])
@pytest.mark.parametrize("measure", list(MEASURES))
def test_counts_are_refused_before_and_after_the_features_alike(measure, protocol, sets):
    """Just enough pictures are taken, one less is refused, by the check and by the measure."""
    settings = dataclasses.replace(PROTOCOLS[protocol], kid_subset_size=9)
    classes = {"intra_fid": 3}.get(measure, 1)
    for count in range(1, 13):
        some = [{name: x[:count] for name, x in one.items()} for one in sets]

        def refused(act):
            try:
                act()
            except DataError:
                return True
            return False

        early = refused(lambda n=count: check_counts([measure], settings, real=n, generated=n))
        late = refused(lambda a=some[0], b=some[1]: compare([measure], a, b, settings))
        assert early == late or (measure == "intra_fid" and count < 2 * classes), count
    check_counts([measure], settings, real=None, generated=None)


def test_what_a_number_rests_on_stands_beside_it(sets):
    real, fake = ({name: x[:30] for name, x in one.items()} for one in sets)
    clean = dataclasses.replace(PROTOCOLS["clean"], kid_seed=7)
    found, _ = compare(["kid", "is", "mind"], real, fake, clean)
    assert (found["kid"]["seed"], found["kid"]["subset_size"]) == (7, 30)  # no 1000 are there
    assert found["is"]["seed"] == 2020 and found["mind"]["seed"] == 0
    other, _ = compare(
        ["kid"], real, fake, dataclasses.replace(clean, kid_seed=8, kid_subset_size=20)
    )
    again, _ = compare(
        ["kid"], real, fake, dataclasses.replace(clean, kid_seed=7, kid_subset_size=20)
    )
    assert other["kid"]["value"] != again["kid"]["value"]


def test_few_pictures_of_a_class_are_warned_of(sets):
    real, fake = ({name: x[:14] for name, x in one.items()} for one in sets)
    _, warnings = compare(["intra_fid"], real, fake, TF1)
    assert len(warnings) == 2
    assert all("in a class, on 4" in w and "its 5 features" in w for w in warnings)


@pytest.mark.parametrize("text", ["", "fid,", ",", " "])
def test_empty_names(text):
    with pytest.raises(UsageError, match="--metrics"):
        names_in(text)


def test_names_are_taken_once():
    assert names_in("fid, kid,fid") == ["fid", "kid"]

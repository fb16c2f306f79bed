"""Statistics in the form of other tools, and our provenance beside them."""

import dataclasses

import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.evaluators.statistics_file import (
    DECIDES,
    Statistics,
    check_same_protocol,
    check_usable,
    is_statistics,
    read_statistics,
    write_statistics,
)
from gan_jax.metrics.protocol import PROTOCOLS, describe

PROTOCOL = describe(PROTOCOLS["tf1"]) | {"weights_sha256": "6726"}


@pytest.fixture
def statistics():
    features = np.random.default_rng(0).normal(size=(50, 4))
    return Statistics(
        name="x",
        mean=features.mean(0),
        covariance=np.cov(features, rowvar=False),
        count=50,
        protocol=PROTOCOL,
    )


def test_there_and_back(statistics, tmp_path):
    path = tmp_path / "s.npz"
    write_statistics(path, statistics)
    with np.load(path) as file:  # as pytorch-fid, clean-fid and EDM read it
        np.testing.assert_array_equal(file["mu"], statistics.mean)
        np.testing.assert_array_equal(file["sigma"], statistics.covariance)
    found = read_statistics(path)
    assert (found.count, found.protocol) == (50, PROTOCOL)
    assert is_statistics(path)
    assert check_same_protocol(found, PROTOCOL) is None


def test_another_protocol_is_refused(statistics, tmp_path):
    write_statistics(tmp_path / "s.npz", statistics)
    found = read_statistics(tmp_path / "s.npz")
    with pytest.raises(DataError, match="resize tf1 against bilinear"):
        check_same_protocol(found, PROTOCOL | {"resize": "bilinear"})
    for name in DECIDES:  # each is in every row, and each is enough
        with pytest.raises(DataError, match=f"{name} .* against another"):
            check_same_protocol(found, PROTOCOL | {name: "another"})
        assert PROTOCOL[name] is not None


def test_a_file_of_another_tool_is_taken_on_trust(statistics, tmp_path):
    np.savez(tmp_path / "s.npz", mu=statistics.mean, sigma=statistics.covariance)
    found = read_statistics(tmp_path / "s.npz")
    assert found.count is None
    assert "on trust" in (check_same_protocol(found, PROTOCOL) or "")


@pytest.mark.parametrize(
    "arrays, word",
    [
        ({"mu": np.zeros(3)}, "sigma"),
        ({"mu": np.zeros(3), "sigma": np.zeros((4, 4))}, "belong"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "NaN"),
        ({"mu": np.array([object()]), "sigma": np.eye(1)}, "read"),
        ({"mu": np.zeros(3), "sigma": np.eye(3), "protocol": np.array("{")}, "protocol"),
    ],
)
def test_damaged(arrays, word, tmp_path):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(DataError, match=word):
        read_statistics(tmp_path / "s.npz")


def test_what_no_network_could_have_given(statistics):
    check_usable(statistics, 4)
    with pytest.raises(DataError, match="x: statistics of 4 features, but this network has 2048"):
        check_usable(statistics, 2048)
    negative = dataclasses.replace(statistics, covariance=np.diag([1.0, 1.0, 1.0, -0.5]))
    with pytest.raises(DataError, match="x: .*not positive semi-definite"):
        check_usable(negative, 4)
    lopsided = dataclasses.replace(statistics, covariance=np.triu(np.ones((4, 4))))
    with pytest.raises(DataError, match="x: .*not symmetric"):
        check_usable(lopsided, 4)

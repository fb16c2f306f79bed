"""Which checkpoints stay: a good one is never dropped for a bad one."""

from __future__ import annotations

import itertools
import math

import pytest

from gan_jax.errors import UsageError
from gan_jax.manifest import Manifest
from gan_jax.retention import Best, Retention


def checkpoints(**of_step):
    """`s10=20.0` is a finite checkpoint of step 10 with that FID, `s10="bad"` one that is not."""
    return {
        int(name[1:]): Manifest(
            step=int(name[1:]),
            finite=value != "bad",
            metrics={"fid": value} if isinstance(value, float) else {},
            information={},
            versions={},
            leaves={},
            keys={},
            files={},
        )
        for name, value in of_step.items()
    }


def test_last_every_and_best_together():
    found = checkpoints(s0=9.0, s10=5.0, s20=2.0, s30=7.0, s40=6.0, s50=8.0)
    retention = Retention(keep_last=2, keep_every=30, best=Best("fid", "min"))
    assert retention.kept(found) == {50, 40, 30, 0, 20}
    assert Retention(2, None, Best("fid", "max")).kept(found) == {50, 40, 0}
    assert Retention(1, None, None).kept(found) == {50}
    assert Retention(1, None, None).kept({}) == set()


def test_nan_and_infinity_never_rank():
    found = checkpoints(s10=20.0, s20=math.nan, s30=-math.inf, s40=None, s50=21.0, s60=20.0)
    assert Best("fid", "min").ranked(found) == [60, 10, 50]
    assert Best("fid", "max").ranked(found) == [50, 60, 10]
    assert 60 in Retention(1, None, Best("fid", "min")).kept(found)
    assert Best("other", "min").ranked(found) == []


def test_a_state_that_is_not_finite_pushes_nothing_out():
    found = checkpoints(s10=1.0, s20=1.0, s30="bad", s40="bad", s50="bad", s60="bad")
    assert Retention(3, 10, None).kept(found) == {60, 20, 10}
    assert Retention(1, None, None).kept(found) == {60, 20}


@pytest.mark.parametrize("keep_every", [None, 1, 3])
@pytest.mark.parametrize("keep_last", [1, 2, 5])
def test_the_newest_finite_one_is_always_kept(keep_last, keep_every):
    for pattern in itertools.product(("bad", 1.0), repeat=5):
        found = checkpoints(**{f"s{i}": value for i, value in enumerate(pattern)})
        finite = [step for step, value in enumerate(pattern) if value != "bad"]
        kept = Retention(keep_last, keep_every, None).kept(found)
        assert set(finite[-1:]) <= kept and max(found) in kept


@pytest.mark.parametrize("make", [lambda: Retention(0, None, None), lambda: Best("fid", "lowest")])
def test_bad_settings(make):
    with pytest.raises(UsageError):
        make()

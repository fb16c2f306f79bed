"""In which precisions the tests compare, and how closely numbers must agree."""

import contextlib

import jax
import numpy as np
import pytest

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)]
)


def precision(dtype: str) -> contextlib.AbstractContextManager:
    return jax.enable_x64(dtype == "float64")


def assert_agree(found, expected, tolerance):
    """Relative to the largest number of each array; of pytrees, leaf by leaf."""

    def agree(ours, theirs):
        ours, theirs = np.asarray(ours), np.asarray(theirs.detach().numpy())
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()
        assert np.abs(theirs).max() > 0

    jax.tree.map(agree, found, expected)

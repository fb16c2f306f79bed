"""KID against its double sum, and how its subsets are drawn."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics import kernel as module
from gan_jax.metrics.kernel import kid_full, kid_subsets


def features(count, seed, size=6, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, size)) + shift


def mmd2(x, y):
    """The unbiased estimator, pair by pair."""

    def k(a, b):
        return (np.dot(a, b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("rows", [5, 7, 1000])
def test_full_is_the_double_sum_in_any_blocks(rows, monkeypatch):
    monkeypatch.setattr(module, "ROWS", rows)
    real, fake = features(23, 1), features(17, 2, shift=0.3)
    assert kid_full(real, fake) == pytest.approx(mmd2(real, fake), rel=1e-12)


def test_torch_fidelitys_draw_is_fake_first():
    real, fake = features(30, 1), features(25, 2, shift=0.3)
    state = np.random.RandomState(2020)
    values = []
    for _ in range(4):
        of_fake = fake[state.choice(25, 10, replace=False)]
        of_real = real[state.choice(30, 10, replace=False)]
        values.append(mmd2(of_real, of_fake))
    ours = kid_subsets(real, fake, subsets=4, subset_size=10, sampling="torch-fidelity", seed=2020)
    assert ours.value == pytest.approx(np.mean(values), rel=1e-12)
    assert ours.std == pytest.approx(np.std(values), rel=1e-12)


def test_clean_fids_subset_is_no_larger_than_a_set():
    real, fake = features(30, 1), features(12, 2)
    ours = kid_subsets(real, fake, subsets=3, subset_size=1000, sampling="clean-fid", seed=1)
    twelve = kid_subsets(real, fake, subsets=3, subset_size=12, sampling="clean-fid", seed=1)
    assert ours == twelve


@pytest.mark.parametrize("sampling", ["torch-fidelity", "clean-fid", "torchmetrics"])
def test_subsets_estimate_what_the_full_sample_does(sampling):
    real, fake = features(400, 1), features(300, 2, shift=0.2)
    ours = kid_subsets(real, fake, subsets=200, subset_size=100, sampling=sampling, seed=0)
    assert ours.value == pytest.approx(kid_full(real, fake), abs=5 * ours.std / np.sqrt(200))
    again = kid_subsets(real, fake, subsets=200, subset_size=100, sampling=sampling, seed=0)
    other = kid_subsets(real, fake, subsets=200, subset_size=100, sampling=sampling, seed=1)
    assert ours == again
    assert ours.value != other.value


def test_unbiased_around_zero():
    values = [kid_full(features(50, 2 * seed), features(50, 2 * seed + 1)) for seed in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert min(values) < 0


def test_a_collapsed_set():
    real, point = features(40, 1), np.repeat(features(1, 2), 40, axis=0)
    assert kid_full(real, point) == pytest.approx(mmd2(real, point), rel=1e-10)


@pytest.mark.parametrize("sampling", ["torch-fidelity", "torchmetrics"])
def test_subset_larger_than_a_set(sampling):
    with pytest.raises(DataError, match="subset of 20 of 30 real and 12 fake .* from 2 to 12"):
        kid_subsets(
            features(30, 1), features(12, 2), subsets=3, subset_size=20, sampling=sampling, seed=0
        )


def test_bad_arguments():
    a = features(5, 1)
    with pytest.raises(DataError, match="1 fake"):
        kid_full(a, a[:1])
    with pytest.raises(UsageError, match="0 KID subsets"):
        kid_subsets(a, a, subsets=0, subset_size=3, sampling="clean-fid", seed=0)
    with pytest.raises(UsageError, match="'mine'; it is torch-fidelity"):
        kid_subsets(a, a, subsets=1, subset_size=3, sampling="mine", seed=0)  # type: ignore

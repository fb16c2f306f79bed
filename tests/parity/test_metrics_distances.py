"""Frechet distance, KID and Inception score against the tools that define them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_fidelity")
pytest.importorskip("pytorch_fid")
pytest.importorskip("cleanfid")

from gan_jax.metrics.frechet import (  # noqa: E402
    frechet_distance,
    frechet_distance_of_features,
)
from gan_jax.metrics.inception_score import inception_score  # noqa: E402
from gan_jax.metrics.kernel import kid_full, kid_subsets  # noqa: E402
from gan_jax.metrics.moments import covariance, moments_of  # noqa: E402
from gan_jax.metrics.protocol import protocol  # noqa: E402


def features(count, seed, shift=0.0, size=96):
    """Like a network's: positive, unequal variances, correlated."""
    basis = np.random.default_rng(7).normal(size=(size, size)) * np.arange(1, size + 1) ** -0.5
    rows = np.random.default_rng(seed).normal(size=(count, size)) @ basis
    return np.maximum(0.2 * rows + 0.3 + shift, 0).astype(np.float32)


def statistics(rows):
    moments = moments_of(rows)
    return moments.mean, covariance(moments, 1)


def references(real, fake):
    """The three distances of the same statistics."""
    from cleanfid.fid import frechet_distance as clean
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    (m1, c1), (m2, c2) = statistics(real), statistics(fake)
    fidelity = fid_statistics_to_metric({"mu": m1, "sigma": c1}, {"mu": m2, "sigma": c2}, False)
    return {
        "pytorch-fid": calculate_frechet_distance(m1, c1, m2, c2),
        "torch-fidelity": fidelity["frechet_inception_distance"],
        "clean-fid": clean(m1, c1, m2, c2),
    }


@pytest.mark.parametrize("tool", ["pytorch-fid", "torch-fidelity", "clean-fid"])
def test_frechet_distance(tool):
    real, fake = features(2000, 1), features(1500, 2, 0.05)
    ours = frechet_distance(*statistics(real), *statistics(fake))
    assert ours == pytest.approx(references(real, fake)[tool], rel=1e-9)
    assert frechet_distance_of_features(real, fake) == pytest.approx(ours, rel=1e-10)


@pytest.mark.parametrize("tool", ["pytorch-fid", "torch-fidelity", "clean-fid"])
def test_frechet_distance_rank_deficient(tool):
    # Here the references take roots of rounding noise; theirs is the error, see the module.
    real, fake = features(60, 1), features(50, 2, 0.05)
    ours = frechet_distance(*statistics(real), *statistics(fake))
    assert ours == pytest.approx(references(real, fake)[tool], rel=1e-5)
    assert frechet_distance_of_features(real, fake) == pytest.approx(ours, rel=1e-10)


@pytest.mark.parametrize("count", [2000, 60])
def test_frechet_distance_of_identical_sets(count):
    real = features(count, 1)
    for value in references(real, real).values():
        assert value == pytest.approx(0.0, abs=1e-4)
    assert frechet_distance(*2 * statistics(real)) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_of_a_collapsed_set():
    real, fake = features(2000, 1), np.repeat(features(3, 2), 100, axis=0)
    ours = frechet_distance(*statistics(real), *statistics(fake))
    for value in references(real, fake).values():
        assert ours == pytest.approx(value, rel=1e-5)


def test_statistics_as_torch_fidelity_takes_them():
    from torch_fidelity.metric_fid import fid_features_to_statistics

    rows = features(2000, 1)
    theirs = fid_features_to_statistics(torch.from_numpy(rows))
    mean, cov = statistics(rows)
    np.testing.assert_allclose(mean, theirs["mu"], rtol=1e-5)  # theirs is in float32
    np.testing.assert_allclose(cov, theirs["sigma"], rtol=1e-9, atol=1e-12)


# In float32 the references' own sums of kernels near 1 are off by about 1e-7; ours are not.
PRECISIONS = [(np.float64, {"rel": 1e-9}), (np.float32, {"abs": 1.5e-7})]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("seed", [2020, 3])
def test_kid_as_torch_fidelity(seed, dtype, tolerance):
    from torch_fidelity.metric_kid import kid_features_to_metric

    real, fake = features(700, 1).astype(dtype), features(900, 2, 0.02).astype(dtype)
    theirs = kid_features_to_metric(  # input 1 is the generated set
        torch.from_numpy(fake),
        torch.from_numpy(real),
        kid_subsets=20,
        kid_subset_size=300,
        rng_seed=seed,
        verbose=False,
    )
    ours = kid_subsets(
        real, fake, subsets=20, subset_size=300, sampling="torch-fidelity", seed=seed
    )
    assert ours.value == pytest.approx(theirs["kernel_inception_distance_mean"], **tolerance)
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], **tolerance)


def test_kid_of_float32_features_is_that_of_float64():
    real, fake = features(700, 1), features(900, 2, 0.02)
    exact = kid_full(real.astype(np.float64), fake.astype(np.float64))
    assert kid_full(real, fake) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("size", [300, 1000])
def test_kid_as_clean_fid(size, dtype, tolerance):
    from cleanfid.fid import kernel_distance

    real, fake = features(700, 1).astype(dtype), features(900, 2, 0.02).astype(dtype)
    before = np.random.get_state()
    np.random.seed(5)
    theirs = kernel_distance(real, fake, num_subsets=20, max_subset_size=size)
    np.random.set_state(before)
    ours = kid_subsets(real, fake, subsets=20, subset_size=size, sampling="clean-fid", seed=5)
    assert ours.value == pytest.approx(theirs, **tolerance)


def test_kid_as_torchmetrics_in_distribution():
    import torchmetrics.image.kid as reference

    real, fake = features(400, 1), features(500, 2, 0.05)
    values = []
    torch.manual_seed(0)
    for _ in range(100):
        f_real = torch.from_numpy(real)[torch.randperm(len(real))[:200]]
        f_fake = torch.from_numpy(fake)[torch.randperm(len(fake))[:200]]
        values.append(float(reference.poly_mmd(f_real, f_fake)))
    ours = kid_subsets(real, fake, subsets=100, subset_size=200, sampling="torchmetrics", seed=0)
    error = np.std(values) / np.sqrt(len(values))
    assert ours.value == pytest.approx(np.mean(values), abs=5 * error)
    assert ours.std == pytest.approx(np.std(values), rel=0.4)
    assert kid_full(real, fake) == pytest.approx(np.mean(values), abs=5 * error)


def test_inception_score_as_torch_fidelity():
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = (3 * np.random.default_rng(0).normal(size=(1003, 40))).astype(np.float32)
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=10, rng_seed=2020)
    choices = protocol("tf1")
    ours = inception_score(
        logits,
        splits=choices.inception_score_splits,
        seed=choices.inception_score_seed,
        ddof=choices.inception_score_ddof,
    )
    assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-10)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-8)


def test_inception_score_as_torchmetrics():
    from torchmetrics.image.inception import InceptionScore

    logits = (3 * np.random.default_rng(0).normal(size=(1000, 40))).astype(np.float32)
    metric = InceptionScore(feature=torch.nn.Identity(), splits=10)
    metric.update(torch.from_numpy(logits))
    torch.manual_seed(4)
    value, std = metric.compute()
    torch.manual_seed(4)
    order = torch.randperm(len(logits)).numpy()
    ours = inception_score(logits[order], splits=10, seed=None, ddof=1)
    assert ours.value == pytest.approx(float(value), rel=1e-5)
    assert ours.std == pytest.approx(float(std), rel=1e-4)

"""Each evaluator on a generator whose every number is known, or bounded, beforehand."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.collapse import Limits, Watch
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.evaluators.interpolation import Interpolation, detour
from gan_jax.evaluators.latency import Latency
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.evaluators.path_length import PathLength
from gan_jax.evaluators.pixels import PixelStatistics
from tests.evaluators import toy
from tests.evaluators.toy import measure


def test_diversity_sees_a_collapse():
    evaluator = Diversity(samples=150, pairs=50)
    healthy, collapsed = measure(evaluator), measure(evaluator, scale=0.01)
    assert healthy["variance_ratio"] == pytest.approx(1.0, abs=0.2)
    assert collapsed["variance_ratio"] < 1e-3
    assert collapsed["ms_ssim"] > 0.99 > healthy["ms_ssim"]
    assert healthy["ms_ssim_real"] == collapsed["ms_ssim_real"]


def test_pixels_of_the_same_distribution_are_nearer():
    evaluator = PixelStatistics(samples=100)
    same = measure(evaluator)
    assert {"swd_16", "swd", "spectrum"} <= same.keys()
    assert same["spectrum"] < 0.1  # flat pictures both; only rounding is left in them


def test_overfitting_against_the_counts():
    """The discriminator calls what is brighter than grey real."""
    found = measure(Overfitting(samples=200))
    for split, name in (("train", "train_accuracy"), ("test", "held_out_accuracy")):
        images = np.stack(list(toy.reals(split).each()))
        share = float((images.astype(float).mean(axis=(1, 2, 3)) > 127.5).mean())
        assert found[name] == pytest.approx(share)
    assert found["gap"] == pytest.approx(found["train_accuracy"] - found["held_out_accuracy"])
    assert found["saturation"] == (found["train_accuracy"] + found["fake_accuracy"]) / 2
    with pytest.raises(UsageError, match="trains on the split"):
        Overfitting(held_out="train").open(toy.world())
    assert set(measure(Overfitting(held_out=""))) == {
        "train_accuracy",
        "fake_accuracy",
        "saturation",
    }


def test_nearest_neighbours_tell_copies():
    """Where the training set is what the generator makes, the distance is that of copies."""
    world = toy.world()
    drawn = toy.Generated(toy.recipe(), toy.make_mesh(1), 0)
    from gan_jax.evaluators.generated import Sampling

    made = np.concatenate(list(drawn(toy.subject(), Sampling(samples=100, seed=3))))

    def memorised(split):
        return toy.reals(split) if split == "test" else toy.pictures.of_array("train", made)

    evaluator = NearestNeighbours(samples=50, shown=4, neighbours=3)
    copies = measure(evaluator, seed=3, opened=memorised)
    others = measure(evaluator, seed=4)
    assert copies["distance"] < 0.1 and copies["ratio"] < 0.02
    assert 0.5 < others["ratio"] < 2.0
    picture = evaluator.open(world)(toy.subject(), 0).pictures["nearest"]
    assert picture.shape == (4 * toy.SIZE, 4 * toy.SIZE, 3)


def test_interpolation_begins_and_ends_at_its_latents():
    evaluator = Interpolation(rows=3, columns=5)
    found = evaluator.open(toy.world())(toy.subject(), 0)
    picture = found.pictures["interpolation"]
    assert picture.shape == (3 * toy.SIZE, 5 * toy.SIZE, 3)
    assert 1.0 <= found.metrics["detour"]["value"] < 2.0


def test_detour_of_a_straight_way_and_of_a_zigzag():
    straight = np.arange(5)[None, :, None, None, None] * np.full((1, 5, 2, 2, 3), 10)
    assert detour(straight.astype(np.uint8)) == pytest.approx(1.0)
    zigzag = np.array([0, 10, 0, 10, 0, 10])[None, :, None, None, None] * np.ones((1, 6, 2, 2, 3))
    assert detour(zigzag.astype(np.uint8)) == pytest.approx(5.0)
    assert detour(np.zeros((1, 4, 2, 2, 3), np.uint8)) == 1.0


def test_latency_is_positive_and_consistent():
    found = measure(Latency(batch=8, repeats=3))
    assert found["single_ms"] > 0
    assert found["images_per_second"] == pytest.approx(8000 / found["batch_ms"])


@pytest.mark.parametrize("evaluator", [Fidelity(), PathLength(), Diversity(perceptual=True)])
def test_missing_weights_are_told_at_once(evaluator, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="gan-jax weights import"):
        evaluator.open(toy.world())


def test_unknown_protocol_and_measure():
    with pytest.raises(UsageError, match="pytorch-fid"):
        Fidelity(protocol="fid").open(toy.world())
    with pytest.raises(UsageError, match="kid"):
        Fidelity(measures=("fidd",)).open(toy.world())


def test_the_judge_is_for_avatars():
    with pytest.raises(UsageError, match="avatars only"):
        AvatarFidelity().open(toy.world())


@pytest.mark.slow
@pytest.mark.long
def test_devices_and_batches_change_no_judgement():
    evaluator = AvatarFidelity(samples=130)
    one = measure(evaluator, is_avatars=True)
    four = measure(evaluator, is_avatars=True, devices=4)
    for name in ("fd_avatar", "kid"):
        assert four[name] == pytest.approx(one[name], rel=1e-5)
    for name in ("precision", "recall", "density", "coverage", "modes_covered"):
        assert abs(four[name] - one[name]) <= 2 / 130


def test_the_watch_warns_of_what_was_healthy_before():
    limits = Limits(least_variance=0.1, least_coverage=0.02, saturation=0.99)
    watch = Watch(limits)
    low, good = ({"variance_ratio": {"value": value}} for value in (0.01, 0.8))
    assert watch.signs(low) == []
    assert watch.signs(good) == []
    assert watch.signs(low) == ["variance_ratio 0.01 is below 0.1"]
    nan = {"variance_ratio": {"value": None}}
    assert watch.signs(nan) == ["variance_ratio nan is below 0.1"]
    assert watch.signs({"saturation": {"value": 1.0}, "fid": {"value": 1e9}}) == []
    assert watch.signs({"saturation": {"value": 0.7}}) == []
    assert watch.signs({"saturation": {"value": 1.0}}) == ["saturation 1 is above 0.99"]
    assert Watch(None).signs(low) == []


def test_no_labels_for_intra_class():
    with pytest.raises(DataError, match="no labels"):
        toy.reals("train").labels()

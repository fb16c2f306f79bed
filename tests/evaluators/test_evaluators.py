"""Each evaluator on a generator whose every number is known, or bounded, beforehand."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.evaluate_run import EVALUATORS
from gan_jax.evaluators import diversity, fidelity
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.collapse import Limits, Watch
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.features import FeatureSpace
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.evaluators.generated import Sampling
from gan_jax.evaluators.interpolation import Interpolation, detour
from gan_jax.evaluators.latency import Latency
from gan_jax.evaluators.lpips import warnings_of
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.needs import check_weights
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.evaluators.path_length import PathLength
from gan_jax.evaluators.pixels import PixelStatistics
from gan_jax.metrics.neighbours import precision_recall
from tests.evaluators import toy
from tests.evaluators.toy import measure


def test_diversity_sees_a_collapse():
    evaluator = Diversity(samples=150, pairs=50)
    healthy, collapsed = measure(evaluator), measure(evaluator, scale=0.01)
    assert healthy["variance_ratio"] == pytest.approx(1.0, abs=0.2)
    assert collapsed["variance_ratio"] < 1e-3
    assert collapsed["ms_ssim"] > 0.99 > healthy["ms_ssim"]
    assert healthy["ms_ssim_real"] == collapsed["ms_ssim_real"]


def test_perceptual_diversity_is_the_mean_distance_of_pairs(monkeypatch):
    """With the mean absolute difference in place of LPIPS: two N(0, 1) latents behind tanh."""
    monkeypatch.setattr(diversity, "find_lpips", lambda: ({}, {"verified": True}))
    distance = lambda eye, a, b: jnp.abs(a - b).mean(axis=(1, 2, 3))  # noqa: E731
    monkeypatch.setattr(diversity, "lpips", distance)
    evaluator = EVALUATORS["lpips_diversity"]
    assert isinstance(evaluator, Diversity) and evaluator.perceptual
    found = measure(dataclasses.replace(evaluator, samples=150, pairs=100))
    z = np.tanh(np.random.default_rng(0).normal(size=(2, 100_000)))
    expected = np.abs(z[0] - z[1]).mean()
    assert found["lpips"] == pytest.approx(expected, rel=0.15)
    assert found["lpips_real"] == pytest.approx(expected, rel=0.15)


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


def drawn(count):
    """What the toy generator makes, uint8 `[N, H, W, C]`."""
    generated = toy.Generated(toy.recipe(), toy.make_mesh(1), 0)
    return np.concatenate(list(generated(toy.subject(), Sampling(samples=count))))


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


@pytest.mark.parametrize(
    "evaluator",
    [Fidelity(), Fidelity(measures=("pr_vgg16",)), PathLength(), Diversity(perceptual=True)],
)
def test_missing_weights_are_told_at_once(evaluator, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="gan-jax weights import"):
        check_weights([Latency(), evaluator])
    with pytest.raises(UsageError, match="gan-jax weights import"):
        evaluator.open(toy.world())


def test_fidelity_in_two_networks_tells_each(monkeypatch):
    """Each sees the same pictures, here by their colours; VGG-16 does not see red."""

    def space(network, settings, weights):
        return FeatureSpace(
            name=network,
            describe={"network": network, "weights_sha256": weights},
            decides=("network",),
            variables=np.float32([network == "inception", 1.0, 1.0]),
            prepare=lambda images: images.astype(np.float32),
            outputs=lambda variables, x: {"features": variables * x.mean(axis=(1, 2))},
            warnings=(f"of {network}",),
        )

    monkeypatch.setattr(fidelity, "find_weights", lambda network, file: f"{network} {file}")
    monkeypatch.setattr(fidelity, "feature_space", space)
    settings = {"samples": 60, "weights_vgg16": "vgg.pth"}
    both = Fidelity(measures=("pr_vgg16", "fid", "pr"), **settings)
    assert both.needs == (("inception", ""), ("vgg16", "vgg.pth")) and both.unread == ()
    assert set(both.metrics) == {"precision_vgg16", "recall_vgg16", "fid", "precision", "recall"}
    found = both.open(toy.world())(toy.subject(), 0)
    about = {"network": "vgg16", "weights_sha256": "vgg16 vgg.pth"}
    assert found.protocol["network"] == "inception" and found.protocol["vgg16"] == about
    assert found.warnings[0] == "of inception" and "of vgg16" in found.warnings
    real, fake = (
        np.stack(list(images.each()))[:, 0, 0].astype(np.float32)
        for images in (toy.reals("train"), toy.pictures.of_array("made", drawn(60)))
    )
    for name, channels in (("precision", slice(0, 3)), ("precision_vgg16", slice(1, 3))):
        ratios = precision_recall(real[:, channels], fake[:, channels], k=3, strict=False)
        assert found.metrics[name]["value"] == ratios.precision
        assert found.metrics[name.replace("precision", "recall")]["value"] == ratios.recall
    metric = dict(found.metrics["recall_vgg16"])
    assert metric == {"value": metric["value"], "k": 3, "strict": False} | about
    alone = Fidelity(measures=("pr_vgg16",), **settings)
    assert alone.needs == (("vgg16", "vgg.pth"),) and "weights" in alone.unread
    again = alone.open(toy.world())(toy.subject(), 0)
    assert again.metrics["recall_vgg16"] == metric
    assert again.protocol == {"name": "vgg16"} | about
    assert Fidelity().unread == ("weights_vgg16",)


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
    for settings in ({"devices": 4}, {"batch": 13}, {"devices": 2, "batch": 130}):
        other = measure(evaluator, is_avatars=True, **settings)
        for name in ("fd_avatar", "kid"):
            assert other[name] == pytest.approx(one[name], rel=1e-5), (name, settings)
        for name in ("precision", "recall", "density", "coverage", "modes_covered"):
            assert abs(other[name] - one[name]) <= 2 / 130, (name, settings)


def test_the_watch_warns_of_what_was_healthy_before():
    limits = Limits(least_variance=0.1, least_coverage=0.02, saturation=0.99, kept=0.999)
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
    assert watch.signs({"mask_full": {"value": 0.9}}) == []
    assert watch.signs({"mask_full": {"value": 1.0}}) == ["mask_full 1 is above 0.999"]
    assert Watch(None).signs(low) == []


def test_no_labels_for_intra_class():
    with pytest.raises(DataError, match="no labels"):
        toy.reals("train").labels()


def test_the_real_pictures_are_those_that_were_taken():
    """However many were asked for."""
    for evaluator in (Overfitting(samples=1000), NearestNeighbours(samples=300)):
        real = evaluator.open(toy.world())(toy.subject(), 0).real
        assert real is not None
        for side, split in ((real, "train"), (real["held_out"], "test")):
            fingerprint = toy.reals(split).fingerprint
            assert (side["name"], side["samples"]) == (split, 200)
            assert side["fingerprint"] == fingerprint
    some = Overfitting(samples=50, held_out="").open(toy.world())(toy.subject(), 0).real
    assert some is not None and some["samples"] == 50 and "held_out" not in some


def test_unverified_weights_of_lpips_are_warned_of():
    assert warnings_of({"verified": True}) == ()
    (warning,) = warnings_of({"verified": False})
    assert "unverified" in warning


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"measures": ("kid",), "samples": 64}, DataError, "1000 generated pictures, not 64"),
        ({"measures": ("pr",), "samples": 3}, DataError, "3 neighbours"),
        ({"measures": ("is",), "samples": 9}, DataError, "10 splits"),
        ({"measures": ("kid",), "real_samples": 5}, DataError, "1000 real"),
        ({"measures": ("intra_fid",)}, UsageError, "this run has none"),
    ],
)
def test_too_few_pictures_are_told_before_weights_are_read(settings, error, words):
    with pytest.raises(error, match=words):
        Fidelity(**settings).open(toy.world())


def test_too_few_of_each_class():
    classes = dataclasses.replace(toy.world(), num_classes=10)
    with pytest.raises(DataError, match="19 generated pictures in 10 classes"):
        Fidelity(measures=("intra_fid",), samples=19).open(classes)

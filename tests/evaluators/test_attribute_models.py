"""Evaluators of models whose labels are vectors of attributes."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_control import AvatarControl
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.latency import Latency
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.evaluators.pixels import PixelStatistics
from gan_jax.state import NetState
from tests.evaluators import toy


class Told(nn.Module):
    """Pictures of the brightness that the first attribute asks for."""

    @nn.compact
    def __call__(self, z, label, *, train):
        bright = jnp.broadcast_to(label[:, 0, None, None, None], (len(z), 16, 16, 3))
        return bright + self.param("scale", nn.initializers.zeros, ())


class Agrees(nn.Module):
    """Real is a picture as bright as its label says."""

    @nn.compact
    def __call__(self, images, label, *, train):
        shift = self.param("weight", nn.initializers.zeros, ())
        return 0.1 - jnp.abs(images.mean(axis=(1, 2, 3)) - label[:, 0]) + shift


ASKED = np.random.default_rng(5).uniform(-1, 1, (200, 2)).astype(np.float32)
"""Attributes of each example: its brightness, and another."""


@pytest.fixture
def world():
    """Real pictures that are what their attributes say."""

    class Source:
        def __len__(self):
            return len(ASKED)

        def __getitem__(self, index):
            level = np.round((ASKED[index, 0] + 1) * 127.5).astype(np.uint8)
            return {"image": np.full((16, 16, 3), level), "label": ASKED[index]}

    def reals(split):
        return toy.pictures.of_source(split, Source(), "form")

    made = dataclasses.replace(
        toy.recipe(), networks={"generator": Told(), "discriminator": Agrees()}
    )
    labels = reals("train").labels_in_turn
    return dataclasses.replace(
        toy.world(opened=reals),
        recipe=made,
        num_classes=2,
        attributes=("bright", "other"),
        conditions={"label": "label"},
        generated=toy.Generated(made, toy.make_mesh(1), 2, labels),
    )


def told():
    generator = NetState({"scale": jnp.zeros(())}, {}, (), None)
    discriminator = NetState({"weight": jnp.zeros(())}, {}, (), None)
    return toy.Subject(1, {"generator": generator, "discriminator": discriminator}, {})


def test_a_model_of_attributes_is_asked_for_those_of_the_examples(world):
    """So its pictures have the distribution of the real ones, and each its own label."""
    for evaluator in (
        Overfitting(samples=150, held_out=""),
        NearestNeighbours(samples=150, held_out=""),
        PixelStatistics(samples=200),
        Interpolation(rows=2, columns=3),
    ):
        found = evaluator.open(world)(told(), 0)
        assert found.sampling["labels"] == "of the examples"
        if isinstance(evaluator, Overfitting):
            assert found.metrics["fake_accuracy"]["value"] == 0.0  # all agree with their labels
            assert found.metrics["train_accuracy"]["value"] == 1.0
        if isinstance(evaluator, NearestNeighbours):
            assert found.metrics["distance"]["value"] < 1e-3
        if isinstance(evaluator, PixelStatistics):
            assert found.metrics["swd"]["value"] == pytest.approx(0, abs=1e-3)
    latency = Latency(batch=4, repeats=1).open(world)(told(), 0)
    assert latency.metrics["single_ms"]["value"] > 0


def test_no_intra_class_distance_of_attributes(world):
    with pytest.raises(UsageError, match="mean over classes; this run's labels are attributes"):
        Fidelity(measures=("fid", "intra_fid")).open(world)


def test_what_attributes_control_must_be_said(world):
    avatars = dataclasses.replace(world, is_avatars=True)
    with pytest.raises(UsageError, match="say in the experiment what the conditions control"):
        AvatarControl().open(avatars)

"""What is timed of a recipe, on pictures of which only the form counts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.evaluators.latency import Latency, asked_of
from gan_jax.translation import Choice, Number, Translation
from tests.evaluators import toy
from tests.evaluators.toy import measure


def test_latency_is_positive_and_consistent():
    found = measure(Latency(batch=8, repeats=3))
    assert found["single_ms"] > 0
    assert found["images_per_second"] == pytest.approx(8000 / found["batch_ms"])


def test_latency_of_a_translator():
    """It is given pictures in the form of the run's, as floats, and as many as are timed."""
    seen = []

    def generate(nets, latents, batch, truncation):
        seen.append((batch["image"].shape, batch["image"].dtype))
        return batch["image"]

    world = toy.world()
    recipe = dataclasses.replace(toy.recipe(), given=("image",), generate=generate)
    found = Latency(batch=8, repeats=2).open(dataclasses.replace(world, recipe=recipe))
    assert found(toy.subject(), 0).metrics["single_ms"]["value"] > 0
    shape = (toy.SIZE, toy.SIZE, 3)
    assert seen == [((1, *shape), jnp.float32), ((8, *shape), jnp.float32)]


CONDITIONS = {"way": Choice(("a", "b"), None), "kind": Choice(("c", "d"), 1),
              "alpha": Number(0.0, 1.0, 0.5)}  # fmt: skip


@pytest.mark.parametrize("references", ["none", "optional", "required"])
def test_latency_of_a_translator_is_that_of_what_a_user_runs(references):
    """Of one picture, the conditions at their defaults, whatever it is trained and sampled with."""
    seen = []

    def run(nets, batch):
        assert not nets.train and set(nets.variables) == {"generator", "discriminator", "finder"}
        seen.append({name: (leaf.shape, leaf.dtype) for name, leaf in batch.items()})
        return batch["image"]

    def generate(nets, latents, batch, truncation):
        raise AssertionError("looks a stored picture up")

    asks = Translation(run=run, conditions=CONDITIONS, references=references)
    recipe = dataclasses.replace(toy.recipe(), generate=generate, translation=asks, given=("a",))
    form = jax.ShapeDtypeStruct((4, toy.SIZE, toy.SIZE, 3), jnp.uint8)
    numbers = jax.ShapeDtypeStruct((4, 2), jnp.float32)
    world = dataclasses.replace(toy.world(), recipe=recipe, forms={"points": numbers, "a": form})
    subject = toy.subject()._replace(frozen={"finder": {"params": {}}})
    found = Latency(repeats=4).open(world)(subject, 0)
    assert set(found.metrics) == {"single_ms"} and found.metrics["single_ms"]["value"] > 0
    count = int(references != "none")
    assert (found.protocol["timed"], found.protocol["references"]) == ("translation", count)
    picture, whole = (1, toy.SIZE, toy.SIZE, 3), ((1,), jnp.int32)
    expected = {"image": (picture, jnp.float32), "way": whole, "kind": whole}
    expected |= {"alpha": ((1,), jnp.float32)}
    if count:
        expected |= {"reference": ((1, *picture), jnp.float32)}
    assert seen == [expected]
    batch = asked_of(asks, picture[1:], jax.random.key(0))
    assert [float(batch[name][0]) for name in CONDITIONS] == [0, 1, 0.5]
    if count:  # an optimizer would have nothing to do on two that are alike
        assert (np.asarray(batch["image"]) != np.asarray(batch["reference"][:, 0])).mean() > 0.9


def test_what_takes_long_is_timed_three_times():
    found = Latency(batch=8, seconds=0.0).open(toy.world())(toy.subject(), 0)
    assert (found.protocol["timed"], found.protocol["repeats"]) == ("generate", 3)

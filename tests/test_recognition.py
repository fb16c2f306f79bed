"""What drives say of a discriminator's numbers, and the expression recipe that asks them."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.recipe import Nets
from gan_jax.recipes.expression_drives import (
    class_drive,
    graded_class_drive,
    strength_drive,
)
from tests.recipes.test_expression import CLASS, CLASSES, batch, recipe

NAMES = ("calm", "happy", "sad")
OUTPUTS = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)


def softmax(logits):
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def stacked(numbers):
    return np.stack(list(numbers.values()), axis=1)


def test_classes():
    found = class_drive(NAMES, "label").recognised(jnp.asarray(OUTPUTS[:, :3]))
    assert tuple(found.probabilities) == NAMES and not found.strengths
    np.testing.assert_allclose(stacked(found.probabilities), softmax(OUTPUTS[:, :3]), rtol=1e-5)


def test_classes_and_their_intensity():
    found = graded_class_drive(NAMES, 0).recognised(jnp.asarray(OUTPUTS))
    np.testing.assert_allclose(stacked(found.probabilities), softmax(OUTPUTS[:, :3]), rtol=1e-5)
    np.testing.assert_array_equal(found.strengths["intensity"], OUTPUTS[:, 3])


def test_strengths():
    drive = strength_drive(NAMES, [0] * 3, [1] * 3, lambda batch: batch["x"], "x")
    found = drive.recognised(jnp.asarray(OUTPUTS[:, :3]))
    assert not found.probabilities and tuple(found.strengths) == NAMES
    np.testing.assert_array_equal(stacked(found.strengths), OUTPUTS[:, :3])


def test_a_drive_without_words():
    assert CLASS.recognised is None and recipe().recognise is None


def test_the_recipe_asks_its_discriminator():
    drive = CLASS._replace(recognised=class_drive(NAMES, "expression").recognised)
    made, examples = recipe(drive), batch()
    inputs = made.inputs(examples)
    variables = {
        name: network.init(jax.random.key(0), *inputs[name], train=False)
        for name, network in made.networks.items()
    }
    nets = Nets(made.networks, variables, jax.random.key(0), train=False)
    found = made.recognise(nets, {"image": examples["image"]})
    weights = variables["discriminator"]["params"]["condition"]
    flat = np.asarray(examples["image"]).reshape(len(examples["image"]), -1)
    logits = flat @ np.asarray(weights["kernel"]) + np.asarray(weights["bias"])
    assert logits.shape[1] == CLASSES
    np.testing.assert_allclose(stacked(found.probabilities), softmax(logits), rtol=1e-4)

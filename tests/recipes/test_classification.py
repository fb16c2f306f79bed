"""Which pictures a classification is learned on: AC-GAN's discriminator learns it on generated ones
too, those of 2C and D2D-CE on real ones alone, and generators on their own."""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import class_losses, losses
from gan_jax.layers.verdict import Verdict
from gan_jax.recipes import classification
from gan_jax.recipes.noise import noise_recipe
from tests.formulas import assert_slip_is_seen
from tests.recipes.closed_form import LATENT, REAL, Painter, measured, painted

CLASSES, WEIGHT = 3, 0.7
LABEL = np.array([0, 2, 1, 1, 0, 2, 2, 0], np.int32)
FAKE = painted(0.9)
JUDGES = (1.5, -2.5)
ADVERSARIAL = np.log(2)  # of logits of zero
PROXIES = np.eye(CLASSES, dtype=np.float32)


class Judge(nn.Module):
    """Logits of zero; the rest is said of a picture's first three pixels, times `scale`."""

    scale: float

    @nn.compact
    def __call__(self, images, label, *, train):
        self.param("unused", nn.initializers.zeros, ())
        said = self.scale * images.reshape(len(images), -1)[:, :CLASSES]
        embedding = said / jnp.linalg.norm(said, axis=1, keepdims=True)
        return Verdict(jnp.zeros(len(images)), said, embedding, jnp.asarray(PROXIES))


def cross_entropy(images, scale):
    """-log softmax of the right class, averaged over pictures."""
    said = scale * images.reshape(len(images), -1)[:, :CLASSES]
    shares = np.exp(said) / np.sum(np.exp(said), axis=1, keepdims=True)
    return np.mean(-np.log(shares[np.arange(len(images)), LABEL]))


def of_embeddings(loss, images, scale):
    """A loss of embeddings and proxies, averaged over pictures."""
    said = scale * images.reshape(len(images), -1)[:, :CLASSES]
    unit = said / np.linalg.norm(said, axis=1, keepdims=True)
    return np.mean(loss(*map(jnp.asarray, (unit, PROXIES, LABEL))))


CONTRASTIVE = functools.partial(class_losses.conditional_contrastive, temperature=0.8)
DATA_TO_DATA = functools.partial(
    class_losses.data_to_data_cross_entropy,
    temperature=0.5,
    positive_margin=0.9,
    negative_margin=0.1,
)
# The classification, its value for pictures and a judge, whether generated pictures count.
KINDS = {
    "ac": (classification.auxiliary_classifier(of_fakes=True), cross_entropy, True),
    "ac, real alone": (classification.auxiliary_classifier(of_fakes=False), cross_entropy, False),
    "2c": (
        classification.contrastive(temperature=0.8),
        functools.partial(of_embeddings, CONTRASTIVE),
        False,
    ),
    "d2d": (
        classification.data_to_data(temperature=0.5, margin=0.9),
        functools.partial(of_embeddings, DATA_TO_DATA),
        False,
    ),
}


def phase(name, kind, joint=False):
    """By two discriminators and one generator."""
    made = noise_recipe(
        generator=Painter(0.9),
        discriminator=[Judge(scale) for scale in JUDGES],
        latent_size=LATENT,
        num_classes=CLASSES,
        loss=losses.relativistic_pairing,  # so that the generator's phase judges both kinds
        values={"ema_decay": 0.9, "classification_weight": WEIGHT},
        schedules={},
        classification=KINDS[kind][0],
        joint=joint,
    )
    value, _, metrics = measured(made, name, jnp.asarray(LABEL))
    return value, metrics["classification"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("joint", [False, True])
def test_what_discriminators_learn_it_on(kind, joint):
    _, formula, of_fakes = KINDS[kind]
    real, fake = (np.array([formula(x, scale) for scale in JUDGES]) for x in (REAL, FAKE))
    right, wrong = (real + fake, real) if of_fakes else (real, real + fake)
    value, metric = phase("discriminator", kind, joint)
    learned = value - len(JUDGES) * ADVERSARIAL
    np.testing.assert_allclose(learned, WEIGHT * np.sum(right), rtol=1e-5)
    np.testing.assert_allclose(metric, np.mean(right), rtol=1e-5)
    for slip in (wrong, fake, 2 * real):
        assert_slip_is_seen(learned, WEIGHT * np.sum(slip))


@pytest.mark.parametrize("kind", KINDS)
def test_generators_learn_it_on_what_they_draw(kind):
    """The mean over discriminators."""
    fake = [KINDS[kind][1](FAKE, scale) for scale in JUDGES]
    value, metric = phase("generator", kind)
    np.testing.assert_allclose(metric, np.mean(fake), rtol=1e-5)
    np.testing.assert_allclose(value, ADVERSARIAL + WEIGHT * np.mean(fake), rtol=1e-5)

"""Evaluators that hand pictures to the model: reconstructions with their bound, translations."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UsageError
from gan_jax.evaluators import pictures
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.evaluators.reconstructions import Reconstructions, above, compared
from gan_jax.evaluators.translations import Translations
from gan_jax.metrics.reconstruction import l1
from gan_jax.networks.vae import Decoded, Posterior
from gan_jax.recipe import Phase, Recipe
from gan_jax.recipes.paired import no_latents
from gan_jax.recipes.vae import LIKELIHOODS, log_weight
from gan_jax.state import NetState
from tests.evaluators import toy

COUNT = 70
"""One block and a few more."""


class Source:
    fingerprint = "seventy"

    def __init__(self):
        self.images = toy.images("test", COUNT)
        self.tones = self.images[:, 0, 0].astype(np.float32) / 255

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {"image": self.images[index], "tone": self.tones[index]}


def nothing(*arguments):
    raise AssertionError("never trained")


class Darker(nn.Module):
    """Pictures of a tone `[B, 3]` in [0, 1], a constant too dark."""

    @nn.compact
    def __call__(self, tone, *, train):
        by = self.param("by", nn.initializers.ones, ())
        colour = (2 * tone - 1 - 2 * by / 255)[:, None, None]
        return jnp.broadcast_to(colour, (len(tone), toy.SIZE, toy.SIZE, 3))


class Encoder(nn.Module):
    """z of a picture's colour: the exact posterior of x = z + N(0, 0.25) for each pixel's."""

    @nn.compact
    def __call__(self, images, *, train):
        mean = images.reshape(len(images), -1)
        return Posterior(mean / 1.25, jnp.full_like(mean, np.log(0.2)))


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        return Decoded(z.reshape(-1, toy.SIZE, toy.SIZE, 3), jnp.asarray(np.log(0.5)))


def world_of(recipe, conditions):
    source = Source()

    def reals(split):
        assert split == "test"
        return pictures.of_source("test", source, "16x16 RGB")

    world = toy.world(opened=reals)
    generated = Generated(recipe, world.mesh, 0)
    return dataclasses.replace(world, recipe=recipe, generated=generated, conditions=conditions)


def translator():
    return Recipe(
        networks={"darker": Darker()},
        phases=(Phase(name="a", trains=("darker",), loss=nothing),),
        inputs=lambda batch: {},
        given=("colour",),
        latents=no_latents,
        generate=lambda nets, z, batch, t: nets("darker", batch["colour"])[0],
    )


def autoencoder():
    return Recipe(
        networks={"encoder": Encoder(), "decoder": Decoder()},
        phases=(Phase(name="a", trains=("encoder",), loss=nothing),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jax.random.normal(key, (len(batch["label"]), 3)),
        generate=lambda nets, z, batch, t: nets("decoder", z)[0].mean,
        encode=lambda nets, batch: nets("encoder", batch["image"])[0].mean,
    )


def test_translations_are_compared_with_their_own_pictures():
    evaluator = Translations(samples=COUNT, condition=lambda batch: jnp.ones((len(batch["colour"]),
                             16, 16, 1)), shown=16)  # fmt: skip
    measure = evaluator.open(world_of(translator(), {"colour": "tone"}))

    def found(by):
        subject = Subject(1, {"darker": NetState({"by": jnp.asarray(by)}, {}, (), None)}, {})
        return measure(subject, 0)

    exact = found(0.0)
    assert exact.metrics["l1"]["value"] == 0.0
    others = np.roll(Source().images, 1, axis=0)
    np.testing.assert_allclose(exact.metrics["l1"]["floor"], l1(Source().images, others).mean())
    dark = np.clip(Source().images.astype(int) - 10, 0, 255).astype(np.uint8)
    expected = l1(Source().images, dark).mean()
    np.testing.assert_allclose(found(10.0).metrics["l1"]["value"], expected, rtol=1e-3)
    sheet = exact.pictures["translations"]
    assert sheet.shape == (2 * 3 * 16, 8 * 16, 3)
    assert (sheet[:16] == 255).all()  # the condition, then two rows that are the same
    np.testing.assert_array_equal(sheet[16:32], sheet[32:48])
    np.testing.assert_array_equal(sheet[32:48, :16], Source().images[0])


def test_what_is_given_nothing_translates_nothing():
    evaluator = Translations(condition=lambda batch: batch["image"])
    with pytest.raises(UsageError, match="given nothing to translate"):
        evaluator.open(world_of(autoencoder(), {}))
    with pytest.raises(UsageError, match="does not encode pictures"):
        Reconstructions().open(world_of(translator(), {"colour": "tone"}))


def test_a_translator_needs_its_conditions():
    with pytest.raises(UsageError, match="draws pictures of colour: measure it with"):
        Generated(translator(), toy.world().mesh, 0).conditions(4)


def test_reconstructions_and_an_exact_bound():
    nets = {name: NetState({}, {}, (), None) for name in ("encoder", "decoder")}
    evaluator = Reconstructions(samples=COUNT, draws=3, is_density=True,
                                log_weight=log_weight(LIKELIHOODS["gaussian"]))  # fmt: skip
    found = evaluator.open(world_of(autoencoder(), {}))(Subject(1, nets, {}), 0)
    assert set(found.metrics) == set(evaluator.metrics)
    images = Source().images
    x = images / 127.5 - 1
    redrawn = np.round((np.clip(x / 1.25, -1, 1) + 1) * 127.5).astype(np.uint8)
    # Many lie halfway between two levels, and round either way: a twentieth of a level.
    np.testing.assert_allclose(
        found.metrics["l1"]["value"], l1(images, redrawn).mean(), atol=0.05 / 255
    )
    # Every weight is the likelihood where the posterior is exact, so both bounds are.
    log = stats.norm.logpdf(x, 0, np.sqrt(1.25)).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(found.metrics["elbo"]["value"], log, rtol=1e-4)
    np.testing.assert_allclose(found.metrics["iwae_3"]["value"], log, rtol=1e-4)
    bits = -log / (16 * 16 * 3 * np.log(2)) - np.log2(2 / 255)
    np.testing.assert_allclose(found.metrics["bits_per_dimension"]["value"], bits, rtol=1e-4)


def test_a_sheet_stands_row_below_row():
    a, b = (np.full((9, 2, 2, 1), level, np.uint8) for level in (1, 2))
    sheet = above(a, b)
    assert sheet.shape == (4, 16, 1)  # the ninth would be alone in its row
    np.testing.assert_array_equal(sheet[:, 0, 0], [1, 1, 2, 2])
    assert compared(np.tile(a, (1, 8, 8, 1)), np.tile(a, (1, 8, 8, 1)), np.tile(b, (1, 8, 8, 1)))[
        "ssim"
    ]["value"] == pytest.approx(1.0)

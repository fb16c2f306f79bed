"""Evaluators that hand pictures to the model: reconstructions with their bound, translations."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UsageError
from gan_jax.evaluators import pictures, translations
from gan_jax.evaluators.generated import BLOCK, Generated, Subject
from gan_jax.evaluators.reconstructions import Reconstructions, above
from gan_jax.evaluators.samples import sample_key
from gan_jax.evaluators.translations import Translations
from gan_jax.evaluators.true_pictures import compared, measured, of_pixels
from gan_jax.metrics.reconstruction import l1, psnr
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


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(translations, "avatar_perceptual", toy.perceptual)


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
    assert set(exact.metrics) == set(evaluator.metrics)
    others = np.roll(Source().images, 1, axis=0)
    for name, distance in {"l1": l1, "perceptual": toy.perceptual().distance}.items():
        assert exact.metrics[name]["value"] == exact.metrics[name]["ceiling"] == 0.0
        expected = distance(Source().images, others).mean()
        np.testing.assert_allclose(exact.metrics[name]["floor"], expected)
    assert exact.protocol == of_pixels(Source().images, toy.perceptual())
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
    evaluator = Reconstructions(samples=COUNT, draws=3, is_density=True, likelihood="gaussian",
                                log_weight=log_weight(LIKELIHOODS["gaussian"]))  # fmt: skip
    found = evaluator.open(world_of(autoencoder(), {}))(Subject(1, nets, {}), 0)
    assert set(found.metrics) == set(evaluator.metrics)
    assert (found.protocol["likelihood"], found.protocol["is_density"]) == ("gaussian", True)
    images = Source().images
    x = images / 127.5 - 1
    redrawn = np.round((np.clip(x / 1.25, -1, 1) + 1) * 127.5).astype(np.uint8)
    others = np.roll(images, 1, axis=0)
    np.testing.assert_allclose(found.metrics["l1"]["floor"], l1(images, others).mean())
    np.testing.assert_allclose(found.metrics["psnr"]["floor"], psnr(images, others).mean())
    # Many lie halfway between two levels, and round either way: a twentieth of a level.
    np.testing.assert_allclose(
        found.metrics["l1"]["value"], l1(images, redrawn).mean(), atol=0.05 / 255
    )
    # Every weight is the likelihood where the posterior is exact, so both bounds are.
    log = stats.norm.logpdf(x, 0, np.sqrt(1.25)).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(found.metrics["elbo"]["value"], log, rtol=1e-4)
    np.testing.assert_allclose(found.metrics["iwae_3"]["value"], log, rtol=1e-4)
    # A density gives no code, and so no bits.
    assert "bits_per_dimension" not in found.metrics
    of_each = found.metrics["nats_per_dimension_density"]["value"]
    np.testing.assert_allclose(of_each, log / (16 * 16 * 3), rtol=1e-4)


@pytest.mark.parametrize("draws", [1, 3])
def test_every_block_draws_anew_and_the_bound_is_no_mean(draws):
    """Of weights that are drawn by key alone, far apart from one another."""

    def weigh(nets, batch, key):
        return jnp.full(len(batch["image"]), 10 * jax.random.normal(key, ()))

    nets = {name: NetState({}, {}, (), None) for name in ("encoder", "decoder")}
    evaluator = Reconstructions(samples=COUNT, draws=draws, likelihood="logistic", log_weight=weigh)
    found = evaluator.open(world_of(autoencoder(), {}))(Subject(1, nets, {}), 4)
    assert set(found.metrics) == set(evaluator.metrics)
    assert (found.protocol["likelihood"], found.protocol["is_density"]) == ("logistic", False)
    counts = np.array([BLOCK, COUNT - BLOCK])
    keys = [jax.random.split(jax.random.fold_in(sample_key(4), block), draws) for block in (0, 1)]
    weights = np.array([[10 * float(jax.random.normal(key, ())) for key in each] for each in keys])
    mean = counts @ weights.mean(axis=1) / COUNT
    bound = counts @ np.log(np.exp(weights).mean(axis=1)) / COUNT
    np.testing.assert_allclose(found.metrics["elbo"]["value"], mean, rtol=1e-5)
    np.testing.assert_allclose(found.metrics[f"iwae_{draws}"]["value"], bound, rtol=1e-5)
    assert draws == 1 or bound > mean + 1
    bits = -bound / (16 * 16 * 3 * np.log(2))
    np.testing.assert_allclose(found.metrics["bits_per_dimension"]["value"], bits, rtol=1e-5)


def test_a_bound_names_its_likelihood():
    evaluator = Reconstructions(log_weight=log_weight(LIKELIHOODS["gaussian"]), is_density=True)
    with pytest.raises(UsageError, match="row names its likelihood: set likelihood"):
        evaluator.open(world_of(autoencoder(), {}))


def test_a_sheet_stands_row_below_row():
    a, b = (np.full((9, 2, 2, 1), level, np.uint8) for level in (1, 2))
    sheet = above(a, b)
    assert sheet.shape == (4, 16, 1)  # the ninth would be alone in its row
    np.testing.assert_array_equal(sheet[:, 0, 0], [1, 1, 2, 2])


def test_the_true_picture_is_the_ceiling():
    """PSNR has none: what equal pictures get is only where it is cut off."""
    true, others = toy.images("test", 5), toy.images("train", 5)
    found = compared(true, true, measured(true, others))
    assert found["l1"] == {"value": 0.0, "ceiling": 0.0, "floor": l1(true, others).mean()}
    assert found["ssim"]["value"] == pytest.approx(1.0) and found["ssim"]["ceiling"] == 1.0
    assert set(found) == {"l1", "psnr", "ssim"} and "ceiling" not in found["psnr"]
    protocol = of_pixels(true)
    assert found["psnr"]["value"] == pytest.approx(protocol["psnr"]["cap_db"], abs=0.01)
    assert protocol["psnr"] == {"range": 255, "cap_db": 76.98}
    window = "11x11 Gaussian, sigma 1.5, inside the picture"
    assert protocol["ssim"] == {"range": 255, "window": window, "k": [0.01, 0.03]}
    assert "perceptual" not in protocol
    assert of_pixels(true, toy.perceptual())["perceptual"] == {"network": "levels"}

"""Augmentation inside a recipe's rounds: always, adaptive, pseudo; one device or several."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.networks.mlp import MLPGenerator
from gan_jax.recipes import augmentation
from gan_jax.recipes.noise import noise_recipe
from gan_jax.state import init
from gan_jax.step import make_step
from tests.recipes.parts import COMPILES_QUICKLY, key

SIZE, LATENT, SHAPE = 8, 3, (2, 2, 1)
RAMP_KIMG = 0.1  # 100 pictures


class Judge(nn.Module):
    """The mean of a picture, and a bias that is all it learns."""

    bias: float = 0.0

    @nn.compact
    def __call__(self, images, label, *, train):
        bias = self.param("bias", nn.initializers.constant(self.bias), ())
        return jnp.mean(images, axis=(1, 2, 3)) + bias


IMAGES = np.random.default_rng(1).integers(0, 256, (1, SIZE, *SHAPE), np.uint8)


def rounds(
    augmentation, count, bias=0.0, p=None, axis=None, target=0.6, loss=losses.non_saturating
):
    """The state after so many rounds that learn nothing, and their metrics; `axis` divides a batch
    over two devices."""
    recipe = noise_recipe(
        generator=MLPGenerator(SHAPE, hidden=(4,)),
        discriminator=Judge(bias),
        latent_size=LATENT,
        num_classes=0,
        loss=loss,
        values={"ema_decay": 0.0, "augment_target": target},
        schedules={},
        augmentation=augmentation,
    )
    optimizers = {name: optax.sgd(0.0) for name in recipe.networks}
    batch = IMAGES
    spec = {"image": jax.ShapeDtypeStruct((SIZE, *SHAPE), jnp.uint8)}
    make = jax.jit(
        lambda: init(recipe, optimizers, key(0), spec), compiler_options=COMPILES_QUICKLY
    )
    state = make()
    if p is not None:
        state = state.replace(
            extra={"augmentation": state.extra["augmentation"]._replace(p=jnp.float32(p))}
        )
    step = make_step(recipe, optimizers, axis_name=axis)
    if axis:
        batch = batch.reshape(1, 2, SIZE // 2, *SHAPE)
        step = jax.vmap(step, in_axes=(None, None, 1), out_axes=None, axis_name=axis)
    step = jax.jit(step, compiler_options=COMPILES_QUICKLY)
    rows = []
    for _ in range(count):
        state, metrics = step(state, {}, {"image": batch})
        rows.append(metrics)
    return state, rows


def test_always_transforms_what_the_discriminator_sees():
    _, [metrics] = rounds(augmentation.always(lambda images, key: 0.0 * images + 0.25), 1)
    assert metrics["discriminator/real_logits"] == pytest.approx(0.25)
    assert metrics["discriminator/fake_logits"] == pytest.approx(0.25)


@pytest.mark.parametrize(("bias", "start", "sign"), [(5.0, 0.0, 1), (-5.0, 0.5, -1)])
@pytest.mark.parametrize("kind", [augmentation.pseudo, "adaptive"])
def test_p_follows_the_signs_every_fourth_turn(kind, bias, start, sign):
    """Sure of real pictures, p rises by 4 batches over the ramp, else it falls by as much."""
    if kind == "adaptive":
        kind = partial(augmentation.adaptive, lambda images, key, p: images)
    _, rows = rounds(kind(ramp_kimg=RAMP_KIMG), 4, bias, start)
    found = [row["discriminator/augment_p"] for row in rows]
    np.testing.assert_allclose(found, [start] * 3 + [start + sign * 4 * SIZE / 100], rtol=1e-6)


@pytest.mark.parametrize(
    ("mean_sign", "target", "sign"),
    [(0.0, 0.25, -1), (0.5, 0.25, 1), (0.5, 0.75, -1)],
)
def test_p_rises_where_the_mean_sign_is_above_the_target_else_falls(mean_sign, target, sign):
    means = np.sort(np.mean(IMAGES[0] / 127.5 - 1, axis=(1, 2, 3)))
    negative = round(SIZE * (1 - mean_sign) / 2)  # so many logits of the batch are
    bias = -float(means[negative - 1] + means[negative]) / 2
    adaptive = augmentation.adaptive(lambda images, key, p: images, ramp_kimg=RAMP_KIMG, interval=1)
    _, [metrics] = rounds(adaptive, 1, bias, p=0.5, target=target)
    expected = 0.5 + sign * SIZE / (1000 * RAMP_KIMG)
    assert metrics["discriminator/augment_p"] == pytest.approx(expected)


@pytest.mark.parametrize(("loss", "sign"), [(losses.non_saturating, 1), (losses.least_squares, -1)])
def test_signs_are_those_above_the_boundary_of_the_loss(loss, sign):
    """Logits of 1/4 say "real" where 0 is the boundary, and "fake" where it is 1/2."""
    adaptive = augmentation.adaptive(
        lambda images, key, p: 0.0 * images + 0.25, ramp_kimg=RAMP_KIMG, interval=1
    )
    _, [metrics] = rounds(adaptive, 1, p=0.5, loss=loss)
    expected = 0.5 + sign * SIZE / (1000 * RAMP_KIMG)
    assert metrics["discriminator/augment_p"] == pytest.approx(expected)


def test_two_devices_move_p_as_one_does():
    adaptive = augmentation.adaptive(lambda images, key, p: images, ramp_kimg=RAMP_KIMG)
    one, two = (rounds(adaptive, 4, 5.0, axis=axis)[0].extra for axis in (None, "devices"))
    assert two["augmentation"].p == pytest.approx(float(one["augmentation"].p))


def test_the_pipeline_is_given_p_and_the_log_too():
    adaptive = augmentation.adaptive(lambda images, key, p: 0.0 * images + p, ramp_kimg=RAMP_KIMG)
    _, [metrics] = rounds(adaptive, 1, p=0.75)
    assert metrics["discriminator/real_logits"] == pytest.approx(0.75)
    assert metrics["discriminator/augment_p"] == pytest.approx(0.75)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_pseudo_shows_generated_pictures_as_real_ones(p):
    """At p = 1 all of them, at 0 none."""
    _, [metrics] = rounds(augmentation.pseudo(ramp_kimg=RAMP_KIMG), 1, p=p)
    real, fake = (float(metrics[f"discriminator/{kind}_logits"]) for kind in ("real", "fake"))
    assert (real == pytest.approx(fake)) == (p == 1.0)

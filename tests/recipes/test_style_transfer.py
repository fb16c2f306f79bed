"""AdaIN's recipe against its losses by hand, with an encoder and a decoder that are linear."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.errors import UsageError
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.style_transfer import style_transfer_recipe
from gan_jax.state import init
from gan_jax.step import make_step
from tests.tiny import assert_bit_equal

BATCH, SIDE, FEATURES = 3, 6, 4
VALUES = {"style_weight": 2.0, "variation_weight": 0.3, "identity_weight": 0.7, "ema_decay": 0.5}
TAPS = ("first", "second")


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, images, *, taps=TAPS, train):
        first = nn.Dense(FEATURES, name="first")(images)
        second = nn.Dense(FEATURES, name="second")(nn.relu(first))
        found = {"first": first, "second": second}
        return {tap: found[tap] for tap in taps}


class Decoder(nn.Module):
    """One row and column more than the content, which the recipe cuts off."""

    @nn.compact
    def __call__(self, features, *, train):
        images = nn.Dense(3, name="colours")(features)
        return jnp.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))


def recipe(taps=TAPS, **values):
    return style_transfer_recipe(
        encoder=Encoder(),
        decoder=Decoder(),
        layer="second",
        taps=taps,
        values=VALUES | values,
        schedules={},
    )


def pictures(seed):
    shape = (BATCH, SIDE, SIDE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


RAW = {"image": pictures(0), "reference": pictures(1)}


@pytest.fixture(scope="module")
def situation():
    made = recipe()
    spec = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in RAW.items()}
    optimizers = {"decoder": optax.sgd(0.1)}
    state = init(made, optimizers, jax.random.key(0), spec)
    encoder = Encoder().init(jax.random.key(1), jnp.zeros((1, SIDE, SIDE, 3)), train=False)
    return made, state, make_step(made, optimizers), {"encoder": encoder}


def dense(params, x):
    return x @ np.asarray(params["kernel"], np.float64) + np.asarray(params["bias"], np.float64)


def statistics(x):
    return x.mean((1, 2)), np.sqrt(x.var((1, 2), ddof=1) + 1e-5)


def restyled(content, style):
    mean, std = statistics(content)
    wanted_mean, wanted_std = statistics(style)
    whitened = (content - mean[:, None, None]) / std[:, None, None]
    return whitened * wanted_std[:, None, None] + wanted_mean[:, None, None]


class ByHand:
    def __init__(self, state, frozen):
        self.colours = state.nets["decoder"].params["colours"]
        self.layers = frozen["encoder"]["params"]
        self.content, self.style = (
            np.asarray(leaf, np.float64) / 127.5 - 1 for leaf in RAW.values()
        )

    def encode(self, images):
        first = dense(self.layers["first"], images)
        return {"first": first, "second": dense(self.layers["second"], np.maximum(first, 0))}

    def draw(self, features):
        return dense(self.colours, features)


def view(made, state, frozen):
    variables = {"decoder": {"params": state.nets["decoder"].params}, **frozen}
    modules = {**made.networks, **made.frozen}
    return Nets(modules, variables, jax.random.key(0), frozen=frozenset({"encoder"}))


def test_the_loss_by_hand(situation):
    made, state, _, frozen = situation
    hand = ByHand(state, frozen)
    target = restyled(hand.encode(hand.content)["second"], hand.encode(hand.style)["second"])
    images = hand.draw(target)
    found, wanted = hand.encode(images), hand.encode(hand.style)
    style = 0.0
    for tap in TAPS:
        for a, b in zip(statistics(found[tap]), statistics(wanted[tap]), strict=True):
            style += np.mean((a - b) ** 2)
    down, along = np.diff(images, axis=1), np.diff(images, axis=2)
    expected = {
        "content": np.mean((found["second"] - target) ** 2),
        "style": style,
        "variation": np.mean(down**2) + np.mean(along**2),
        "identity": np.mean(np.abs(hand.draw(hand.encode(hand.content)["second"]) - hand.content)),
    }
    batch = {name: to_float(jnp.asarray(leaf)) for name, leaf in RAW.items()}
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}
    value, aux = made.phases[0].loss(
        view(made, state, frozen), (), batch, jax.random.key(2), values
    )
    for name, number in expected.items():
        np.testing.assert_allclose(aux.metrics[name], number, rtol=1e-4, err_msg=name)
    whole = expected["content"] + 2.0 * expected["style"] + 0.3 * expected["variation"]
    whole += 0.7 * expected["identity"]
    np.testing.assert_allclose(value, whole, rtol=1e-4)


def test_without_an_identity_its_pass_is_left_out(situation):
    _, state, _, frozen = situation
    made = recipe(identity_weight=0.0)
    batch = {name: to_float(jnp.asarray(leaf)) for name, leaf in RAW.items()}
    values = {name: jnp.asarray(value) for name, value in made.values.items()}
    _, aux = made.phases[0].loss(view(made, state, frozen), (), batch, jax.random.key(2), values)
    assert set(aux.metrics) == {"content", "style", "variation"}


def test_only_the_decoder_learns_and_goes_on_to_the_bit(situation):
    made, state, step, frozen = situation
    batches = {name: jnp.asarray(leaf)[None] for name, leaf in RAW.items()}
    step = jax.jit(step)
    half, metrics = step(state, frozen, batches)
    kept = jax.tree.map(
        lambda x: x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.array(x), half
    )
    whole, later = step(half, frozen, batches)
    again, _ = step(kept, frozen, batches)
    assert set(state.nets) == {"decoder"}
    assert later["decoder/style"] < metrics["decoder/style"]
    assert_bit_equal(again, whole)


def test_several_styles_and_alpha(situation):
    made, state, _, frozen = situation
    assert made.translation and made.translation.references == "required"
    hand, nets = ByHand(state, frozen), view(made, state, frozen)
    styles = np.stack([RAW["reference"], RAW["image"][::-1]], axis=1)
    batch = {
        "image": to_float(jnp.asarray(RAW["image"])),
        "reference": to_float(jnp.asarray(styles)),
        "alpha": jnp.full(BATCH, 0.25),
    }
    features = hand.encode(hand.content)["second"]
    each = [
        restyled(features, hand.encode(np.asarray(styles[:, i], np.float64) / 127.5 - 1)["second"])
        for i in range(2)
    ]
    mixed = 0.25 * np.mean(each, axis=0) + 0.75 * features
    expected = np.clip(hand.draw(mixed), -1, 1)
    found = made.translation.run(nets, batch)
    assert found.shape == (BATCH, SIDE, SIDE, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert made.generate
    one = {**batch, "reference": batch["reference"][:, 0]}
    np.testing.assert_allclose(
        made.generate(nets, jnp.zeros((BATCH, 0)), one, jnp.ones(())),
        np.clip(hand.draw(each[0]), -1, 1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: recipe(style_weight=-1.0), "values need 'style_weight', at least 0"),
        (lambda: recipe(taps=()), "at least one tap"),
    ],
)
def test_usage_errors(action, message):
    with pytest.raises(UsageError, match=message):
        action()

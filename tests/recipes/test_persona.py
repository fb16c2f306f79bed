"""StarGAN v2's recipe against its losses by hand, with networks that are linear."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.persona import persona_recipe
from gan_jax.schedules import linear_decay
from gan_jax.state import init
from gan_jax.step import make_step

SIZE, SHAPE, PERSONAS, LATENT, STYLE, STEPS = 5, (2, 3, 1), ("oil", "ink", "chalk"), 4, 2, 4
VALUES = {
    "style_weight": 2.0,
    "diversity_weight": 0.7,
    "cycle_weight": 3.0,
    "r1_weight": 1.5,
    "ema_decay": 0.5,
}
PLAYERS = ("generator", "mapping", "style_encoder")
NAMES = (*PLAYERS, "discriminator")


def counted(module, train):
    """A statistic that each call in training raises by one."""
    seen = module.variable("batch_stats", "seen", lambda: jnp.zeros(()))
    if train and not module.is_initializing():
        seen.value += 1.0


class Painter(nn.Module):
    """tanh of a linear map of picture and style."""

    @nn.compact
    def __call__(self, images, style, *, train):
        counted(self, train)
        x = jnp.concatenate([images.reshape(len(images), -1), style], axis=1)
        return jnp.tanh(nn.Dense(np.prod(SHAPE), name="dense")(x)).reshape(images.shape)


class OfPersona(nn.Module):
    """A linear map for each persona."""

    features: int

    @nn.compact
    def __call__(self, x, persona, *, train):
        counted(self, train)
        out = nn.DenseGeneral((len(PERSONAS), self.features), name="dense")(x.reshape(len(x), -1))
        return out[jnp.arange(len(x)), persona]


class Judge(nn.Module):
    @nn.compact
    def __call__(self, images, persona, *, train):
        return OfPersona(1, name="inner")(images, persona, train=train)[:, 0]


def recipe(personas=PERSONAS, schedules=None, loss=losses.non_saturating, **values):
    return persona_recipe(
        generator=Painter(),
        mapping=OfPersona(STYLE),
        style_encoder=OfPersona(STYLE),
        discriminator=Judge(),
        personas=personas,
        latent_size=LATENT,
        style_size=STYLE,
        values=VALUES | values,
        schedules=schedules or {},
        loss=loss,
    )


def rounds(seed=0):
    random = np.random.default_rng(seed)
    pictures = {
        name: random.integers(0, 256, (1, SIZE, *SHAPE), np.uint8)
        for name in ("image", "reference", "reference_2")
    }
    personas = {
        name: random.integers(0, len(PERSONAS), (1, SIZE)).astype(np.int32)
        for name in ("persona", "reference_persona")
    }
    return pictures | personas


def batch():
    first = {name: jnp.asarray(leaf[0]) for name, leaf in rounds().items()}
    return {name: to_float(x) if x.dtype == jnp.uint8 else x for name, x in first.items()}


def start(made):
    spec = {n: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for n, leaf in rounds().items()}
    optimizers = {name: optax.adam(0.05, b1=0.0) for name in NAMES}
    state = init(made, optimizers, jax.random.key(0), spec)
    return state, jax.jit(make_step(made, optimizers))


def nets_of(made, state, train=True):
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    return Nets(made.networks, variables, jax.random.key(1), train=train)


class ByHand:
    """The networks in NumPy (or, for gradients, in jnp)."""

    def __init__(self, state, np=np):
        self.np = np
        params = {name: net.params for name, net in state.nets.items()}
        params["discriminator"] = params["discriminator"]["inner"]
        self.weights = {
            name: (np.asarray(each["dense"]["kernel"]), np.asarray(each["dense"]["bias"]))
            for name, each in params.items()
        }

    def paint(self, images, style):
        kernel, bias = self.weights["generator"]
        x = self.np.concatenate([images.reshape(SIZE, -1), style], axis=1)
        return self.np.tanh(x @ kernel + bias).reshape(images.shape)

    def of(self, name, x, persona):
        kernel, bias = self.weights[name]
        out = self.np.einsum("bi,ipf->bpf", x.reshape(SIZE, -1), kernel) + bias
        return out[np.arange(SIZE), persona]

    def judge(self, images, persona):
        return self.of("discriminator", images, persona)[:, 0]


def softplus(x):
    return np.log1p(np.exp(x))


def key():
    return jax.random.key(7)


@pytest.fixture(scope="module")
def situation():
    """Recipe, networks, their twins by hand, a batch; by phase the two styles."""
    made = recipe()
    state, _ = start(made)
    hand, arrays = ByHand(state), {name: np.asarray(leaf) for name, leaf in batch().items()}
    z, target = np.asarray(jax.random.normal(key(), (2, SIZE, LATENT))), arrays["reference_persona"]
    assert (target != arrays["persona"]).any() and (target == arrays["persona"]).any()
    styles = {
        "drawn": [hand.of("mapping", each, target) for each in z],
        "reference": [
            hand.of("style_encoder", arrays[name], target) for name in ("reference", "reference_2")
        ],
    }
    return made, nets_of(made, state), hand, arrays, styles


def loss_of(made, name, nets):
    (phase,) = [phase for phase in made.phases if phase.name == name]
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}
    return phase.loss(nets, (), batch(), key(), values)


def test_the_order_of_a_round(situation):
    made = situation[0]
    assert [(phase.name, phase.trains) for phase in made.phases] == [
        ("discriminator_drawn", ("discriminator",)),
        ("discriminator_reference", ("discriminator",)),
        ("drawn", PLAYERS),
        ("reference", ("generator",)),
    ]
    assert made.batches_per_round == 1 and set(made.ema) == set(PLAYERS)


@pytest.mark.parametrize("source", ["drawn", "reference"])
def test_the_discriminator_s_loss(situation, source):
    made, nets, hand, arrays, styles = situation
    value, aux = loss_of(made, f"discriminator_{source}", nets)
    real, own, target = (arrays[name] for name in ("image", "persona", "reference_persona"))
    fake = hand.paint(real, styles[source][0])
    real_logits, fake_logits = hand.judge(real, own), hand.judge(fake, target)
    slopes = hand.weights["discriminator"][0][:, own, 0]
    expected = {
        "real_logits": real_logits.mean(),
        "fake_logits": fake_logits.mean(),
        "r1": 0.5 * (slopes**2).sum(axis=0).mean(),
    }
    for name, number in expected.items():
        np.testing.assert_allclose(aux.metrics[name], number, rtol=1e-5, err_msg=name)
    whole = (softplus(-real_logits) + softplus(fake_logits)).mean() + 1.5 * expected["r1"]
    np.testing.assert_allclose(value, whole, rtol=1e-5)


def terms_of(hand, arrays, styles):
    """Of either generator's loss by hand, `diversity` between given pictures aside."""
    real, own, target = (arrays[name] for name in ("image", "persona", "reference_persona"))
    fake, other = (hand.paint(real, style) for style in styles)
    back = hand.paint(fake, hand.of("style_encoder", real, own))
    return fake, other, {
        "adversarial": softplus(-hand.judge(fake, target)).mean(),
        "style": np.abs(hand.of("style_encoder", fake, target) - styles[0]).mean(),
        "diversity": np.abs(fake - other).mean(),
        "cycle": np.abs(back - real).mean(),
    }  # fmt: skip


@pytest.mark.parametrize("source", ["drawn", "reference"])
def test_the_players_loss(situation, source):
    made, nets, hand, arrays, styles = situation
    value, aux = loss_of(made, source, nets)
    *_, expected = terms_of(hand, arrays, styles[source])
    assert set(aux.metrics) == set(expected)
    for name, number in expected.items():
        np.testing.assert_allclose(aux.metrics[name], number, rtol=1e-5, err_msg=name)
    weights = {"adversarial": 1, "style": 2, "diversity": -0.7, "cycle": 3}
    whole = sum(weight * expected[name] for name, weight in weights.items())
    np.testing.assert_allclose(value, whole, rtol=1e-5)


def test_the_other_picture_is_a_constant(situation):
    """The gradient of diversity alone, by the generator, is that of its first picture."""
    made, nets, hand, arrays, styles = situation
    values = dict.fromkeys(VALUES, jnp.zeros(())) | {"diversity_weight": jnp.ones(())}
    phase = made.phases[3]
    _, other, _ = terms_of(hand, arrays, styles["reference"])

    def diversity(kernel):
        x = jnp.concatenate([arrays["image"].reshape(SIZE, -1), styles["reference"][0]], axis=1)
        fake = jnp.tanh(x @ kernel + hand.weights["generator"][1])
        return -jnp.mean(jnp.abs(fake - other.reshape(SIZE, -1)))

    def found(kernel):
        params = {"dense": {**nets.variables["generator"]["params"]["dense"], "kernel": kernel}}
        one = {**nets.variables["generator"], "params": params}
        changed = dataclasses.replace(nets, variables={**nets.variables, "generator": one})
        value, aux = phase.loss(changed, (), batch(), key(), values)
        return value - aux.metrics["adversarial"]

    kernel = jnp.asarray(hand.weights["generator"][0])
    expected = jax.grad(diversity)(kernel)
    assert jnp.abs(expected).max() > 1e-3
    np.testing.assert_allclose(jax.grad(found)(kernel), expected, rtol=1e-4, atol=1e-7)


def test_a_relativistic_loss_reads_the_real_logits(situation):
    _, nets, hand, arrays, styles = situation
    made = recipe(loss=losses.relativistic_pairing)
    fake, *_ = terms_of(hand, arrays, styles["drawn"])
    real_logits = hand.judge(arrays["image"], arrays["persona"])
    expected = softplus(real_logits - hand.judge(fake, arrays["reference_persona"])).mean()
    found = loss_of(made, "drawn", nets)[1].metrics["adversarial"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("phase", "calls"),
    [
        (0, {"discriminator": 2}),
        (1, {"discriminator": 2}),
        (2, {"generator": 2, "mapping": 2, "style_encoder": 2}),
        (3, {"generator": 2}),
    ],
)
def test_a_phase_moves_what_it_trains_alone(phase, calls):
    """Parameters, and statistics by the calls that a network is trained on."""
    whole = recipe()
    made = dataclasses.replace(whole, phases=(whole.phases[phase],))
    state, step = start(made)
    after, _ = step(state, {}, rounds())
    for name in NAMES:
        before, net = state.nets[name], after.nets[name]
        pairs = zip(jax.tree.leaves(before.params), jax.tree.leaves(net.params), strict=True)
        assert any(not np.array_equal(a, b) for a, b in pairs) == (name in calls)
        seen = (
            net.stats["batch_stats"]
            if name != "discriminator"
            else net.stats["batch_stats"]["inner"]
        )
        assert seen["seen"] == calls.get(name, 0), name
        assert (net.ema is not None) == (name in PLAYERS)


def resumed(made, at):
    """A run of `STEPS`, and one that was put away at `at` and goes on: states and metrics."""
    state, step = start(made)
    there, rows, saved = state, [], state
    for turn in range(STEPS):
        if turn == at:
            key = np.array(jax.random.key_data(there.key))
            saved = jax.tree.map(np.array, there.replace(key=key))
        there, metrics = step(there, {}, rounds(turn))
        rows.append(metrics)
    again = jax.tree.map(jnp.asarray, saved)
    again, last = again.replace(key=jax.random.wrap_key_data(again.key)), []
    for turn in range(at, STEPS):
        again, metrics = step(again, {}, rounds(turn))
        last.append(metrics)
    return there, again, rows, last


def test_a_run_that_goes_on_is_the_same_run_and_anneals_on():
    made = recipe(schedules={"diversity_weight": linear_decay(0, STEPS)})
    whole, again, rows, last = resumed(made, STEPS // 2)
    jax.tree.map(np.testing.assert_array_equal, whole.nets, again.nets)
    jax.tree.map(np.testing.assert_array_equal, rows[STEPS // 2 :], last)
    found = [row["value/diversity_weight"] for row in rows]
    np.testing.assert_allclose(found, 0.7 * np.array([1.0, 0.75, 0.5, 0.25]), rtol=1e-6)
    for row, weight in zip(rows, found, strict=True):
        for source in ("drawn", "reference"):
            terms = {
                n: row[f"{source}/{n}"] for n in ("adversarial", "style", "diversity", "cycle")
            }
            value = terms["adversarial"] + 2 * terms["style"] + 3 * terms["cycle"]
            value -= weight * terms["diversity"]
            np.testing.assert_allclose(row[f"{source}/loss"], value, rtol=1e-5)


def test_pictures_and_translations(situation):
    made, nets, hand, arrays, styles = situation
    nets = dataclasses.replace(nets, train=False)
    assert made.given == ("image", "reference", "reference_persona")
    assert made.generate and made.latents and made.translation
    latents = made.latents(key(), batch())
    found = made.generate(nets, latents, batch(), jnp.ones(()))
    expected = hand.paint(arrays["image"], styles["reference"][0])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # Of several references the mean style counts, read by the persona asked for.
    asked = made.translation.parse({"persona": "chalk"})
    assert asked == {"persona": 2} and made.translation.references == "optional"
    persona = np.full(SIZE, 2, np.int32)
    user = {"image": batch()["image"], "persona": jnp.asarray(persona)}
    pair = [arrays["reference"], arrays["reference_2"]]
    found = made.translation.run(nets, {**user, "reference": jnp.stack(pair, axis=1)})
    read = np.mean([hand.of("style_encoder", x, persona) for x in pair], axis=0)
    np.testing.assert_allclose(found, hand.paint(arrays["image"], read), rtol=1e-4, atol=1e-5)
    # Without any it is drawn, by the key.
    z = np.asarray(jax.random.normal(nets.key, (SIZE, LATENT)))
    expected = hand.paint(arrays["image"], hand.of("mapping", z, persona))
    found = made.translation.run(nets, user)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    other = made.translation.run(dataclasses.replace(nets, key=jax.random.key(2)), user)
    assert not np.allclose(found, other, atol=1e-3)
    with pytest.raises(UsageError, match="'chalky': there are oil, ink, chalk; the nearest is ch"):
        made.translation.parse({"persona": "chalky"})


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_is_negative(name):
    with pytest.raises(UsageError, match=f"values need '{name}', at least 0"):
        recipe(**{name: -1.0})


@pytest.mark.parametrize("personas", [(), ("oil",), ("oil", "oil")])
def test_fewer_than_two_personas(personas):
    with pytest.raises(UsageError, match="must be two or more, each once"):
        recipe(personas=personas)

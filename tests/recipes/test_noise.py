"""The noise recipe against rounds written by hand with `jax.grad` and optax."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.losses import AdversarialLoss
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.state import init
from gan_jax.step import make_step

SIZE, LATENT, CLASSES = 8, 5, 3
SHAPE = (4, 4, 1)
ROUNDS = 3
VALUES = {"ema_decay": 0.9, "r1_weight": 7.0}


def batches(rounds, turns, classes):
    """`[rounds, turns, SIZE, …]`."""
    random = np.random.default_rng(0)
    made = {"image": random.integers(0, 256, (rounds, turns, SIZE, *SHAPE), dtype=np.uint8)}
    if classes:
        made["label"] = random.integers(0, classes, (rounds, turns, SIZE), dtype=np.int32)
    return made


def recipe(loss, turns, r1_every, classes, **networks):
    """A BatchNorm generator, a bare discriminator, both dense and tiny, unless given."""
    return noise_recipe(
        **{
            "generator": MLPGenerator(SHAPE, hidden=(6,), num_classes=classes),
            "discriminator": MLPDiscriminator(hidden=(7,), num_classes=classes, dropout=0.0),
        }
        | networks,
        latent_size=LATENT,
        num_classes=classes,
        loss=loss,
        values=VALUES,
        schedules={},
        discriminator_turns=turns,
        regularisers=() if r1_every is None else (r1(every=r1_every),),
    )


def start(made, optimizers, classes):
    spec = {
        name: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype)
        for name, leaf in batches(1, 1, classes).items()
    }
    key = jax.random.key(0, impl="unsafe_rbg")  # its programs compile quickly
    return jax.jit(lambda: init(made, optimizers, key, spec))()


class ByHand:
    """A round in plain JAX: the state is a dict, the phases are written one after the other.

    Only how a run draws its keys is taken from the harness: round, phase, turn, then the second
    of a split for the loss's own noise.
    """

    def __init__(self, loss, turns, r1_every, classes, rate):
        self.made = recipe(loss, turns, r1_every, classes)
        self.loss, self.turns, self.r1_every = loss, turns, r1_every
        self.optimizer = optax.sgd(rate, momentum=0.5)

    def fakes(self, g, stats, z, label):
        variables = {"params": g, "batch_stats": stats}
        module = self.made.networks["generator"]
        fake, moved = module.apply(variables, z, label, train=True, mutable=["batch_stats"])
        return fake, moved["batch_stats"]

    def logits(self, d, images, label):
        return self.made.networks["discriminator"].apply({"params": d}, images, label, train=True)

    def gradient_square(self, d, image, label):
        """mean |grad D(x)|^2 over the batch, one example after the other."""

        def one(x, y):
            label = None if y is None else y[None]
            return jnp.sum(jax.grad(lambda x: self.logits(d, x[None], label)[0])(x) ** 2)

        return jnp.mean(jnp.stack([one(x, None if label is None else label[i])
                                   for i, x in enumerate(image)]))  # fmt: skip

    def discriminator_loss(self, d, g, stats, z, image, label):
        fake, _ = self.fakes(g, stats, z, label)  # its statistics stay
        pair = self.logits(d, image, label), self.logits(d, fake, label)
        value = jnp.mean(self.loss.discriminator(*pair))
        if self.r1_every == 1:
            value += VALUES["r1_weight"] / 2 * self.gradient_square(d, image, label)
        return value

    def lazy_loss(self, d, image, label):
        weight = self.r1_every * VALUES["r1_weight"]
        return weight / 2 * self.gradient_square(d, image, label)

    def generator_loss(self, g, d, stats, z, image, label):
        fake, stats = self.fakes(g, stats, z, label)
        real = self.logits(d, image, label) if self.loss.relativistic else 0.0
        return jnp.mean(self.loss.generator(real, self.logits(d, fake, label))), stats

    @functools.partial(jax.jit, static_argnums=(0, 4))
    def round(self, state, data, key, lazy_is_due):
        g, d, stats, ema, opt_g, opt_d = state
        measured = {}

        def z(phase_key, player):
            """The loss's key is split, and the discriminator's share for drawing once more."""
            loss_key = jax.random.split(phase_key)[1]
            if player == "discriminator":
                draw_key = jax.random.split(loss_key, 3)[0]
                return jax.random.normal(jax.random.split(draw_key, 3)[0], (SIZE, LATENT))
            return jax.random.normal(jax.random.split(loss_key, 4)[0], (SIZE, LATENT))

        d_losses = []
        for turn in range(self.turns):
            image, label = to_float(data["image"][turn]), data.get("label", [None] * 9)[turn]
            turn_key = jax.random.fold_in(key, 0)
            if self.turns > 1:
                turn_key = jax.random.fold_in(turn_key, turn)
            value, grad = jax.value_and_grad(self.discriminator_loss)(
                d, g, stats, z(turn_key, "discriminator"), image, label
            )
            d_losses.append(value)
            d, opt_d = self.update(grad, opt_d, d)
        measured["discriminator/loss"] = jnp.mean(jnp.stack(d_losses))
        image, label = to_float(data["image"][0]), data.get("label", [None])[0]
        lazy = self.r1_every is not None and self.r1_every > 1
        if lazy_is_due:
            measured["r1/loss"], grad = jax.value_and_grad(self.lazy_loss)(d, image, label)
            d, opt_d = self.update(grad, opt_d, d)
        phase_key = jax.random.fold_in(key, 2 if lazy else 1)
        (measured["generator/loss"], stats), grad = jax.value_and_grad(
            self.generator_loss, has_aux=True
        )(g, d, stats, z(phase_key, "generator"), image, label)
        g, opt_g = self.update(grad, opt_g, g)
        ema = jax.tree.map(lambda e, p: 0.9 * e + 0.1 * p, ema, g)
        return (g, d, stats, ema, opt_g, opt_d), measured

    def update(self, grad, opt, params):
        updates, opt = self.optimizer.update(grad, opt, params)
        return optax.apply_updates(params, updates), opt


@pytest.mark.parametrize(
    ("loss", "turns", "r1_every", "classes"),
    [
        (losses.relativistic_pairing, 1, 1, CLASSES),
        (losses.non_saturating, 2, 2, 0),
    ],
    ids=["relativistic, labels, r1", "turns, lazy r1"],
)
def test_rounds_are_those_written_by_hand(loss, turns, r1_every, classes):
    made = recipe(loss, turns, r1_every, classes)
    optimizers = {name: optax.sgd(0.1, momentum=0.5) for name in made.networks}
    state = start(made, optimizers, classes)
    step = jax.jit(make_step(made, optimizers))
    assert made.batches_per_round == turns

    by_hand = ByHand(loss, turns, r1_every, classes, rate=0.1)
    g, d = (state.nets[name] for name in ("generator", "discriminator"))
    plain = (g.params, d.params, g.stats["batch_stats"], g.params, g.opt, d.opt)
    data = batches(ROUNDS, turns, classes)
    for index in range(ROUNDS):
        now = {name: leaf[index] for name, leaf in data.items()}
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), index)
        state, metrics = step(state, {}, now)
        due = r1_every is not None and r1_every > 1 and index % r1_every == 0
        plain, measured = by_hand.round(plain, now, key, due)
        for name, value in measured.items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    g, d = (state.nets[name] for name in ("generator", "discriminator"))
    ours = (g.params, d.params, g.stats["batch_stats"], g.ema, g.opt, d.opt)

    def assert_close(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)

    jax.tree.map(assert_close, ours, plain)
    assert int(state.skipped) == 0 and d.ema is None


class Linear(nn.Module):
    """D(x) = w x, whose gradient is w everywhere."""

    @nn.compact
    def __call__(self, images, label, *, train):
        return nn.Dense(1, use_bias=False)(images.reshape(len(images), -1))[:, 0]


NOTHING = AdversarialLoss(*(2 * (lambda real, fake: 0.0 * fake,)))


@pytest.mark.slow
@pytest.mark.parametrize("r1_every", [1, 3])
def test_the_penalty_is_half_gamma_times_the_squared_gradient(r1_every):
    """With w the gradient, SGD on gamma/2 |w|^2 makes w shrink by 1 - rate * gamma a round; lazily,
    by 1 - k * rate * gamma every k rounds."""
    bare = MLPGenerator(SHAPE, hidden=())
    made = recipe(NOTHING, 1, r1_every, 0, generator=bare, discriminator=Linear())
    rate, gamma = 0.01, VALUES["r1_weight"]
    optimizers = {name: optax.sgd(rate) for name in made.networks}
    state = start(made, optimizers, 0)
    step = jax.jit(make_step(made, optimizers))
    data = batches(5, 1, 0)

    def w():
        return np.asarray(state.nets["discriminator"].params["Dense_0"]["kernel"])

    for index in range(5):
        before = w()
        state, metrics = step(state, {}, {"image": data["image"][index]})
        due = index % r1_every == 0
        expected = before * (1 - r1_every * rate * gamma if due else 1.0)
        np.testing.assert_allclose(w(), expected, rtol=1e-5)
        measured = metrics["discriminator/r1" if r1_every == 1 else "r1/r1"]
        np.testing.assert_allclose(measured, due * np.sum(before**2) / 2, rtol=1e-5)


@pytest.mark.slow
def test_each_phase_leaves_the_other_network_alone():
    """With a learning rate of zero for one, the other's updates reach nothing of it."""
    made = recipe(losses.non_saturating, 1, None, 0)
    optimizers = {name: optax.inject_hyperparams(optax.sgd)(0.1) for name in made.networks}
    state = start(made, optimizers, 0)
    step = jax.jit(make_step(made, optimizers))
    for still in made.networks:
        rates = {f"{still}.learning_rate": jnp.float32(0.0)}
        before = state.replace(hyper=state.hyper | rates)
        after, _ = step(before, {}, {"image": batches(1, 1, 0)["image"][0]})
        for name in made.networks:
            nets = before.nets[name], after.nets[name]
            pairs = zip(*(jax.tree.leaves(net.params) for net in nets), strict=True)
            assert all(np.array_equal(a, b) == (name == still) for a, b in pairs), name


def test_the_generator_phase_trains_the_generator_alone():
    phases = {phase.name: phase for phase in recipe(losses.hinge, 3, 4, 0).phases}
    assert list(phases) == ["discriminator", "r1", "generator"]
    assert phases["generator"].trains == ("generator",)
    assert phases["discriminator"].trains == phases["r1"].trains == ("discriminator",)
    assert phases["discriminator"].repeat == 3 and phases["r1"].every == 4


def test_generate_scales_latents_by_the_truncation():
    made = recipe(losses.hinge, 1, None, CLASSES)
    state = start(made, {name: optax.sgd(0.1) for name in made.networks}, CLASSES)
    net = state.nets["generator"]
    variables = {"params": net.params, **net.stats}
    batch = {"label": np.array([0, 1, 2, 2])}
    z = made.latents(jax.random.key(1), batch)
    assert z.shape == (4, LATENT)
    nets = Nets(made.networks, {"generator": variables}, jax.random.key(2), train=False)
    out = made.generate(nets, z, batch, jnp.float32(0.5))
    expected = made.networks["generator"].apply(variables, 0.5 * z, batch["label"], train=False)
    np.testing.assert_allclose(out, expected, rtol=1e-6)

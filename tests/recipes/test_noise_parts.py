"""The parts of a noise recipe: what each phase may change, laziness, several players, bad pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.layers.heads import ContrastiveHead, ProjectionHead
from gan_jax.layers.verdict import Verdict
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.recipe import Nets
from gan_jax.recipes import augmentation, classification
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import (
    generator_orthogonality,
    latent_sensitivity,
    path_length,
)
from gan_jax.recipes.regularisers import (
    Regulariser,
    gradient_penalty,
    le_cam,
    r1,
    r2,
    zero_centred,
)
from gan_jax.schedules import constant, cosine_over_images, from_step
from tests.marks import every
from tests.recipes.parts import (
    CLASSES,
    LATENT,
    REGULARISERS,
    SHAPE,
    WEIGHTS,
    CountingGenerator,
    Critic,
    StyledGenerator,
    batches,
    changed,
    key,
    recipe,
    run,
    start,
)


def gradients(made, name, classes=0):
    """Of one phase at the initial weights, and its loss: all as one value to compare."""
    optimizers = {network: optax.sgd(0.05) for network in made.networks}
    state = start(made, optimizers, classes)
    phase = next(phase for phase in made.phases if phase.name == name)
    batch = {key: jnp.asarray(leaf[0], jnp.float32) / 255 for key, leaf in batches().items()}
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    values = {name: jnp.float32(value) for name, value in made.values.items()}

    def loss(params):
        mine = {**variables, **{n: {**variables[n], "params": params[n]} for n in phase.trains}}
        nets = Nets(made.networks, mine, key(1))
        return phase.loss(nets, state.extra, batch, key(2), values)[0]

    return jax.jit(jax.grad(loss))({name: state.nets[name].params for name in phase.trains})


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", every(3, [name for name in REGULARISERS if name not in ("none", "le_cam")])
)
def test_lazy_gradients_add_up_to_the_eager_ones(name):
    """Over k rounds at fixed weights: once k times as heavy is as much as k times."""
    every = 4
    eager = gradients(recipe(regularisers=REGULARISERS[name](1)), "discriminator")
    plain = gradients(recipe(), "discriminator")
    lazy = gradients(recipe(regularisers=REGULARISERS[name](every)), name)
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(every * (a - b), c, rtol=2e-3, atol=2e-5),
        eager,
        plain,
        lazy,
    )


@pytest.mark.slow
def test_statistics_move_in_the_phases_that_train_their_network():
    """Three turns of two calls each for the discriminator; one call for the generator."""
    _, after, _ = run(recipe(discriminator_turns=3, regularisers=(r1(2),)), 1, turns=3)
    assert float(after.nets["discriminator"].stats["counts"]["calls"]) == 6
    joint = recipe(discriminator_turns=3, joint=True, loss=losses.relativistic_pairing)
    _, after, _ = run(joint, 1, turns=3)
    assert float(after.nets["discriminator"].stats["counts"]["calls"]) == 3
    for turns in (1, 3):
        counting = recipe(generator=CountingGenerator(), discriminator_turns=turns)
        _, after, _ = run(counting, 1, turns)
        assert float(after.nets["generator"].stats["counts"]["calls"]) == 1


@pytest.mark.slow
def test_a_phase_changes_what_it_trains_and_nothing_else():
    made = recipe(
        regularisers=(r1(2),),
        generator_regularisers=(generator_orthogonality(3),),
        values=WEIGHTS | {"ema_decay": 0.5},  # of equal numbers the mean is exact
    )
    assert [phase.name for phase in made.phases] == [
        "discriminator",
        "r1",
        "generator",
        "generator_orthogonality",
    ]
    for phase in made.phases:
        alone = recipe()
        alone = type(alone)(**{**vars(made), "phases": (phase,)})
        before, after, _ = run(alone, 1, optimizer=optax.adam)
        for name, net in after.nets.items():
            trained, was = name in phase.trains, before.nets[name]
            assert changed(was.params, net.params) == trained
            assert changed(was.opt, net.opt) == trained
            assert trained or not changed(was.stats, net.stats)
            if net.ema is not None:
                assert changed(was.ema, net.ema) == trained


@pytest.mark.slow
def test_joint_and_separate_calls_agree_where_examples_are_apart():
    a = run(recipe(joint=False), 2)[2]
    b = run(recipe(joint=True), 2)[2]
    for name in ("discriminator/loss", "generator/loss"):
        np.testing.assert_allclose(a[1][name], b[1][name], rtol=1e-5)


def test_several_players():
    made = recipe(
        generator=[MLPGenerator(SHAPE, hidden=(6,), normalise=False) for _ in range(3)],
        discriminator=[Critic(heads=False), Critic(heads=False)],
        regularisers=(r1(2), le_cam(0.99)),
        generator_regularisers=(latent_sensitivity(0.1),),
    )
    before, after, rows = run(made, 2)
    assert set(after.nets) == {
        "generator_0", "generator_1", "generator_2", "discriminator_0", "discriminator_1"
    }  # fmt: skip
    for name, net in after.nets.items():
        assert changed(before.nets[name].params, net.params), name
    first, second = (after.nets[f"discriminator_{index}"].params for index in (0, 1))
    assert changed(first, second)
    assert set(after.extra["le_cam"]) == {"discriminator_0", "discriminator_1"}
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_of_several_generators_each_draws_every_nth_picture():
    made = recipe(generator=[MLPGenerator(SHAPE, hidden=(6,), normalise=False) for _ in range(3)])
    optimizers = {name: optax.sgd(0.05) for name in made.networks}
    state = start(made, optimizers)
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0), train=False)
    z = jax.random.normal(jax.random.key(1), (7, LATENT))
    assert made.generate is not None
    images = made.generate(nets, z, {"image": jnp.zeros((7, *SHAPE))}, 1.0)
    for index in range(7):
        alone, _ = nets(f"generator_{index % 3}", z[index : index + 1], None)
        np.testing.assert_allclose(images[index], alone[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_styles_mix_and_truncate_and_their_average_moves_once_a_round():
    made = recipe(
        generator=StyledGenerator(),
        drawing=Styled(mixing=0.9),
        generator_regularisers=(path_length(every=2),),
    )
    before, after, rows = run(made, 2)
    assert changed(before.nets["generator"].stats, after.nets["generator"].stats)
    assert float(after.extra["path_length"]["generator"]) > 0
    assert "path_length/path_length" in rows[0]
    variables = {name: {"params": net.params, **net.stats} for name, net in after.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (200, LATENT))
    plain, _ = nets("generator", z, None, method="map")
    ws, _ = Styled(mixing=0.9).styles(nets, "generator", z, None, jax.random.key(2))
    np.testing.assert_allclose(ws[:, 0], plain[:, 0], rtol=1e-5)  # the first layer is never mixed
    mixed = np.any(np.asarray(ws[:, 1]) != np.asarray(plain[:, 1]), axis=1).mean()
    assert 0.85 < mixed < 0.95
    assert made.generate is not None
    still = Nets(made.networks, variables, jax.random.key(0), train=False)
    flat = made.generate(still, z, {"image": jnp.zeros((200, *SHAPE))}, 0.0)
    np.testing.assert_allclose(flat, jnp.broadcast_to(flat[:1], flat.shape), atol=1e-6)


CLASSIFICATIONS = {
    "ac": classification.auxiliary_classifier(of_fakes=True),
    "2c": classification.contrastive(temperature=1.0),
    "d2d": classification.data_to_data(temperature=0.5, margin=0.98),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", every(2, CLASSIFICATIONS))
@pytest.mark.parametrize("joint", [False, True])
def test_classification_teaches_both_players(name, joint):
    made = recipe(
        generator=MLPGenerator(SHAPE, hidden=(6,), num_classes=CLASSES),
        discriminator=Critic(),
        num_classes=CLASSES,
        classification=CLASSIFICATIONS[name],
        joint=joint,
    )
    _, _, rows = run(made, 3, classes=CLASSES)
    for row in rows:
        for player in ("discriminator", "generator"):
            loss, adversarial = row[f"{player}/loss"], row[f"{player}/adversarial"]
            expected = adversarial + 0.5 * row[f"{player}/classification"]
            assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_top_k_counts_the_best_half():
    full, half = run(recipe(), 1)[2][0], run(recipe(keeps_top_k=True), 1)[2][0]
    assert half["generator/loss"] < full["generator/loss"]


def test_an_augmentation_is_seen_by_all_phases():
    """Where it leaves nothing to see, nobody learns from pictures: not the generator either, and no
    penalty finds a slope. Where it leaves all, it changes nothing."""

    def fade(images, key, p):
        return (1 - p) * images

    def faded(p):
        # Penalties are seen, not learned.
        values = {name: 0.0 for name in WEIGHTS} | {"augment_p": p}
        return run(
            recipe(
                augmentation=augmentation.scheduled(fade),
                values=values,
                regularisers=(r1(), r2(2), zero_centred(), gradient_penalty()),
            ),
            1,
        )

    before, after, (row,) = faded(1.0)
    assert not changed(before.nets["generator"].params, after.nets["generator"].params)
    assert row["discriminator/real_logits"] == pytest.approx(row["discriminator/fake_logits"])
    slopes = ("discriminator/r1", "r2/r2", "discriminator/zero_centred")
    assert [row[name] for name in slopes] == [0.0, 0.0, 0.0]
    assert row["discriminator/gradient_penalty"] == pytest.approx(1.0)
    before, after, (row,) = faded(0.0)
    assert changed(before.nets["generator"].params, after.nets["generator"].params)
    assert min(row[name] for name in slopes) > 0.0
    plain = run(recipe(), 1)[2][0]
    assert row["discriminator/adversarial"] == pytest.approx(plain["discriminator/adversarial"])


def test_a_regulariser_sees_each_kind_as_the_loss_drew_it():
    """So that R1 and R2 work out no logit again."""

    def scale(images, key, p):
        return images * jax.random.uniform(key)

    def measure(judged, state):
        of_real = judged.discriminator(judged.real) - judged.real_logits
        of_fakes = judged.of_fakes(judged.fake) - judged.fake_logits
        return jnp.abs(jnp.stack([of_real, of_fakes])), state

    made = recipe(
        augmentation=augmentation.scheduled(scale),
        values={**WEIGHTS, "augment_p": 1.0, "seen_weight": 0.0},
        regularisers=(Regulariser("seen", measure),),
    )
    assert run(made, 1)[2][0]["discriminator/seen"] < 1e-5


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"regularisers": (r1(),), "values": {"ema_decay": 0.9}}, "lack 'r1_weight'"),
        ({"regularisers": (r1(), r1(4))}, "listed twice"),
        (
            {"regularisers": (le_cam(0.9),), "loss": losses.relativistic_pairing},
            "le_cam reads single",
        ),
        ({"regularisers": (r1(0),)}, "r1: every=0 must be at least 1"),
        ({"generator_regularisers": (latent_sensitivity(0.1, -1),)}, "every=-1 must be at least 1"),
        ({"discriminator": ()}, "at least one discriminator"),
        ({"classification": CLASSIFICATIONS["ac"]}, "set num_classes"),
        ({"num_classes": CLASSES}, "the generator has num_classes=0, the recipe num_classes=3"),
        (
            {"discriminator": MLPDiscriminator(num_classes=CLASSES)},
            "the discriminator has num_classes=3, the recipe num_classes=0",
        ),
        (
            {"discriminator": MLPDiscriminator(head=ProjectionHead(CLASSES, spectral=False))},
            "the discriminator has num_classes=3, the recipe num_classes=0",
        ),
        ({"generator_regularisers": (path_length(4),)}, r"drawing=Styled"),
        ({"keeps_top_k": True, "values": {"ema_decay": 0.9}}, "lack 'top_k'"),
        ({"latent_size": 0}, "latent_size=0 must be at least 1"),
        ({"discriminator_turns": 0}, "discriminator_turns=0 must be at least 1"),
        ({"values": {"ema_decay": 1.5}}, "ema_decay=1.5 must be between 0 and 1"),
        (
            {"values": {"ema_decay": 1.5}, "schedules": {"ema_decay": from_step(9)}},
            "ema_decay=1.5, 1.5 by its schedule, must be between 0 and 1",
        ),
        (
            {
                "values": WEIGHTS | {"r1_weight": -1.0},
                "regularisers": (r1(),),
                "schedules": {"r1_weight": cosine_over_images(1000, 0.1)},
            },
            "r1_weight=-1, -1 by its schedule, must be at least 0 and finite",
        ),
        (
            {
                "values": WEIGHTS | {"r1_weight": 1.0},
                "regularisers": (r1(),),
                "schedules": {"r1_weight": cosine_over_images(1000, -0.1)},
            },
            "r1_weight=1, -0.1 by its schedule, must be at least 0 and finite",
        ),
        (
            {"values": WEIGHTS | {"r1_weight": float("inf")}, "regularisers": (r1(),)},
            "r1_weight=inf must be at least 0 and finite",
        ),
        ({"values": WEIGHTS | {"mine": float("nan")}}, "mine=nan must be a finite number"),
        ({"values": WEIGHTS | {"r1_weight": -1.0}}, "r1_weight=-1 must be at least 0"),
        (
            {"values": WEIGHTS | {"augment_target": 6.0}},
            "augment_target=6 must be between -1 and 1",
        ),
        (
            {
                "generator": MLPGenerator(SHAPE, num_classes=CLASSES),
                "discriminator": MLPDiscriminator(head=ContrastiveHead(CLASSES, spectral=False)),
                "num_classes": CLASSES,
            },
            "the discriminator's ContrastiveHead judges without the label",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_one_line(parts, line):
    with pytest.raises(UsageError, match=line) as caught:
        recipe(**parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Styled(mixing=1.7), "mixing=1.7 is a probability"),
        (lambda: augmentation.pseudo(ramp_kimg=0.0), "ramp_kimg=0 must be above 0"),
        (lambda: classification.contrastive(temperature=0.0), "temperature=0 must be above 0"),
        (lambda: classification.data_to_data(0.5, margin=-3.0), "margin=-3 is a cosine"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_in_one_line(make, line):
    with pytest.raises(UsageError, match=line):
        make()


def test_an_unknown_schedule_or_loss_is_named():
    made = recipe(schedules={"r1_wieght": constant})
    with pytest.raises(UsageError, match="'r1_wieght', but the recipe's values are"):
        start(made, {name: optax.sgd(0.1) for name in made.networks})
    with pytest.raises(UsageError, match="no loss 'henge'; there are minimax, "):
        losses.named("henge")
    assert losses.named("hinge") is losses.hinge


def test_a_critic_may_have_le_cam_but_no_adaptive_augmentation():
    """LeCam's anchors give the logits the place that differences leave open; signs need it."""
    assert recipe(regularisers=(le_cam(0.9),), loss=losses.wasserstein)
    with pytest.raises(UsageError, match="adaptive augmentation counts the signs"):
        recipe(
            augmentation=augmentation.pseudo(ramp_kimg=1.0),
            loss=losses.wasserstein,
            values=WEIGHTS | {"augment_target": 0.6},
        )


def test_a_head_that_lacks_what_is_learned_is_named():
    made = recipe(
        generator=MLPGenerator(SHAPE, hidden=(6,), num_classes=CLASSES),
        num_classes=CLASSES,
        classification=CLASSIFICATIONS["ac"],
    )
    with pytest.raises(UsageError, match="head=AuxiliaryClassifierHead"):
        run(made, 1, classes=CLASSES)


@pytest.mark.parametrize("name", ["2c", "d2d"])
def test_losses_of_classes_refuse_attributes(name):
    unit = jnp.eye(3)
    verdict = Verdict(logits=jnp.zeros(3), embedding=unit, proxies=unit)
    loss = CLASSIFICATIONS[name].loss
    assert loss(verdict, jnp.arange(3)).shape == (3,)
    with pytest.raises(UsageError, match="attributes are no classes: take auxiliary_classifier"):
        loss(verdict, jnp.eye(3))

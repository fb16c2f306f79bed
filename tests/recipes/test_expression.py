"""Expression generation's recipe against its losses by hand, with networks that are linear."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.networks.stargan import Judgement, Translation
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.expression import expression_recipe
from gan_jax.recipes.expression_drives import Drive, others, point_drive, rolled
from gan_jax.recipes.likeness import Likeness
from gan_jax.state import init
from gan_jax.step import make_step
from gan_jax.translation import Choice, Number

SIZE, SIDE, CLASSES, RATE, TURNS = 5, 4, 3, 0.05, 2
AXES = (1, 2, 3)
VALUES = {
    "expression_weight": 2.0,
    "cycle_weight": 3.0,
    "change_weight": 0.5,
    "reading_weight": 2.5,
    "variation_weight": 0.7,
    "r1_weight": 1.5,
    "ema_decay": 0.5,
}


def counted(module, train):
    """A statistic that each call in training raises by one."""
    seen = module.variable("batch_stats", "seen", lambda: jnp.zeros(()))
    if train and not module.is_initializing():
        seen.value += 1.0


class Painter(nn.Module):
    """Mask and colour, each a linear map of the condition and the picture, which three tenths of
    the places are added to, and who it is."""

    @nn.compact
    def __call__(self, images, condition, places=None, who=None, *, train):
        counted(self, train)
        images = images if places is None else images + 0.3 * places
        images = images if who is None else images + who[:, None, None]
        flat = (images.reshape(len(images), -1), condition.reshape(len(images), -1))
        x = jnp.concatenate(flat, -1)
        shape = (len(images), SIDE, SIDE, 1)
        mask = nn.sigmoid(4 * nn.Dense(SIDE**2, name="mask")(x).reshape(shape))
        colour = jnp.tanh(nn.Dense(SIDE**2, name="colour")(x).reshape(shape))
        return Translation(mask * images + (1 - mask) * colour, mask, colour)


class Judge(nn.Module):
    outputs: int = CLASSES

    @nn.compact
    def __call__(self, images, condition=None, *, train):
        counted(self, train)
        x = images.reshape(len(images), -1)
        logits = nn.Dense(4, name="logits")(x)
        if condition is not None:
            flat = condition.reshape(len(images), -1)
            logits = logits + nn.Dense(4, use_bias=False, name="told")(flat)
        return Judgement(logits.reshape(-1, 2, 2), nn.Dense(self.outputs, name="condition")(x))


def one_hot(batch):
    return jax.nn.one_hot(batch["expression"], CLASSES) * batch["intensity"][:, None]


def cross_entropy(outputs, batch):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, batch["expression"])


CLASS = Drive(
    given=("expression", "intensity"),
    outputs=CLASSES,
    told=CLASSES,
    condition=one_hot,
    reading=cross_entropy,
    conditions={"expression": Choice(("calm", "happy", "sad")), "intensity": Number(0, 1, 1)},
)


def recipe(
    drive=CLASS,
    outputs=CLASSES,
    loss=losses.non_saturating,
    turns=TURNS,
    policies=(),
    likeness=None,
    **values,
):
    return expression_recipe(
        generator=Painter(),
        discriminator=Judge(outputs),
        drive=drive,
        likeness=likeness or {},
        reading_turns=turns,
        loss=loss,
        values=VALUES | values,
        schedules={},
        policies=policies,
    )


def rounds(count=1):
    random = np.random.default_rng(0)
    shape = (count, 1 + TURNS, SIZE)
    return {
        "image": random.integers(0, 256, (*shape, SIDE, SIDE, 1), np.uint8),
        "expression": random.integers(0, CLASSES, shape).astype(np.int32),
        "intensity": random.uniform(0.5, 1.0, shape).astype(np.float32),
    }


def batch():
    """The first of the first round, as a loss sees it."""
    first = {name: jnp.asarray(leaf[0, 0]) for name, leaf in rounds().items()}
    return {**first, "image": to_float(first["image"])}


def start(made):
    spec = {n: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype) for n, leaf in rounds().items()}
    optimizers = {name: optax.sgd(RATE) for name in ("generator", "discriminator")}
    return init(made, optimizers, jax.random.key(0), spec), make_step(made, optimizers)


def nets_of(made, state, train=True):
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    return Nets(made.networks, variables, jax.random.key(0), train=train)


# What the losses are, in NumPy.


def softplus(x):
    return np.log1p(np.exp(x))


class ByHand:
    """The networks with their parameters as arrays."""

    def __init__(self, state):
        every = {name: jax.tree.map(np.asarray, net.params) for name, net in state.nets.items()}
        self.generator, self.discriminator = every["generator"], every["discriminator"]

    def paint(self, images, condition):
        flat = np.concatenate([images.reshape(SIZE, -1), condition.reshape(SIZE, -1)], axis=1)
        layers = self.generator
        mask, colour = (flat @ layers[n]["kernel"] + layers[n]["bias"] for n in ("mask", "colour"))
        mask, colour = 1 / (1 + np.exp(-4 * mask)), np.tanh(colour)
        mask, colour = (x.reshape(images.shape) for x in (mask, colour))
        return mask * images + (1 - mask) * colour, mask

    def judge(self, images, condition):
        flat, layers = images.reshape(SIZE, -1), self.discriminator
        logits, read = (
            flat @ layers[n]["kernel"] + layers[n]["bias"] for n in ("logits", "condition")
        )
        return logits + condition.reshape(SIZE, -1) @ layers["told"]["kernel"], read

    def slope(self):
        """Of the mean of a picture's logits, which is the same everywhere."""
        return self.discriminator["logits"]["kernel"].mean(axis=1)


def crossed(outputs, classes):
    exponents = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares = exponents / exponents.sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(SIZE), classes])


def own(arrays):
    """The condition that tells of their own expressions."""
    return np.eye(CLASSES)[arrays["expression"]] * arrays["intensity"][:, None]


def variation(masks):
    down, along = np.diff(masks, axis=1), np.diff(masks, axis=2)
    return (down**2).mean() + (along**2).mean()


@pytest.fixture(scope="module")
def situation():
    """Recipe, networks, their twins by hand, a batch, a key, and the others under that key."""
    made = recipe()
    state, _ = start(made)
    key, given = jax.random.key(3), batch()
    shift = int(jax.random.randint(key, (), 1, SIZE))
    order = (np.arange(SIZE) + shift) % SIZE
    arrays = {name: np.asarray(leaf) for name, leaf in given.items()}
    asked = {name: leaf[order] for name, leaf in arrays.items()}
    return made, nets_of(made, state), ByHand(state), given, key, arrays, asked


def loss_of(made, index, nets, given, key):
    values = {name: jnp.asarray(value) for name, value in made.values.items()}
    return made.phases[index].loss(nets, (), given, key, values)


def test_reading_is_learned_of_real_pictures(situation):
    made, nets, hand, given, key, arrays, _ = situation
    assert [phase.name for phase in made.phases] == ["reading", "discriminator", "generator"]
    assert (made.phases[0].batch, made.phases[0].repeat) == (1, TURNS)
    assert made.batches_per_round == 1 + TURNS
    value, aux = loss_of(made, 0, nets, given, key)
    expected = crossed(hand.judge(arrays["image"], own(arrays))[1], arrays["expression"]).mean()
    np.testing.assert_allclose(aux.metrics["expression"], expected, rtol=1e-5)
    np.testing.assert_allclose(value, 2.5 * expected, rtol=1e-5)


def test_the_discriminator_s_loss(situation):
    made, nets, hand, given, key, arrays, asked = situation
    value, aux = loss_of(made, 1, nets, given, key)
    fake, _ = hand.paint(arrays["image"], own(asked))
    real_logits, read = hand.judge(arrays["image"], own(arrays))
    fake_logits, _ = hand.judge(fake, own(asked))
    expected = {
        "real_logits": real_logits.mean(),
        "fake_logits": fake_logits.mean(),
        "expression": crossed(read, arrays["expression"]).mean(),
        "r1": 0.5 * np.sum(hand.slope() ** 2),
    }
    for name, number in expected.items():
        np.testing.assert_allclose(aux.metrics[name], number, rtol=1e-4, err_msg=name)
    adversarial = (softplus(-real_logits) + softplus(fake_logits)).mean()
    whole = adversarial + 2.5 * expected["expression"] + 1.5 * expected["r1"]
    np.testing.assert_allclose(value, whole, rtol=1e-5)


def test_the_discriminator_may_be_told_in_other_words(situation):
    _, nets, hand, given, key, arrays, asked = situation
    made = recipe(CLASS._replace(judged=lambda batch: 1.0 - one_hot(batch)))
    fake, _ = hand.paint(arrays["image"], own(asked))
    real_logits, _ = hand.judge(arrays["image"], 1.0 - own(arrays))
    fake_logits, _ = hand.judge(fake, 1.0 - own(asked))
    _, aux = loss_of(made, 1, nets, given, key)
    np.testing.assert_allclose(aux.metrics["real_logits"], real_logits.mean(), rtol=1e-4)
    np.testing.assert_allclose(aux.metrics["fake_logits"], fake_logits.mean(), rtol=1e-4)
    _, aux = loss_of(made, 2, nets, given, key)
    expected = softplus(-fake_logits).mean()
    np.testing.assert_allclose(aux.metrics["adversarial"], expected, rtol=1e-4)
    inputs = made.inputs(given)
    np.testing.assert_array_equal(inputs["generator"][1], one_hot(given))
    np.testing.assert_array_equal(inputs["discriminator"][1], 1.0 - one_hot(given))


def test_the_generator_s_loss(situation):
    made, nets, hand, given, key, arrays, asked = situation
    value, aux = loss_of(made, 2, nets, given, key)
    fake, first = hand.paint(arrays["image"], own(asked))
    back, second = hand.paint(fake, own(arrays))
    logits, read = hand.judge(fake, own(asked))
    masks = np.concatenate([first, second])
    expected = {
        "adversarial": softplus(-logits).mean(),
        "expression": crossed(read, asked["expression"]).mean(),
        "cycle": np.abs(back - arrays["image"]).mean(),
        "change": np.abs(fake - arrays["image"]).mean(),
        "mask": masks.mean(),
        "variation": variation(masks),
        "mask_full": (masks > 0.95).mean(),
        "mask_empty": (masks < 0.05).mean(),
    }
    assert expected["mask_full"] > 0 and expected["mask_empty"] > 0
    for name, number in expected.items():
        np.testing.assert_allclose(aux.metrics[name], number, rtol=1e-4, err_msg=name)
    weights = {"adversarial": 1, "expression": 2, "cycle": 3, "change": 0.5, "variation": 0.7}
    whole = sum(weight * expected[name] for name, weight in weights.items())
    np.testing.assert_allclose(value, whole, rtol=1e-5)


def test_who_it_is_may_not_change(situation):
    _, nets, hand, given, key, arrays, asked = situation
    plain, _ = loss_of(recipe(), 2, nets, given, key)
    likeness = {
        "identity": Likeness({}, lambda nets, images, originals: jnp.sum(images * originals, AXES)),
        "colours": Likeness({}, lambda nets, images, originals: jnp.sum(images + originals, AXES)),
    }
    made = recipe(likeness=likeness, identity_weight=0.9, colours_weight=0.2)
    value, aux = loss_of(made, 2, nets, given, key)
    fake, _ = hand.paint(arrays["image"], own(asked))
    expected = (fake * arrays["image"]).sum((1, 2, 3)).mean()
    colours = (fake + arrays["image"]).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(aux.metrics["identity"], expected, rtol=1e-4)
    np.testing.assert_allclose(aux.metrics["colours"], colours, rtol=1e-4)
    np.testing.assert_allclose(value - plain, 0.9 * expected + 0.2 * colours, rtol=1e-4)
    with pytest.raises(UsageError, match="values need 'colours_weight'"):
        recipe(likeness=likeness, identity_weight=0.9)


def test_the_generator_is_shown_where_faces_are(situation):
    """Those that it is given, and in its translation on the way back."""
    _, nets, hand, given, key, arrays, asked = situation
    who = lambda images: 0.1 * images[:, 0, 0]  # noqa: E731
    drive = CLASS._replace(
        places=1, traits=1, shown=lambda nets, images: (jnp.flip(images, 1), who(images))
    )
    made = recipe(drive)

    def paint(images, condition):
        given = images + 0.3 * np.flip(images, 1) + who(images)[:, None, None]
        return hand.paint(given, condition)[0]

    fake = paint(arrays["image"], own(asked))
    back = paint(fake, own(arrays))
    logits = loss_of(made, 1, nets, given, key)[1].metrics["fake_logits"]
    np.testing.assert_allclose(logits, hand.judge(fake, own(asked))[0].mean(), rtol=1e-4)
    metrics = loss_of(made, 2, nets, given, key)[1].metrics
    np.testing.assert_allclose(metrics["change"], np.abs(fake - arrays["image"]).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["cycle"], np.abs(back - arrays["image"]).mean(), rtol=1e-4)
    assert made.translation
    translated = made.translation.run(nets, given)
    np.testing.assert_allclose(translated, paint(arrays["image"], own(arrays)), rtol=1e-4)
    _, _, places, names = made.inputs(given)["generator"]
    assert places.shape == (SIZE, SIDE, SIDE, 1) and names.shape == (SIZE, 1)


def test_a_relativistic_loss_reads_the_real_logits(situation):
    _, nets, hand, given, key, arrays, asked = situation
    made = recipe(loss=losses.relativistic_pairing)
    fake, _ = hand.paint(arrays["image"], own(asked))
    real_logits, _ = hand.judge(arrays["image"], own(arrays))
    fake_logits, _ = hand.judge(fake, own(asked))
    found = loss_of(made, 2, nets, given, key)[1].metrics["adversarial"]
    np.testing.assert_allclose(found, softplus(real_logits - fake_logits).mean(), rtol=1e-4)


@pytest.mark.parametrize(
    ("phase", "moved", "calls"), [(0, 1, TURNS), (1, 1, 2), (2, 0, 2)], ids=["read", "d", "g"]
)
def test_a_phase_moves_its_own_network_alone(phase, moved, calls):
    """Parameters and statistics; of the two networks the other is a constant of the phase."""
    whole = recipe()
    made = dataclasses.replace(whole, phases=(whole.phases[phase],))
    state, step = start(made)
    data = {name: leaf[0] for name, leaf in rounds().items()}
    after, _ = jax.jit(step)(state, {}, data)
    names = ("generator", "discriminator")
    for name in names:
        before, net = state.nets[name], after.nets[name]
        pairs = zip(jax.tree.leaves(before.params), jax.tree.leaves(net.params), strict=True)
        changed = [not np.array_equal(a, b) for a, b in pairs]
        assert any(changed) == (name == names[moved])
        assert net.stats["batch_stats"]["seen"] == (calls if name == names[moved] else 0)


def test_a_run_that_goes_on_is_the_same_run():
    made = recipe()
    state, step = start(made)
    step, data = jax.jit(step), rounds(4)
    there = state
    for index in range(4):
        there, _ = step(there, {}, {name: leaf[index] for name, leaf in data.items()})
        if index == 1:
            saved = jax.tree.map(
                lambda x: x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.array(x), there
            )
    for index in (2, 3):
        saved, _ = step(saved, {}, {name: leaf[index] for name, leaf in data.items()})
    for a, b in zip(jax.tree.leaves(there.nets), jax.tree.leaves(saved.nets), strict=True):
        np.testing.assert_array_equal(a, b)


def test_pictures_and_translations():
    """`generate` gives each example its neighbour's expression, `translate` the one asked for."""
    made = recipe()
    state, _ = start(made)
    nets, hand, given = nets_of(made, state, train=False), ByHand(state), batch()
    assert made.given == ("image", "expression", "intensity")
    assert made.generate and made.latents and made.translation
    arrays = {name: np.asarray(leaf) for name, leaf in given.items()}
    latents = made.latents(jax.random.key(0), given)
    assert latents.shape == (SIZE, 0)
    found = made.generate(nets, latents, given, jnp.ones(()))
    wanted = own({name: np.roll(leaf, -1, axis=0) for name, leaf in arrays.items()})
    np.testing.assert_allclose(found, hand.paint(arrays["image"], wanted)[0], rtol=1e-4, atol=1e-5)
    asked = made.translation.parse({"expression": "sad", "intensity": "0.5"})
    assert asked == {"expression": 2, "intensity": 0.5}
    user = {"image": given["image"]} | {n: jnp.full(SIZE, value) for n, value in asked.items()}
    found = made.translation.run(nets, user)
    wanted = own({"expression": np.full(SIZE, 2), "intensity": np.full(SIZE, 0.5)})
    np.testing.assert_allclose(found, hand.paint(arrays["image"], wanted)[0], rtol=1e-4, atol=1e-5)


def test_maps_of_points_with_the_expressions_of_others():
    """Heat-maps and squared errors: the target is an example's own place with another's height,
    and that is what the generator is told and what its pictures are read for."""

    def maps(batch):
        rows = jnp.arange(SIDE)[None, :, None] - SIDE * batch["points"][:, None, None, 1]
        return jnp.broadcast_to(jnp.exp(-(rows**2)), (len(rows), SIDE, SIDE))[..., None]

    drive = Drive(
        given=("points",),
        outputs=2,
        told=0,
        condition=maps,
        reading=lambda outputs, batch: jnp.sum((outputs - batch["points"]) ** 2, axis=-1),
        retarget=lambda batch, others: {
            "points": jnp.stack([batch["points"][:, 0], others["points"][:, 1]], axis=-1)
        },
    )
    made = recipe(drive, outputs=2)
    assert made.translation is None and made.given == ("image", "points")
    points = jnp.asarray(np.random.default_rng(2).random((SIZE, 2)), jnp.float32)
    given = {"image": batch()["image"], "points": points}
    variables = {
        name: made.networks[name].init(jax.random.key(1), *arguments, train=False)
        for name, arguments in made.inputs(given).items()
    }
    nets, key = Nets(made.networks, variables, jax.random.key(0)), jax.random.key(3)
    shift = int(jax.random.randint(key, (), 1, SIZE))
    target = jnp.stack([points[:, 0], jnp.roll(points[:, 1], -shift)], axis=-1)
    fake = nets("generator", given["image"], maps({"points": target}))[0].images
    read = nets("discriminator", fake, maps({"points": target}))[0].condition
    found = loss_of(made, 2, nets, given, key)[1].metrics["expression"]
    np.testing.assert_allclose(found, jnp.mean(jnp.sum((read - target) ** 2, axis=-1)), rtol=1e-5)


def test_others_are_never_oneself():
    given = {"a": jnp.arange(SIZE), "b": 10 * jnp.arange(SIZE)}
    shifts = set()
    for seed in range(40):
        found = others(given, jax.random.key(seed))
        np.testing.assert_array_equal(found["b"], 10 * found["a"])
        assert sorted(found["a"].tolist()) == list(range(SIZE))
        assert (found["a"] != given["a"]).all()
        shifts.add(int(found["a"][0]))
    assert shifts == set(range(1, SIZE))
    np.testing.assert_array_equal(rolled(given, 1)["a"], [1, 2, 3, 4, 0])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: recipe(cycle_weight=-1.0), "values need 'cycle_weight', at least 0"),
        (lambda: recipe(turns=0), "reading_turns=0 must be at least 1"),
        (
            lambda: expression_recipe(
                generator=Painter(), discriminator=Judge(), drive=CLASS, likeness={},
                reading_turns=1, loss=losses.hinge, values={"expression_weight": 1.0}, schedules={},
            ),
            "values need 'cycle_weight'",
        ),
        (lambda: others({"a": jnp.zeros(1)}, jax.random.key(0)), "set batch_size to 2 or more"),
    ],
)  # fmt: skip
def test_usage_errors(action, message):
    with pytest.raises(UsageError, match=message):
        action()


def test_what_the_discriminator_sees_is_augmented(situation, monkeypatch):
    """Real and generated pictures by draws of their own; the way back is compared as it is."""
    _, nets, _, given, key, _, _ = situation
    seen = []

    def marked(images, key, policies):
        assert policies == ("cutout",)
        seen.append(tuple(np.asarray(jax.random.key_data(key))))
        return -images

    plain = [loss_of(recipe(), phase, nets, given, key)[1].metrics for phase in (0, 1, 2)]
    monkeypatch.setattr("gan_jax.recipes.expression.diff_augment", marked)
    turned = recipe(policies=("cutout",))
    found = [loss_of(turned, phase, nets, given, key)[1].metrics for phase in (0, 1, 2)]
    assert len(seen) == 5 and len(set(seen)) == 2
    for before, after in zip(plain, found, strict=True):
        assert not np.isclose(before["expression"], after["expression"])
    assert found[2]["cycle"] == plain[2]["cycle"]


class Finder(nn.Module):
    """Two points at the sides, as high as the top left corner says, and one between them, as high
    as the top right corner does: levels of 0 to 3 quarters."""

    @nn.compact
    def __call__(self, images, *, train):
        corners = jnp.stack([images[:, 0, 0, 0], images[:, 0, -1, 0]], axis=1)
        levels = jnp.round(4 * (corners + 1) / 2).astype(int)
        rows = jax.nn.one_hot(levels[:, (0, 0, 1)], 4)
        columns = jax.nn.one_hot(jnp.array([0, 3, 1]), 4)
        return 99.0 * jnp.einsum("bly,lx->byxl", rows, columns)


def test_a_face_takes_the_landmarks_of_its_references():
    drive = point_drive(
        SIDE,
        2,
        lambda batch: batch["moved"],
        lambda batch, others: others,
        ("landmarks", "moved"),
        finder=Finder(),
        anchors=(0, 1),
    )
    made = recipe(drive, outputs=drive.outputs)
    assert made.translation and made.translation.references == "required"
    assert set(made.frozen) == {"finder"} and not made.translation.conditions
    nets = Nets({"finder": Finder()}, {"finder": {}}, jax.random.key(0), train=False)

    def picture(left, right):
        row = jnp.array([left, left, right, right], jnp.float32) / 2 - 1
        return jnp.broadcast_to(row[None, :, None], (SIDE, SIDE, 1))

    batch = {
        "image": jnp.stack([picture(0, 0), picture(1, 1)]),
        "reference": jnp.stack([jnp.stack([picture(2, 3)]), jnp.stack([picture(2, 1)])]),
    }
    assert drive.like
    # The references' anchors come onto the pictures' own, two and one quarters up.
    points = jnp.array([[[1, 1], [7, 1], [3, 3]], [[1, 3], [7, 3], [3, 1]]]) / 8.0
    expected = drive.condition({"landmarks": points})
    np.testing.assert_allclose(drive.like(nets, batch), expected, atol=1e-3)

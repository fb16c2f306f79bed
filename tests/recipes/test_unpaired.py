"""CycleGAN's recipe: both phases by hand, what moves in which, resuming, translation, errors."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.mesh import AXIS, compile_rounds, make_mesh, replicated
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.image_pool import exchange
from gan_jax.recipes.unpaired import unpaired_recipe, whole_squares
from gan_jax.schedules import linear_decay
from gan_jax.state import init
from gan_jax.step import make_rounds, make_step
from tests.recipes import parts

SIZE, SHAPE, POOL = 4, (2, 3, 1), 5
VALUES = {"cycle_weight": 3.0, "identity_weight": 0.25, "ema_decay": 0.9}
NETWORKS = ("a_to_b", "b_to_a", "judge_a", "judge_b")


class Counting(nn.Module):
    """Counts its train calls in a statistic."""

    def count(self, train):
        calls = self.variable("counts", "calls", lambda: jnp.zeros(()))
        if train and not self.is_initializing():
            calls.value += 1


class Generator(Counting):
    """tanh of an affine map of all pixels."""

    @nn.compact
    def __call__(self, images, *, train):
        self.count(train)
        flat = nn.Dense(6, bias_init=nn.initializers.normal(0.3))(images.reshape(len(images), -1))
        return jnp.tanh(flat).reshape(-1, *SHAPE)


class Judge(Counting):
    """A map of two logits."""

    @nn.compact
    def __call__(self, images, *, train):
        self.count(train)
        dense = nn.Dense(2, bias_init=nn.initializers.normal(0.3))
        return dense(images.reshape(len(images), -1)).reshape(-1, 1, 2)


def recipe(loss=whole_squares, pool_size=POOL, schedules=None, **values):
    return unpaired_recipe(
        generator_ab=Generator(),
        generator_ba=Generator(),
        discriminator_a=Judge(),
        discriminator_b=Judge(),
        shape=SHAPE,
        pool_size=pool_size,
        loss=loss,
        values=VALUES | values,
        schedules=schedules or {},
    )


def spec(size=SIZE):
    return {name: jax.ShapeDtypeStruct((size, *SHAPE), jnp.uint8) for name in ("a", "b")}


def batches(seed=0, size=SIZE):
    random = np.random.default_rng(seed)
    return {name: random.integers(0, 256, (1, size, *SHAPE), np.uint8) for name in "ab"}


def optimizers(rate=0.05):
    return {name: optax.inject_hyperparams(optax.adam)(rate, b1=0.5) for name in NETWORKS}


@functools.cache
def start(pool_size=POOL):
    made = recipe(pool_size=pool_size)
    return jax.jit(lambda: init(made, optimizers(), parts.key(0), spec()))()


def compiled(made):
    step = make_step(made, optimizers())
    return jax.jit(step, compiler_options=parts.COMPILES_QUICKLY)


def view(made, state, train=True):
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    return Nets(made.networks, variables, parts.key(1), train=train)


def seen():
    return {name: to_float(jnp.asarray(leaf[0])) for name, leaf in batches().items()}


def by_hand(state):
    """The four networks in NumPy, on flat pictures `[B, 6]`."""

    def of(name):
        dense = jax.tree.map(np.asarray, state.nets[name].params["Dense_0"])
        linear = lambda x: x @ dense["kernel"] + dense["bias"]  # noqa: E731
        return (lambda x: np.tanh(linear(x))) if "to" in name else linear

    return {name: of(name) for name in NETWORKS}


def flat():
    return tuple(np.asarray(seen()[name]).reshape(SIZE, -1) for name in "ab")


def half_full():
    """Pools of pictures that no generator made, with room for one."""
    random = np.random.default_rng(4)
    return {
        kind: jax.tree.map(
            jnp.asarray,
            pool._replace(
                pictures=random.normal(size=(POOL, *SHAPE)).astype(np.float32),
                count=np.int32(POOL - 1),
            ),
        )
        for kind, pool in recipe().extra.items()
    }


def values_seen(**changed):
    return {name: jnp.asarray(value) for name, value in (VALUES | changed).items()}


def test_the_judges_minimise_half_of_the_squares_on_what_the_pool_shows():
    made, pools, key = recipe(), half_full(), parts.key(5)
    state = start()
    nets, (a, b) = by_hand(state), flat()
    (judges, _) = made.phases
    value, aux = judges.loss(view(made, state), pools, seen(), key, values_seen())
    expected = 0.0
    keys = jax.random.split(key)
    for real, made_of, name, own in ((b, a, "b", keys[0]), (a, b, "a", keys[1])):
        fake = nets["a_to_b" if name == "b" else "b_to_a"](made_of)
        shown, after = exchange(pools[name], jnp.asarray(fake).reshape(-1, *SHAPE), own)
        shown = np.asarray(shown).reshape(SIZE, -1)
        assert not np.allclose(shown, fake)
        real_logits, fake_logits = (nets[f"judge_{name}"](x) for x in (real, shown))
        expected += 0.5 * (np.mean((real_logits - 1) ** 2) + np.mean(fake_logits**2))
        np.testing.assert_allclose(aux.metrics[f"real_logits_{name}"], real_logits.mean(), 1e-5)
        np.testing.assert_allclose(aux.metrics[f"fake_logits_{name}"], fake_logits.mean(), 1e-5)
        np.testing.assert_allclose(aux.extra[name].pictures, after.pictures, rtol=1e-5, atol=1e-6)
        assert int(aux.extra[name].count) == POOL
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    # Generators' statistics move in their own phase only.
    counts = {name: float(aux.nets.variables[name]["counts"]["calls"]) for name in NETWORKS}
    assert counts == {"a_to_b": 0, "b_to_a": 0, "judge_a": 2, "judge_b": 2}


@pytest.mark.parametrize("identity", [0.25, 0.0])
def test_the_generators_minimise_the_published_sum(identity):
    made = recipe(identity_weight=identity)
    state = start()
    nets, (a, b) = by_hand(state), flat()
    values = values_seen(identity_weight=identity)
    arguments = (view(made, state), half_full(), seen(), parts.key(5), values)
    value, aux = made.phases[1].loss(*arguments)
    fake_b, fake_a = nets["a_to_b"](a), nets["b_to_a"](b)
    expected = {
        "adversarial_a_to_b": np.mean((nets["judge_b"](fake_b) - 1) ** 2),
        "adversarial_b_to_a": np.mean((nets["judge_a"](fake_a) - 1) ** 2),
        "cycle_a": np.mean(np.abs(nets["b_to_a"](fake_b) - a)),
        "cycle_b": np.mean(np.abs(nets["a_to_b"](fake_a) - b)),
    }
    weights = [1.0, 1.0, 3.0, 3.0]
    if identity:
        expected["identity_a"] = np.mean(np.abs(nets["b_to_a"](a) - a))
        expected["identity_b"] = np.mean(np.abs(nets["a_to_b"](b) - b))
        weights += [0.75, 0.75]
    assert set(aux.metrics) == set(expected)
    for name, term in expected.items():
        np.testing.assert_allclose(aux.metrics[name], term, rtol=1e-5)
    np.testing.assert_allclose(value, np.dot(weights, list(expected.values())), rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, aux.extra, half_full())
    counts = {name: float(aux.nets.variables[name]["counts"]["calls"]) for name in NETWORKS}
    calls = 3 if identity else 2
    assert counts == {"a_to_b": calls, "b_to_a": calls, "judge_a": 0, "judge_b": 0}


def test_a_relativistic_loss_gets_real_logits():
    made = recipe(losses.relativistic_pairing, identity_weight=0.0)
    state = start()
    nets, (a, b) = by_hand(state), flat()
    arguments = (view(made, state), half_full(), seen(), parts.key(5), values_seen())
    found = made.phases[1].loss(*arguments)[1].metrics["adversarial_a_to_b"]
    difference = nets["judge_b"](b) - nets["judge_b"](nets["a_to_b"](a))
    np.testing.assert_allclose(found, np.mean(np.log1p(np.exp(difference))), rtol=1e-5)


def test_a_phase_moves_the_parameters_of_what_it_trains_only():
    made = recipe()
    for phase in made.phases:
        alone = dataclasses.replace(made, phases=(phase,))
        before = start()
        after, _ = compiled(alone)(before, {}, batches())
        for name in NETWORKS:
            pairs = zip(*(jax.tree.leaves(s.nets[name].params) for s in (before, after)))  # noqa: B905
            moved = {bool(jnp.any(x != y)) for x, y in pairs}
            assert moved == {name in phase.trains}, (phase.name, name)
            assert (after.nets[name].ema is not None) == ("to" in name)
        assert int(after.extra["a"].count) == (SIZE if phase.name == "judges" else 0)


def test_a_resumed_run_shows_the_same_pictures_to_the_bit():
    """Eight rounds, and four, all copied to the host and back, and four."""
    made = recipe()
    step = compiled(made)

    def rounds(state, begin, end):
        rows = []
        for turn in range(begin, end):
            state, metrics = step(state, {}, batches(turn))
            rows.append(metrics)
        return state, rows

    whole, rows = rounds(start(), 0, 8)
    half, _ = rounds(start(), 0, 4)
    kept = jax.tree.map(np.array, half.replace(key=jax.random.key_data(half.key)))
    again = jax.tree.map(jnp.asarray, kept)
    again = again.replace(key=jax.random.wrap_key_data(again.key, impl="unsafe_rbg"))
    resumed, last = rounds(again, 4, 8)
    plain = (s.replace(key=jax.random.key_data(s.key)) for s in (whole, resumed))
    jax.tree.map(np.testing.assert_array_equal, *plain)
    jax.tree.map(np.testing.assert_array_equal, rows[4:], last)
    # And the pool matters: without it the judges end elsewhere.
    forgetful = again.replace(extra=start().extra)
    other = rounds(forgetful, 4, 8)[0]
    kernel = [s.nets["judge_a"].params["Dense_0"]["kernel"] for s in (resumed, other)]
    assert not np.array_equal(*kernel)


@pytest.mark.slow
def test_a_mesh_of_four_devices_and_one():
    """The pool is one for all of them."""
    made, state = recipe(), start()
    mesh, step = make_mesh(4), compiled(made)
    whole = jax.jit(lambda: jax.tree.map(jnp.copy, state), out_shardings=replicated(mesh))()
    run = compile_rounds(make_rounds(make_step(made, optimizers()), 1), mesh, "global")
    for turn in range(3):
        given = batches(turn)
        state, metrics = step(state, {}, given)
        whole, found = run(whole, {}, {name: leaf[None] for name, leaf in given.items()}, 1)
    one, four = ((s.extra, s.nets["a_to_b"].params) for s in jax.device_get((state, whole)))
    close = lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=1e-5)  # noqa: E731
    jax.tree.map(close, four, one)
    jax.tree.map(lambda x, y: close(x[0], y), found, metrics)


def test_devices_with_pools_of_their_own_are_refused():
    with pytest.raises(ValueError, match=r"per-device view averages .* extra\['a'\].* not"):
        make_step(recipe(), optimizers(), axis_name=AXIS)


def test_pictures_are_made_one_way_and_translated_both_ways():
    made = recipe()
    state, batch = start(), seen()
    nets = view(made, state, train=False)
    assert made.latents and made.generate and made.translation and made.given == ("a",)
    there = nets("a_to_b", batch["a"])[0]
    latents = made.latents(parts.key(0), {"a": batch["a"]})
    drawn = made.generate(nets, latents, {"a": batch["a"]}, jnp.ones(()))
    np.testing.assert_array_equal(drawn, there)
    back = nets("b_to_a", batch["a"])[0]
    direction = jnp.asarray([0, 1, 1, 0], jnp.int32)
    found = made.translation.run(nets, {"image": batch["a"], "direction": direction})
    expected = jnp.stack([there[0], back[1], back[2], there[3]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert made.translation.parse({}) == {"direction": 0}
    assert made.translation.parse({"direction": "b_to_a"}) == {"direction": 1}
    with pytest.raises(UsageError, match="'b_to_c': there are a_to_b, b_to_a; the nearest"):
        made.translation.parse({"direction": "b_to_c"})


def test_schedules_and_no_pool():
    decay = {f"{name}.learning_rate": linear_decay(1, 3) for name in NETWORKS}
    made = recipe(pool_size=0, schedules=decay)
    state, step = start(pool_size=0), compiled(made)
    for turn, rate in enumerate((0.05, 0.05, 0.025)):
        state, metrics = step(state, {}, batches(turn))
        np.testing.assert_allclose(metrics["value/judge_a.learning_rate"], rate, rtol=1e-6)
    assert state.extra["a"].pictures.shape == (0, *SHAPE) and int(state.skipped) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cycle_weight": -1.0}, "values need 'cycle_weight', at least 0"),
        ({"identity_weight": -0.5}, "values need 'identity_weight', at least 0"),
        ({"ema_decay": -0.1}, "values need 'ema_decay', at least 0"),
        ({"pool_size": -3}, "pool_size=-3: must be at least 0"),
    ],
)
def test_usage_errors(settings, message):
    with pytest.raises(UsageError, match=message):
        recipe(**settings)

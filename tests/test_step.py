"""The step against rounds written out by hand, and what each feature promises."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.mesh import compile_rounds, make_mesh, put_batches
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Aux, Phase
from gan_jax.schedules import linear_warm_up
from gan_jax.step import make_rounds, make_step
from tests.tiny import (
    Line,
    assert_bit_equal,
    assert_close,
    batches,
    leaves,
    mean_square,
    optimizers,
    recipe,
    start,
)

pytestmark = pytest.mark.subset


def round_of(data, index):
    return {name: jnp.asarray(leaf[index]) for name, leaf in data.items()}


def run(made, data, rate=0.1, state=None, **settings):
    """All rounds of the data, one by one; the last state and the rows."""
    step = jax.jit(make_step(made, optimizers(rate), **settings))
    state = start(made, rate) if state is None else state
    rows = []
    for index in range(len(data["image"])):
        state, metrics = step(state, {}, round_of(data, index))
        rows.append({name: float(value) for name, value in metrics.items()})
    return state, rows


def test_equals_a_round_written_by_hand():
    """a takes two turns on two batches, then b one on the first; SGD, EMA of b."""
    made = recipe(
        Phase(name="a", trains=("a",), loss=mean_square("a"), repeat=2),
        Phase(name="b", trains=("b",), loss=mean_square("b")),
        values={"decay": 0.75},
        ema={"b": "decay"},
    )
    data = batches(3, 2)
    state, rows = run(made, data)

    expected = start(made)
    a, b, ema = expected.nets["a"].params, expected.nets["b"].params, expected.nets["b"].params

    def loss(params, image):
        return jnp.mean(jnp.square(Line().apply({"params": params}, image, train=True) - 1.0))

    def sgd(params, image):
        gradient = jax.grad(loss)(params, image)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

    for index in range(3):
        first, second = to_float(jnp.asarray(data["image"][index]))
        losses = [loss(a, first)]
        a = sgd(a, first)
        losses.append(loss(a, second))
        a = sgd(a, second)
        np.testing.assert_allclose(rows[index]["a/loss"], np.mean(losses), rtol=1e-5)
        b = sgd(b, first)
        ema = jax.tree.map(lambda e, p: 0.75 * e + 0.25 * p, ema, b)
    for ours, theirs in ((state.nets["a"].params, a), (state.nets["b"].params, b)):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), ours, theirs)
    average = state.nets["b"].ema
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), average, ema)
    assert state.nets["a"].ema is None
    assert int(state.step) == 3


def test_a_later_phase_sees_the_update_of_an_earlier_one():
    made = recipe(
        Phase(name="first", trains=("a",), loss=mean_square("a")),
        Phase(name="second", trains=("a",), loss=mean_square("a")),
    )
    _, rows = run(made, batches(1, 1), rate=0.05)
    assert rows[0]["second/loss"] < rows[0]["first/loss"]


def test_only_the_trained_networks_change_but_statistics_of_others_may():
    def both(nets, extra, batch, key, values):
        out_a, nets = nets("a", batch["image"])
        out_b, nets = nets("b", batch["image"])
        return jnp.mean(jnp.square(out_a - out_b)), Aux(nets, extra, {})

    made = recipe(Phase(name="a", trains=("a",), loss=both), counts=True)
    before = start(made)
    after, _ = run(made, batches(2, 1))
    jax.tree.map(np.testing.assert_array_equal, after.nets["b"].params, before.nets["b"].params)
    assert float(after.nets["b"].stats["batch_stats"]["seen"]) == 2.0
    kernels = [s.nets["a"].params["Dense_0"]["kernel"] for s in (before, after)]
    assert not np.array_equal(*kernels)


def test_fixed_leaves_statistics_alone():
    def loss(nets, extra, batch, key, values):
        frozen = nets.fixed("a")(batch["image"])
        out, nets = nets("a", batch["image"])
        return jnp.mean(jnp.square(out - 1.0)) + 0.0 * jnp.mean(frozen), Aux(nets, extra, {})

    made = recipe(Phase(name="a", trains=("a",), loss=loss), counts=True)
    after, _ = run(made, batches(3, 1))
    assert float(after.nets["a"].stats["batch_stats"]["seen"]) == 3.0


def test_a_lazy_phase_runs_in_its_rounds_only():
    made = recipe(
        Phase(name="lazy", trains=("a",), loss=mean_square("a"), every=3),
        Phase(name="b", trains=("b",), loss=mean_square("b")),
    )
    data = batches(7, 1)
    states = [start(made)]
    step = jax.jit(make_step(made, optimizers()))
    for index in range(7):
        state, metrics = step(states[-1], {}, round_of(data, index))
        states.append(state)
        before, after = (leaves_of(state, "a")[0] for state in states[-2:])
        moved = not np.array_equal(before, after)
        assert moved == (index % 3 == 0)
        assert (float(metrics["lazy/loss"]) != 0.0) == (index % 3 == 0)


def leaves_of(state, name):
    return jax.tree.leaves(state.nets[name].params)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_gradients_are_those_of_the_whole_batch(parts):
    made = recipe(Phase(name="a", trains=("a",), loss=mean_square("a"), repeat=2))
    data = batches(3, 2)
    whole, rows = run(made, data)
    accumulated, rows_of_parts = run(made, data, accumulate=parts)
    assert_close(whole, accumulated, 1e-5)
    np.testing.assert_allclose(rows[2]["a/loss"], rows_of_parts[2]["a/loss"], rtol=1e-5)


def noisy(nets, extra, batch, key, values):
    """A loss with noise of its own."""
    out, nets = nets("a", batch["image"])
    noise = jax.random.normal(key, out.shape)
    return jnp.mean(jnp.square(out - noise)), Aux(nets, extra, {"noise": jnp.mean(noise)})


def test_noise_follows_the_step_number():
    made = recipe(Phase(name="a", trains=("a",), loss=noisy, repeat=2))
    data = batches(4, 2)
    _, rows = run(made, data)
    _, again = run(made, data)
    assert rows == again
    assert len({row["a/noise"] for row in rows}) == 4
    _, rolled_back = run(made, data, state=start(made).replace(rollbacks=jnp.int32(1)))
    assert rolled_back[0]["a/noise"] != rows[0]["a/noise"]


def test_values_follow_their_schedules_and_reach_optimizers():
    def loss(nets, extra, batch, key, values):
        out, nets = nets("a", batch["image"])
        return jnp.mean(out), Aux(nets, extra, {"weight": values["weight"]})

    made = recipe(
        Phase(name="a", trains=("a",), loss=loss),
        values={"weight": 8.0},
        schedules={"weight": linear_warm_up(4), "a.learning_rate": lambda step, seen, base: 0.0},
    )
    before = start(made)
    after, rows = run(made, batches(5, 1))
    assert [row["a/weight"] for row in rows] == [2.0, 4.0, 6.0, 8.0, 8.0]
    assert [row["value/weight"] for row in rows] == [2.0, 4.0, 6.0, 8.0, 8.0]
    jax.tree.map(np.testing.assert_array_equal, before.nets["a"].params, after.nets["a"].params)


def test_images_seen_reaches_schedules():
    made = recipe(
        Phase(name="a", trains=("a",), loss=mean_square("a"), repeat=2),
        values={"seen": 0.0},
        schedules={"seen": lambda step, images_seen, base: images_seen},
    )
    _, rows = run(made, batches(3, 2))
    assert [row["value/seen"] for row in rows] == [0.0, 16.0, 32.0]


def poisoned(nets, extra, batch, key, values):
    """Not finite where the whole batch is black; moves statistics before it fails."""
    out, nets = nets("a", batch["image"])
    bad = jnp.where(jnp.all(batch["image"] == -1.0), jnp.nan, 0.0)
    return jnp.mean(jnp.square(out)) + bad, Aux(nets, extra + 1.0, {})


def test_a_bad_batch_changes_nothing_but_the_counters():
    made = recipe(
        Phase(name="a", trains=("a",), loss=poisoned),
        counts=True,
        extra=0.0,
        values={"decay": 0.5},
        ema={"a": "decay"},
    )
    data = batches(5, 1)
    data["image"][1:3] = 0
    step = jax.jit(make_step(made, optimizers()))
    state, _ = step(start(made), {}, round_of(data, 0))
    good = state
    for index, in_a_row in ((1, 1), (2, 2)):
        state, metrics = step(state, {}, round_of(data, index))
        assert int(state.skipped_in_a_row) == int(metrics["skipped_in_a_row"]) == in_a_row
    counters = {
        "step": good.step, "skipped": good.skipped, "skipped_in_a_row": good.skipped_in_a_row
    }  # fmt: skip
    assert_bit_equal(state.replace(**counters), good)
    assert (int(state.step), int(state.skipped)) == (3, 2)
    state, _ = step(state, {}, round_of(data, 3))
    assert (int(state.skipped), int(state.skipped_in_a_row)) == (2, 0)
    assert float(state.extra) == 2.0
    assert all(np.isfinite(leaf).all() for leaf in leaves(state))


def test_a_bad_gradient_alone_is_caught():
    def loss(nets, extra, batch, key, values):
        out, nets = nets("a", batch["image"])
        black = jnp.all(batch["image"] == -1.0)
        hidden = jnp.sqrt(jnp.where(black, 0.0, 1.0) * jnp.square(out) + 0.0)  # finite, NaN slope
        return jnp.mean(hidden), Aux(nets, extra, {})

    data = batches(2, 1)
    data["image"][1] = 0
    state, rows = run(recipe(Phase(name="a", trains=("a",), loss=loss)), data)
    assert np.isfinite(rows[1]["a/loss"]) and int(state.skipped) == 1


@pytest.fixture
def lively():
    """A recipe with everything: turns, laziness, noise, statistics, EMA, schedules."""
    return recipe(
        Phase(name="a", trains=("a",), loss=noisy, repeat=2),
        Phase(name="lazy", trains=("a",), loss=mean_square("a"), every=3),
        Phase(name="b", trains=("b",), loss=mean_square("b")),
        counts=True,
        values={"decay": 0.9},
        ema={"b": "decay"},
        schedules={"b.learning_rate": linear_warm_up(5)},
    )


def test_a_remainder_runs_the_program_of_a_full_call(lively):
    data = batches(8, 2)
    rounds = jax.jit(make_rounds(make_step(lively, optimizers()), 4))

    def call(state, first, count):
        wanted = [min(first + i, 7) for i in range(4)]  # filled up with anything
        return rounds(state, {}, {"image": data["image"][wanted]}, count)

    whole, _ = call(call(start(lively), 0, 4)[0], 4, 4)
    state = start(lively)
    for first, count in ((0, 1), (1, 3), (4, 2), (6, 2)):
        state, metrics = call(state, first, count)
    assert_bit_equal(whole, state)
    assert metrics["a/loss"].shape == (4,)


@pytest.mark.parametrize("rounds_per_call", [1, 4])
def test_four_devices_train_as_one(lively, rounds_per_call):
    data = batches(4, 2)

    def train(devices):
        mesh = make_mesh(devices)
        step = make_step(lively, optimizers())
        program = compile_rounds(make_rounds(step, rounds_per_call), mesh, "global")
        state = start(lively, mesh=mesh)
        for first in range(0, 4, rounds_per_call):
            part = {"image": data["image"][first : first + rounds_per_call]}
            count = jnp.int32(rounds_per_call)
            state, _ = program(state, {}, put_batches(part, mesh), count)
        return state

    assert_close(train(1), train(4), 1e-6)


def test_the_per_device_view_averages_gradients_and_draws_noise_of_its_own():
    made = recipe(
        Phase(name="a", trains=("a",), loss=mean_square("a")),
        Phase(name="noisy", trains=("b",), loss=noisy_b),
    )
    data = batches(3, 1)
    mesh = make_mesh(4)
    step = make_step(made, optimizers(), axis_name="data")
    program = compile_rounds(make_rounds(step, 1), mesh, "per_device")
    state = start(made, mesh=mesh)
    for index in range(3):
        part = {"image": data["image"][index : index + 1]}
        state, metrics = program(state, {}, put_batches(part, mesh), jnp.int32(1))
    alone, rows = run(made, data)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5),
        state.nets["a"].params,
        alone.nets["a"].params,
    )
    assert float(metrics["noisy/noise"][0]) != rows[-1]["noisy/noise"]


def noisy_b(nets, extra, batch, key, values):
    out, nets = nets("b", batch["image"])
    noise = jax.random.normal(key, out.shape)
    return jnp.mean(jnp.square(out - noise)), Aux(nets, extra, {"noise": jnp.mean(noise)})


@pytest.mark.slow
def test_the_step_runs_under_pmap(lively):
    """pmap is old, but what compares with old baselines needs it."""
    data = batches(2, 2)
    step = make_step(lively, optimizers(), axis_name="data")
    parallel = jax.pmap(step, axis_name="data", in_axes=(None, None, 1), devices=jax.devices()[:4])
    shared = {"image": data["image"][0].reshape(2, 4, 2, 2, 2, 1)}
    state, _ = parallel(start(lively), {}, shared)
    for name in ("a", "b"):
        for leaf in jax.tree.leaves(state.nets[name].params):
            np.testing.assert_array_equal(leaf[0], leaf[3])
    mesh = make_mesh(4)
    program = compile_rounds(make_rounds(step, 1), mesh, "per_device")
    part = {"image": data["image"][:1]}
    mapped, _ = program(start(lively, mesh=mesh), {}, put_batches(part, mesh), jnp.int32(1))
    for name in ("a", "b"):
        pairs = zip(leaves_of(state, name), leaves_of(mapped, name), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours[0], theirs, rtol=1e-6)


def test_per_device_view_refuses_extra_that_cannot_be_averaged():
    made = recipe(
        Phase(name="a", trains=("a",), loss=mean_square("a")), extra={"pool": np.zeros(3)}
    )
    with pytest.raises(ValueError, match="pool"):
        make_step(made, optimizers(), axis_name="data")


def test_names_of_optimizers_must_be_those_of_networks():
    made = recipe(Phase(name="a", trains=("a",), loss=mean_square("a")))
    with pytest.raises(ValueError, match="optimizers for"):
        from gan_jax.state import init
        from tests.tiny import spec

        init(made, {"a": optax.sgd(0.1)}, jax.random.key(0), spec())


def test_the_state_is_donated(lively):
    mesh = make_mesh(1)
    program = compile_rounds(make_rounds(make_step(lively, optimizers()), 1), mesh, "global")
    state = start(lively, mesh=mesh)
    after, _ = program(state, {}, put_batches(batches(1, 2), mesh), jnp.int32(1))
    assert state.nets["a"].params["Dense_0"]["kernel"].is_deleted()
    assert not after.nets["b"].ema["Dense_0"]["kernel"].is_deleted()

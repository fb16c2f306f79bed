"""Gatys' recipe against its loss by hand, with a linear encoder; optimisers against one another."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.canvas import Canvas
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.gatys import Taps, gatys_recipe, minimised
from gan_jax.state import init
from gan_jax.step import make_step
from tests.tiny import assert_bit_equal

COUNT, SIDE, FEATURES = 3, 5, 4
VALUES = {"content_weight": 2.0, "style_weight": 3.0, "variation_weight": 0.5}
TAPS = Taps("second", ("first", "second"))


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, images, *, taps, train):
        first = nn.Dense(FEATURES, name="first")(images)
        found = {"first": first, "second": nn.Dense(FEATURES, name="second")(jnp.tanh(first))}
        return {tap: found[tap] for tap in taps}


def recipe(taps=TAPS, optimizer=None, steps=3, **values):
    return gatys_recipe(
        encoder=Encoder(),
        taps=taps,
        count=COUNT,
        shape=(SIDE, SIDE, 3),
        values=VALUES | values,
        optimizer=optimizer or optax.lbfgs(),
        steps=steps,
        dtype=None,
    )


def pictures(seed):
    shape = (COUNT, SIDE, SIDE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


RAW = {"image": pictures(0), "reference": pictures(1), "index": np.array([2, 0, 1], np.int32)}


@functools.cache
def batch():
    """As a loss sees it."""
    arrays = {name: jnp.asarray(leaf) for name, leaf in RAW.items()}
    return {**arrays, **{name: to_float(arrays[name]) for name in ("image", "reference")}}


@functools.cache
def frozen():
    blank = jnp.zeros((1, SIDE, SIDE, 3))
    return {"encoder": Encoder().init(jax.random.key(1), blank, taps=("second",), train=False)}


def view(made, pixels):
    modules = {**made.networks, **made.frozen}
    variables = {"canvas": {"params": {"pixels": jnp.asarray(pixels)}}, **frozen()}
    return Nets(modules, variables, jax.random.key(0), frozen=frozenset({"encoder"}))


def dense(name, x):
    layer = frozen()["encoder"]["params"][name]
    return x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


def encoded(images):
    first = dense("first", images)
    return {"first": first, "second": dense("second", np.tanh(first))}


def gram(x):
    return np.einsum("bhwi,bhwj->bij", x, x) / SIDE**2


def by_hand(images, contents, styles):
    found, content, style = encoded(images), encoded(contents), encoded(styles)
    layers = [np.mean((gram(found[t]) - gram(style[t])) ** 2, (1, 2)) / 4 for t in TAPS.style]
    down, along = np.diff(images, axis=1), np.diff(images, axis=2)
    return {
        "content": np.mean((found["second"] - content["second"]) ** 2, (1, 2, 3)),
        "style": np.mean(layers, axis=0),
        "variation": np.mean(down**2, (1, 2, 3)) + np.mean(along**2, (1, 2, 3)),
    }


def test_the_loss_by_hand():
    made = recipe()
    pixels = np.random.default_rng(3).normal(0, 0.4, (COUNT, SIDE, SIDE, 3))
    contents, styles = (np.asarray(batch()[name], np.float64) for name in ("image", "reference"))
    expected = by_hand(contents + pixels[RAW["index"]], contents, styles)
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}
    nets = view(made, pixels.astype(np.float32))
    value, aux = made.phases[0].loss(nets, (), batch(), jax.random.key(2), values)
    whole = 0.0
    for name, each in expected.items():
        np.testing.assert_allclose(aux.metrics[name], each.mean(), rtol=1e-4, err_msg=name)
        whole += VALUES[f"{name}_weight"] * each.sum()
    np.testing.assert_allclose(value, whole, rtol=1e-4)
    assert made.generate
    found = made.generate(nets, jnp.zeros((COUNT, 0)), batch(), jnp.ones(()))
    np.testing.assert_allclose(found, np.clip(contents + pixels[RAW["index"]], -1, 1), atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_a_run_gets_better_and_goes_on_to_the_bit(name):
    made = recipe()
    lbfgs = optax.lbfgs(0.3, linesearch=None)
    optimizers = {"canvas": {"adam": optax.adam(0.02), "lbfgs": lbfgs}[name]}
    spec = {key: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for key, leaf in RAW.items()}
    state = init(made, optimizers, jax.random.key(0), spec)
    step = jax.jit(make_step(made, optimizers))
    batches = {key: jnp.asarray(leaf)[None] for key, leaf in RAW.items()}
    losses, kept = [], state
    for index in range(12):
        state, metrics = step(state, frozen(), batches)
        losses.append(float(metrics["canvas/loss"]))
        if index == 7:
            kept = jax.tree.map(
                lambda x: x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.array(x), state
            )
    assert losses[-1] < 0.7 * losses[0] and set(state.nets) == {"canvas"}
    for _ in range(4):
        kept, _ = step(kept, frozen(), batches)
    assert_bit_equal(kept, state)


def test_a_picture_of_the_users():
    """Each on its own, whatever the others are; more steps come nearer."""
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}

    def translated(made, user):
        assert made.translation and made.translation.references == "required"
        return made.translation.run(view(made, np.zeros((COUNT, SIDE, SIDE, 3))), user)

    def loss(images):
        contents, styles = (
            np.asarray(batch()[name], np.float64) for name in ("image", "reference")
        )
        terms = by_hand(np.asarray(images, np.float64), contents, styles)
        return sum(float(values[f"{name}_weight"]) * each for name, each in terms.items())

    user = {"image": batch()["image"], "reference": batch()["reference"][:, None]}
    few, many = (translated(recipe(steps=steps), user) for steps in (2, 12))
    assert (loss(many) < loss(few)).all() and (loss(few) < loss(batch()["image"])).all()
    alone = translated(recipe(steps=2), jax.tree.map(lambda leaf: leaf[1:2], user))
    np.testing.assert_allclose(alone[0], few[1], atol=1e-5)
    by_adam = translated(
        recipe(steps=2, optimizer=optax.with_extra_args_support(optax.adam(0.01))), user
    )
    np.testing.assert_allclose(np.abs(by_adam - user["image"]).max(), 0.02, rtol=0.1)
    twice = {**user, "reference": jnp.repeat(user["reference"], 2, axis=1)}
    np.testing.assert_allclose(translated(recipe(steps=2), twice), few, atol=1e-4)


def test_white_is_painted_over():
    """Paper stands at the end of the range of colours, where a clip's gradient is lost."""
    white = jnp.ones((COUNT, SIDE, SIDE, 3))
    user = {"image": white, "reference": batch()["reference"][:, None]}
    run = recipe(steps=6).translation.run  # pyright: ignore
    made = run(view(recipe(), np.zeros((COUNT, SIDE, SIDE, 3))), user)
    assert np.mean(made < 0.98) > 0.3 and made.max() <= 1


def test_a_line_search_finds_the_least_of_a_square():
    wanted = jnp.array([1.0, -2.0])
    scale = jnp.array([1.0, 30.0])
    found = minimised(lambda x: jnp.sum(scale * (x - wanted) ** 2), jnp.zeros(2), optax.lbfgs(), 8)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_canvas():
    canvas = Canvas(2, (1, 1, 3))
    variables = canvas.init(jax.random.key(0), jnp.array([1]), train=True)
    assert not variables["params"]["pixels"].any()
    pixels = jnp.arange(6.0).reshape(2, 1, 1, 3)
    found = canvas.apply({"params": {"pixels": pixels}}, jnp.array([1, 0, 1]), train=False)
    np.testing.assert_array_equal(found, pixels[jnp.array([1, 0, 1])])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: recipe(content_weight=-1.0), "values need 'content_weight', at least 0"),
        (lambda: recipe(taps=Taps("second", ())), "at least one layer"),
    ],
)
def test_usage_errors(action, message):
    with pytest.raises(UsageError, match=message):
        action()

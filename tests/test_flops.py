"""Operations against counts by hand: faces of a convolution, loops, and a whole DCGAN-64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax import penalties
from gan_jax.costs import of_phases
from gan_jax.experiment import load_experiment
from gan_jax.flops import flops_of
from gan_jax.networks.r3gan import R3GANDiscriminator
from gan_jax.ops.convolution import convolution, in_form, transposed_convolution
from gan_jax.program import build
from tests.conftest import EXPERIMENTS

X = jax.ShapeDtypeStruct((2, 8, 8, 12), jnp.float32)


def squares(function, **settings):
    return lambda kernel, x: jnp.sum(jnp.square(function(x, kernel, **settings)))


# Of the output: pixels times taps times inputs times outputs, two operations each.
CASES = {
    "convolution": (squares(convolution), (3, 3, 12, 20), 2 * 2 * 64 * 9 * 12 * 20),
    "strided": (squares(convolution, strides=(2, 2)), (4, 4, 12, 20), 2 * 2 * 16 * 16 * 12 * 20),
    "grouped": (squares(convolution, groups=4), (3, 3, 3, 20), 2 * 2 * 64 * 9 * 3 * 20),
    "depthwise": (squares(convolution, groups=12), (3, 3, 1, 12), 2 * 2 * 64 * 9 * 12),
    "transposed": (
        squares(transposed_convolution, strides=(2, 2)),
        (4, 4, 12, 20),
        2 * 2 * 64 * 16 * 12 * 20,  # every input meets every tap
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_convolution_costs_one_its_gradients_two_and_theirs_five(name):
    function, shape, one = CASES[name]
    kernel = jax.ShapeDtypeStruct(shape, jnp.float32)
    assert flops_of(function, kernel, X) == one
    assert flops_of(jax.grad(function), kernel, X) == 2 * one
    assert flops_of(jax.grad(function, (0, 1)), kernel, X) == 3 * one

    def penalty(kernel, x):
        return jnp.sum(jnp.square(jax.grad(function, 1)(kernel, x)))

    # The output and its gradient to the input, then what both depend on.
    assert flops_of(penalty, kernel, X) == 2 * one
    assert flops_of(jax.grad(penalty), kernel, X) == 5 * one


def test_products_loops_and_branches():
    a, b = jnp.zeros((3, 4, 5)), jnp.zeros((3, 5, 6))
    product = 2 * 3 * 4 * 5 * 6
    assert flops_of(jnp.matmul, a, b) == product
    assert flops_of(jax.jit(jax.checkpoint(jnp.matmul)), a, b) == product
    assert flops_of(lambda a, b: lax.map(lambda _: a @ b, jnp.arange(7)), a, b) == 7 * product

    def either(a, b):
        return lax.cond(a[0, 0, 0] > 0, lambda: a @ b, lambda: jnp.zeros((3, 4, 6)))

    assert flops_of(either, a, b) == product

    def unknown(a, b):
        return lax.while_loop(lambda c: jnp.sum(c) < 1, lambda c: c @ b[0, :, :5], a[0])

    with pytest.raises(NotImplementedError, match="while"):
        flops_of(unknown, a, b)
    assert flops_of(lambda a: lax.fori_loop(0, a[0, 0, 0].astype(int), jnp.add, 0), a) == 0


def test_what_no_result_needs_is_not_counted():
    a = jax.ShapeDtypeStruct((4, 4), jnp.float32)

    def two(a):
        return a @ a, (a @ a) @ a

    assert flops_of(lambda a: jax.jit(two)(a)[0], a) == 2 * 4**3
    assert flops_of(lambda a: lax.scan(lambda c, _: (c, c @ c), a, None, 3)[0], a) == 0


def test_what_is_said_twice_is_counted_once():
    """As compilers work it out: the logits of a loss are those that its R1 begins with."""
    kernel = jax.ShapeDtypeStruct((12, 12), jnp.float32)
    one = 2 * 2 * 64 * 12 * 12

    @jax.jit
    def product(x, kernel):
        return x @ kernel

    assert flops_of(lambda x, k: product(x, k) + x @ k, X, kernel) == one
    assert flops_of(lambda x, k: x @ k + (x + 1) @ k, X, kernel) == 2 * one
    assert flops_of(lambda x, k: x @ k + x.swapaxes(1, 2) @ k, X, kernel) == 2 * one

    def noisy(x, k, seed):  # an array of its own in each call, and a key
        return (x * jnp.asarray(np.full(12, 3.0)) + jax.random.normal(jax.random.key(seed))) @ k

    assert flops_of(lambda x, k: noisy(x, k, 0) + noisy(x, k, 0), X, kernel) == one
    assert flops_of(lambda x, k: noisy(x, k, 0) + noisy(x, k, 1), X, kernel) == 2 * one

    discriminator = R3GANDiscriminator(32, (16, 16, 16, 16))
    images = jnp.zeros((2, 32, 32, 3))
    variables = jax.eval_shape(
        lambda key: discriminator.init(key, images, train=True), jax.random.key(0)
    )

    def logits(variables, images):
        return discriminator.apply(variables, images, train=True)

    def loss(variables, images):
        penalty = penalties.r1(lambda images: logits(variables, images), images)
        return jnp.mean(logits(variables, images) + penalty)

    forward = flops_of(logits, variables, images)
    # Forward, the slope; both of the weights and of what comes before them.
    found = flops_of(jax.grad(loss), variables, images)
    assert found == pytest.approx(6 * forward, rel=0.005)


def test_the_form_of_a_convolution_is_that_of_the_trace():
    def traced(form):
        with in_form(form):
            return str(jax.make_jaxpr(lambda x: convolution(x, jnp.zeros((3, 3, 12, 4))))(X))

    assert "conv_general_dilated" in traced("lax")
    assert "conv_general_dilated" not in traced("matmul")


def test_a_dcgan_64_by_hand():
    """Batch 64, width 64, as in the paper: within nothing of layers times calls times faces."""
    overrides = [
        ("mesh.devices", "1"),
        ("batch_size", "64"),
        ("generator.width", "64"),
        ("discriminator.width", "64"),
    ]
    experiment = load_experiment(f"{EXPERIMENTS}/avatars_dcgan.py", overrides)
    widths = (64, 128, 256, 512)
    inputs = (3, *widths[:3])
    sides = (32, 16, 8, 4)
    first, *others = (
        2 * 64 * side**2 * 16 * i * o for side, i, o in zip(sides, inputs, widths, strict=True)
    )
    last = 2 * 64 * 16 * 512
    judge = first + sum(others) + last  # and the generator's are the same layers upside down
    make = first + sum(others) + 2 * 64 * experiment.config.latent_size * 16 * 512
    found = {cost.name: cost for cost in of_phases(experiment, build(experiment))}
    # Generated once; two calls, whose pictures no gradient is asked for.
    assert np.isclose(found["discriminator"].flops, make + 2 * (3 * judge - first), rtol=1e-9)
    # Nothing of the discriminator's weights, nor of the latents.
    of_latents = 2 * 64 * experiment.config.latent_size * 16 * 512
    assert np.isclose(found["generator"].flops, 3 * make - of_latents + 2 * judge, rtol=1e-9)
    assert found["r1"].every == 8 and found["r1"].flops_per_round == found["r1"].flops / 8

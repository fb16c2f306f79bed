"""The normalised VGG-19 of AdaIN: size, taps, borders and pools, and VGG-19 inside."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.features.style_vgg import BLOCKS, TAPS, StyleVGG
from gan_jax.networks.features.vgg import VGG, VGG19, tap_names
from tests.networks.random_weights import he_variables
from tests.networks.style import parameter_count, pictures

NARROW = StyleVGG(width=2)
ALL = tap_names(VGG19)[:9]
"""relu1_1 to relu4_1."""


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@functools.partial(jax.jit, static_argnums=0, static_argnames="taps")
def apply(module, variables, images, taps=ALL):
    return module.apply(variables, images, taps=taps)


def test_as_many_numbers_as_published():
    """VGG-19 to relu4_1, and 12 of the 1x1 convolution."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512]
    vgg19 = sum(9 * a * b + b for a, b in zip(widths, widths[1:], strict=False))
    assert vgg19 + 12 == 3_505_740
    assert parameter_count(StyleVGG(), spec(2, 32, 32, 3)) == 3_505_740


def test_every_tap():
    found = jax.eval_shape(
        lambda x: StyleVGG().init_with_output(jax.random.key(0), x, taps=ALL)[0],
        spec(2, 224, 160, 3),
    )
    assert list(found) == list(ALL) and TAPS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    assert {tap: x.shape for tap, x in found.items() if tap in TAPS} == {
        "relu1_1": (2, 224, 160, 64),
        "relu2_1": (2, 112, 80, 128),
        "relu3_1": (2, 56, 40, 256),
        "relu4_1": (2, 28, 20, 512),
    }
    assert BLOCKS == (2, 2, 4, 1)


def test_an_odd_size_is_rounded_up():
    found = jax.eval_shape(
        lambda x: NARROW.init_with_output(jax.random.key(0), x, taps=TAPS)[0], spec(1, 37, 50, 3)
    )
    sizes = [x.shape[1:3] for x in found.values()]
    assert sizes == [(37, 50), (19, 25), (10, 13), (5, 7)]


def test_against_its_description():
    """Loops over pixels of a 5x6 picture, in NumPy, as far as relu2_1."""
    module, images = StyleVGG(width=4), pictures(6, batch=1)[:, :5].astype(np.float64)
    variables = he_variables(module, images.astype(np.float32), taps=("relu2_1",))
    layers = variables["params"]

    def convolved(x, name):
        kernel, bias = np.float64(layers[name]["kernel"]), layers[name]["bias"]
        border = kernel.shape[0] // 2
        padded = np.pad(x, ((border, border), (border, border), (0, 0)), mode="reflect")
        out = np.empty((*x.shape[:2], kernel.shape[-1]))
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                window = padded[i : i + kernel.shape[0], j : j + kernel.shape[1]]
                out[i, j] = np.tensordot(window, kernel, 3) + bias
        return out

    def relu(x):
        return np.maximum(x, 0)

    x = convolved((images[0] + 1) / 2, "conv0")
    x = relu(convolved(relu(convolved(x, "conv1_1")), "conv1_2"))
    x = np.stack(
        [
            np.stack([x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((0, 1)) for j in range(3)])
            for i in range(3)
        ]
    )
    expected = relu(convolved(x, "conv2_1"))
    found = apply(module, variables, images.astype(np.float32), taps=("relu2_1",))["relu2_1"][0]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    # Some channels vary from pixel to pixel, and zeros are among them: borders and ReLUs count.
    assert np.any(found == 0) and np.ptp(expected, axis=(0, 1)).max() > 0.3


def test_inside_it_is_vgg19():
    """Where no border reaches, with a 1x1 convolution that undoes the range; as far as the first
    pool and the convolution behind it."""
    images = pictures(16, batch=1)
    variables = he_variables(StyleVGG(), images, taps=("relu2_1",))
    variables["params"]["conv0"] = {
        "kernel": 2 * np.eye(3, dtype=np.float32)[None, None],
        "bias": -np.ones(3, np.float32),
    }
    taps = ("relu1_1", "relu1_2", "relu2_1")
    ours = apply(StyleVGG(), variables, images, taps=taps)
    plain = {name: value for name, value in variables["params"].items() if name != "conv0"}
    theirs = jax.jit(lambda x: VGG(VGG19).apply({"params": plain}, x, taps=taps))(images)
    for tap, border in zip(taps, (1, 2, 2), strict=True):
        inside = np.s_[:, border:-border, border:-border]
        scale = np.abs(theirs[tap]).max()
        np.testing.assert_allclose(ours[tap][inside], theirs[tap][inside], atol=1e-5 * scale)
        assert not np.allclose(ours[tap], theirs[tap], atol=1e-3 * scale)


def test_nothing_beyond_the_last_tap():
    variables = jax.eval_shape(
        lambda x: NARROW.init(jax.random.key(0), x, taps=("relu2_1", "relu1_2")), spec(1, 32, 32, 3)
    )
    assert set(variables["params"]) == {"conv0", "conv1_1", "conv1_2", "conv2_1"}


@pytest.mark.parametrize("taps", [(), ("relu4_2",), ("relu1_1", "relu5_1")])
def test_unknown_taps(taps):
    with pytest.raises(ValueError, match="there are relu1_1, relu1_2, .*, relu4_1(\n|$)"):
        jax.eval_shape(
            functools.partial(NARROW.init, jax.random.key(0), taps=taps), spec(1, 32, 32, 3)
        )


def test_a_picture_that_is_too_small_is_one_clear_line():
    make = functools.partial(NARROW.init, jax.random.key(0))
    with pytest.raises(UsageError, match="1 x 2 has no reflection: take larger pictures"):
        jax.eval_shape(make, spec(1, 8, 16, 3))
    jax.eval_shape(make, spec(1, 9, 16, 3))


def test_training_changes_nothing():
    images = pictures(32)
    variables = he_variables(NARROW, images)
    assert set(variables) == {"params"}
    learning, still = (
        jax.jit(functools.partial(NARROW.apply, train=train))(variables, images)
        for train in (True, False)
    )
    jax.tree.map(np.testing.assert_array_equal, learning, still)

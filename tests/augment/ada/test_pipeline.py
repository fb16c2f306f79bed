"""The pipeline as a whole: sets, p, gradients of first and second order, jit over devices."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from gan_jax.augment.ada.band_filter import BandFilter
from gan_jax.augment.ada.blit import Blit
from gan_jax.augment.ada.color import Color
from gan_jax.augment.ada.corruption import Cutout, Noise
from gan_jax.augment.ada.geometric import Geometric
from gan_jax.augment.ada.pipeline import AdaPipeline, ada_pipeline
from gan_jax.errors import UsageError

ORDER = ("blit", "geometric", "color", "band_filter", "noise", "cutout")
SINGLE = ("blit", "geom", "color", "filter", "noise", "cutout")


def pictures(batch=4, size=16, channels=3, dtype=jnp.float32):
    shape = (batch, size, size, channels)
    return jax.random.uniform(jax.random.key(0), shape, dtype, -1, 1)


def groups(pipeline):
    return {field.name for field in fields(pipeline) if getattr(pipeline, field.name)}


def test_sets():
    for name, group in zip(SINGLE, ORDER, strict=True):
        assert groups(ada_pipeline(name)) == {group}
    for name in ("bg", "bgc", "bgcf", "bgcfn", "bgcfnc"):
        assert groups(ada_pipeline(name)) == set(ORDER[: len(name)])
    with pytest.raises(UsageError, match="no ADA group set 'bgcd'; the nearest is 'bgcf?'"):
        ada_pipeline("bgcd")


@pytest.mark.parametrize("name", SINGLE)
def test_at_p_0_a_group_is_passed_over(name):
    """To the bit, and with nothing computed: what it would compute stands in a branch."""
    images, pipeline = pictures(), ada_pipeline(name)
    np.testing.assert_array_equal(jax.jit(pipeline)(images, jax.random.key(1), 0.0), images)
    outside = {
        equation.primitive.name
        for equation in jax.make_jaxpr(pipeline)(images, jax.random.key(1), 0.0).eqns
    }
    assert "cond" in outside and not outside & {"dot_general", "gather", "conv_general_dilated"}


@pytest.mark.slow
def test_no_transform_changes_anything_at_p_0_and_every_picture_changes_at_p_1():
    """As at any p, a picture that a transform leaves out stays: without the branch for p = 0."""
    images, pipeline = pictures(channels=4), ada_pipeline("bgcfnc")
    computed = jax.jit(pipeline._augment)(images, jax.random.key(1), jnp.zeros(()))
    np.testing.assert_allclose(computed, images, atol=2e-6)
    augment = jax.jit(pipeline)
    augmented = augment(images, jax.random.key(1), 1.0)
    assert np.all(np.isfinite(augmented))
    assert np.abs(augmented - images).max((1, 2, 3)).min() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shape_and_dtype_stay(channels):
    images = pictures(channels=channels)
    augmented = jax.eval_shape(ada_pipeline("bgcfnc").__call__, images, jax.random.key(1), 0.5)
    assert augmented.shape == images.shape and augmented.dtype == images.dtype


@pytest.mark.parametrize("name", SINGLE)
def test_a_group_changes_pictures_at_p_1(name):
    images = pictures(batch=16)
    augmented = jax.jit(ada_pipeline(name).__call__)(images, jax.random.key(2), 1.0)
    assert (np.abs(augmented - images).max((1, 2, 3)) > 1e-3).sum() >= 14


def trace(pipeline):
    return str(jax.make_jaxpr(pipeline.__call__)(pictures(), jax.random.key(0), 0.5))


def test_groups_with_multipliers_0_are_not_traced():
    nothing = AdaPipeline(
        Blit(0.0, 0.0, 0.0),
        Geometric(0.0, 0.0, 0.0, 0.0),
        Color(0.0, 0.0, 0.0, 0.0, 0.0),
        BandFilter(0.0),
        Noise(0.0),
        Cutout(0.0),
    )
    assert trace(nothing) == trace(AdaPipeline())
    assert trace(replace(nothing, noise=Noise())) == trace(ada_pipeline("noise"))
    assert "conv_general_dilated" not in trace(ada_pipeline("bgcfnc"))


@pytest.mark.slow
def test_groups_do_not_share_randomness_and_each_picture_has_its_own():
    images = jnp.broadcast_to(pictures(1), (8, 16, 16, 3))
    color = ada_pipeline("color")
    alone = jax.jit(color.__call__)(images, jax.random.key(0), 1.0)
    together = jax.jit(replace(color, cutout=Cutout()).__call__)(images, jax.random.key(0), 1.0)
    assert np.ptp(alone, axis=0).max(-1).min() > 1e-3
    kept = np.asarray(together != 0)
    np.testing.assert_allclose(np.asarray(alone)[kept], np.asarray(together)[kept], atol=1e-6)


@pytest.mark.slow
def test_gradients_of_first_and_second_order_are_those_of_finite_differences():
    with jax.enable_x64(True):
        images = pictures(2, 8, dtype=jnp.float64)
        weights = jax.random.normal(jax.random.key(3), images.shape, jnp.float64)
        direction = jax.random.normal(jax.random.key(4), images.shape, jnp.float64)

        def logits(images):
            augmented = ada_pipeline("bgcfnc")(images, jax.random.key(5), 0.9)
            return jnp.sum(weights * jnp.tanh(augmented))

        def penalty(images):
            return jnp.sum(jnp.square(jax.grad(logits)(images)))

        for function in (logits, penalty):
            function = jax.jit(jax.value_and_grad(function))
            ahead, behind = (function(images + step * direction)[0] for step in (1e-5, -1e-5))
            slope = jnp.sum(function(images)[1] * direction)
            assert abs(slope) > 1e-3
            np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-6)


@pytest.mark.slow
def test_the_same_over_devices_and_nothing_is_gathered():
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    over = NamedSharding(mesh, PartitionSpec("data"))
    images, key = pictures(8), jax.random.key(1)

    def loss(images, key, p):
        return jnp.sum(jnp.tanh(ada_pipeline("bgcfnc")(images, key, p)))

    gradient = jax.jit(jax.grad(loss))
    expected = gradient(images, key, 0.7)
    sharded = jax.device_put(images, over)
    program = gradient.lower(sharded, key, 0.7).compile()
    result = program(sharded, key, 0.7)
    np.testing.assert_allclose(result, expected, atol=2e-5)
    assert result.sharding.is_equivalent_to(over, 4)
    assert "all-gather" not in program.as_text() and "all-to-all" not in program.as_text()


@pytest.mark.slow
def test_inside_scan_and_cond():
    images, augment = pictures(), ada_pipeline("geom")

    @jax.jit
    def rounds(images):
        def one(images, step):
            key = jax.random.fold_in(jax.random.key(0), step)
            return jax.lax.cond(
                step % 2 == 0, lambda: augment(images, key, 0.5), lambda: images
            ), None

        return jax.lax.scan(one, images, jnp.arange(3))[0]

    bare = jax.jit(augment.__call__)
    expected = bare(images, jax.random.fold_in(jax.random.key(0), 0), 0.5)
    expected = bare(expected, jax.random.fold_in(jax.random.key(0), 2), 0.5)
    np.testing.assert_allclose(rounds(images), expected, atol=1e-4)


@pytest.mark.slow
def test_channels_that_have_no_colour():
    images = pictures(channels=2)
    moved = jax.eval_shape(ada_pipeline("bg").__call__, images, jax.random.key(0), 1.0)
    assert moved.shape == images.shape
    with pytest.raises(UsageError, match="1, 3 or 4 channels, not 2; leave out"):
        ada_pipeline("bgc")(images, jax.random.key(0), 1.0)

"""InfoGAN's discriminator: DCGAN's with a head that also names the codes."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.dcgan import DCGANDiscriminator
from gan_jax.networks.infogan import InfoGANDiscriminator, RecognitionHead
from tests.networks.random_weights import he_variables
from tests.networks.style import parameter_count, pictures

NARROW = InfoGANDiscriminator(28, (3, 4), 2, width=4)


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def apply(module, variables, images, *, train):
    return module.apply(variables, images, train=train, mutable=["batch_stats"])


@pytest.mark.parametrize(("categorical", "continuous"), [((10,), 2), ((10, 10, 3), 0), ((), 5)])
@pytest.mark.parametrize("size", [28, 32, 64])
def test_shapes(size, categorical, continuous):
    module = InfoGANDiscriminator(size, categorical, continuous, width=4, learn_variance=True)
    init = functools.partial(module.init_with_output, jax.random.key(0), train=True)
    out, variables = jax.eval_shape(init, spec(3, size, size, 1))
    assert out.logits.shape == (3,)
    assert [logits.shape for logits in out.categorical] == [(3, count) for count in categorical]
    assert out.mean.shape == out.log_variance.shape == (3, continuous)
    leaves = jax.tree.leaves((out, variables))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    # Nothing that a checkpoint would have to store as an array of no numbers.
    assert all(leaf.size for leaf in jax.tree.leaves(variables))


@pytest.mark.parametrize(("size", "flat"), [(28, 49 * 128), (32, 16 * 256), (64, 16 * 512)])
def test_parameter_counts(size, flat):
    """DCGAN's, and Q: a layer of 128 with its norm, 10 logits, 2 means, 2 log variances."""
    images = spec(2, size, size, 3)
    trunk = parameter_count(DCGANDiscriminator(size), images)
    q = flat * 128 + 2 * 128 + 129 * (10 + 2)
    assert parameter_count(InfoGANDiscriminator(size, (10,), 2), images) == trunk + q
    learnt = InfoGANDiscriminator(size, (10,), 2, learn_variance=True)
    assert parameter_count(learnt, images) == trunk + q + 129 * 2


class PlainQ(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(128, use_bias=False, name="hidden")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)
        x = jnp.where(x > 0, x, 0.1 * x)
        heads = (("categorical0", 3), ("categorical1", 4), ("mean", 2), ("log_variance", 2))
        return [nn.Dense(width, name=name)(x) for name, width in heads]


@pytest.mark.parametrize("train", [True, False])
def test_it_is_dcgan_and_layers_of_its_own(train):
    module, images = NARROW.clone(learn_variance=True), pictures(28)
    variables = he_variables(module, images, train=True)
    parts = {
        name: {kind: tree[name] for kind, tree in variables.items()} for name in ("head", "trunk")
    }
    q = dict(parts["head"]["params"])
    dense = {"Dense_0": q.pop("logits")}
    of_dcgan = dict(parts["trunk"], params=parts["trunk"]["params"] | dense)
    found, moved = apply(module, variables, images, train=train)
    logits, moved_too = apply(DCGANDiscriminator(28, 4), of_dcgan, images, train=train)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-4 * np.abs(logits).max())
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4),
        moved["batch_stats"]["trunk"],
        moved_too["batch_stats"],
    )

    class Features(nn.Module):
        @nn.compact
        def __call__(self, features, label, *, train):
            return features

    bare = DCGANDiscriminator(28, 4, head=Features())
    features = apply(bare, parts["trunk"], images, train=train)[0]
    plain = {"params": q, "batch_stats": parts["head"]["batch_stats"]}
    expected, moved_q = apply(PlainQ(), plain, features, train=train)
    ours = [*found.categorical, found.mean, found.log_variance]
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4),
        moved["batch_stats"]["head"],
        moved_q["batch_stats"],
    )


def test_statistics_move_in_training_and_only_there():
    images = pictures(28)
    variables = he_variables(NARROW, images, train=True)
    still, moved = (
        apply(NARROW, variables, images, train=train)[1]["batch_stats"] for train in (False, True)
    )
    before = variables["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, still, before)
    assert not any(jax.tree.leaves(jax.tree.map(lambda a, b: np.any(a == b), moved, before)))


def test_a_fixed_variance_is_one():
    images = pictures(28)
    variables = he_variables(NARROW, images, train=True)
    found = apply(NARROW, variables, images, train=False)[0]
    np.testing.assert_array_equal(found.log_variance, np.zeros((4, 2)))
    assert "log_variance" not in variables["params"]["head"]
    assert np.std(found.mean) > 0


def test_bfloat16_computes_near_float32():
    images = pictures(28)
    variables = he_variables(NARROW, images, train=True)
    full = apply(NARROW, variables, images, train=False)[0]
    half = apply(NARROW.clone(dtype=jnp.bfloat16), variables, images, train=False)[0]
    assert not np.array_equal(full.logits, half.logits)
    for expected, found in zip(jax.tree.leaves(full), jax.tree.leaves(half), strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, atol=0.03 * max(np.abs(expected).max(), 1e-6))


@pytest.mark.parametrize(("categorical", "continuous"), [((), 0), ((1,), 2), ((10, 0), 0)])
def test_no_code_or_one_without_a_choice_is_one_clear_line(categorical, continuous):
    with pytest.raises(UsageError, match="two choices or more"):
        parameter_count(RecognitionHead(categorical, continuous), spec(2, 5))


def test_another_size_is_refused():
    module = InfoGANDiscriminator(48, (10,), 2)
    with pytest.raises(UsageError, match="not 48: set data.size"):
        parameter_count(module, spec(2, 48, 48, 1))

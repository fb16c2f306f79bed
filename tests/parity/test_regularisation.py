"""Regularisers against PyTorch written naively from the papers: values, and gradients by whatever
is trained; path length by double backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gan_jax import penalties, regularisation  # noqa: E402
from gan_jax.recipes import generator_regularisers, regularisers  # noqa: E402
from tests.parity.agreement import PRECISIONS, assert_agree, precision  # noqa: E402

BATCH, HIDDEN, LATENT = 6, 7, 5
IMAGE = (2, 3, 2)
LAYERS, WIDTH = 3, 4


def draw(seed, *shape, dtype):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def trained(array):
    return torch.tensor(array, requires_grad=True)


def network(x, first, second, tanh):
    """Of numpy's, JAX's or PyTorch's arrays."""
    return tanh(x.reshape(len(x), -1) @ first) @ second


@PRECISIONS
def test_le_cam(dtype, tolerance):
    """Three rounds: both averages move as in an exponential moving average, and are constants."""
    decay, rounds = 0.8, draw(0, 3, 2, BATCH, dtype=dtype)
    term = regularisers.le_cam(decay)
    real_average, fake_average = torch.zeros(2, dtype=getattr(torch, dtype))
    with precision(dtype):
        anchors = regularisation.Anchors(*jnp.zeros(2, dtype))

        @jax.jit
        def measure(pair, anchors):
            judged = regularisers.Judged(*10 * (None,))._replace(
                real_logits=pair[0], fake_logits=pair[1]
            )
            value, anchors = term.measure(judged, anchors)
            return jnp.mean(value), (value, anchors)

        for logits in rounds:
            pair = trained(logits)
            with torch.no_grad():
                real_average = decay * real_average + (1 - decay) * pair[0].mean()
                fake_average = decay * fake_average + (1 - decay) * pair[1].mean()
            expected = torch.relu(pair[0] - fake_average) ** 2
            expected = expected + torch.relu(real_average - pair[1]) ** 2
            expected.mean().backward()
            slope, (value, anchors) = jax.grad(measure, has_aux=True)(jnp.asarray(logits), anchors)
            assert_agree(value, expected, tolerance)
            assert_agree(slope, pair.grad, tolerance)
            assert_agree(tuple(anchors), (real_average, fake_average), tolerance)


@PRECISIONS
def test_orthogonality(dtype, tolerance):
    """Of filters as PyTorch stores them: the rows of a weight `[O, I, h, w]` or `[O, I]`."""
    kernel, matrix = draw(0, 3, 2, 4, 5, dtype=dtype), draw(1, HIDDEN, 6, dtype=dtype)
    weights = [trained(kernel.transpose(3, 2, 0, 1).copy()), trained(matrix.T.copy())]
    expected = torch.zeros((), dtype=weights[0].dtype)
    for weight in weights:
        filters = weight.flatten(1)
        gram = filters @ filters.T
        expected = expected + (gram * (1 - torch.eye(len(gram), dtype=gram.dtype))).norm() ** 2
    expected.backward()
    with precision(dtype):
        params = {"Convolution_0": {"kernel": kernel}, "Dense_0": {"kernel": matrix}}
        value, slope = jax.jit(jax.value_and_grad(regularisation.orthogonality))(params)
    assert_agree(value, expected, tolerance)
    assert_agree(slope["Convolution_0"]["kernel"], weights[0].grad.permute(2, 3, 1, 0), tolerance)
    assert_agree(slope["Dense_0"]["kernel"], weights[1].grad.T, tolerance)


@PRECISIONS
def test_consistency_of_both_kinds(dtype, tolerance):
    """bCR; CR is its half."""
    real, fake = draw(0, 2, BATCH, *IMAGE, dtype=dtype)
    first, second = draw(1, 12, HIDDEN, dtype=dtype), draw(2, HIDDEN, dtype=dtype)
    weights = trained(first)

    def judge(images):
        return network(images, weights, torch.tensor(second), torch.tanh)

    def half(images):
        return (judge(images) - judge(images.flip(2))).square()

    expected = half(torch.tensor(real)) + half(torch.tensor(fake))
    expected.mean().backward()
    with precision(dtype):
        term = regularisers.balanced_consistency(lambda images, key: images[:, :, ::-1])

        @jax.jit
        def measure(first):
            judged = regularisers.Judged(*10 * (None,))._replace(
                discriminator=lambda images: network(images, first, second, jnp.tanh),
                of_fakes=lambda images: network(images, first, second, jnp.tanh),
                real=jnp.asarray(real),
                fake=jnp.asarray(fake),
                key=jax.random.key(0),
            )
            value, _ = term.measure(judged, ())
            return jnp.mean(value), value

        slope, value = jax.grad(measure, has_aux=True)(first)
    assert_agree(value, expected, tolerance)
    assert_agree(slope, weights.grad, tolerance)


@PRECISIONS
def test_latent_sensitivity_and_consistency(dtype, tolerance):
    """zCR: the generator's half by its weights, and the discriminator's by its own."""
    deviation = 0.3
    z, second = draw(0, BATCH, LATENT, dtype=dtype), draw(2, HIDDEN, 12, dtype=dtype)
    first, judging = draw(1, LATENT, HIDDEN, dtype=dtype), draw(3, 12, dtype=dtype)
    with precision(dtype):
        noise = np.asarray(jax.random.normal(jax.random.key(3), z.shape))
        assert noise.dtype == dtype
    weights, judge = trained(first), trained(judging)

    def generate(z):
        return network(z, weights, torch.tensor(second), torch.tanh)

    near = torch.tensor(z) + deviation * torch.tensor(noise)
    pictures, others = generate(torch.tensor(z)), generate(near)
    sensitivity = -(pictures - others).square().mean(1)
    sensitivity.mean().backward()
    logits = [torch.tanh(images.detach()) @ judge for images in (pictures, others)]
    consistency = (logits[0] - logits[1]).square()
    consistency.mean().backward()
    with precision(dtype):

        def generator(first):
            return lambda z: network(z, first, second, jnp.tanh).reshape(len(z), *IMAGE)

        @jax.jit
        def of_generator(first):
            made = generator_regularisers.Made(*7 * (None,))._replace(
                generator=generator(first),
                images=generator(first)(z),
                latents=jnp.asarray(z),
                key=jax.random.key(3),
            )
            value, _ = generator_regularisers.latent_sensitivity(deviation).measure(made, ())
            return jnp.mean(value), value

        @jax.jit
        def of_discriminator(judging):
            judged = regularisers.Judged(*10 * (None,))._replace(
                of_fakes=lambda images: jnp.tanh(images.reshape(len(images), -1)) @ judging,
                generator=generator(first),
                fake=generator(first)(z),
                latents=jnp.asarray(z),
                key=jax.random.key(3),
            )
            value, _ = regularisers.latent_consistency(deviation).measure(judged, ())
            return jnp.mean(value), value

        slope, value = jax.grad(of_generator, has_aux=True)(first)
        assert_agree(value, sensitivity, tolerance)
        assert_agree(slope, weights.grad, tolerance)
        slope, value = jax.grad(of_discriminator, has_aux=True)(judging)
        assert_agree(value, consistency, tolerance)
        assert_agree(slope, judge.grad, tolerance)


@PRECISIONS
def test_path_length(dtype, tolerance):
    ws, mean, decay = draw(0, BATCH, LAYERS, WIDTH, dtype=dtype), 0.4, 0.01
    first, second = draw(1, LAYERS * WIDTH, HIDDEN, dtype=dtype), draw(2, HIDDEN, 12, dtype=dtype)
    key = jax.random.key(3)
    with precision(dtype):
        noise = np.array(jax.random.normal(key, (BATCH, *IMAGE), dtype))
    weights, styles = trained(first), trained(ws)
    pictures = network(styles, weights, torch.tensor(second), torch.tanh).reshape(BATCH, *IMAGE)
    seen = (pictures * torch.tensor(noise)).sum() / np.sqrt(IMAGE[0] * IMAGE[1])
    (back,) = torch.autograd.grad(seen, styles, create_graph=True)
    lengths = torch.stack([picture.square().sum(1).mean().sqrt() for picture in back])
    average = mean + decay * (lengths.mean() - mean)
    expected = (lengths - average) ** 2
    expected.mean().backward()
    with precision(dtype):

        @jax.jit
        def measure(first):
            def synthesise(ws):
                return network(ws, first, second, jnp.tanh).reshape(len(ws), *IMAGE)

            value, after = penalties.path_length(synthesise, jnp.asarray(ws), key, mean, decay)
            return jnp.mean(value), (value, after)

        slope, (value, after) = jax.grad(measure, has_aux=True)(first)
    assert_agree(value, expected, tolerance)
    assert_agree(after, average, tolerance)
    assert_agree(slope, weights.grad, tolerance)

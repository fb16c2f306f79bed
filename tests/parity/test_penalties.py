"""Penalties and class losses against PyTorch: double backward, float32 and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gan_jax import class_losses, penalties  # noqa: E402

SHAPE, HIDDEN = (4, 3, 3, 2), 7
SIZE = 18


def arrays(dtype):
    random = np.random.default_rng(0)
    return (
        random.standard_normal(SHAPE).astype(dtype),
        random.standard_normal(SHAPE).astype(dtype),
        random.standard_normal((SIZE, HIDDEN)).astype(dtype),
        random.standard_normal(HIDDEN).astype(dtype),
    )


def ours(first, second):
    def discriminator(images):
        return jnp.tanh(images.reshape(len(images), -1) @ first) @ second

    return discriminator


def gradient(images, first, second):
    """Of the summed logits, with a graph of its own for the second backward."""
    images = images.detach().requires_grad_(True)
    logits = torch.tanh(images.reshape(len(images), -1) @ first) @ second
    (found,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return found.reshape(len(images), -1)


def of_torch(name, real, fake, first, second, key, dtype):
    if name == "r1":
        return 0.5 * gradient(real, first, second).square().sum(1)
    if name == "dragan":
        pixel_key, picture_key = jax.random.split(key)
        noise = np.array(jax.random.uniform(pixel_key, SHAPE, dtype))
        share = np.array(jax.random.uniform(picture_key, (SHAPE[0], 1, 1, 1), dtype))
        deviation = real.std(correction=0)
        point = real + torch.tensor(share) * 0.5 * deviation * torch.tensor(noise)
        return (gradient(point, first, second).norm(dim=1) - 1).square()
    share = torch.tensor(np.array(jax.random.uniform(key, (SHAPE[0], 1, 1, 1), dtype)))
    norm = gradient(share * real + (1 - share) * fake, first, second).norm(dim=1)
    return norm.square() if name == "zero_centred" else (norm - 1).square()


OURS = {
    "r1": lambda d, real, fake, key: penalties.r1(d, real),
    "gradient_penalty": penalties.gradient_penalty,
    "dragan": lambda d, real, fake, key: penalties.dragan(d, real, key),
    "zero_centred": penalties.zero_centred,
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_value_and_gradient_by_the_weights(name, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        real, fake, first, second = arrays(dtype)
        key = jax.random.key(3)

        def mean(first):
            return jnp.mean(
                OURS[name](ours(first, second), jnp.asarray(real), jnp.asarray(fake), key)
            )

        value, slope = jax.value_and_grad(mean)(jnp.asarray(first))
        weights = torch.tensor(first, requires_grad=True)
        theirs = of_torch(
            name, torch.tensor(real), torch.tensor(fake), weights, torch.tensor(second), key, dtype
        ).mean()
        theirs.backward()
    np.testing.assert_allclose(value, theirs.detach().numpy(), rtol=tolerance)
    scale = np.abs(weights.grad.numpy()).max()
    np.testing.assert_allclose(slope, weights.grad.numpy(), rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_cross_entropies(dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        logits = np.random.default_rng(1).standard_normal((6, 4)).astype(dtype)
        label = np.array([0, 3, 1, 1, 2, 0], np.int32)
        theirs = torch.nn.functional.cross_entropy(
            torch.tensor(logits), torch.tensor(label).long(), reduction="none"
        )
        found = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(label))
        np.testing.assert_allclose(found, theirs.numpy(), rtol=tolerance)
        marks = np.random.default_rng(2).integers(0, 2, (6, 4)).astype(dtype)
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(
            torch.tensor(logits), torch.tensor(marks), reduction="none"
        ).sum(1)
        found = class_losses.auxiliary_classifier(jnp.asarray(logits), jnp.asarray(marks))
        np.testing.assert_allclose(found, theirs.numpy(), rtol=tolerance)

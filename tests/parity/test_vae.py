"""The VAE's encoder, decoder and bound against torch layers and distributions, weights carried
over, with the gradients by the pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional

from gan_jax import variational  # noqa: E402
from gan_jax.networks.vae import VAEDecoder, VAEEncoder  # noqa: E402
from tests.networks.random_weights import he_variables  # noqa: E402
from tests.networks.style import pictures  # noqa: E402
from tests.parity.agreement import PRECISIONS  # noqa: E402
from tests.parity.references import channels_first  # noqa: E402

LAYERS, BASE = {28: 2, 32: 3, 64: 4, 128: 5}, {28: 7, 32: 4, 64: 4, 128: 4}


def tensor(value):
    return torch.tensor(np.array(value))


def encode(layers, x, size):
    """`[B, C, H, W]` to mean and log variance."""
    for index in range(LAYERS[size]):
        ours = layers[f"Convolution_{index}"]
        weight = tensor(ours["kernel"].transpose(3, 2, 0, 1))
        x = F.conv2d(x, weight, tensor(ours["bias"]), stride=2, padding=1)
        if index:
            norm = layers[f"GroupNorm_{index - 1}"]
            x = F.group_norm(x, 8, tensor(norm["scale"]), tensor(norm["bias"]), eps=1e-5)
        x = F.silu(x)
    x = x.permute(0, 2, 3, 1).flatten(1)
    heads = (layers[name] for name in ("mean", "log_variance"))
    return [F.linear(x, tensor(head["kernel"].T), tensor(head["bias"])) for head in heads]


def decode(layers, z, size):
    """To mean and log scale."""
    dense, base = layers["Dense_0"], BASE[size]
    x = F.linear(z, tensor(dense["kernel"].T), tensor(dense["bias"]))
    x = x.reshape(len(z), base, base, -1).permute(0, 3, 1, 2)
    for index in range(LAYERS[size]):
        norm, ours = layers[f"GroupNorm_{index}"], layers[f"TransposedConvolution_{index}"]
        x = F.silu(F.group_norm(x, 8, tensor(norm["scale"]), tensor(norm["bias"]), eps=1e-5))
        # Flax does not turn the kernel round; torch's transposed convolution does.
        weight = tensor(ours["kernel"][::-1, ::-1].transpose(2, 3, 0, 1))
        x = F.conv_transpose2d(x, weight, tensor(ours["bias"]), stride=2, padding=1)
    return x.tanh(), tensor(layers["log_scale"])


def torch_bound(layers, x, noise, size):
    mean, log_variance = encode(layers[0], x, size)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    decoded, log_scale = decode(layers[1], mean + q.stddev * noise, size)
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    p = torch.distributions.Laplace(decoded, log_scale.exp())
    return p.log_prob(x).flatten(1).sum(1) - kl.sum(1)


@PRECISIONS
@pytest.mark.parametrize("size", [28, 32, pytest.param(64, marks=pytest.mark.slow)])
def test_the_bound_and_its_gradient(size, dtype, tolerance):
    encoder, decoder = VAEEncoder(6, 8, size), VAEDecoder(size, 3, 8)
    images = pictures(size).astype(dtype)
    noise = np.random.default_rng(7).normal(size=(4, 6)).astype(dtype)
    variables = [
        he_variables(encoder, images.astype(np.float32), train=True),
        he_variables(decoder, noise.astype(np.float32), train=True),
    ]
    with jax.enable_x64(dtype == "float64"):
        variables = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), variables)

        @jax.jit
        @jax.value_and_grad
        def negative_bound(images):
            q = encoder.apply(variables[0], images, train=True)
            z = q.mean + jnp.exp(0.5 * q.log_variance) * noise
            p = decoder.apply(variables[1], z, train=True)
            kl = jnp.sum(variational.kl_to_standard_normal(*q), axis=1)
            return jnp.sum(kl - variational.laplace_log_likelihood(images, *p))

        value, gradient = negative_bound(images)
    x = channels_first(images).requires_grad_()
    expected = -torch_bound([tree["params"] for tree in variables], x, tensor(noise), size).sum()
    (slope,) = torch.autograd.grad(expected, x)
    np.testing.assert_allclose(value, expected.item(), rtol=tolerance)
    slope = slope.permute(0, 2, 3, 1).numpy()
    # Each is a sum over all pixels of what comes back through every layer.
    assert np.abs(gradient - slope).max() <= 3 * tolerance * np.abs(slope).max()
    assert gradient.dtype == slope.dtype == dtype

"""Statistics, AdaIN, Gram matrices and the losses of style transfer against PyTorch, with their
gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from gan_jax import style_losses  # noqa: E402
from tests.parity.agreement import PRECISIONS, assert_agree, precision  # noqa: E402


def torch_statistics(x):
    """Of `[B, C, H, W]`; torch's variance is unbiased."""
    flat = x.flatten(2)
    return flat.mean(2), (flat.var(2) + 1e-5).sqrt()


def torch_adain(content, style):
    (mean, std), (to_mean, to_std) = torch_statistics(content), torch_statistics(style)
    each = (..., None, None)
    return (content - mean[each]) / std[each] * to_std[each] + to_mean[each]


def torch_gram(x):
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def per_example(loss, a, b):
    return loss(a, b, reduction="none").flatten(1).mean(1)


def torch_statistics_loss(a, b):
    pairs = zip(torch_statistics(a), torch_statistics(b), strict=True)
    return sum(per_example(F.mse_loss, *pair) for pair in pairs)


def torch_variation(loss):
    def variation(x, _):
        down = per_example(loss, x[:, :, 1:], x[:, :, :-1])
        return down + per_example(loss, x[..., 1:], x[..., :-1])

    return variation


# Ours and torch's, of two maps; the results of AdaIN are maps.
CASES = {
    "statistics": (
        lambda a, b: style_losses.statistics_loss(*map(style_losses.statistics, (a, b))),
        torch_statistics_loss,
    ),
    "gram": (
        lambda a, b: style_losses.gram_loss(*map(style_losses.gram_matrix, (a, b))),
        lambda a, b: per_example(F.mse_loss, torch_gram(a), torch_gram(b)) / 4,
    ),
    "adain": (style_losses.adain, torch_adain),
    "content": (style_losses.content_loss, lambda a, b: per_example(F.mse_loss, a, b)),
    "variation": (lambda a, b: style_losses.total_variation(a), torch_variation(F.mse_loss)),
    "absolute": (lambda a, b: style_losses.absolute_variation(a), torch_variation(F.l1_loss)),
}


@PRECISIONS
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name, dtype, tolerance):
    random = np.random.default_rng(0)
    first, second = (0.5 + random.standard_normal((2, 3, 8, 6, 4))).astype(dtype)
    pair = [
        torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True) for x in (first, second)
    ]
    ours, theirs = CASES[name]
    expected = theirs(*pair)
    expected = expected.permute(0, 2, 3, 1) if expected.ndim == 4 else expected
    weights = random.standard_normal(expected.shape).astype(dtype)
    gradients = torch.autograd.grad(
        (expected * torch.tensor(weights)).sum(), pair, allow_unused=True, materialize_grads=True
    )
    with precision(dtype):
        arrays = jnp.asarray(first), jnp.asarray(second)
        assert_agree(ours(*arrays), expected, tolerance)
        found = jax.grad(lambda a, b: jnp.sum(weights * ours(a, b)), argnums=(0, 1))(*arrays)
    for mine, other in zip(found, gradients, strict=True):
        other = other.permute(0, 2, 3, 1).numpy()
        scale = np.abs(gradients[0].numpy()).max()
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance * scale)
        assert mine.dtype == other.dtype and scale > 0


def test_the_statistics_themselves():
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 3))
    with precision("float64"):
        found = style_losses.statistics(jnp.asarray(x))
        expected = torch_statistics(torch.tensor(x.transpose(0, 3, 1, 2).copy()))
        assert_agree(tuple(found), expected, 1e-12)

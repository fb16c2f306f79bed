"""The adversarial losses of both players against PyTorch's cross-entropies and margins, with their
gradients by both kinds of logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from gan_jax import losses  # noqa: E402
from tests.parity.agreement import PRECISIONS, assert_agree, precision  # noqa: E402


def says(logits, share):
    """The binary cross-entropy of logits that should say "real" with that probability."""
    return F.binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, share), reduction="none"
    )


def squared(logits, target):
    return 0.5 * F.mse_loss(logits, torch.full_like(logits, target), reduction="none")


def average(real, fake):
    """RaGAN's two cross-entropies, for the discriminator."""
    return says(real - fake.mean(), 1.0) + says(fake - real.mean(), 0.0)


# The discriminator's and the generator's, of real and fake logits.
REFERENCES = {
    "minimax": (
        lambda real, fake: says(real, 1.0) + says(fake, 0.0),
        lambda real, fake: -says(fake, 0.0),
    ),
    "non_saturating": (
        lambda real, fake: says(real, 1.0) + says(fake, 0.0),
        lambda real, fake: says(fake, 1.0),
    ),
    "hinge": (
        lambda real, fake: (1 - real).clamp(min=0) + (1 + fake).clamp(min=0),
        lambda real, fake: -fake,
    ),
    "least_squares": (
        lambda real, fake: squared(real, 1.0) + squared(fake, 0.0),
        lambda real, fake: squared(fake, 1.0),
    ),
    "wasserstein": (
        lambda real, fake: -(real - fake),
        lambda real, fake: -fake,
    ),
    "relativistic_pairing": (
        lambda real, fake: says(real - fake, 1.0),
        lambda real, fake: says(fake - real, 1.0),
    ),
    "relativistic_average": (average, lambda real, fake: average(fake, real)),
    "label_smoothing": (
        lambda real, fake: says(real, 0.9) + says(fake, 0.0),
        lambda real, fake: says(fake, 1.0),
    ),
}


def ours(name):
    return losses.label_smoothing(0.9) if name == "label_smoothing" else getattr(losses, name)


def test_every_loss_has_a_reference():
    named = {name for name, value in vars(losses).items()
             if isinstance(value, losses.AdversarialLoss)}  # fmt: skip
    assert named | {"label_smoothing"} == set(REFERENCES)


@PRECISIONS
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("name", REFERENCES)
def test_value_and_gradients(name, player, dtype, tolerance):
    real, fake, weights = 3 * np.random.default_rng(0).standard_normal((3, 9)).astype(dtype)
    pair = [torch.tensor(logits, requires_grad=True) for logits in (real, fake)]
    expected = REFERENCES[name][player == "generator"](*pair)
    gradients = torch.autograd.grad(
        (expected * torch.tensor(weights)).sum(), pair, allow_unused=True, materialize_grads=True
    )
    with precision(dtype):
        loss = getattr(ours(name), player)
        assert_agree(loss(jnp.asarray(real), jnp.asarray(fake)), expected, tolerance)

        @jax.jit
        def total(real, fake):
            return jnp.sum(weights * loss(real, fake))

        found = jax.grad(total, argnums=(0, 1))(real, fake)
    for mine, theirs in zip(found, gradients, strict=True):
        scale = np.abs(gradients[1].numpy()).max()
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=tolerance * scale)
        assert mine.dtype == theirs.numpy().dtype and scale > 0

"""Parameter counts of the full networks, each with the source of its figure."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from gan_jax.networks.biggan import BigGANDiscriminator, BigGANGenerator
from gan_jax.networks.biggan_deep import BigGANDeepDiscriminator, BigGANDeepGenerator
from gan_jax.networks.sagan import SAGANDiscriminator, SAGANGenerator
from gan_jax.networks.sndcgan import SNDCGANDiscriminator, SNDCGANGenerator
from gan_jax.networks.sngan import SNGANDiscriminator, SNGANGenerator


def count(kind, size, classes, latent, **settings):
    generates = latent is not None
    module = kind(
        size=size, num_classes=classes, **({"channels": 3} if generates else {}), **settings
    )
    value = jnp.zeros((2, latent) if generates else (2, size, size, 3))
    label = jnp.zeros((2,), jnp.int32) if classes else None
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), value, label, train=True))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def kernel(side, inputs, outputs, bias=True):
    return side * side * inputs * outputs + bias * outputs


def up(inputs, outputs, norm):
    """A generator block; `norm(features)` is what a BatchNorm has."""
    residual = kernel(3, inputs, outputs) + kernel(3, outputs, outputs)
    return residual + kernel(1, inputs, outputs) + norm(inputs) + norm(outputs)


def down(inputs, outputs, hidden=None, *, shortcut=True):
    """A discriminator block."""
    hidden = outputs if hidden is None else hidden
    residual = kernel(3, inputs, hidden) + kernel(3, hidden, outputs)
    return residual + shortcut * kernel(1, inputs, outputs)


def attention(features):
    return features * (2 * (features // 8) + 2 * (features // 2)) + 1


def plain(features):
    return 2 * features


def resnet_generator(base, widths, norm, latent=128):
    """Dense, blocks, BatchNorm, convolution: Miyato et al., tables 4 to 6 (a)."""
    blocks = sum(up(*pair, norm) for pair in zip(widths[:-1], widths[1:], strict=True))
    dense = kernel(1, latent, base * base * widths[0])
    return dense + blocks + plain(widths[-1]) + kernel(3, widths[-1], 3)


def thin(widths, flat=0):
    """SNGAN's blocks below the first, whose inner features are those of their input."""
    pairs = list(zip(widths[:-1], widths[1:], strict=True))
    flat_from = len(pairs) - flat
    return sum(
        down(inputs, outputs, inputs, shortcut=index < flat_from or inputs != outputs)
        for index, (inputs, outputs) in enumerate(pairs)
    )


def per_class(classes):
    return lambda features: 2 * classes * features


DOWN_TO_1024 = (64, 128, 256, 512, 1024)
FROM_TABLES = {
    # Miyato et al. 2018, table 3 (a) and (b); 48 pixels begin at 6 x 6.
    (SNDCGANGenerator, 32, 0, 128): kernel(1, 128, 16 * 512)
    + kernel(4, 512, 256) + kernel(4, 256, 128) + kernel(4, 128, 64)
    + plain(256 + 128 + 64) + kernel(3, 64, 3),
    (SNDCGANGenerator, 48, 0, 128): kernel(1, 128, 36 * 512)
    + kernel(4, 512, 256) + kernel(4, 256, 128) + kernel(4, 128, 64)
    + plain(256 + 128 + 64) + kernel(3, 64, 3),
    (SNDCGANDiscriminator, 32, 0, None): kernel(3, 3, 64) + kernel(4, 64, 64)
    + kernel(3, 64, 128) + kernel(4, 128, 128) + kernel(3, 128, 256) + kernel(4, 256, 256)
    + kernel(3, 256, 512) + kernel(1, 16 * 512, 1),
    # Miyato et al. 2018, tables 4 (32), 5 (48), 6 (128); inner features as in the released code.
    (SNGANGenerator, 32, 0, 128): resnet_generator(4, (256,) * 4, plain),
    (SNGANDiscriminator, 32, 0, None): down(3, 128) + thin((128,) * 4, flat=2) + kernel(1, 128, 1),
    (SNGANGenerator, 48, 0, 128): resnet_generator(6, (512, 256, 128, 64), plain),
    (SNGANDiscriminator, 48, 0, None): down(3, 64) + thin(DOWN_TO_1024, flat=1)
    + kernel(1, 1024, 1),
    (SNGANGenerator, 128, 1000, 128): resnet_generator(
        4, (1024, 1024, 512, 256, 128, 64), per_class(1000)
    ),
    # With the projection of Miyato and Koyama 2018: an embedding of 1024 for each class.
    (SNGANDiscriminator, 128, 1000, None): down(3, 64) + thin((*DOWN_TO_1024, 1024), flat=1)
    + kernel(1, 1024, 1) + 1000 * 1024,
    # The 64-pixel networks released with it: 1024 to 64, and five blocks down to 2 x 2.
    (SNGANGenerator, 64, 0, 128): resnet_generator(4, (1024, 512, 256, 128, 64), plain),
    (SNGANDiscriminator, 64, 0, None): down(3, 64) + thin(DOWN_TO_1024) + kernel(1, 1024, 1),
    # SAGAN's released code: SNGAN's generator, a wide discriminator, attention at 32 x 32.
    (SAGANGenerator, 128, 1000, 128): resnet_generator(
        4, (1024, 1024, 512, 256, 128, 64), per_class(1000)
    ) + attention(256),
    (SAGANDiscriminator, 128, 1000, None): down(3, 64) + down(64, 128) + attention(128)
    + down(128, 256) + down(256, 512) + down(512, 1024) + down(1024, 1024, shortcut=False)
    + kernel(1, 1024, 1) + 1000 * 1024,
}  # fmt: skip
"""(network, size, classes, length of z): derived from the papers' tables."""

PRINTED = {
    # google/compare_gan, resnet_biggan_test.py and the header of resnet_biggan.py.
    (BigGANGenerator, 128, 1000, 120): 70_433_988,
    (BigGANDiscriminator, 128, 1000, None): 87_982_370,
    (BigGANGenerator, 256, 1000, 140): 82_097_604,
    # compare_gan prints 98,635,298: it leaves out the shortcut of the block from 8 to 8 ch, which
    # figure 15 (c) and the authors' PyTorch code have.
    (BigGANDiscriminator, 256, 1000, None): 98_635_298 + kernel(1, 8 * 96, 8 * 96),
    # google/compare_gan, resnet_biggan_deep_test.py.
    (BigGANDeepGenerator, 128, 1000, 128): 50_244_484,
    (BigGANDeepDiscriminator, 128, 1000, None): 34_590_210,
}
ROUNDED = {
    # StudioGAN's tables for CIFAR-10: BigGAN 9.42 M and 2.42 M.
    (BigGANGenerator, 32, 10, 80): (9_416_196, "9.42"),
    (BigGANDiscriminator, 32, 10, None): (2_415_170, "2.42"),
    # Commonly printed for the networks of Miyato et al., table 4.
    (SNGANGenerator, 32, 0, 128): (4_276_739, "4.28"),
    (SNGANDiscriminator, 32, 0, None): (1_053_825, "1.05"),
}


@pytest.mark.parametrize("case", FROM_TABLES, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def test_derived_from_the_papers_tables(case):
    assert count(*case) == FROM_TABLES[case]


@pytest.mark.parametrize("case", PRINTED, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def test_printed(case):
    assert count(*case) == PRINTED[case]


@pytest.mark.parametrize("case", ROUNDED, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def test_rounded(case):
    exact, millions = ROUNDED[case]
    assert count(*case) == exact
    assert f"{exact / 1e6:.2f}" == millions


def test_the_authors_cifar_generator_of_width_64():
    """Issue 78 of ajbrock/BigGAN-PyTorch: about 4.3 M, with a latent of 128 and no attention."""
    made = partial(count, BigGANGenerator, 32, 10, 128, width=64, attention=False)()
    assert abs(made / 1e6 - 4.3) < 0.1

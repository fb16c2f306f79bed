"""Warp and filter bank against PyTorch's sampling and convolutions, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
functional = torch.nn.functional

from gan_jax.augment.ada import band_filter, warp  # noqa: E402
from gan_jax.augment.ada.axis_filter import reflect  # noqa: E402
from gan_jax.augment.ada.wavelets import SYM6  # noqa: E402

TOLERANCE = 1e-10


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def pictures(height, width, batch=4):
    return np.random.default_rng(0).uniform(-1, 1, (batch, height, width, 3))


def tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def inverses(batch=4):
    """Rotations, scales and shifts that stay within a padding of N - 1 pixels."""
    generator = np.random.default_rng(1)
    angle, scale = generator.uniform(-3, 3, batch), generator.uniform(0.8, 1.2, (batch, 2))
    matrices = np.tile(np.eye(3), (batch, 1, 1))
    matrices[:, 0, :2] = np.stack([np.cos(angle), -np.sin(angle)], 1) * scale
    matrices[:, 1, :2] = np.stack([np.sin(angle), np.cos(angle)], 1) * scale
    matrices[:, :2, 2] = generator.uniform(-2, 2, (batch, 2))
    return matrices


def along(images, taps, axis, stride=1):
    """A correlation of every row or column."""
    kernel = torch.from_numpy(np.ascontiguousarray(taps)).reshape(1, 1, 1, -1)
    kernel = kernel if axis == 3 else kernel.transpose(2, 3)
    steps = (1, stride) if axis == 3 else (stride, 1)
    flat = images.reshape(-1, 1, *images.shape[2:])
    filtered = functional.conv2d(flat, kernel, stride=steps)
    return filtered.reshape(*images.shape[:2], *filtered.shape[2:])


def naive_warp(images, inverse):
    """Pads by reflection, puts zeros between pixels, filters, samples with zeros outside, and takes
    every second filtered pixel; all places in pixels of the supersampled picture."""
    taps, (height, width) = SYM6 / SYM6.sum(), images.shape[2:]
    padded = functional.pad(images, [width - 1] * 2 + [height - 1] * 2, mode="reflect")
    fine = torch.zeros(*padded.shape[:2], 2 * padded.shape[2], 2 * padded.shape[3]).double()
    fine[:, :, ::2, ::2] = padded
    for axis in (2, 3):
        margin = [6, 5, 0, 0] if axis == 3 else [0, 0, 6, 5]
        fine = along(functional.pad(fine, margin), 2 * taps[::-1], axis)
    rows, columns = (torch.arange(2 * n + 12).double() - 6 - n + 1 for n in (height, width))
    y, x = torch.meshgrid(rows / 2, columns / 2, indexing="ij")
    place = torch.stack([x, y, torch.ones_like(x)], -1) @ torch.from_numpy(inverse)[
        :, None
    ].transpose(-1, -2)
    # Pixel k of the picture is pixel 2 (k + N - 1) of the padded, supersampled one.
    size = torch.tensor([width, height]).double()
    index = 2 * (place[..., :2] + (size - 1) / 2 + size - 1)
    extent = torch.tensor(fine.shape[:1:-1]).double()
    grid = (2 * index + 1) / extent - 1
    warped = functional.grid_sample(fine, grid, mode="bilinear", align_corners=False)
    warped = warped[:, :, 1:-1, 1:-1]
    return along(along(warped, taps, 2, 2), taps, 3, 2)


@pytest.mark.parametrize("size", [(24, 24), (20, 28)])
def test_warp(size):
    images, inverse = pictures(*size), inverses()
    result = warp.warp(jnp.asarray(images), jnp.asarray(inverse))
    expected = naive_warp(tensor(images), inverse).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(result, expected, atol=TOLERANCE)


@pytest.mark.parametrize("size", [(24, 24), (20, 28)])
def test_sampling_with_reflection(size):
    images = pictures(*size)
    height, width = size
    generator = np.random.default_rng(2)
    rows = generator.uniform(-2 * height, 3 * height, (4, 9, 11))
    columns = generator.uniform(-2 * width, 3 * width, (4, 9, 11))
    period = images[:, reflect(np.arange(2 * height - 2), height)]
    period = period[:, :, reflect(np.arange(2 * width - 2), width)]
    result = warp.sample(*map(jnp.asarray, (period, rows, columns)))
    grid = np.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], -1)
    expected = functional.grid_sample(
        tensor(images), torch.from_numpy(grid), padding_mode="reflection", align_corners=True
    )
    np.testing.assert_allclose(result, expected.permute(0, 2, 3, 1), atol=TOLERANCE)


def test_band_filter():
    images = pictures(24, 28)
    gains = np.random.default_rng(3).uniform(0.3, 3, (4, 4))
    result = band_filter.amplify(jnp.asarray(images), jnp.asarray(gains))
    for image, gain, mine in zip(tensor(images), gains, result, strict=True):
        padded = functional.pad(image[None], [21] * 4, mode="reflect")
        taps = gain @ band_filter.BANK
        expected = along(along(padded, taps, 2), taps, 3)[0].permute(1, 2, 0)
        np.testing.assert_allclose(mine, expected, atol=TOLERANCE)


def test_gradients_of_the_warp():
    images, inverse = pictures(20, 20, 2), inverses(2)
    weights = np.random.default_rng(4).normal(size=images.shape)
    mine = jax.grad(
        lambda images: jnp.sum(weights * jnp.tanh(warp.warp(images, jnp.asarray(inverse))))
    )(jnp.asarray(images))
    theirs = tensor(images).requires_grad_()
    loss = (tensor(weights) * torch.tanh(naive_warp(theirs, inverse))).sum()
    (expected,) = torch.autograd.grad(loss, theirs)
    np.testing.assert_allclose(mine, expected.permute(0, 2, 3, 1), atol=TOLERANCE)

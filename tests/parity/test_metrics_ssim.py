"""Structural similarity against torchmetrics."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("torchmetrics.functional.image")

from gan_jax.metrics.structural_similarity import WEIGHTS, ms_ssim, ssim  # noqa: E402


def pictures(size, noise):
    generator = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(generator.normal(size=(2, size, size, 3)), axis=1), axis=2)
    smooth = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    other = np.clip(smooth + noise * generator.normal(size=smooth.shape), 0, 255)
    return smooth.astype(np.float32), other.astype(np.float32)


def tensors(*images):
    return [torch.from_numpy(image).permute(0, 3, 1, 2).double() for image in images]


def inner(full_image):
    """torchmetrics averages over a picture with mirrored borders; Wang et al. where the window
    fits."""
    return full_image[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))


@pytest.mark.parametrize("noise", [2.0, 30.0])
def test_ssim(noise):
    a, b = pictures(64, noise)
    _, full = reference.structural_similarity_index_measure(
        *tensors(a, b), data_range=255.0, reduction="none", return_full_image=True
    )
    np.testing.assert_allclose(ssim(a, b, data_range=255.0), inner(full).numpy(), rtol=2e-4)


@pytest.mark.parametrize("noise", [2.0, 30.0])
def test_ms_ssim(noise):
    a, b = pictures(192, noise)
    x, y = tensors(a, b)
    expected = 1.0
    for scale, weight in enumerate(WEIGHTS):
        options = {"data_range": 255.0, "reduction": "none"}
        if scale < len(WEIGHTS) - 1:
            _, term = reference.structural_similarity_index_measure(
                x, y, return_contrast_sensitivity=True, **options
            )
        else:
            _, full = reference.structural_similarity_index_measure(
                x, y, return_full_image=True, **options
            )
            term = inner(full)
        expected = expected * torch.relu(term) ** weight
        x, y = (torch.nn.functional.avg_pool2d(image, 2) for image in (x, y))
    np.testing.assert_allclose(ms_ssim(a, b, data_range=255.0), expected.numpy(), rtol=2e-4)

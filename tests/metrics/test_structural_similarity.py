"""SSIM and MS-SSIM against their formula, window by window, and as a measure of diversity."""

import jax
import numpy as np
import pytest

from gan_jax.errors import DataError
from gan_jax.metrics.structural_similarity import (
    WEIGHTS,
    mean_pairwise_ms_ssim,
    ms_ssim,
    scale_weights,
    ssim,
)


def pictures(size, noise, seed=0, count=2):
    generator = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(generator.normal(size=(count, size, size + 3, 2)), 1), 2)
    smooth = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    return smooth, np.clip(smooth + noise * generator.normal(size=smooth.shape), 0, 255)


def maps(a, b, data_range):
    """Luminance and contrast-structure of one channel, a window at a time."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance, contrast = [], []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            x, y = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mx, my = np.sum(window * x), np.sum(window * y)
            vx, vy = np.sum(window * (x - mx) ** 2), np.sum(window * (y - my) ** 2)
            cov = np.sum(window * (x - mx) * (y - my))
            luminance.append((2 * mx * my + c1) / (mx**2 + my**2 + c1))
            contrast.append((2 * cov + c2) / (vx + vy + c2))
    return np.array(luminance), np.array(contrast)


def halved(image):
    h, w = (side // 2 * 2 for side in image.shape)
    image = image[:h, :w]
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def ms_by_formula(a, b, data_range, weights):
    """Of one picture; channels are averaged within each scale."""
    result = 1.0
    channels = [(a[..., c], b[..., c]) for c in range(a.shape[-1])]
    for scale, weight in enumerate(weights):
        both = [maps(x, y, data_range) for x, y in channels]
        last = scale == len(weights) - 1
        term = np.mean([np.mean(lum * con if last else con) for lum, con in both])
        result *= max(term, 0.0) ** weight
        channels = [(halved(x), halved(y)) for x, y in channels]
    return result


@pytest.mark.parametrize("data_range", [255.0, 2.0])
@pytest.mark.parametrize("noise", [3.0, 40.0])
def test_ssim_is_its_formula(noise, data_range):
    a, b = (image * data_range / 255 for image in pictures(20, noise))
    expected = [ms_by_formula(x, y, data_range, [1.0]) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b, data_range=data_range), expected, rtol=2e-4)


def test_ms_ssim_is_its_formula():
    a, b = pictures(46, 25.0)
    weights = (0.2, 0.3, 0.5)
    expected = [ms_by_formula(x, y, 255.0, weights) for x, y in zip(a, b, strict=True)]
    ours = jax.jit(lambda x, y: ms_ssim(x, y, data_range=255.0, weights=weights))(a, b)
    np.testing.assert_allclose(ours, expected, rtol=2e-4)


def test_equal_pictures_are_at_one_and_negatives_at_zero():
    a, _ = pictures(176, 0.0)
    np.testing.assert_allclose(ms_ssim(a, a, data_range=255.0), 1.0, rtol=1e-5)
    checkers = 255.0 * (np.indices((176, 176)).sum(axis=0) % 2)[None, :, :, None]
    np.testing.assert_array_equal(ms_ssim(checkers, 255 - checkers, data_range=255.0), 0.0)


def test_uint8_and_float_are_alike():
    a, b = (image.astype(np.uint8) for image in pictures(20, 20.0))
    floats = ssim(a.astype(np.float32), b.astype(np.float32), data_range=255)
    np.testing.assert_array_equal(ssim(a, b, data_range=255), floats)


def test_scale_weights():
    assert scale_weights(176) == pytest.approx(WEIGHTS, rel=1e-3)
    assert len(scale_weights(175)) == 4
    assert len(scale_weights(64)) == 3
    assert scale_weights(11) == (1.0,)
    assert sum(scale_weights(64)) == pytest.approx(1)
    with pytest.raises(DataError, match="10 px; at least 11"):
        scale_weights(10)


def test_diversity():
    weights = scale_weights(44)
    varied = pictures(44, 0.0, count=8)[0].astype(np.float32)
    alike = np.repeat(varied[:1], 8, axis=0)
    options = {"pairs": 50, "seed": 0, "data_range": 255.0, "weights": weights}
    value = mean_pairwise_ms_ssim(varied, **options)
    assert value < 0.9
    assert value == pytest.approx(mean_pairwise_ms_ssim(varied, **options, batch_size=7), rel=1e-6)
    assert mean_pairwise_ms_ssim(alike, **options) == pytest.approx(1, rel=1e-5)


def test_a_picture_is_not_paired_with_itself():
    # Two pictures: every pair is of both, so the mean is their similarity.
    two = pictures(44, 0.0, count=2)[0].astype(np.float32)
    weights = scale_weights(44)
    value = mean_pairwise_ms_ssim(two, pairs=9, seed=0, data_range=255.0, weights=weights)
    expected = ms_ssim(two[:1], two[1:], data_range=255.0, weights=weights)
    assert value == pytest.approx(float(expected[0]), rel=1e-5)


def test_bad_pictures():
    small = np.zeros((1, 64, 64, 3))
    with pytest.raises(DataError, match="5 scales of pictures of 64x64 px; 176 px"):
        ms_ssim(small, small, data_range=255.0)
    with pytest.raises(DataError, match="two .* alike"):
        ssim(small, small[:, 1:], data_range=255.0)
    with pytest.raises(DataError, match="pairs of 1 pictures"):
        mean_pairwise_ms_ssim(small, pairs=3, seed=0, data_range=2.0)

"""Pixel differences against their formulas by hand, and at their ends."""

import math

import numpy as np

from gan_jax.metrics.reconstruction import l1, psnr, psnr_cap

A, B = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 6, 3)).astype(np.uint8)


def test_by_hand():
    for index in range(3):
        pairs = [(int(a), int(b)) for a, b in zip(A[index].flat, B[index].flat, strict=True)]
        mean = sum(abs(a - b) for a, b in pairs) / len(pairs)
        square = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
        assert math.isclose(l1(A, B)[index], mean / 255)
        assert math.isclose(psnr(A, B)[index], 20 * math.log10(255) - 10 * math.log10(square))


def test_the_ends():
    zeros, full = np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8)
    assert l1(zeros, full) == 1.0 and l1(zeros, zeros) == 0.0 and psnr(zeros, full) == 0.0
    one_off = zeros.copy()
    one_off[0, 0, 0, 0] = 1
    assert psnr(zeros, zeros) == psnr(zeros, one_off) < 60
    assert math.isclose(psnr(zeros, zeros)[0], psnr_cap(4))

"""Low-pass filters of Daubechies' least asymmetric wavelets, and the filter bank built on one.

All are orthonormal: shifted by an even number of taps, a filter is orthogonal to itself.
"""

from __future__ import annotations

import numpy as np

BANDS = 4

# Daubechies, Ten lectures on wavelets (1992), table 6.3, N = 6; analysis order, squares sum to 1.
SYM6 = np.asarray(
    [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ]
)

_ROOT = np.sqrt(3.0)
SYM2 = np.asarray([1.0 - _ROOT, 3.0 - _ROOT, 3.0 + _ROOT, 1.0 + _ROOT]) / (4.0 * np.sqrt(2.0))


def filter_bank() -> np.ndarray:
    """Symmetric zero-phase filters of the frequency bands, `[4, 43]`, that add up to one impulse.

    In shares of the highest frequency: 0 to 1/8, to 1/4, to 1/2, to 1. Each is cut out by sym2 and
    its mirror image, squared (Karras et al. 2020, appendix B, "image-space filtering").
    """
    low = np.convolve(SYM2, SYM2[::-1]) / 2.0
    mirror = SYM2 * (-1.0) ** np.arange(len(SYM2))
    high = np.convolve(mirror, mirror[::-1]) / 2.0
    bank = np.eye(BANDS, 1)
    for band in range(1, BANDS):
        bank = np.stack([np.convolve(_spread(taps), low) for taps in bank])
        middle = (bank.shape[1] - len(high)) // 2
        bank[band, middle : middle + len(high)] += high
    return bank


def _spread(taps: np.ndarray) -> np.ndarray:
    """A zero between every two taps: halves the filter's frequencies."""
    spread = np.zeros(2 * len(taps) - 1)
    spread[::2] = taps
    return spread

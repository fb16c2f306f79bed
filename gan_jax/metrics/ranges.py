"""Between which values a metric can lie, where its definition says so."""

from __future__ import annotations

import math

SHARES = {
    "precision", "recall", "coverage", "modes_covered", "expression_accuracy", "style_accuracy",
    "identity_drift", "train_accuracy", "held_out_accuracy", "fake_accuracy", "saturation",
    "precision_vgg", "recall_vgg",
}  # fmt: skip
NOT_NEGATIVE = {
    "fid", "intra_fid", "fd_avatar", "mind", "swd", "spectrum", "ppl", "lpips", "lpips_real",
    "density", "modes_entropy", "variance_ratio", "distance", "held_out_distance", "ratio",
    "l1", "psnr", "bits_per_dimension", "expression_error", "landmark_error", "single_ms",
    "batch_ms", "images_per_second", "perceptual",
}  # fmt: skip
OTHERS = {
    "is": (1.0, math.inf),
    "detour": (1.0, math.inf),
    "gap": (-1.0, 1.0),
    "ssim": (-1.0, 1.0),
    "ms_ssim": (-1.0, 1.0),
    "ms_ssim_real": (-1.0, 1.0),
}


def range_of(name: str) -> tuple[float, float]:
    """The least and the greatest value; infinite where there is none, as below KID, whose unbiased
    estimate may be negative. Numbers at the end do not count: `swd_16` has the range of `swd`."""
    name = name.rstrip("0123456789").rstrip("_")
    if name in SHARES:
        return 0.0, 1.0
    if name in NOT_NEGATIVE:
        return 0.0, math.inf
    return OTHERS.get(name, (-math.inf, math.inf))

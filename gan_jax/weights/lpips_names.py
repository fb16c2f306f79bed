"""From the names of LPIPS v0.1's linear weights to the taps that they weigh.

`vgg.pth` and `alex.pth` of the lpips package, and torch-fidelity's `weights-vgg16-lpips.pth`, which
is the former. The variables are `{"params": {tap: [C]}}`.
"""

from __future__ import annotations

import numpy as np

from gan_jax.networks.features.vgg import LPIPS_ALEXNET, LPIPS_VGG16
from gan_jax.weights.convert import Names, Target

VGG16_CHANNELS = dict(zip(LPIPS_VGG16, (64, 128, 256, 512, 512), strict=True))
ALEXNET_CHANNELS = dict(zip(LPIPS_ALEXNET, (64, 192, 384, 256, 256), strict=True))


def channels(tensor: np.ndarray) -> np.ndarray:
    """`[1, C, 1, 1]`, a 1×1 convolution to one channel, to `[C]`."""
    return tensor.reshape(-1)


def lpips_names(widths: dict[str, int]) -> Names:
    """The i-th linear layer belongs to the i-th tap."""
    return {
        f"lin{i}.model.1.weight": Target(f"params/{tap}", channels) for i, tap in enumerate(widths)
    }


def lpips_shapes(widths: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Of the leaves: a weight for each channel of each tap."""
    return {f"params/{tap}": (width,) for tap, width in widths.items()}

"""StyleGAN2's generator (Karras et al. 2020)."""

from __future__ import annotations

from flax.typing import Dtype

from gan_jax.networks.stylegan2.mapping import AveragedMapping, Mapping
from gan_jax.networks.stylegan2.style_generator import StyleGenerator
from gan_jax.networks.stylegan2.synthesis import Synthesis
from gan_jax.ops.resampling import BINOMIAL


class StyleGAN2Generator(StyleGenerator):
    """See `StyleGenerator` for its call and its methods. Defaults are those of config F.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
        channels: 1, 3 or 4.
        num_classes: classes, or attributes of a float label; 0 for an unconditional network.
        w_features: of w.
        mapping_layers: 8, or 2 (Karras et al. 2020b, `cifar` and `auto`).
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        w_avg_decay: of the average w, a train-mode call.
        taps: of the FIR filters.
        clamp: limit of the activations; 256 where `dtype` is half precision.
        dtype: of the highest `dtype_resolutions` resolutions of the synthesis above 4x4; the rest
            is float32.
        dtype_resolutions: how many.
    """

    channels: int = 3
    num_classes: int = 0
    w_features: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    w_avg_decay: float = 0.995
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    dtype: Dtype | None = None
    dtype_resolutions: int = 4

    def setup(self) -> None:
        mapping = Mapping(self.w_features, self.mapping_layers, self.num_classes)
        self.mapping = AveragedMapping(mapping, self.num_ws, self.w_avg_decay)
        self.synthesis = Synthesis(
            self.size,
            self.channels,
            self.channel_base,
            self.channel_max,
            self.taps,
            self.clamp,
            self.dtype,
            self.dtype_resolutions,
        )

"""The resolutions of a style-based network, and how wide it is at each."""

from __future__ import annotations

from gan_jax.errors import UsageError

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)


def resolutions(size: int) -> tuple[int, ...]:
    """4, 8, … `size`.

    Raises:
        UsageError: StyleGAN makes no pictures of that size.
    """
    if size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise UsageError(f"StyleGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return (4, *(side for side in SIZES if side <= size))


def width_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Features of a feature map of that side: the base over the side, limited.

    Raises:
        UsageError: none are left.
    """
    width = min(channel_base // resolution, channel_max)
    if width < 1:
        raise UsageError(
            f"channel_base {channel_base} and channel_max {channel_max} leave no features at "
            f"{resolution} pixels: channel_base must be at least the picture's size"
        )
    return width


def number_of_ws(size: int) -> int:
    """Latents that a synthesis network of `size` takes: 2 log2(size) - 2."""
    return 2 * len(resolutions(size))

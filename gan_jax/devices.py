"""Accelerators by name: the peak of their matrix products and their memory, from data sheets."""

from __future__ import annotations

import dataclasses
import difflib

from gan_jax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Device:
    """One accelerator (of TPUs one chip).

    Attributes:
        name: as people call it.
        float32: FLOP/s of dense matrix products of float32 arrays as JAX multiplies them unless
            told otherwise: in TF32 on NVIDIA from Ampere on, in one bfloat16 pass on TPUs.
        bfloat16: FLOP/s of dense products of bfloat16 arrays; float32's where it has no units.
        memory: bytes.
    """

    name: str
    float32: float
    bfloat16: float
    memory: float


# NVIDIA's and Google's data sheets; where they state sparse figures, half of those.
DEVICES = {
    "v100": Device("NVIDIA V100 SXM2 32 GB", 15.7e12, 15.7e12, 32e9),
    "t4": Device("NVIDIA T4", 8.1e12, 8.1e12, 16e9),
    "a100": Device("NVIDIA A100 SXM 80 GB", 156e12, 312e12, 80e9),
    "l4": Device("NVIDIA L4", 60e12, 121e12, 24e9),
    "rtx3090": Device("NVIDIA GeForce RTX 3090", 35.6e12, 71e12, 24e9),
    "rtx4090": Device("NVIDIA GeForce RTX 4090", 82.6e12, 165.2e12, 24e9),
    "h100": Device("NVIDIA H100 SXM", 494.7e12, 989.4e12, 80e9),
    "h200": Device("NVIDIA H200 SXM", 494.7e12, 989.4e12, 141e9),
    "tpu-v4": Device("TPU v4", 275e12, 275e12, 32e9),
    "tpu-v5e": Device("TPU v5e", 197e12, 197e12, 16e9),
    "tpu-v5p": Device("TPU v5p", 459e12, 459e12, 95e9),
    "tpu-v6e": Device("TPU v6e", 918e12, 918e12, 32e9),
}


def named(name: str) -> Device:
    """The device of that name in any case; raises UsageError where there is none."""
    lower = name.lower()
    if lower not in DEVICES:
        close = difflib.get_close_matches(lower, DEVICES, n=1)
        nearest = f" the nearest is {close[0]};" if close else ""
        raise UsageError(
            f"--device={name!r}: no such device;{nearest} there are {', '.join(DEVICES)}"
        )
    return DEVICES[lower]

"""From the names of the FID Inception's weight files to those of `FIDInception`.

The files of pytorch-fid and torch-fidelity name layers as torchvision does. NVIDIA's TorchScript
file was not at hand: its names are assumed to be the same under a prefix, which no one has checked;
where they are not, the converter says which names it found.
"""

from __future__ import annotations

from collections.abc import Iterable

from gan_jax.weights.convert import Names, Target, convolution, dense, same

STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
DOUBLE = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
A = ("branch1x1", "branch5x5_1", "branch5x5_2", *DOUBLE, "branch_pool")
B = ("branch3x3", *DOUBLE)
C = (
    "branch1x1",
    *(f"branch7x7_{i}" for i in range(1, 4)),
    *(f"branch7x7dbl_{i}" for i in range(1, 6)),
    "branch_pool",
)
D = ("branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in range(1, 5)))
E = (
    "branch1x1",
    *("branch3x3_1", "branch3x3_2a", "branch3x3_2b"),
    *("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b"),
    "branch_pool",
)
BLOCKS = {
    **{"Mixed_5b": A, "Mixed_5c": A, "Mixed_5d": A, "Mixed_6a": B},
    **{"Mixed_6b": C, "Mixed_6c": C, "Mixed_6d": C, "Mixed_6e": C},
    **{"Mixed_7a": D, "Mixed_7b": E, "Mixed_7c": E},
}
PREFIXES = ("", "layers.", "base.layers.", "module.")


def inception_names(found: Iterable[str]) -> Names:
    """For the prefix that the names of the file have."""
    keys = set(found)
    prefix = next((p for p in PREFIXES if f"{p}Conv2d_1a_3x3.conv.weight" in keys), "")
    names: dict[str, Target | None] = {
        f"{prefix}fc.weight": Target("params/fc/kernel", dense),
        f"{prefix}fc.bias": Target("params/fc/bias", same),
    }
    for unit in units():
        names |= _unit(f"{prefix}{unit}", unit.replace(".", "/"), keys)
    return names


def units() -> list[str]:
    """The 94 convolutions with their batch norms."""
    return [*STEM, *(f"{block}.{branch}" for block in BLOCKS for branch in BLOCKS[block])]


def _unit(source: str, target: str, keys: set[str]) -> dict[str, Target | None]:
    norm, statistics = f"params/{target}/bn", f"batch_stats/{target}/bn"
    names: dict[str, Target | None] = {
        f"{source}.conv.weight": Target(f"params/{target}/conv/kernel", convolution),
        f"{source}.bn.weight": Target(f"{norm}/scale", same),
        f"{source}.bn.bias": Target(f"{norm}/bias", same),
        f"{source}.bn.running_mean": Target(f"{statistics}/mean", same),
        f"{source}.bn.running_var": Target(f"{statistics}/var", same),
    }
    batches = f"{source}.bn.num_batches_tracked"  # torch before 0.4.1 wrote none
    return names | ({batches: None} if batches in keys else {})

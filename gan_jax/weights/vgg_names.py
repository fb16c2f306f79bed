"""From torchvision's names of VGG and AlexNet (numbers of a layer in a list) to ours."""

from __future__ import annotations

import numpy as np

from gan_jax.weights.convert import Names, Target, convolution, dense, same

DENSE_LAYERS = {"classifier.0": "fc1", "classifier.3": "fc2", "classifier.6": "fc3"}
ALEXNET_LAYERS = {0: "conv1", 3: "conv2", 6: "conv3", 8: "conv4", 10: "conv5"}
ALEXNET_DENSE = ("classifier.1", "classifier.4", "classifier.6")


def first_dense(tensor: np.ndarray) -> np.ndarray:
    """`[O, C·h·w]` to `[h·w·C, O]`: torch flattens channels first, we flatten them last."""
    count = len(tensor)
    return tensor.reshape(count, 512, 7, 7).transpose(2, 3, 1, 0).reshape(-1, count)


def vgg_names(blocks: tuple[int, ...]) -> Names:
    """Of a VGG with so many convolutions in each block: `networks.features.vgg.VGG16`, `VGG19`."""
    names: dict[str, Target | None] = {}
    number = 0
    for block, convolutions in enumerate(blocks, 1):
        for i in range(1, convolutions + 1):
            names |= _layer(f"features.{number}", f"conv{block}_{i}", convolution)
            number += 2  # the convolution and its ReLU
        number += 1  # the pool
    for source, target in DENSE_LAYERS.items():
        names |= _layer(source, target, first_dense if target == "fc1" else dense)
    return names


def alexnet_names() -> Names:
    """Of AlexNet's convolutions; its dense layers are passed over."""
    names: dict[str, Target | None] = {}
    for number, target in ALEXNET_LAYERS.items():
        names |= _layer(f"features.{number}", target, convolution)
    return names | {f"{name}.{kind}": None for name in ALEXNET_DENSE for kind in ("weight", "bias")}


def _layer(source: str, target: str, layout) -> dict[str, Target | None]:
    return {
        f"{source}.weight": Target(f"params/{target}/kernel", layout),
        f"{source}.bias": Target(f"params/{target}/bias", same),
    }

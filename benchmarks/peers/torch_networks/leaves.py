"""Flax's variables of one network, put into PyTorch's layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.torch_networks.spectral import spectral_norm_of

Layer = TypeVar("Layer", bound=nn.Module)


class Leaves:
    """`{"params": …, collection: …}` by path, such as `params/Dense_0/kernel`; each is taken once.

    Every method raises ValueError for a leaf that is not there or has another shape.
    """

    def __init__(self, variables: Mapping[str, Any]):
        self.left = dict(_paths(variables, ""))

    def copy(self, tensor: Tensor, path: str, *axes: int) -> None:
        """Fills `tensor` with a leaf, its axes in the order of `axes` where they are given."""
        if path not in self.left:
            raise ValueError(f"the variables have no {path}")
        leaf = self.left.pop(path)
        leaf = leaf.transpose(axes) if axes else leaf
        if leaf.shape != tensor.shape:
            raise ValueError(f"{path} is {leaf.shape}, and PyTorch's is {tuple(tensor.shape)}")
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.array(leaf)))  # torch takes no read-only array

    def linear(self, layer: nn.Linear, path: str) -> None:
        """A dense layer: kernel `[I, O]`, bias, and u where it is spectrally normalised."""
        self._layer(layer, path, 1, 0)

    def convolution(self, layer: nn.Conv2d, path: str) -> None:
        """A convolution: kernel `[kh, kw, I, O]`, bias, u."""
        self._layer(layer, path, 3, 2, 0, 1)

    def transposed_convolution(self, layer: nn.ConvTranspose2d, path: str) -> None:
        """A transposed one, whose kernel `[kh, kw, I, O]` PyTorch has mirrored."""
        name = f"params/{path}/kernel"
        if name in self.left:
            self.left[name] = self.left[name][::-1, ::-1]
        self._layer(layer, path, 2, 3, 0, 1)

    def embedding(self, layer: nn.Embedding, path: str) -> None:
        """A table `[K, F]`, and u."""
        self._weight(layer, path, "embedding")

    def batch_norm(self, layer: nn.BatchNorm2d | nn.BatchNorm1d, path: str) -> None:
        """Scale and bias where it has them, and the running statistics."""
        if layer.affine:
            self.copy(layer.weight, f"params/{path}/scale")
            self.copy(layer.bias, f"params/{path}/bias")
        assert layer.running_mean is not None and layer.running_var is not None
        self.copy(layer.running_mean, f"batch_stats/{path}/mean")
        self.copy(layer.running_var, f"batch_stats/{path}/var")

    def finish(self) -> None:
        """Raises ValueError where a leaf was not taken."""
        if self.left:
            raise ValueError(f"left over of the variables: {', '.join(self.left)}")

    def _layer(
        self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, path: str, *axes: int
    ) -> None:
        self._weight(layer, path, "kernel", *axes)
        if layer.bias is not None:
            self.copy(layer.bias, f"params/{path}/bias")

    def _weight(self, layer: nn.Module, path: str, name: str, *axes: int) -> None:
        spectral = spectral_norm_of(layer)
        if spectral is not None:
            self.copy(spectral.u, f"spectral/{path}/u")
        weight = "weight" if spectral is None else "parametrizations.weight.original"
        self.copy(layer.get_parameter(weight), f"params/{path}/{name}", *axes)


def layers_of(network: nn.Module, kind: type[Layer]) -> list[Layer]:
    """The layers of one kind in the order in which they were made."""
    return [module for module in network.modules() if isinstance(module, kind)]


def _paths(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value

"""Convolutions for networks whose gradients are differentiated (R1, R2, path lengths).

PyTorch's own second derivative of a convolution makes the weight's part by a convolution whose
kernel is as large as the picture, group by group: many times the work where there are groups. But
input gradients are linear in weight and incoming gradient, so their derivatives are a convolution
and a weight gradient again, for which there are kernels. Published code does the same
(`conv2d_gradfix` in the release of StyleGAN2-ADA).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

Gradients = tuple[Tensor | None, ...]


class Geometry(NamedTuple):
    """Of a convolution or a transposed one; rows and columns are alike."""

    stride: int = 1
    padding: int = 0
    groups: int = 1
    transposed: bool = False


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, *, twice: bool
) -> Tensor:
    """As `functional.conv2d` or `conv_transpose2d` in the dtype of `x`.

    With `twice` a second derivative is cheap, but only that of gradients in `x`; that of gradients
    in weight and bias raises RuntimeError.
    """
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if not twice:
        return _convolve(x, weight, bias, geometry)
    if not (weight.requires_grad and torch.is_grad_enabled()):
        return _Convolution.apply(x, weight, bias, None, geometry)
    fixed = None if bias is None else bias.detach()
    later = _WeightGradient.apply(weight, bias, x.detach(), geometry)
    return _Convolution.apply(x, weight, fixed, later, geometry)


class Conv2d(nn.Conv2d):
    """A square `nn.Conv2d` in the dtype of its input; `twice` as in `convolution`."""

    def __init__(self, *arguments: Any, twice: bool, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.geometry = Geometry(self.stride[0], int(self.padding[0]), self.groups)
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        return convolution(x, self.weight, self.bias, self.geometry, twice=self.twice)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    stride, padding, groups, transposed = geometry
    if transposed:
        return functional.conv_transpose2d(x, weight, bias, stride, padding, 0, groups)
    return functional.conv2d(x, weight, bias, stride, padding, 1, groups)


def _gradients(dy: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, *which: bool):
    """Of input, weight and bias; what is not asked for may depend on values that are not used."""
    stride, padding, groups, transposed = geometry
    twos = ([stride] * 2, [padding] * 2, [1, 1], transposed, [0, 0])
    sizes = [dy.shape[1]]
    return torch.ops.aten.convolution_backward(dy, x, weight, sizes, *twos, groups, list(which))


class _Convolution(Function):
    """The output. The gradient of weight and bias is not taken here but of `later`, which has the
    output's shape: autograd runs that node only where it is asked for those gradients, which it
    does not tell one node of Python's."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        later: Tensor | None,
        geometry: Geometry,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return _convolve(x, weight, bias, geometry)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _InputGradient.apply(dy, weight, x.detach(), ctx.geometry)
        return dx, None, None, dy if ctx.needs_input_grad[3] else None, None


class _WeightGradient(Function):
    """An output without values, whose gradient is turned into the weight's and the bias's."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor | None, x: Tensor, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(weight, x)
        ctx.geometry, ctx.biased = geometry, bias is not None
        return x.new_empty(()).expand(_output_size(x, weight, geometry))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Gradients:
        weight, x = ctx.saved_tensors
        found = _gradients(dy, x, weight, ctx.geometry, False, True, ctx.biased)
        return found[1], found[2], None, None


class _InputGradient(Function):
    """Of an output's gradient and a weight, linear in both; `like` is only as the input was."""

    @staticmethod
    def forward(ctx: Any, dy: Tensor, weight: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(dy, weight)
        ctx.geometry = geometry
        return _gradients(dy, like, weight, geometry, True, False, False)[0]

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Gradients:
        dy, weight = ctx.saved_tensors
        by_dy = by_weight = None
        if ctx.needs_input_grad[0]:
            by_dy = _convolve(ddx, weight, None, ctx.geometry)
        if ctx.needs_input_grad[1]:
            by_weight = _gradients(dy, ddx, weight, ctx.geometry, False, True, False)[1]
        return by_dy, by_weight, None, None


def _output_size(x: Tensor, weight: Tensor, geometry: Geometry) -> tuple[int, ...]:
    stride, padding, groups, transposed = geometry
    kernel = weight.shape[2]
    if transposed:
        sides = ((n - 1) * stride + kernel - 2 * padding for n in x.shape[2:])
        return (len(x), weight.shape[1] * groups, *sides)
    sides = ((n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:])
    return (len(x), weight.shape[0], *sides)

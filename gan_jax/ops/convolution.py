"""Convolution and transposed convolution, each in the form that its backend runs fastest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import jax
from jax import Array, lax

from gan_jax.ops import matmul_convolution as matmul
from gan_jax.ops.blocks import Geometry, pair

Form = Literal["lax", "matmul"]
Padding = str | Sequence[tuple[int, int]]
DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_traced_form: ContextVar[Form | None] = ContextVar("form", default=None)


@contextmanager
def in_form(form: Form) -> Iterator[None]:
    """What is traced in here has its convolutions in this form, where they name none themselves:
    to count operations as the mathematics has them, or to compare forms. Trace a new function: one
    that JAX has traced before keeps its form."""
    token = _traced_form.set(form)
    try:
        yield
    finally:
        _traced_form.reset(token)


def convolution(
    x: Array,
    kernel: Array,
    *,
    strides: Sequence[int] = (1, 1),
    padding: Padding = "SAME",
    groups: int = 1,
    form: Form | None = None,
) -> Array:
    """Convolves as `lax.conv_general_dilated` and `flax.linen.Conv` do (no kernel flip).

    Args:
      x: input `[B, H, W, I]`.
      kernel: `[kh, kw, I / groups, O]`, of the input's dtype.
      strides: rows and columns.
      padding: `"SAME"`, `"VALID"`, or (low, high) pairs for rows and columns.
      groups: of neighbouring channels, each convolved by itself (`feature_group_count`); as many
        as channels make it depthwise.
      form: `"lax"` (the backend's own convolution), `"matmul"`, or None for the faster one.

    Returns:
      `[B, h, w, O]` in the input's dtype; half precision is accumulated in float32.

    Raises:
      ValueError: shapes, strides, padding or groups that do not make a convolution of two
        dimensions.
      TypeError: input and kernel of different dtypes.
    """
    strides = _check(x, kernel, strides, groups, form)
    pairs = _convolution_padding(x, kernel, strides, padding)
    if _choose(form) == "lax":
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            pairs,
            dimension_numbers=DIMENSIONS,
            feature_group_count=groups,
        )
    geometry = Geometry(pair(x.shape[1:3]), pair(kernel.shape[:2]), strides, pairs, groups)
    return matmul.convolve(geometry, *_over_the_same_axes(x, kernel))


def transposed_convolution(
    x: Array,
    kernel: Array,
    *,
    strides: Sequence[int],
    padding: Padding = "SAME",
    form: Form | None = None,
) -> Array:
    """Convolves the input spread out by `strides`, as `lax.conv_transpose` and Flax's layer do.

    Args:
      x: input `[B, H, W, I]`.
      kernel: `[kh, kw, I, O]`, not flipped, of the input's dtype.
      strides: rows and columns.
      padding: `"SAME"` (output is stride × input), `"VALID"`, or the (low, high) pairs that are put
        around the spread-out input.
      form: `"lax"` (the backend's own convolution), `"matmul"`, or None for the faster one.

    Returns:
      `[B, h, w, O]` in the input's dtype; half precision is accumulated in float32.

    Raises:
      ValueError: shapes, strides or padding that do not make a convolution of two dimensions.
      TypeError: input and kernel of different dtypes.
    """
    strides = _check(x, kernel, strides, 1, form)
    pairs = _transposed_padding(kernel, strides, padding)
    if _choose(form) == "lax":
        return lax.conv_transpose(x, kernel, strides, pairs, dimension_numbers=DIMENSIONS)
    geometry = _adjoint_geometry(x, kernel, strides, pairs)
    x, kernel = _over_the_same_axes(x, kernel)
    return matmul.input_gradient(geometry, x, kernel[::-1, ::-1].swapaxes(2, 3))


def _adjoint_geometry(x, kernel, strides, pairs) -> Geometry:
    """The convolution, from the output back to the input, whose adjoint this one is."""
    axes = zip(x.shape[1:3], kernel.shape[:2], strides, pairs, strict=True)
    size = pair((n - 1) * stride + 1 + sum(edges) - k + 1 for n, k, stride, edges in axes)
    if min(size) < 1:
        raise ValueError(f"transposed convolution of {x.shape} by {kernel.shape} leaves no pixel")
    axes = zip(kernel.shape[:2], pairs, strict=True)
    inner = pair((k - 1 - low, k - 1 - high) for k, (low, high) in axes)
    return Geometry(size, pair(kernel.shape[:2]), strides, inner)


def _over_the_same_axes(x: Array, kernel: Array) -> tuple[Array, Array]:
    """Under `shard_map`, makes both vary over the axes that either does.

    A custom gradient must be of its argument's type; JAX's own transpose of this cast sums the
    kernel's gradient over devices.
    """
    of_x, of_kernel = _varying(x), _varying(kernel)
    if of_x == of_kernel:
        return x, kernel
    x = lax.pcast(x, tuple(of_kernel - of_x), to="varying")
    return x, lax.pcast(kernel, tuple(of_x - of_kernel), to="varying")


def _varying(array: Array) -> frozenset[str]:
    """The mesh axes over which it differs; JAX 0.10 renamed where that is kept."""
    kind = jax.typeof(array)
    manual = getattr(kind, "manual_axis_type", None)
    return getattr(kind, "vma", frozenset()) if manual is None else manual.varying


def _choose(form: Form | None) -> Form:
    """XLA's convolution is slow on CPU where it is strided, spread out, scanned or vmapped."""
    form = form or _traced_form.get()
    if form is not None:
        return form
    return "matmul" if jax.default_backend() == "cpu" else "lax"


def _check(x: Array, kernel: Array, strides: Sequence[int], groups: int, form) -> tuple[int, int]:
    if x.ndim != 4 or kernel.ndim != 4:
        raise ValueError(f"expected [B, H, W, I] and [kh, kw, I, O], got {x.shape}, {kernel.shape}")
    if groups < 1 or x.shape[-1] != kernel.shape[2] * groups or kernel.shape[3] % groups:
        raise ValueError(
            f"{x.shape[-1]} input channels and a kernel of {kernel.shape} make no {groups} groups"
        )
    if x.dtype != kernel.dtype:
        raise TypeError(f"input is {x.dtype} and kernel {kernel.dtype}; cast one to the other")
    if len(strides) != 2 or min(strides) < 1:
        raise ValueError(f"strides must be two positive integers, got {strides}")
    if form not in (None, "lax", "matmul"):
        raise ValueError(f"form must be None, 'lax' or 'matmul', got {form!r}")
    return (int(strides[0]), int(strides[1]))


def _pairs(padding: Sequence[tuple[int, int]]):
    pairs = tuple((int(low), int(high)) for low, high in padding)
    if len(pairs) != 2:
        raise ValueError(f"padding must be a (low, high) pair for rows and columns, got {padding}")
    return pairs


def _convolution_padding(x, kernel, strides, padding: Padding):
    if isinstance(padding, str):
        _check_name(padding)
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    pairs = _pairs(padding)
    for size, k, (low, high) in zip(x.shape[1:3], kernel.shape[:2], pairs, strict=True):
        if size + low + high < k:
            raise ValueError(f"kernel of {kernel.shape} is larger than padded input {x.shape}")
    return pairs


def _transposed_padding(kernel, strides, padding: Padding):
    if not isinstance(padding, str):
        return _pairs(padding)
    _check_name(padding)
    return tuple(
        _named_transposed_padding(k, stride, padding)
        for k, stride in zip(kernel.shape[:2], strides, strict=True)
    )


def _named_transposed_padding(k: int, stride: int, padding: str) -> tuple[int, int]:
    """The padding of the spread-out input that `lax.conv_transpose` gives to each name."""
    if padding == "SAME":
        low = k - 1 if stride > k - 1 else -(-(k + stride - 2) // 2)
        return low, k + stride - 2 - low
    return k - 1, stride - 1 + max(k - stride, 0)


def _check_name(padding: str) -> None:
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be 'SAME', 'VALID' or pairs, got {padding!r}")

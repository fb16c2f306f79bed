"""Convolution as matrix products, for backends whose own convolution is slow.

A convolution is linear in the input and in the kernel, so it has three faces (output, input
gradient, kernel gradient), each linear in its two arguments, and the gradients of each are the
other two. They refer to one another here, which makes every order of derivative matrix products.
Nothing but the two arguments is kept for the backward pass, never their windows.

Channels are those of all groups, except that the kernel's inputs are of one: `[kh, kw, I / G, O]`.
"""

from __future__ import annotations

from functools import partial

import jax
from jax import Array

from gan_jax.ops import depthwise, minimal_filtering, row_windows, windows
from gan_jax.ops.blocks import Geometry
from gan_jax.ops.grouped import Faces, OverGroups


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I / G, O]`."""
    return _convolve(geometry, x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    return _input_gradient(geometry, y, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, I / G, O]`."""
    return _kernel_gradient(geometry, x, y)


# Traced once for each shape: a network's program repeats few shapes many times.
_traced_once = partial(jax.jit, static_argnums=0, inline=True)


@_traced_once
def _convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    inputs, features = kernel.shape[2], kernel.shape[3] // geometry.groups
    filtering = minimal_filtering.pays(geometry, inputs, features, x)
    form = form_of(geometry, inputs, features, x, filtering)
    return form.convolve(geometry, x, kernel).astype(x.dtype)


@_traced_once
def _input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    inputs, features = kernel.shape[2], kernel.shape[3] // geometry.groups
    filtering = minimal_filtering.pays(geometry, inputs, features, y)
    form = form_of(geometry, inputs, features, y, filtering)
    return form.input_gradient(geometry, y, kernel).astype(y.dtype)


@_traced_once
def _kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    inputs, features = (array.shape[-1] // geometry.groups for array in (x, y))
    filtering = minimal_filtering.pays(geometry, inputs, features, x)
    filtering = filtering and minimal_filtering.kernel_gradient_pays(geometry, x, y)
    form = form_of(geometry, inputs, features, x, filtering)
    return form.kernel_gradient(geometry, x, y).astype(x.dtype)


def form_of(geometry: Geometry, inputs: int, features: int, array: Array, filtering: bool) -> Faces:
    """The fastest for groups of so many inputs and features, by `filtering` or without."""
    if geometry.groups > 1 and inputs == features == 1:
        return depthwise
    form: Faces = windows
    if filtering:
        form = minimal_filtering
    elif row_windows.pays(geometry, inputs, features, len(array)):
        form = row_windows
    return form if geometry.groups == 1 else OverGroups(form)


def _convolve_forward(geometry, x, kernel):
    return convolve(geometry, x, kernel), (x, kernel)


def _convolve_backward(geometry, saved, y):
    x, kernel = saved
    return input_gradient(geometry, y, kernel), kernel_gradient(geometry, x, y)


def _input_gradient_forward(geometry, y, kernel):
    return input_gradient(geometry, y, kernel), (y, kernel)


def _input_gradient_backward(geometry, saved, x):
    y, kernel = saved
    return convolve(geometry, x, kernel), kernel_gradient(geometry, x, y)


def _kernel_gradient_forward(geometry, x, y):
    return kernel_gradient(geometry, x, y), (x, y)


def _kernel_gradient_backward(geometry, saved, kernel):
    x, y = saved
    return input_gradient(geometry, y, kernel), convolve(geometry, x, kernel)


convolve.defvjp(_convolve_forward, _convolve_backward)
input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)

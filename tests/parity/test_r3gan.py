"""Grouped convolution and R3GAN's stages against PyTorch, written naively, with copied weights."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.r3gan.discriminator import DiscriminatorStage, R3GANDiscriminator
from gan_jax.networks.r3gan.generator import GeneratorStage
from gan_jax.ops.convolution import convolution

torch = pytest.importorskip("torch")
functional = torch.nn.functional

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)], ids=["float32", "float64"]
)


def randoms(shape, dtype, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def channels_first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))).requires_grad_()


def weight(kernel):
    """`[kh, kw, I, O]` as PyTorch's `[O, I, kh, kw]`."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))).requires_grad_()


def close(found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.max(np.abs(found - expected)) <= tolerance * np.max(np.abs(expected))


def both_ways(function, *arguments):
    """The output, and the cosine of it pulled back."""

    def run(*arguments):
        y, pullback = jax.vjp(function, *arguments)
        return y, pullback(jnp.cos(y))

    return jax.jit(run)(*arguments)


@PRECISIONS
@pytest.mark.parametrize(
    ("size", "groups", "inputs", "features", "kernel", "stride", "padding"),
    [
        (8, 4, 16, 16, 3, 1, 1),
        (7, 3, 4, 2, 4, 2, 1),
        (9, 6, 1, 1, 3, 2, 1),
        (4, 8, 1, 1, 4, 1, 0),
        (6, 5, 1, 3, 5, 1, 2),
    ],
)
def test_grouped_convolution(
    size, groups, inputs, features, kernel, stride, padding, dtype, tolerance
):
    x = randoms((2, size, size, groups * inputs), dtype, 1)
    k = randoms((kernel, kernel, inputs, groups * features), dtype, 2)

    def ours(x, k):
        return convolution(
            x,
            k,
            strides=(stride, stride),
            padding=[(padding, padding)] * 2,
            groups=groups,
            form="matmul",
        )

    with jax.enable_x64(True):
        y, (by_x, by_k) = both_ways(ours, x, k)
    tx, tk = channels_first(x), weight(k)
    ty = functional.conv2d(tx, tk, stride=stride, padding=padding, groups=groups)
    (ty * torch.cos(ty).detach()).sum().backward()
    close(y, ty.detach().permute(0, 2, 3, 1).numpy(), tolerance)
    close(by_x, tx.grad.permute(0, 2, 3, 1).numpy(), tolerance)
    close(by_k, tk.grad.permute(2, 3, 1, 0).numpy(), tolerance)


def torch_block(x, p, groups):
    y = functional.conv2d(x, p["widen"]["kernel"], p["widen"]["bias"])
    y = functional.leaky_relu(y, 0.2)
    y = functional.conv2d(y, p["grouped"]["kernel"], p["grouped"]["bias"], padding=1, groups=groups)
    y = functional.leaky_relu(y, 0.2)
    return x + functional.conv2d(y, p["narrow"]["kernel"])


def fir(x):
    """The [1, 3, 3, 1] filter of both directions, one for each channel."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    kernel = torch.outer(taps, taps) / 64
    return kernel.expand(x.shape[1], 1, 4, 4)


def torch_up(x):
    return functional.conv_transpose2d(x, 4 * fir(x), stride=2, padding=1, groups=x.shape[1])


def torch_down(x):
    return functional.conv2d(x, fir(x), stride=2, padding=1, groups=x.shape[1])


def torch_generator_stage(x, p, groups):
    x = torch_up(functional.conv2d(x, p["width"]["kernel"]))
    for index in range(2):
        x = torch_block(x, p[f"ResidualBlock_{index}"], groups)
    return x


def torch_discriminator_stage(x, p, groups):
    for index in range(2):
        x = torch_block(x, p[f"ResidualBlock_{index}"], groups)
    return functional.conv2d(torch_down(x), p["width"]["kernel"])


def torch_first_stage(z, p, groups):
    strength = z @ p["basis"]["Dense_0"]["kernel"]
    x = strength[:, :, None, None] * p["basis"]["basis"].permute(2, 0, 1)
    for index in range(2):
        x = torch_block(x, p[f"ResidualBlock_{index}"], groups)
    return x


def torch_last_stage(x, p, groups):
    for index in range(2):
        x = torch_block(x, p[f"ResidualBlock_{index}"], groups)
    x = functional.conv2d(x, p["basis"]["Convolution_0"]["kernel"], groups=x.shape[1])
    return x[:, :, 0, 0] @ p["basis"]["Dense_0"]["kernel"]


def torch_tree(params):
    """Kernels of four axes turned, the rest as they are."""
    return jax.tree.map(
        lambda leaf: weight(leaf) if leaf.ndim == 4 else torch.from_numpy(leaf).requires_grad_(),
        params,
    )


def random_params(module, x, dtype):
    """No zeros and no nice numbers."""
    shapes = jax.eval_shape(functools.partial(module.init, jax.random.key(0)), x)["params"]
    leaves, structure = jax.tree.flatten(shapes)
    drawn = [0.3 * randoms(leaf.shape, dtype, 10 + i) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, drawn)


STAGES = [
    (GeneratorStage(16, depth=6, group_width=8), (2, 5, 6, 24), 4, torch_generator_stage),
    (GeneratorStage(16, depth=6, group_width=8, first=True), (2, 10), 4, torch_first_stage),
    (DiscriminatorStage(24, depth=6, group_width=8), (2, 6, 8, 16), 4, torch_discriminator_stage),
    (DiscriminatorStage(5, depth=6, group_width=8, last=True), (2, 4, 4, 16), 4, torch_last_stage),
]


@PRECISIONS
@pytest.mark.parametrize(
    ("module", "shape", "groups", "naive"), STAGES, ids=lambda v: getattr(v, "__name__", "")
)
def test_stages(module, shape, groups, naive, dtype, tolerance):
    x = randoms(shape, dtype, 3)
    with jax.enable_x64(True):
        params = random_params(module, x, dtype)
        y, (by_params, by_x) = both_ways(lambda p, x: module.apply({"params": p}, x), params, x)
    tx = channels_first(x) if x.ndim == 4 else torch.from_numpy(x).requires_grad_()
    tp = torch_tree(params)
    ty = naive(tx, tp, groups)
    (ty * torch.cos(ty).detach()).sum().backward()

    def back(tensor):
        return (
            np.moveaxis(tensor.detach().numpy(), 1, -1)
            if tensor.ndim == 4
            else (tensor.detach().numpy())
        )

    close(y, back(ty), tolerance)
    close(by_x, back(tx.grad), tolerance)
    for found, leaf in zip(jax.tree.leaves(by_params), jax.tree.leaves(tp), strict=True):
        grad = leaf.grad.numpy()
        close(found, grad.transpose(2, 3, 1, 0) if grad.ndim == 4 else grad, tolerance)


@PRECISIONS
def test_the_gradient_penalty_of_a_discriminator(dtype, tolerance):
    """R1's gradient in every parameter, by double backward, with labels projected."""
    module = R3GANDiscriminator(8, widths=(16, 8), group_width=8, num_classes=3)
    x, label = randoms((2, 8, 8, 3), dtype, 4), np.array([2, 0])
    with jax.enable_x64(True):
        make = functools.partial(module.init, jax.random.key(0), label=label, train=True)
        leaves, structure = jax.tree.flatten(jax.eval_shape(make, x)["params"])
        params = jax.tree.unflatten(
            structure, [0.3 * randoms(leaf.shape, dtype, 30 + i) for i, leaf in enumerate(leaves)]
        )

        def penalty(p, x):
            def total(x):
                return jnp.sum(module.apply({"params": p}, x, label, train=True))

            return jnp.sum(jax.grad(total)(x) ** 2)

        found = jax.jit(jax.grad(penalty))(params, x)
    tp, tx = torch_tree(params), channels_first(x)
    y = functional.conv2d(tx, tp["picture"]["kernel"])
    y = torch_last_stage(torch_discriminator_stage(y, tp["stage_8"], 2), tp["stage_4"], 4)
    logits = (y * tp["label"]["embedding"][torch.from_numpy(label)]).sum(1)
    (by_x,) = torch.autograd.grad(logits.sum(), tx, create_graph=True)
    leaves = jax.tree.leaves(tp)
    grads = torch.autograd.grad((by_x**2).sum(), leaves, allow_unused=True)
    for ours, leaf, grad in zip(jax.tree.leaves(found), leaves, grads, strict=True):
        grad = (torch.zeros_like(leaf) if grad is None else grad).numpy()
        grad = grad.transpose(2, 3, 1, 0) if grad.ndim == 4 else grad
        if np.any(grad):
            close(ours, grad, tolerance)
        else:
            assert not np.any(ours)

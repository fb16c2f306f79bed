"""Every convolution of the DCGANs, XLA's form against ours: output, gradients, second gradients.

    python benchmarks/convolution.py [--out=FILE.jsonl] [--sizes=28,32,64,128] [--batches=64,32]
    python benchmarks/convolution.py --grouped [--out=FILE.jsonl]

The second measures the grouped ones of R3GANs instead, and depthwise ones. Times are of the bare
jitted call, and for our form also of four calls in a `lax.scan`, divided by four. GFLOP/s count
the multiplications that the mathematics needs, not those that a form makes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
from hardware import hardware, write_row
from interleaved import interleaved
from jax import Array, lax

from gan_jax.networks.dcgan import SHAPES
from gan_jax.ops.convolution import convolution, transposed_convolution

# Products of the size of the output that each call makes: one for the output, two for its
# gradients; the penalty's gradient makes those of the gradients again and two for each.
PRODUCTS = {"forward": 1, "gradient": 3, "second_gradient": 7}


@dataclass(frozen=True)
class Layer:
    """One convolution at one batch size."""

    operation: Callable[..., Array]
    batch: int
    side: int
    kernel: int
    stride: int
    inputs: int
    features: int
    groups: int = 1

    @property
    def products(self) -> float:
        """GFLOP of one product."""
        coarse = self.side // (self.stride if self.operation is convolution else 1)
        pairs = prod((self.inputs, self.features)) // self.groups
        return 2e-9 * self.batch * coarse**2 * self.kernel**2 * pairs


def grouped_layers() -> Iterator[Layer]:
    """Of the R3GAN for CIFAR-10, and of one of an eighth of its width; each depthwise too."""
    for batch, side, channels in ((4, 16, 1536), (16, 4, 1536), (16, 32, 192), (16, 8, 192)):
        for groups in (channels // 16, channels):
            yield Layer(convolution, batch, side, 3, 1, channels, channels, groups)


def layers(size: int, width: int, batch: int, channels: int) -> Iterator[Layer]:
    """Those of the discriminator, then of the generator, of one DCGAN."""
    shape = SHAPES[size]
    side, inputs = size, channels
    pairs = []
    for multiple, stride in shape.layers:
        pairs.append((side, stride, inputs, multiple * width))
        side, inputs = side // stride, multiple * width
    for side, stride, few, many in pairs:
        if stride > 1:
            yield Layer(convolution, batch, side, shape.kernel, stride, few, many)
    for side, stride, few, many in reversed(pairs):
        coarse = side // stride
        yield Layer(transposed_convolution, batch, coarse, shape.kernel, stride, many, few)


def calls(layer: Layer, form: str) -> dict[str, Callable]:
    """Output, both gradients, and a gradient penalty's gradient with respect to the kernel."""
    strides = (layer.stride, layer.stride)
    forward = partial(layer.operation, strides=strides, padding="SAME", form=form)
    if layer.groups > 1:
        forward = partial(forward, groups=layer.groups)

    def loss(x, kernel):
        return jnp.sum(jnp.square(forward(x, kernel)))

    def penalty(x, kernel):
        return jnp.sum(jnp.square(jax.grad(loss)(x, kernel)))

    return {
        "forward": forward,
        "gradient": jax.grad(loss, (0, 1)),
        "second_gradient": jax.grad(penalty, (0, 1)),
    }


def scanned(call: Callable) -> Callable:
    """Four calls in a scan, each of which depends on the one before."""

    def four(x, kernel):
        def body(total, _):
            parts = jax.tree.leaves(call(x + 0 * total, kernel))
            return total + sum(part.ravel()[0] for part in parts), None

        return lax.scan(body, jnp.zeros(()), None, length=4)[0]

    return four


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--sizes", default="28,32,64,128")
    arguments.add_argument("--widths", default="64,32")
    arguments.add_argument("--batches", default="64,32")
    arguments.add_argument("--grouped", action="store_true")
    options = arguments.parse_args()
    sizes, widths, batches = (
        [int(n) for n in text.split(",")]
        for text in (options.sizes, options.widths, options.batches)
    )
    of_dcgans = (
        layer
        for size in sizes
        for width, batch in zip(widths, batches, strict=True)
        for layer in layers(size, width, batch, 1 if size == 28 else 3)
    )
    # Sizes share most layers, so each is measured once.
    found = dict.fromkeys(grouped_layers() if options.grouped else of_dcgans)
    for number, layer in enumerate(found, 1):
        print(f"# {number} of {len(found)}")
        for line in measure(layer, options.repeats):
            line["load"] = round(os.getloadavg()[0], 2)
            write_row({"benchmark": "convolution", **line, **hardware()}, options.out)


def measure(layer: Layer, repeats: int) -> Iterator[dict]:
    """One line for each call."""
    first, second = jax.random.split(jax.random.key(0))
    x = jax.random.normal(first, (layer.batch, layer.side, layer.side, layer.inputs))
    shape = (layer.kernel, layer.kernel, layer.inputs // layer.groups, layer.features)
    kernel = 0.02 * jax.random.normal(second, shape)
    forms = {form: calls(layer, form) for form in ("lax", "matmul")}
    for name, count in PRODUCTS.items():
        functions = {form: forms[form][name] for form in forms}
        functions["scan"] = scanned(forms["matmul"][name])
        times = interleaved(
            {form: partial(jax.jit(f), x, kernel) for form, f in functions.items()}, repeats, 20.0
        )
        times["scan"] = {key: round(value / 4, 3) for key, value in times["scan"].items()}
        yield {
            "operation": layer.operation.__name__,
            "call": name,
            "input": x.shape,
            "kernel": shape,
            "stride": layer.stride,
            "groups": layer.groups,
            "gflop": round(count * layer.products, 4),
            **{
                form: t | {"gflop_s": round(1e3 * count * layer.products / t["ms"], 1)}
                for form, t in times.items()
            },
            "speedup": round(times["lax"]["ms"] / times["matmul"]["ms"], 2),
        }


if __name__ == "__main__":
    main()

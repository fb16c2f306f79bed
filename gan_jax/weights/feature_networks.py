"""The networks that weights can be imported for: their modules, shapes and maps of names."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

import flax.linen as nn
import jax

from gan_jax.errors import UsageError
from gan_jax.networks.features import inception, vgg
from gan_jax.weights.convert import Names, Shapes, convert, flat_shapes
from gan_jax.weights.inception_names import inception_names
from gan_jax.weights.known import NETWORKS
from gan_jax.weights.lpips_names import (
    ALEXNET_CHANNELS,
    VGG16_CHANNELS,
    lpips_names,
    lpips_shapes,
)
from gan_jax.weights.torch_file import read_torch_file
from gan_jax.weights.variables import Variables
from gan_jax.weights.vgg_names import alexnet_names, vgg_names

LPIPS_CHANNELS = {"lpips": VGG16_CHANNELS, "lpips_alexnet": ALEXNET_CHANNELS}
VGG_BLOCKS = {"vgg16": vgg.VGG16, "vgg19": vgg.VGG19}


def check_name(network: str) -> None:
    """A network that weights can be imported for.

    Raises:
        UsageError: it is none.
    """
    if network not in NETWORKS:
        raise UsageError(f"no network {network!r}: there are {', '.join(NETWORKS)}")


@functools.cache
def network_shapes(network: str) -> Shapes:
    """Of the leaves of its variables, by path. Kept: tracing Inception takes a second."""
    if network in LPIPS_CHANNELS:
        return MappingProxyType(lpips_shapes(LPIPS_CHANNELS[network]))
    if network == "inception":
        return _shapes(inception.FIDInception(), inception.SIZE)
    if network == "alexnet":
        return _shapes(vgg.AlexNet(), vgg.SIZE)
    return _shapes(vgg.VGG(VGG_BLOCKS[network]), vgg.SIZE, taps=("logits",))


def network_names(network: str, found: Iterable[str]) -> Names:
    """From the names in a file to the leaves; `found` are the file's."""
    if network in LPIPS_CHANNELS:
        return lpips_names(LPIPS_CHANNELS[network])
    if network == "inception":
        return inception_names(found)
    if network == "alexnet":
        return alexnet_names()
    return vgg_names(VGG_BLOCKS[network])


def convert_file(network: str, source: Path) -> Variables:
    """The variables of a network out of one of torch's files.

    Raises:
        UsageError: a file that cannot be read, or is not of this network.
    """
    state = read_torch_file(source)
    names = network_names(network, state)
    return convert(state, names, network_shapes(network), f"weights {source} for {network}")


def _shapes(module: nn.Module, size: int, **arguments) -> Shapes:
    images = jax.ShapeDtypeStruct((1, size, size, 3), "float32")
    initial = functools.partial(module.init, **arguments)
    return MappingProxyType(flat_shapes(jax.eval_shape(initial, jax.random.key(0), images)))

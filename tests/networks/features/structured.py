"""Random state dicts under which every mistake shows, and what is compared of the features.

With torch's own initial values activations die out, and a wrong epsilon, pool or order hardly
shows; here each layer keeps its scale and each statistic matters.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gan_jax.weights.convert import convert, convolution, dense
from gan_jax.weights.feature_networks import network_names, network_shapes
from gan_jax.weights.inception_names import units
from gan_jax.weights.vgg_names import first_dense

GOLDEN = Path(__file__).parent / "golden.json"
VALUES = 24
"""Of each tap, spread over it, that the golden file holds."""


def structured_state(network: str, seed: int = 0, only: str = "") -> dict[str, np.ndarray]:
    """As torch would load it: `[O, I, h, w]`, float32. `only`: keys that begin so."""
    generator = np.random.default_rng(seed)
    shapes = network_shapes(network)
    state = {}
    for key, target in sorted(network_names(network, ()).items()):
        if target is not None and key.startswith(only):
            shape = source_shape(shapes[target.path], target.layout)
            state[key] = numbers(generator, key, shape).astype(np.float32)
    if network == "inception":
        state |= {f"{unit}.bn.num_batches_tracked": np.int64(7) for unit in units()}
    return state


def source_shape(shape: tuple[int, ...], layout) -> tuple[int, ...]:
    """Before the axes were put in our order."""
    if layout is convolution:
        return (shape[3], shape[2], *shape[:2])
    return shape[::-1] if layout in (dense, first_dense) else shape


def numbers(generator, key: str, shape: tuple[int, ...]) -> np.ndarray:
    kind = key.split(".", maxsplit=1)[-1] if key.startswith("fc.") else key
    if kind.endswith(("bn.weight", "running_var")):
        return generator.uniform(0.5, 1.5, shape)
    if kind.endswith(("bn.bias", "running_mean")):
        return generator.normal(0, 0.1, shape)
    if key.startswith("fc."):
        return generator.normal(0, 0.02 if kind == "weight" else 1.0, shape)
    if kind.endswith("bias"):
        return generator.normal(0, 0.1, shape)
    return generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)


def structured_variables(network: str, seed: int = 0):
    """The same through the converter."""
    state = structured_state(network, seed)
    return convert(state, network_names(network, state), network_shapes(network), network)


def images(size: int, count: int = 1, seed: int = 1) -> np.ndarray:
    """`[count, size, size, 3]`, uniform in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def summary(features: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Of each tap (channels last): mean, largest magnitude, and values spread over it."""
    found = {}
    for tap, value in features.items():
        flat = np.asarray(value, np.float64).ravel()
        spread = flat[np.linspace(0, len(flat) - 1, VALUES).astype(int)]
        found[tap] = [float(x) for x in (flat.mean(), np.abs(flat).max(), *spread)]
    return found


def golden(network: str) -> dict[str, list[float]]:
    return json.loads(GOLDEN.read_text())[network]


def worst(found: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of each tap: the largest difference, as a part of the largest magnitude."""
    return {
        tap: float(np.abs(np.asarray(found[tap], np.float64) - value).max() / np.abs(value).max())
        for tap, value in reference.items()
    }

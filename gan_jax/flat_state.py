"""A state as a flat dictionary of plain arrays, as it is stored, and back.

The leaves go by their path, such as `nets/generator/params/Dense_0/kernel`. A typed PRNG key is
stored as its data and the name of its generator, an array without elements not at all, and None
is no leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct
from jax.sharding import SingleDeviceSharding

PyTree = Any


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves by path, in the tree's order."""
    paths_and_leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in paths_and_leaves
    }
    if len(named) != len(paths_and_leaves):
        raise TypeError("two leaves of the state have the same path: a key contains a slash")
    return named


def check_leaves(state: PyTree) -> None:
    """Refuses what would not come back as it was.

    Raises:
        TypeError: a leaf is not a `jax.Array`, or is weakly typed.
    """
    for name, leaf in named_leaves(state).items():
        if not isinstance(leaf, Array):
            raise TypeError(f"{name} in the state is {type(leaf).__name__}, not a jax.Array")
        if jax.typeof(leaf).weak_type:
            raise TypeError(
                f"{name} in the state is weakly typed; restored it would be strong and promote "
                "otherwise, so give it a dtype: jnp.asarray(value, dtype)"
            )


def describe(tree: PyTree) -> dict[str, str]:
    """Dtype and shape by leaf, such as `float32[3,3,64,128]`."""
    return {
        name: f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
        for name, leaf in named_leaves(tree).items()
    }


def differences(saved: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """A line for each leaf in which two descriptions differ."""
    return [
        f"{name}: saved {saved.get(name, 'nothing')}, wanted {wanted.get(name, 'nothing')}"
        for name in dict.fromkeys([*wanted, *saved])
        if saved.get(name) != wanted.get(name)
    ]


def key_generators(state: PyTree) -> dict[str, str]:
    """The generator's name, such as "threefry2x32", of each typed key."""
    leaves = named_leaves(state)
    return {n: str(jax.random.key_impl(leaf)) for n, leaf in leaves.items() if _is_key(leaf)}


def to_arrays(state: PyTree) -> dict[str, Array]:
    """What is stored of a state."""
    return {name: _data(leaf) for name, leaf in named_leaves(state).items() if leaf.size}


def abstract_arrays(abstract_state: PyTree) -> dict[str, ShapeDtypeStruct]:
    """Shape, dtype and place of what is stored: a leaf's `sharding`, else the first device."""
    leaves = named_leaves(abstract_state)
    return {name: _abstract_data(leaf) for name, leaf in leaves.items() if leaf.size}


def from_arrays(
    abstract_state: PyTree, arrays: Mapping[str, Array], generators: Mapping[str, str]
) -> PyTree:
    """The state from what was stored of it."""

    def leaf(name: str, abstract: Any) -> Array:
        if not abstract.size:
            return jnp.zeros(abstract.shape, abstract.dtype, device=_sharding(abstract))
        if name in generators:
            return jax.random.wrap_key_data(arrays[name], impl=generators[name])
        return arrays[name]

    leaves = [leaf(name, abstract) for name, abstract in named_leaves(abstract_state).items()]
    return jax.tree.unflatten(jax.tree.structure(abstract_state), leaves)


def size_in_bytes(state: PyTree) -> int:
    """What the arrays of a state, or of its `jax.ShapeDtypeStruct`s, take on the disk."""
    arrays = abstract_arrays(state).values()
    return sum(array.size * array.dtype.itemsize for array in arrays)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _abstract_data(leaf: Any) -> ShapeDtypeStruct:
    data = jax.eval_shape(_data, leaf) if _is_key(leaf) else leaf
    return ShapeDtypeStruct(data.shape, data.dtype, sharding=_sharding(leaf))


def _sharding(leaf: Any) -> jax.sharding.Sharding:
    return leaf.sharding or SingleDeviceSharding(jax.local_devices()[0])

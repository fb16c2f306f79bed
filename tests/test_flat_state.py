"""A state taken apart and put together again."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from gan_jax import flat_state


@struct.dataclass
class Net:
    params: dict
    ema: dict | None


def state():
    return {
        "net": Net({"Dense_0": {"kernel": jnp.ones((2, 3), jnp.bfloat16)}}, None),
        "keys": jax.random.split(jax.random.key(1), 3),
        "other": (jax.random.key(2, impl="rbg"), jnp.zeros((0, 4), jnp.int8)),
    }


def test_names_and_descriptions():
    assert flat_state.describe(state()) == {
        "keys": "key<fry>[3]",
        "net/params/Dense_0/kernel": "bfloat16[2,3]",
        "other/0": "key<rbg>[]",
        "other/1": "int8[0,4]",
    }
    assert flat_state.describe(jax.eval_shape(state)) == flat_state.describe(state())
    assert flat_state.key_generators(state()) == {"keys": "threefry2x32", "other/0": "rbg"}


def test_there_and_back():
    arrays = flat_state.to_arrays(state())
    assert {name: (a.shape, a.dtype) for name, a in arrays.items()} == {
        "keys": ((3, 2), np.uint32),
        "net/params/Dense_0/kernel": ((2, 3), jnp.bfloat16),
        "other/0": ((4,), np.uint32),
    }
    abstract = flat_state.abstract_arrays(jax.eval_shape(state))
    assert {name: (a.shape, a.dtype) for name, a in abstract.items()} == {
        name: (a.shape, a.dtype) for name, a in arrays.items()
    }
    back = flat_state.from_arrays(jax.eval_shape(state), arrays, flat_state.key_generators(state()))
    assert jax.tree.structure(back) == jax.tree.structure(state())
    assert flat_state.describe(back) == flat_state.describe(state())
    assert (jax.random.key_data(back["keys"]) == jax.random.key_data(state()["keys"])).all()


def test_size():
    assert flat_state.size_in_bytes(jax.eval_shape(state)) == 3 * 2 * 4 + 2 * 3 * 2 + 4 * 4


def test_differences_name_each_leaf():
    saved = {"a": "float32[2]", "b": "float32[]", "same": "int32[]"}
    wanted = {"a": "bfloat16[2]", "c": "float32[]", "same": "int32[]"}
    assert flat_state.differences(saved, wanted) == [
        "a: saved float32[2], wanted bfloat16[2]",
        "c: saved nothing, wanted float32[]",
        "b: saved float32[], wanted nothing",
    ]


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda: 3, "int, not a jax.Array"),
        (lambda: np.ones(2), "ndarray"),
        (lambda: jnp.asarray(0.1), "weakly typed"),
    ],
)
def test_leaves_that_would_not_come_back_are_refused(make, reason):
    with pytest.raises(TypeError, match=f"scale/0 in the state is {reason}"):
        flat_state.check_leaves({"scale": [make()]})


def test_two_leaves_of_one_name_are_refused():
    with pytest.raises(TypeError, match="a key contains a slash"):
        flat_state.named_leaves({"a/b": jnp.ones(1), "a": {"b": jnp.ones(1)}})

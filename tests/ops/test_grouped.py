"""Grouped and depthwise convolution against XLA's own, to the second derivative in float64."""

from __future__ import annotations

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from gan_jax.ops import grouped
from gan_jax.ops.convolution import convolution
from tests.marks import every

# Height, width, kernel, strides, padding, groups, inputs and features of a group: R3GAN's by
# minimal filtering, one by windows, a strided one, depthwise ones, several features for one input.
CASES = [
    (6, 5, (3, 3), (1, 1), "SAME", 3, 16, 16),
    (5, 6, (1, 7), (1, 1), "SAME", 2, 4, 3),
    (7, 8, (4, 4), (2, 2), "SAME", 2, 3, 5),
    (4, 4, (4, 4), (1, 1), "VALID", 6, 1, 1),
    (7, 6, (3, 3), (2, 2), "SAME", 5, 1, 1),
    (6, 6, (3, 2), (1, 2), ((1, 2), (-1, 1)), 4, 1, 1),
    (5, 6, (3, 3), (1, 1), "SAME", 4, 1, 3),
]
GRID = [
    (7, 8, kernel, strides, padding, groups, inputs, features)
    for kernel in ((1, 1), (2, 3), (3, 3), (4, 4))
    for strides in ((1, 1), (2, 2), (3, 1))
    for padding in ("SAME", ((-1, 2), (1, 3)))
    for groups, inputs, features in ((4, 1, 1), (3, 1, 2), (3, 5, 4))
]


@pytest.fixture(params=["at once", "in turns"])
def order(request, monkeypatch):
    """In turns, as groups of large pictures are, one at a time."""
    if request.param == "in turns":
        monkeypatch.setattr(grouped, "BYTES_AT_ONCE", 1)
    jax.clear_caches()
    yield
    jax.clear_caches()


def _arrays(case, dtype=jnp.float64):
    height, width, kernel, _, _, groups, inputs, features = case
    first, second = jax.random.split(jax.random.key(0))
    x = jax.random.normal(first, (2, height, width, groups * inputs), dtype)
    return x, jax.random.normal(second, (*kernel, inputs, groups * features), dtype)


def _all_orders(operation, x, kernel):
    """The value, both gradients, and the gradients of a function of the gradients."""

    def loss(x, kernel):
        return jnp.sum(jnp.sin(operation(x, kernel)))

    def penalty(x, kernel):
        by_x, by_kernel = jax.grad(loss, (0, 1))(x, kernel)
        return jnp.sum(by_x**2) + jnp.sum(by_kernel**3)

    return operation(x, kernel), *(jax.grad(f, (0, 1))(x, kernel) for f in (loss, penalty))


def _operations(case, form="matmul"):
    _, _, _, strides, padding, groups, _, _ = case
    ours = partial(convolution, strides=strides, padding=padding, groups=groups, form=form)
    dimensions = ("NHWC", "HWIO", "NHWC")

    def reference(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=dimensions, feature_group_count=groups
        )

    return ours, reference


def _check(case):
    with jax.enable_x64(True):
        found, expected = (
            jax.jit(partial(_all_orders, operation))(*_arrays(case))
            for operation in _operations(case)
        )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype == jnp.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * float(np.max(np.abs(b), initial=1)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_xla_to_the_second_derivative(case):
    _check(case)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("case", CASES[:2], ids=str)
def test_equals_xla_in_either_order(case):
    _check(case)


@pytest.mark.parametrize(
    ("shape", "groups", "at_once"),
    [
        ((8, 32, 32, 1536), 96, 4),  # half a MiB a group
        ((8, 16, 16, 1536), 96, 16),
        ((8, 4, 4, 1536), 96, 96),
        ((64, 64, 64, 64), 4, 1),  # more than fits, each by itself
    ],
)
def test_as_many_groups_take_a_turn_as_the_caches_hold(shape, groups, at_once):
    x, kernel = jnp.zeros(shape), jnp.zeros((3, 3, shape[3] // groups, shape[3]))
    ours = partial(convolution, groups=groups, form="matmul")
    lengths = re.findall(r"\blength=(\d+)", str(jax.make_jaxpr(ours)(x, kernel)))
    turns = [groups // at_once] if at_once < groups else []
    assert [int(length) for length in lengths] == turns


@pytest.mark.slow
@pytest.mark.parametrize("case", every(5, GRID), ids=str)
def test_equals_xla_over_a_grid(case):
    _check(case)


@pytest.mark.parametrize("case", CASES[2:5], ids=str)
def test_the_lax_form_is_xla_itself(case):
    arrays = _arrays(case, jnp.float32)
    ours, reference = _operations(case, form="lax")
    np.testing.assert_array_equal(ours(*arrays), reference(*arrays))


def test_is_each_group_by_itself():
    case = CASES[2]
    x, kernel = _arrays(case, jnp.float32)
    groups, inputs, features = case[5:]
    alone = [
        convolution(
            x[..., g * inputs : (g + 1) * inputs],
            kernel[..., g * features : (g + 1) * features],
            strides=case[3],
            padding=case[4],
            form="matmul",
        )
        for g in range(groups)
    ]
    together = _operations(case)[0](x, kernel)
    np.testing.assert_allclose(together, jnp.concatenate(alone, -1), atol=1e-4)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("case", [CASES[0], CASES[4]], ids=str)
def test_leaves_no_convolution_for_xla_under_control_flow(case):
    x, kernel = _arrays(case, jnp.float32)
    ours = _operations(case)[0]

    def descend(kernel):
        return kernel - 0.1 * jax.grad(lambda k: jnp.mean(ours(x, k) ** 2))(kernel)

    def twice(kernel):
        return lax.scan(lambda k, _: (descend(k), None), kernel, None, length=2)[0]

    scanned = jax.jit(lambda kernel, due: lax.cond(due, twice, lambda k: k, kernel))
    expected = descend(descend(kernel))
    np.testing.assert_allclose(scanned(kernel, True), expected, rtol=1e-5, atol=1e-5)
    assert " convolution(" not in scanned.lower(kernel, True).compile().as_text()


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("case", [CASES[0], CASES[4]], ids=str)
def test_vmap_over_weights(case):
    x, kernel = _arrays(case, jnp.float32)
    x, kernels = jnp.stack([x, 2 * x, x - 1]), jnp.stack([kernel, kernel + 1, -kernel])
    ours = _operations(case)[0]
    one = jax.grad(lambda x, k: jnp.sum(ours(x, k) ** 2), (0, 1))
    for found, expected in zip(
        jax.jit(jax.vmap(one))(x, kernels), zip(*map(one, x, kernels), strict=True), strict=True
    ):
        np.testing.assert_allclose(found, jnp.stack(expected), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", [CASES[0], CASES[4]], ids=str)
def test_half_precision_accumulates_in_float32(case):
    x, kernel = (array.astype(jnp.bfloat16) for array in _arrays(case, jnp.float32))

    @jax.jit
    def gradients(x, kernel):
        y, pullback = jax.vjp(_operations(case)[0], x, kernel)
        return y, *pullback(y)

    exact = gradients(x.astype(jnp.float32), kernel.astype(jnp.float32))
    for half, full in zip(gradients(x, kernel), exact, strict=True):
        assert half.dtype == jnp.bfloat16
        scale = float(jnp.max(jnp.abs(full)))
        np.testing.assert_allclose(half.astype(jnp.float32), full, atol=scale * 2**-7)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("case", [CASES[0], CASES[4]], ids=str)
def test_a_sharded_batch_stays_where_it_is(case):
    x, kernel = _arrays(case, jnp.float32)
    x = jnp.concatenate([x, x + 1, x - 1, -x])
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rows, everywhere = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())
    ours = _operations(case)[0]
    gradient = jax.value_and_grad(lambda x, k: jnp.mean(ours(x, k) ** 2), (0, 1))
    sharded = jax.jit(
        gradient,
        in_shardings=(rows, everywhere),
        out_shardings=(everywhere, (rows, everywhere)),
    )
    arguments = jax.device_put(x, rows), jax.device_put(kernel, everywhere)
    for found, expected in zip(
        jax.tree.leaves(sharded(*arguments)),
        jax.tree.leaves(jax.jit(gradient)(x, kernel)),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    compiled = sharded.lower(*arguments).compile().as_text()
    assert not re.findall(r"all-gather|all-to-all|collective-permute", compiled)


@pytest.mark.parametrize(
    ("inputs", "kernel", "groups"),
    [(6, (3, 3, 6, 6), 2), (6, (3, 3, 3, 5), 2), (6, (1, 1, 6, 6), 0)],
)
def test_groups_that_do_not_fit_are_refused(inputs, kernel, groups):
    with pytest.raises(ValueError, match="groups"):
        convolution(jnp.ones((1, 4, 4, inputs)), jnp.ones(kernel), groups=groups)

"""Both operations against XLA's own, to the last digits of float64, to the second derivative."""

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

from gan_jax.ops import matmul_convolution, minimal_filtering, row_windows, windows
from gan_jax.ops.blocks import Geometry
from gan_jax.ops.convolution import convolution, transposed_convolution
from tests.marks import every

REFERENCES = {
    convolution: partial(
        lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC"), rhs_dilation=(1, 1)
    ),
    transposed_convolution: lax.conv_transpose,
}
# Height, width, kernel, strides, padding, inputs, features: every kind of layer, and for each face
# every form: few inputs, few features, blocks that fit and that do not, minimal filtering.
CASES = [
    (8, 6, (4, 4), (2, 2), ((1, 1), (1, 1)), 1, 40),
    (6, 8, (4, 4), (2, 2), "SAME", 40, 1),
    (8, 6, (4, 4), (2, 2), "SAME", 9, 33),
    (7, 5, (3, 3), (1, 1), "SAME", 34, 32),
    (7, 7, (5, 5), (2, 2), "SAME", 32, 9),
    (4, 4, (4, 4), (1, 1), "VALID", 3, 2),
    (1, 1, (4, 4), (1, 1), ((3, 3), (3, 3)), 3, 2),
    (5, 6, (1, 1), (2, 2), "VALID", 3, 2),
    (9, 8, (3, 2), (3, 1), ((-1, 2), (1, 0)), 2, 3),
]
GRID = [
    (7, 8, kernel, strides, padding, inputs, features)
    for kernel in ((1, 1), (2, 3), (3, 3), (4, 4), (5, 5), (7, 7))
    for strides in ((1, 1), (2, 2), (3, 1))
    for padding in ("SAME", ((1, 1), (2, 0)), ((-1, 2), (1, 3)))
    for inputs, features in ((30, 1), (1, 30), (33, 34))
]
OPERATIONS = pytest.mark.parametrize("operation", REFERENCES, ids=lambda f: f.__name__)


def _arrays(case, dtype=jnp.float64):
    height, width, kernel, _, _, inputs, features = case
    first, second = jax.random.split(jax.random.key(0))
    x = jax.random.normal(first, (2, height, width, inputs), dtype)
    return x, jax.random.normal(second, (*kernel, inputs, features), dtype)


def _all_orders(operation, x, kernel):
    """The value, both gradients, and the gradients of a function of the gradients."""

    def loss(x, kernel):
        return jnp.sum(jnp.sin(operation(x, kernel)))

    def penalty(x, kernel):
        by_x, by_kernel = jax.grad(loss, (0, 1))(x, kernel)
        return jnp.sum(by_x**2) + jnp.sum(by_kernel**3)

    return operation(x, kernel), *(jax.grad(f, (0, 1))(x, kernel) for f in (loss, penalty))


def _check(operation, case):
    _, _, _, strides, padding, _, _ = case
    with jax.enable_x64(True):
        x, kernel = _arrays(case)

        def ours(x, kernel):
            return operation(x, kernel, strides=strides, padding=padding, form="matmul")

        def reference(x, kernel):
            return REFERENCES[operation](x, kernel, strides, padding)

        found = jax.jit(partial(_all_orders, ours))(x, kernel)
        expected = jax.jit(partial(_all_orders, reference))(x, kernel)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype == jnp.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * float(np.max(np.abs(b), initial=1)))


@OPERATIONS
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_xla_to_the_second_derivative(operation, case):
    _check(operation, case)


@pytest.mark.slow
@OPERATIONS
@pytest.mark.parametrize("case", every(5, GRID), ids=str)
def test_equals_xla_over_a_grid(operation, case):
    _check(operation, case)


@pytest.fixture
def by_rows(monkeypatch):
    """Windows of rows whatever they save, where minimal filtering does not pay; made pictures are
    too small for them."""
    monkeypatch.setattr(row_windows, "pays", lambda *_: True)
    monkeypatch.setattr(minimal_filtering, "pays", lambda *_: False)
    jax.clear_caches()
    yield
    jax.clear_caches()


@OPERATIONS
@pytest.mark.parametrize("case", [*CASES, (9, 12, (7, 7), (1, 1), "SAME", 3, 4)], ids=str)
def test_windows_of_rows_equal_xla_to_the_second_derivative(by_rows, operation, case):
    _check(operation, case)


@pytest.mark.slow
@OPERATIONS
@pytest.mark.parametrize("case", every(10, GRID), ids=str)
def test_windows_of_rows_equal_xla_over_a_grid(by_rows, operation, case):
    _check(operation, case)


@pytest.mark.parametrize(
    ("form", "size", "kernel", "stride", "inputs", "features", "batch"),
    [
        (row_windows, 64, 7, 1, 12, 16, 8),  # translators' first layer
        (row_windows, 64, 3, 1, 32, 16, 8),  # and their last but one
        (windows, 64, 3, 1, 3, 64, 8),  # few inputs: their windows are small
        (windows, 16, 7, 1, 12, 16, 8),  # few pixels
        (windows, 4, 4, 2, 48, 24, 8),  # more kernel than pixels
        (minimal_filtering, 64, 3, 1, 32, 32, 8),
    ],
)
def test_the_form_that_measured_fastest(form, size, kernel, stride, inputs, features, batch):
    x = jnp.zeros((batch, size, size, inputs))
    geometry = Geometry((size, size), (kernel, kernel), (stride, stride), ((1, 1), (1, 1)))
    filtering = minimal_filtering.pays(geometry, inputs, features, x)
    assert matmul_convolution.form_of(geometry, inputs, features, x, filtering) is form


def test_a_kernel_of_few_pixels_is_not_taken_apart():
    """Of a discriminator's last layer, whose blocks are its strides."""
    geometry = Geometry((4, 4), (4, 4), (2, 2), ((1, 1), (1, 1)))
    for batch, pays in ((8, False), (1024, True)):
        x, y = jnp.zeros((batch, 4, 4, 256)), jnp.zeros((batch, 2, 2, 512))
        assert minimal_filtering.pays(geometry, 256, 512, x)
        assert minimal_filtering.kernel_gradient_pays(geometry, x, y) == pays


@OPERATIONS
@pytest.mark.parametrize("case", CASES[2:4], ids=str)
def test_float32_rounds_like_xla(operation, case):
    with jax.enable_x64(True):
        x, kernel = _arrays(case)
        default = partial(operation, strides=case[3], padding=case[4])
        run = jax.jit(partial(_all_orders, default))
        exact = run(x, kernel)
        single = x.astype(jnp.float32), kernel.astype(jnp.float32)
        for found, expected in zip(run(*single), exact, strict=True):
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                assert a.dtype == jnp.float32
                assert float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) < 1e-5


@OPERATIONS
@pytest.mark.parametrize("case", CASES[1:3], ids=str)
def test_vmap_over_weights_is_a_batched_product(operation, case):
    x, kernel = _arrays(case, jnp.float32)
    x, kernels = jnp.stack([x, 2 * x, x - 1]), jnp.stack([kernel, kernel + 1, -kernel])
    one = jax.grad(
        lambda x, k: jnp.sum(operation(x, k, strides=(2, 2), form="matmul") ** 2), (0, 1)
    )
    many = jax.jit(jax.vmap(one))
    for found, expected in zip(
        many(x, kernels), zip(*map(jax.jit(one), x, kernels), strict=True), strict=True
    ):
        np.testing.assert_allclose(found, jnp.stack(expected), rtol=1e-5, atol=1e-3)
    assert " convolution(" not in many.lower(x, kernels).compile().as_text()


@OPERATIONS
def test_vmap_over_inputs_does_not_repeat_the_kernel(operation):
    x, kernel = _arrays(CASES[2], jnp.float32)
    one = partial(operation, strides=(2, 2), form="matmul")
    mapped = jax.vmap(one, (0, None))
    np.testing.assert_allclose(mapped(x[:, None], kernel)[:, 0], one(x, kernel), atol=1e-4)
    made = str(jax.make_jaxpr(mapped)(jnp.stack([x] * 5), kernel))
    assert "[5,4,4," not in made and "[5,9,33" not in made and "[5,36,33" not in made


@OPERATIONS
def test_half_precision_accumulates_in_float32(operation):
    case = (8, 8, (4, 4), (2, 2), "SAME", 64, 32)
    x, kernel = (array.astype(jnp.bfloat16) for array in _arrays(case, jnp.float32))

    @jax.jit
    def gradients(x, kernel):
        y, pullback = jax.vjp(lambda *a: operation(*a, strides=(2, 2), form="matmul"), x, kernel)
        return y, *pullback(y)

    exact = gradients(x.astype(jnp.float32), kernel.astype(jnp.float32))
    for half, full in zip(gradients(x, kernel), exact, strict=True):
        assert half.dtype == jnp.bfloat16
        scale = float(jnp.max(jnp.abs(full)))  # the pulled-back y is itself rounded
        np.testing.assert_allclose(half.astype(jnp.float32), full, atol=scale * 2**-7)


@OPERATIONS
def test_runs_under_control_flow(operation):
    x, kernel = _arrays(CASES[0], jnp.float32)

    def gradient(kernel):
        def loss(kernel):
            return jnp.mean(operation(x, kernel, strides=(2, 2), form="matmul") ** 2)

        return jax.grad(loss)(kernel)

    @jax.jit
    def descend(kernel):
        return kernel - 0.1 * gradient(kernel)

    expected = descend(descend(kernel))
    scanned, _ = lax.scan(lambda k, _: (descend(k), None), kernel, None, length=2)
    looped = lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, descend(s[1])), (0, kernel))[1]
    switched = jax.jit(lambda k, due: lax.cond(due, lambda: descend(descend(k)), lambda: k))
    for found in (scanned, looped, switched(kernel, True)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def _loss(operation, x, kernel):
    return jnp.mean(operation(x, kernel, strides=(2, 2), form="matmul") ** 2)


@OPERATIONS
@pytest.mark.parametrize("case", CASES[:3], ids=str)
def test_a_sharded_batch_stays_where_it_is(operation, case):
    x, kernel = _arrays(case, jnp.float32)
    x = jnp.concatenate([x, x + 1, x - 1, -x])
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rows, everywhere = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())

    def penalty(x, kernel):
        by_x = jax.grad(partial(_loss, operation))(x, kernel)
        return _loss(operation, x, kernel) + jnp.sum(by_x**2)

    gradient = jax.value_and_grad(penalty, (0, 1))
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
    assert "all-reduce" in compiled  # of the loss and of the kernel's gradient


@OPERATIONS
def test_shard_map_sums_the_kernel_gradient(operation):
    x, kernel = _arrays(CASES[0], jnp.float32)
    x = jnp.concatenate([x, x + 1])
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), P()), out_specs=P())
    def mapped(x, kernel):
        # The kernel is the same everywhere, so its gradient comes back as the sum over devices.
        return jax.grad(partial(_loss, operation), argnums=1)(x, kernel) / 4

    expected = jax.grad(partial(_loss, operation), argnums=1)(x, kernel)
    np.testing.assert_allclose(jax.jit(mapped)(x, kernel), expected, rtol=1e-4, atol=1e-5)


@OPERATIONS
def test_what_makes_no_convolution_is_refused(operation):
    x, kernel = jnp.ones((2, 5, 5, 4)), jnp.ones((3, 3, 4, 2))
    refused = partial(pytest.raises, ValueError)
    with refused(match="channels"):
        operation(x, jnp.ones((3, 3, 2, 2)), strides=(1, 1))
    with refused(match="B, H, W, I"):
        operation(x[0], kernel, strides=(1, 1))
    with refused(match="strides"):
        operation(x, kernel, strides=(0, 1))
    with refused(match="strides"):
        operation(x, kernel, strides=(1,))
    with refused(match="padding"):
        operation(x, kernel, strides=(1, 1), padding="CIRCULAR")
    with refused(match="padding"):
        operation(x, kernel, strides=(1, 1), padding=[(1, 1)])
    with refused(match="form"):
        operation(x, kernel, strides=(1, 1), form="fft")
    with pytest.raises(TypeError, match="bfloat16"):
        operation(x, kernel.astype(jnp.bfloat16), strides=(1, 1))


def test_a_kernel_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="larger"):
        convolution(jnp.ones((1, 2, 5, 1)), jnp.ones((3, 3, 1, 1)), padding="VALID")
    with pytest.raises(ValueError, match="no pixel"):
        padding = ((-1, -1), (0, 0))
        transposed_convolution(
            jnp.ones((1, 2, 5, 1)), jnp.ones((3, 3, 1, 1)), strides=(1, 1), padding=padding
        )

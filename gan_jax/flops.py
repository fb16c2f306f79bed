"""Operations of a program's matrix products and convolutions, counted on its jaxpr.

A multiplication and an addition are two operations. A convolution has as many as its kernel has
taps for every output, those that meet padding too and the zeros of a stride not: what papers and
data sheets count. Elementwise work is not counted. What a program says twice of the same operands,
such as logits that both a loss and a penalty begin with, is counted once, for compilers work it out
once. Unlike XLA's own cost analysis this multiplies the body of a scan by its length and takes a
`cond` at its most expensive branch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jax.interpreters import partial_eval

from gan_jax.ops.convolution import in_form

CONTROL_FLOW = ("scan", "while", "cond")


def flops_of(function: Callable[..., Any], *arguments: Any) -> float:
    """Operations of one call, whatever form the backend gives its convolutions.

    Args:
        function: pure; it is traced, not run.
        arguments: arrays or `jax.ShapeDtypeStruct`s.

    Raises:
        NotImplementedError: there are products in a loop whose length is known only when it runs.
    """
    with in_form("lax"):
        closed = jax.make_jaxpr(lambda *given: function(*given))(*arguments)
    jaxpr, constants = closed.jaxpr, closed.consts
    # What no result depends on is traced (half of a double backward pass may be), but never run.
    needed, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return flops_of_jaxpr(needed, constants)


def flops_of_jaxpr(jaxpr: Jaxpr, constants: Sequence[Any] = ()) -> float:
    """Operations of a traced program with those constants; errors as of `flops_of`."""
    count = _Count()
    count.run(jaxpr, [*map(_constant, constants), *(count.new() for _ in jaxpr.invars)])
    return count.flops


class _Count:
    """Runs a program on names of values in the place of values: equal names, equal values."""

    def __init__(self):
        self.flops = 0.0
        self._names = 0
        self._known: dict[Hashable, list[Hashable]] = {}

    def new(self) -> Hashable:
        self._names += 1
        return self._names

    def run(self, jaxpr: Jaxpr, arguments: Sequence[Hashable]) -> list[Hashable]:
        names = dict(zip([*jaxpr.constvars, *jaxpr.invars], arguments, strict=True))

        def name(variable: Any) -> Hashable:
            if isinstance(variable, Literal):
                return str(variable.val), str(variable.aval)
            return names[variable]

        for equation in jaxpr.eqns:
            results = self._results(equation, [name(variable) for variable in equation.invars])
            names.update(zip(equation.outvars, results, strict=True))
        return [name(variable) for variable in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, operands: list[Hashable]) -> list[Hashable]:
        inner = list(_jaxprs(equation.params))
        called = equation.primitive.name not in CONTROL_FLOW and len(inner) == 1
        if called and len(inner[0].constvars) + len(inner[0].invars) == len(operands):
            return self.run(inner[0], operands)
        key = (equation.primitive, tuple(operands), _parameters(equation))
        if key not in self._known:
            self.flops += _flops_of_equation(equation, inner)
            self._known[key] = [self.new() for _ in equation.outvars]
        return self._known[key]


def _constant(value: Any) -> Hashable:
    """A name that equal constants share."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    return str(array.dtype), array.shape, array.tobytes()


def _parameters(equation: JaxprEqn) -> Hashable:
    """Equal ones are equal; some that cannot be compared count as different."""

    def comparable(value: Any) -> Hashable:
        try:
            hash(value)
        except TypeError:
            return id(value)
        return value

    return tuple((name, comparable(value)) for name, value in sorted(equation.params.items()))


def _flops_of_equation(equation: JaxprEqn, jaxprs: Sequence[Jaxpr]) -> float:
    name = equation.primitive.name
    if name == "dot_general":
        return _product(equation)
    if name == "conv_general_dilated":
        return _convolution(equation)
    inner = [flops_of_jaxpr(jaxpr) for jaxpr in jaxprs]
    if name == "cond":
        return max(inner)
    if name == "while" and any(inner):
        raise NotImplementedError("matrix products in a while loop: their number is not known")
    return equation.params["length"] * sum(inner) if name == "scan" else sum(inner)


def _product(equation: JaxprEqn) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, out = _shape(equation.invars[0]), _shape(equation.outvars[0])
    return 2.0 * prod(out) * prod(left[axis] for axis in contracted)


def _convolution(equation: JaxprEqn) -> float:
    """Of an input that is spread out by zeros only the share that is not zero."""
    parameters = equation.params
    kernel, out = _shape(equation.invars[1]), _shape(equation.outvars[0])
    _, inputs, *spatial = parameters["dimension_numbers"].rhs_spec
    taps = prod(kernel[axis] for axis in spatial) * kernel[inputs]
    return 2.0 * prod(out) * taps / prod(parameters["lhs_dilation"])


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _jaxprs(parameters: dict[str, Any]) -> Iterator[Jaxpr]:
    """Those that an equation's parameters hold, a `cond`'s branches among them."""
    for parameter in parameters.values():
        for value in parameter if isinstance(parameter, tuple | list) else (parameter,):
            if isinstance(value, ClosedJaxpr):
                yield value.jaxpr
            elif isinstance(value, Jaxpr):
                yield value

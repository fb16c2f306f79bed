"""Operations of a program's matrix products and convolutions, counted on its jaxpr.

A multiplication and an addition are two operations. A convolution has as many as its kernel has
taps for every output, those that meet padding too and the zeros of a stride not: what papers and
data sheets count. Elementwise work is not counted. Unlike XLA's own cost analysis this multiplies
the body of a scan by its length and takes a `cond` at its most expensive branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.interpreters import partial_eval

from gan_jax.ops.convolution import in_form


def flops_of(function: Callable[..., Any], *arguments: Any) -> float:
    """Operations of one call, whatever form the backend gives its convolutions.

    Args:
        function: pure; it is traced, not run.
        arguments: arrays or `jax.ShapeDtypeStruct`s.

    Raises:
        NotImplementedError: there are products in a loop whose length is known only when it runs.
    """
    with in_form("lax"):
        jaxpr = jax.make_jaxpr(lambda *given: function(*given))(*arguments).jaxpr
    # What no result depends on is traced (half of a double backward pass may be), but never run.
    needed, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return flops_of_jaxpr(needed)


def flops_of_jaxpr(jaxpr: Jaxpr) -> float:
    """Operations of a traced program; errors as of `flops_of`."""
    return sum(_flops_of_equation(equation) for equation in jaxpr.eqns)


def _flops_of_equation(equation: JaxprEqn) -> float:
    name, parameters = equation.primitive.name, equation.params
    if name == "dot_general":
        return _product(equation)
    if name == "conv_general_dilated":
        return _convolution(equation)
    inner = [flops_of_jaxpr(jaxpr) for jaxpr in _jaxprs(parameters)]
    if name == "cond":
        return max(inner)
    if name == "while" and any(inner):
        raise NotImplementedError("matrix products in a while loop: their number is not known")
    return parameters.get("length", 1) * sum(inner) if name == "scan" else sum(inner)


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

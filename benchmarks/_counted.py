"""The least work of a program, counted in the program as it is written, before XLA.

XLA's own count takes the body of a loop once. Here a loop counts as often as it runs.
"""

from typing import Any, NamedTuple

ARITHMETIC = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "add",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "cbrt",
        "cos",
        "cosh",
        "cumsum",
        "div",
        "erf",
        "erf_inv",
        "exp",
        "exp2",
        "expm1",
        "integer_pow",
        "log",
        "log1p",
        "logistic",
        "max",
        "min",
        "mul",
        "neg",
        "pow",
        "rsqrt",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "sub",
        "tan",
        "tanh",
    ]
)
REDUCTIONS = frozenset(
    ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin"]
)


class Counted(NamedTuple):
    """The work of a program.

    flops: one for each number that an arithmetic or transcendental function makes, and two for each
        product of a matrix product.
    bytes: the numbers that loops carry, read and written once in each step, and the numbers that
        each step reads and keeps. Memory that a step needs by itself does not count.
    """

    flops: float
    bytes: float

    def times(self, n: float) -> "Counted":
        """The work of n such programs."""
        return Counted(n * self.flops, n * self.bytes)

    def plus(self, other: "Counted") -> "Counted":
        """The work of both."""
        return Counted(self.flops + other.flops, self.bytes + other.bytes)


def counted(jaxpr: Any) -> Counted:
    """The work of a jaxpr. The body of a loop of unknown length counts once."""
    total = Counted(0.0, 0.0)
    for equation in jaxpr.eqns:
        total = total.plus(_of(equation))
    return total


def _of(equation: Any) -> Counted:
    name = equation.primitive.name
    parameters = equation.params
    if name == "scan":
        body = parameters["jaxpr"].jaxpr
        one = counted(body).plus(Counted(0.0, _traffic(equation, body)))
        return one.times(parameters["length"])
    if name == "cond":
        branches = [counted(branch.jaxpr) for branch in parameters["branches"]]
        return max(branches, key=lambda branch: branch.flops)
    made = sum(variable.aval.size for variable in equation.outvars)
    if name == "dot_general":
        left = equation.invars[0].aval.shape
        contracted, _ = parameters["dimension_numbers"]
        products = made
        for axis in contracted[0]:
            products *= left[axis]
        return Counted(2.0 * products, 0.0)
    if name in REDUCTIONS:
        return Counted(float(equation.invars[0].aval.size), 0.0)
    if name in ARITHMETIC:
        return Counted(float(made), 0.0)
    total = Counted(0.0, 0.0)
    for inner in _inside(parameters):
        total = total.plus(counted(inner))
    return total


def _traffic(equation: Any, body: Any) -> float:
    """Bytes that a step of a loop reads and writes, without the constants of the loop.

    The inputs of the body are constants, what is carried, and slices. A slice has an axis less than
    the array of the loop. JAX 0.12 no longer tells their numbers.
    """
    n_carried = 0
    for inner, outer in zip(body.outvars, equation.outvars, strict=True):
        n_carried += inner.aval.ndim == outer.aval.ndim
    n_slices = 0
    for inner, outer in zip(body.invars, equation.invars, strict=True):
        n_slices += inner.aval.ndim < outer.aval.ndim
    inputs = body.invars[len(body.invars) - n_carried - n_slices :]
    return float(sum(_bytes(variable) for variable in [*inputs, *body.outvars]))


def _bytes(variable: Any) -> int:
    dtype = variable.aval.dtype
    return variable.aval.size * getattr(dtype, "itemsize", 4)


def _inside(parameters: dict[str, Any]) -> list[Any]:
    """The programs that an operation calls: the first of those that stand for one another."""
    for name in ("call_jaxpr", "jaxpr", "body_jaxpr", "fun_jaxpr"):
        if name in parameters:
            inner = parameters[name]
            return [getattr(inner, "jaxpr", inner)]
    return []

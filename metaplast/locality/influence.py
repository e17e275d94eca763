"""The inputs of a program that can reach each of its outputs, element by element.

Every number of a program carries a set of marks, as the bits of an integer. An operation gives each
element of its result the marks of all elements from which it may be computed. Values do not matter:
a sign, a comparison, an argmax, a closed gate and `stop_gradient` pass marks on as a sum does. An
unknown operation passes every mark to every element. So a missing mark shows independence, in a
program without side effects (`unfollowed`). A mark alone proves nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from metaplast.locality.known import NESTED, Known
from metaplast.locality.marks import OPERATIONS, Marks, every, everywhere, nothing, union

LONGEST = 256
"""Steps of the longest scan whose steps are followed one by one. Others are followed together."""


def outputs(program: Any, marked: Sequence[Marks]) -> list[Marks]:
    """The marks of the outputs of a program.

    Args:
        program: a jaxpr, closed or open.
        marked: the marks of its inputs.
    """
    if hasattr(program, "jaxpr"):
        return _through(program.jaxpr, marked, Known.of(program))
    return _through(program, marked, Known(program, [None] * len(program.constvars)))


def _through(jaxpr: Any, marked: Sequence[Marks], known: Known) -> list[Marks]:
    marks: dict[Any, Marks] = {v: nothing(v.aval.shape) for v in jaxpr.constvars}
    marks |= dict(zip(jaxpr.invars, marked, strict=True))

    def of(atom: Any) -> Marks:
        return nothing(np.shape(atom.val)) if hasattr(atom, "val") else marks[atom]

    for equation in jaxpr.eqns:
        results = _of_equation(equation, [of(atom) for atom in equation.invars], known)
        marks |= dict(zip(equation.outvars, results, strict=True))
    return [of(atom) for atom in jaxpr.outvars]


def _of_equation(equation: Any, marked: list[Marks], known: Known) -> list[Marks]:
    """The marks of the results of one equation, from the marks of its operands."""
    shapes = [tuple(v.aval.shape) for v in equation.outvars]
    if not any(marks.any() for marks in marked):
        return [nothing(shape) for shape in shapes]
    name = equation.primitive.name
    if name in NESTED:
        inside = known.inside(equation)
        return _through(inside.jaxpr, marked, inside)
    if name in _FLOW:
        return _FLOW[name](equation, marked)
    if name in OPERATIONS:
        return OPERATIONS[name](equation, marked, known)
    return everywhere(marked, shapes)


def _cond(equation: Any, marked: list[Marks]) -> list[Marks]:
    of_choice = every(marked[:1])
    branches = [outputs(branch, marked[1:]) for branch in equation.params["branches"]]
    return [union(results) | of_choice for results in zip(*branches, strict=True)]


def _while(equation: Any, marked: list[Marks]) -> list[Marks]:
    n_cond = equation.params["cond_nconsts"]
    n_body = equation.params["body_nconsts"]
    of_cond = marked[:n_cond]
    of_body = marked[n_cond : n_cond + n_body]
    carry = marked[n_cond + n_body :]

    def once(carry: list[Marks]) -> list[Marks]:
        goes_on = every(outputs(equation.params["cond_jaxpr"], [*of_cond, *carry]))
        after = outputs(equation.params["body_jaxpr"], [*of_body, *carry])
        return [marks | goes_on for marks in after]

    return settled(once, list(carry))


def unfollowed(jaxpr: Any) -> bool:
    """Whether a program has side effects or callbacks, so that its marks cannot be followed.

    Numbers that it writes outside may be read elsewhere.

    Args:
        jaxpr: the program.
    """
    for equation in jaxpr.eqns:
        if equation.effects or "callback" in equation.primitive.name:
            return True
        for value in equation.params.values():
            several = value if isinstance(value, list | tuple) else [value]
            inner = [getattr(one, "jaxpr", one) for one in several]
            if any(unfollowed(one) for one in inner if hasattr(one, "eqns")):
                return True
    return False


def settled(once: Callable[[list[Marks]], list[Marks]], carry: list[Marks]) -> list[Marks]:
    """The marks of a carry after any number of steps.

    Args:
        once: the marks after one step, from the marks before it.
        carry: the marks at the start.
    """
    while True:
        after = [old | new for old, new in zip(carry, once(carry), strict=True)]
        if all(np.array_equal(old, new) for old, new in zip(carry, after, strict=True)):
            return carry
        carry = after


class _Counts(NamedTuple):
    """The inputs of a scan.

    n_consts: inputs that are the same in every step.
    n_carry: inputs that a step passes on to the next step.
    """

    n_consts: int
    n_carry: int


def _counts(equation: Any) -> _Counts:
    """The inputs of a scan. An input over which it runs has one axis more than in a step."""
    body = getattr(equation.params["jaxpr"], "jaxpr", equation.params["jaxpr"])

    def n_longer(outside: Any, inside: Any) -> int:
        longer = 0
        for outer, inner in zip(outside, inside, strict=True):
            if len(outer.aval.shape) > len(inner.aval.shape):
                longer += 1
        return longer

    n_over = n_longer(equation.invars, body.invars)
    n_carry = len(equation.outvars) - n_longer(equation.outvars, body.outvars)
    return _Counts(len(equation.invars) - n_over - n_carry, n_carry)


def _scan(equation: Any, marked: list[Marks]) -> list[Marks]:
    parameters = equation.params
    length = parameters["length"]
    n_consts, n_carry = _counts(equation)
    consts = marked[:n_consts]
    carry = marked[n_consts : n_consts + n_carry]
    inputs = marked[n_consts + n_carry :]
    body = parameters["jaxpr"]
    if length > LONGEST:
        together = [np.bitwise_or.reduce(marks, axis=0) for marks in inputs]

        def once(carry: list[Marks]) -> list[Marks]:
            return outputs(body, [*consts, *carry, *together])[:n_carry]

        carry = settled(once, list(carry))
        last = outputs(body, [*consts, *carry, *together])[n_carry:]
        return [*carry, *(np.broadcast_to(marks, (length, *marks.shape)) for marks in last)]
    results: list[list[Marks]] = []
    steps = range(length)
    for step in reversed(steps) if parameters["reverse"] else steps:
        after = outputs(body, [*consts, *carry, *(marks[step] for marks in inputs)])
        carry = after[:n_carry]
        results.append(after[n_carry:])
    if parameters["reverse"]:
        results.reverse()
    if not results:
        return [*carry, *(nothing(v.aval.shape) for v in equation.outvars[n_carry:])]
    return [*carry, *(np.stack(over_steps) for over_steps in zip(*results, strict=True))]


_FLOW = {"cond": _cond, "scan": _scan, "while": _while}

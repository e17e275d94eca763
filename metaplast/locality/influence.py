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
    marks: dict[Any, Marks] = {}
    for constant in jaxpr.constvars:
        marks[constant] = nothing(constant.aval.shape)
    marks |= dict(zip(jaxpr.invars, marked, strict=True))

    def of(atom: Any) -> Marks:
        if hasattr(atom, "val"):
            return nothing(np.shape(atom.val))
        return marks[atom]

    for equation in jaxpr.eqns:
        results = _of_equation(equation, list(map(of, equation.invars)), known)
        marks |= dict(zip(equation.outvars, results, strict=True))
    return list(map(of, jaxpr.outvars))


def _of_equation(equation: Any, marked: list[Marks], known: Known) -> list[Marks]:
    """The marks of the results of one equation, from the marks of its operands."""
    shapes = [tuple(v.aval.shape) for v in equation.outvars]
    if not every(marked):
        return list(map(nothing, shapes))
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
    after = []
    for of_branches in zip(*branches, strict=True):
        after.append(union(of_branches) | of_choice)
    return after


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
            for one in several:
                inner = getattr(one, "jaxpr", one)
                if hasattr(inner, "eqns") and unfollowed(inner):
                    return True
    return False


def settled(once: Callable[[list[Marks]], list[Marks]], carry: list[Marks]) -> list[Marks]:
    """The marks of a carry after any number of steps.

    Args:
        once: the marks after one step, from the marks before it.
        carry: the marks at the start.
    """
    while True:
        after = []
        for old, new in zip(carry, once(carry), strict=True):
            after.append(old | new)
        if all(map(np.array_equal, carry, after)):
            return carry
        carry = after


class _Operands(NamedTuple):
    """The marks of the operands of a scan.

    consts: operands that are the same in every step.
    carry: operands that a step passes on to the next step.
    inputs: operands over which the scan runs.
    """

    consts: list[Marks]
    carry: list[Marks]
    inputs: list[Marks]


def _operands(equation: Any, marked: list[Marks]) -> _Operands:
    """The operands of a scan. An input over which it runs has one axis more than in a step."""
    body = getattr(equation.params["jaxpr"], "jaxpr", equation.params["jaxpr"])

    def n_longer(outside: Any, inside: Any) -> int:
        longer = 0
        for outer, inner in zip(outside, inside, strict=True):
            if len(outer.aval.shape) > len(inner.aval.shape):
                longer += 1
        return longer

    first_input = len(equation.invars) - n_longer(equation.invars, body.invars)
    n_carry = len(equation.outvars) - n_longer(equation.outvars, body.outvars)
    first_carry = first_input - n_carry
    return _Operands(marked[:first_carry], marked[first_carry:first_input], marked[first_input:])


def _scan(equation: Any, marked: list[Marks]) -> list[Marks]:
    operands = _operands(equation, marked)
    if equation.params["length"] > LONGEST:
        return _all_steps_together(equation, operands)
    return _step_by_step(equation, operands)


def _all_steps_together(equation: Any, operands: _Operands) -> list[Marks]:
    """The marks of the results of a scan, where each step may be any step."""
    consts, carry, inputs = operands
    length = equation.params["length"]
    body = equation.params["jaxpr"]
    n_carry = len(carry)
    together = [np.bitwise_or.reduce(marks, axis=0) for marks in inputs]

    def once(carry: list[Marks]) -> list[Marks]:
        return outputs(body, [*consts, *carry, *together])[:n_carry]

    results = settled(once, list(carry))
    for marks in outputs(body, [*consts, *results, *together])[n_carry:]:
        results.append(np.broadcast_to(marks, (length, *marks.shape)))
    return results


def _step_by_step(equation: Any, operands: _Operands) -> list[Marks]:
    """The marks of the results of a scan, whose steps are followed one by one."""
    consts, carry, inputs = operands
    n_carry = len(carry)
    steps = list(range(equation.params["length"]))
    if equation.params["reverse"]:
        steps.reverse()
    by_step: list[list[Marks]] = []
    for step in steps:
        of_step = [marks[step] for marks in inputs]
        after = outputs(equation.params["jaxpr"], [*consts, *carry, *of_step])
        carry = after[:n_carry]
        by_step.append(after[n_carry:])
    if not by_step:
        shapes = [variable.aval.shape for variable in equation.outvars[n_carry:]]
        return [*carry, *map(nothing, shapes)]
    if equation.params["reverse"]:
        by_step.reverse()
    return [*carry, *map(np.stack, zip(*by_step, strict=True))]


_FLOW = {"cond": _cond, "scan": _scan, "while": _while}

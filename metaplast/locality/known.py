"""The values that a program computes from its constants alone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

NESTED = {
    "checkpoint",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "jit",
    "pjit",
    "remat2",
}


class Known:
    """The values that a program computes from constants alone: positions of a gather, mostly. Found
    when asked for.
    """

    def __init__(
        self, jaxpr: Any, consts: Sequence[Any], given: Sequence[Callable[[], Any]] = ()
    ) -> None:
        """given: what tells the value of an input, or None; none of them is known where this is
        left out.
        """
        self.jaxpr = jaxpr
        self.values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        self.inputs = dict(zip(jaxpr.invars, given, strict=True)) if given else {}
        self.made_by = {v: equation for equation in jaxpr.eqns for v in equation.outvars}

    @classmethod
    def of(cls, program: Any) -> "Known":
        return cls(program.jaxpr, program.consts)

    def inside(self, equation: Any) -> "Known":
        """What is known within a nested program."""
        parameters = equation.params
        inner = next(
            parameters[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in parameters
        )
        given = [partial(self.value, atom) for atom in equation.invars]
        if hasattr(inner, "consts"):
            return Known(inner.jaxpr, inner.consts, given)
        return Known(inner, [None] * len(inner.constvars), given)

    def value(self, atom: Any) -> Any:
        if hasattr(atom, "val"):
            return atom.val
        if atom not in self.values:
            self.values[atom] = self._computed(atom)
        return self.values[atom]

    def _computed(self, atom: Any) -> Any:
        if atom in self.inputs:
            return self.inputs[atom]()
        equation = self.made_by.get(atom)
        if equation is None:
            return None
        if equation.primitive.name in NESTED:
            inside = self.inside(equation)
            return inside.value(inside.jaxpr.outvars[equation.outvars.index(atom)])
        if equation.primitive.multiple_results:
            return None
        given = [self.value(x) for x in equation.invars]
        if any(x is None for x in given):
            return None
        return equation.primitive.bind(*given, **equation.params)

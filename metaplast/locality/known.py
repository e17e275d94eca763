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
    """The values that a program computes from constants alone, mostly the positions of a gather.

    A value is computed when it is needed. An unknown value is None.
    """

    def __init__(
        self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Callable[[], Any]] = ()
    ) -> None:
        """Start with the constants of a program.

        Args:
            jaxpr: the program.
            consts: the values of its constants.
            inputs: functions that give the value of each input, or None. Without them no input is
                known.
        """
        self.jaxpr = jaxpr
        self.values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        self.inputs: dict[Any, Callable[[], Any]] = {}
        if inputs:
            self.inputs = dict(zip(jaxpr.invars, inputs, strict=True))
        self.made_by: dict[Any, Any] = {}
        for equation in jaxpr.eqns:
            self.made_by |= dict.fromkeys(equation.outvars, equation)

    @classmethod
    def of(cls, program: Any) -> "Known":
        """The values of a closed program."""
        return cls(program.jaxpr, program.consts)

    def inside(self, equation: Any) -> "Known":
        """The values of the nested program of an equation."""
        parameters = equation.params
        keys = ("jaxpr", "call_jaxpr", "fun_jaxpr")
        inner = next(parameters[key] for key in keys if key in parameters)
        inputs = [partial(self.value, atom) for atom in equation.invars]
        if hasattr(inner, "consts"):
            return Known(inner.jaxpr, inner.consts, inputs)
        return Known(inner, [None] * len(inner.constvars), inputs)

    def value(self, atom: Any) -> Any:
        """The value of a variable or a literal, or None."""
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
        operands = []
        for operand in equation.invars:
            value = self.value(operand)
            if value is None:
                return None
            operands.append(value)
        return equation.primitive.bind(*operands, **equation.params)

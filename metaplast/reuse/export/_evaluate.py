"""Equations computed with NumPy, for measurements of other exports. No text becomes code."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metaplast.reuse.export._expressions import (
    Expression,
    Function,
    Name,
    Number,
    Operation,
    Power,
    Sum,
    parts,
    side_of,
)
from metaplast.reuse.export._program import Program

Values = Mapping[str, Any]
"""{name: array whose shape is [n_post, 1], [1, n_pre], [n_post, n_pre] or []}."""


def _clip(value: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(value, low), high)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "abs": np.abs,
    "sign": np.sign,
    "maximum": np.maximum,
    "clip": _clip,
    "positive": lambda value: 1.0 * (value > 0.0),
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_AXES = {"pre": (1,), "post": (0,), "all": (0, 1)}


def value(expression: Expression, values: Values) -> Any:
    """The value of a tree.

    Args:
        expression: the tree.
        values: the values of its names.
    """
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Name):
        return values[expression.name]
    below = [value(part, values) for part in parts(expression)]
    if isinstance(expression, Operation):
        return OPERATORS[expression.operator](*below)
    if isinstance(expression, Power):
        return below[0] ** expression.exponent
    if isinstance(expression, Function):
        return FUNCTIONS[expression.function](*below)
    assert isinstance(expression, Sum)
    whole = np.broadcast_to(below[0], values["weight"].shape)
    if side_of(expression.inner) in ("pre", "post"):
        whole = below[0]
    return np.sum(whole, axis=_AXES[expression.over], keepdims=True)


def first_state(program: Program, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """The state at birth, for weights of a shape."""
    constants = {constant.name: constant.value for constant in program.constants}
    sizes = {"pre": (1, shape[1]), "post": (shape[0], 1), "synapse": shape, "scalar": ()}
    state = {}
    for kept in program.states:
        start = value(kept.start, constants)
        state[kept.name] = np.full(sizes[kept.side], start, float)
    return state


def step(
    program: Program, signals: Values, state: Values, dt: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One step: (new state, delta_w).

    Args:
        program: the equations.
        signals: the signals, among them `weight` [n_post, n_pre].
        state: the state before the step.
        dt: seconds of the step.
    """
    values: dict[str, Any] = {constant.name: constant.value for constant in program.constants}
    values |= {**signals, **state, "dt": dt}
    for let in program.lets:
        values[let.name.name] = value(let.value, values)
    new = {name.name: value(kept, values) for name, kept in program.kept}
    return new, np.broadcast_to(value(program.change, values), signals["weight"].shape)

"""A change of weight as a sum of products of names."""

from typing import Any

from metaplast.reuse.export._expressions import Expression, Name, Number, Operation, Power
from metaplast.reuse.export._program import Program, Unsupported

Factors = tuple[tuple[str, int], ...]
"""(name, power) of each factor, sorted by name."""
Products = dict[Factors, float]
"""factors -> coefficient."""


def products(expression: Expression, numbers: dict[str, float]) -> Products:
    """The sum of products that a tree is.

    Args:
        expression: the tree.
        numbers: the values of names that are numbers.

    Raises: Unsupported for a tree that is no sum of products.
    """
    if isinstance(expression, Number):
        return {(): expression.value}
    if isinstance(expression, Name):
        if expression.name in numbers:
            return {(): numbers[expression.name]}
        return {((expression.name, 1),): 1.0}
    if isinstance(expression, Power) and expression.exponent == round(expression.exponent):
        base = products(expression.base, numbers)
        result: Products = {(): 1.0}
        for _ in range(round(expression.exponent)):
            result = multiplied(result, base)
        return result
    if isinstance(expression, Operation):
        left = products(expression.left, numbers)
        right = products(expression.right, numbers)
        if expression.operator == "+":
            return added(left, right)
        if expression.operator == "-":
            return added(left, multiplied({(): -1.0}, right))
        if expression.operator == "*":
            return multiplied(left, right)
        if set(right) == {()}:
            return multiplied(left, {(): 1.0 / right[()]})
    raise Unsupported("its change is no sum of products of traces and the weight")


def added(left: Products, right: Products) -> Products:
    """The sum of two sums of products."""
    result = dict(left)
    for factors, coefficient in right.items():
        result[factors] = result.get(factors, 0.0) + coefficient
    return result


def multiplied(left: Products, right: Products) -> Products:
    """The product of two sums of products."""
    result: Products = {}
    for factors, coefficient in left.items():
        for others, more in right.items():
            powers = dict(factors)
            for name, power in others:
                powers[name] = powers.get(name, 0) + power
            key = tuple(sorted(powers.items()))
            result[key] = result.get(key, 0.0) + coefficient * more
    return result


def numbers_of(program: Program) -> dict[str, float]:
    """{name: value} of the scalar numbers of a program."""
    found: dict[str, Any] = {}
    for constant in program.constants:
        if isinstance(constant.value, float | int):
            found[constant.name] = float(constant.value)
    return found

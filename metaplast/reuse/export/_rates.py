"""The equations of rules of named signals: lists of terms, expressions, networks, ABCD and BCM."""

import numpy as np

from metaplast.language import expression as _tree
from metaplast.language.grammar import RATE_UNIT, Product, parse
from metaplast.reuse.export._expressions import (
    ONE,
    STEP,
    Expression,
    Number,
    call,
)
from metaplast.reuse.export._numbers import note, number, option
from metaplast.reuse.export._program import Builder, Unsupported, faded, total
from metaplast.reuse.node import Node, coefficients, rate, tree

LARGEST = 20_000
"""The most numbers of a network that are written out."""


def terms(builder: Builder, rule: Node) -> Expression:
    """delta_w = rate sum_k c_k term_k. A term whose c_k is exactly 0 is left out."""
    step = builder.constant("rate", rate(rule), note(rule, "rate"))
    summands = []
    for term, coefficient in coefficients(rule).items():
        if coefficient == 0.0:
            continue
        c = builder.constant(f"c_{len(summands) + 1}", coefficient, f"coefficient of {term}")
        products = [product_of(builder, product) for product in parse(term)]
        summands.append(c * total(products))
    return step * total(summands)


def product_of(builder: Builder, product: Product) -> Expression:
    """A product of signals."""
    value: Expression = ONE
    for name, power in product.factors:
        value = value * builder.signal(name) ** power
    return Number(product.scale) * value


def expression(builder: Builder, rule: Node) -> Expression:
    """delta_w = rate f(signals), and the trace of another expression where f reads one."""
    kept = option(rule, "eligibility")
    eligibility: Expression | None = None
    if kept:
        state = builder.state(_tree.ELIGIBILITY, "synapse")
        tau = builder.constant("tau", float(option(rule, "tau")), note(rule, "tau"))
        now = _converted(builder, _tree.parse(kept), None)
        eligibility = builder.keep(state, faded(state, tau) + now)
    step = builder.constant("rate", rate(rule), note(rule, "rate"))
    return step * _converted(builder, tree(rule), eligibility)


def _converted(builder: Builder, node: _tree.Tree, eligibility: Expression | None) -> Expression:
    """A tree of the expression grammar as a tree of equations."""
    if isinstance(node, _tree.Number):
        return Number(node.value)
    if isinstance(node, _tree.Signal):
        if node.name == _tree.ELIGIBILITY and eligibility is not None:
            return eligibility
        return builder.signal(node.name)
    left = _converted(builder, node.left, eligibility)
    right = _converted(builder, node.right, eligibility)
    if node.operator == "+":
        return left + right
    if node.operator == "-":
        return left - right
    if node.operator == "*":
        return left * right
    return left / right


def mlp(builder: Builder, rule: Node) -> Expression:
    """A network at the synapse, whose units are written out one by one."""
    size = sum(leaf.size for leaf in rule.leaves.values())
    if size > LARGEST:
        raise Unsupported(f"a network of {size} numbers is too long to write out")
    n_state = int(option(rule, "n_state"))
    states = [builder.state(f"s_{k}", "synapse") for k in range(n_state)]
    units: list[Expression] = []
    for name in option(rule, "inputs"):
        units.append(builder.signal(name))
    units += states
    n_layers = len(option(rule, "hidden")) + 1
    for k in range(n_layers):
        weight = rule.leaves[f"layer_{k}.weight"]
        bias = rule.leaves[f"layer_{k}.bias"]
        is_last = k == n_layers - 1
        units = [
            builder.let(f"unit_{k}_{o}", _unit(rule, weight[o], float(bias[o]), units, is_last))
            for o in range(len(bias))
        ]
    if states:
        tau = builder.constant("tau", float(option(rule, "tau")), note(rule, "tau"))
        keep = builder.let("keep", call("exp", -STEP / tau))
        for state, unit in zip(states, units[1:], strict=True):
            builder.keep(state, keep * state + (ONE - keep) * call("tanh", unit))
    step = builder.constant("rate", float(option(rule, "rate")), note(rule, "rate"))
    output = units[0]
    if option(rule, "output") == "tanh":
        output = call("tanh", output)
    return step * output


def _unit(
    rule: Node, weights: np.ndarray, bias: float, inputs: list[Expression], is_last: bool
) -> Expression:
    """One unit of a layer."""
    summands: list[Expression] = []
    for weight, value in zip(weights.tolist(), inputs, strict=True):
        summands.append(Number(weight) * value)
    h = total([*summands, Number(bias)])
    if is_last:
        return h
    if option(rule, "nonlinearity") == "tanh":
        return call("tanh", h)
    return call("maximum", h, 0.01 * h)


def abcd(builder: Builder, rule: Node) -> Expression:
    """delta_w = eta (A x y + B x + C y + D), with numbers of all synapses or of each."""
    value = {}
    for name in ("a", "b", "c", "d"):
        value[name] = builder.constant(name, _leaf(rule.leaves[name]))
    if "log_rate" in rule.leaves and not option(rule, "shared"):
        grown = float(option(rule, "rate")) * np.exp(RATE_UNIT * _double(rule.leaves["log_rate"]))
        eta = builder.constant("eta", grown)
    else:
        eta = number(builder, rule, "rate")
    x = builder.signal("pre")
    y = builder.signal("post")
    return eta * (value["a"] * x * y + value["b"] * x + value["c"] * y + value["d"])


def _leaf(leaf: np.ndarray) -> float | np.ndarray:
    if leaf.ndim == 0:
        return float(leaf)
    if leaf.ndim != 2:
        raise Unsupported("one number per synapse of a connection that is no full matrix")
    if leaf.size > LARGEST:
        raise Unsupported(f"{leaf.size} numbers of synapses are too many to write out")
    return _double(leaf)


def _double(leaf: np.ndarray) -> np.ndarray:
    return np.asarray(leaf, np.float64)


def bcm(builder: Builder, rule: Node) -> Expression:
    """delta_w = dt rate x y (y - threshold), with a threshold that follows y^2."""
    step = number(builder, rule, "rate")
    tau = number(builder, rule, "tau")
    x = builder.signal("pre")
    y = builder.signal("post")
    threshold = builder.state("bcm_threshold", "post")
    builder.keep(threshold, y**2 + faded(threshold - y**2, tau))
    return STEP * step * y * (y - threshold) * x

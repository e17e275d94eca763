"""The equations of rules around rules. `inside` gives the change of the rule inside."""

from collections.abc import Callable
from typing import Any

from metaplast.reuse.export._expressions import (
    ONE,
    Expression,
    Number,
    Sum,
    call,
)
from metaplast.reuse.export._numbers import note, number, option
from metaplast.reuse.export._program import Builder, faded
from metaplast.reuse.node import Node

Inside = Callable[[Builder], Expression]


def adam(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, normalised by its running moments."""
    g = builder.let("g", inside(builder))
    b1 = builder.constant("b1", float(option(rule, "b1")), note(rule, "b1"))
    b2 = builder.constant("b2", float(option(rule, "b2")), note(rule, "b2"))
    eps = builder.constant("eps", float(option(rule, "eps")), note(rule, "eps"))
    m_state = builder.state("adam_m", "synapse")
    v_state = builder.state("adam_v", "synapse")
    b1_state = builder.state("adam_b1", "scalar", 1.0)
    b2_state = builder.state("adam_b2", "scalar", 1.0)
    m = builder.keep(m_state, b1 * m_state + (ONE - b1) * g)
    v = builder.keep(v_state, b2 * v_state + (ONE - b2) * g**2)
    b1_power = builder.keep(b1_state, b1 * b1_state)
    b2_power = builder.keep(b2_state, b2 * b2_state)
    size = call("sqrt", v / (ONE - b2_power) + eps**2)
    return number(builder, rule, "rate") * (m / (ONE - b1_power)) / size


def bound(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, smaller towards the bounds of the weight."""
    change = builder.let("inner", inside(builder))
    mu = float(option(rule, "mu"))
    if mu == 0.0:
        return change
    low = builder.constant("low_bound", float(option(rule, "low")))
    weight = builder.signal("weight")
    largest = builder.weight_max()
    is_up = builder.let("is_up", call("positive", change))
    room = builder.let("room", is_up * (largest - weight) + (ONE - is_up) * (weight - low))
    return change * call("maximum", room / (largest - low), 0.0) ** mu


def clip(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, limited."""
    limit = builder.constant("limit", float(option(rule, "limit")), note(rule, "limit"))
    return call("clip", inside(builder), -limit, limit)


def consolidating(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, and a pull to a slow part of the weight."""
    change = inside(builder)
    slow = builder.state("consolidating_s", "synapse")
    away = builder.let("away", builder.signal("weight") - builder.weight_initial() - slow)
    builder.keep(slow, slow + number(builder, rule, "follow") * away)
    return change - number(builder, rule, "pull") * away


def gate(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, times a modulator of the same step."""
    return builder.signal(f"modulator.{option(rule, 'modulator')}") * inside(builder)


def heterosynaptic(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, and a pull of all weights of an active neuron to their reference."""
    change = inside(builder)
    away: Expression = builder.signal("weight")
    if option(rule, "towards") == "birth":
        away = away - builder.weight_initial()
    size = call("abs", builder.signal("post")) ** int(option(rule, "power"))
    return change - number(builder, rule, "rate") * size * away


def metaplastic(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, smaller with the events so far."""
    change = builder.let("inner", inside(builder))
    by = option(rule, "by")
    sides: dict[str, Any] = {
        "age": "scalar",
        "pre": "pre",
        "post": "post",
        "error": "post",
        "target": "post",
        "change": "synapse",
    }
    s = builder.state("metaplastic_s", sides[by])
    if by == "age":
        summand: Expression = ONE
    elif by == "change":
        summand = (change / builder.constant("unit", float(option(rule, "unit")))) ** 2
    else:
        summand = builder.signal(by) ** 2
    builder.keep(s, s + summand)
    power = number(builder, rule, "power")
    passed = call("log", ONE + s / number(builder, rule, "horizon"))
    return call("exp", -power * passed) * change


def momentum(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The running mean of the changes."""
    decay = builder.constant("decay", float(option(rule, "decay")))
    m = builder.state("momentum_m", "synapse")
    return builder.keep(m, decay * m + (ONE - decay) * inside(builder))


def normalise(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, and a pull of the norm or the sum of a neuron's weights to a target."""
    change = inside(builder)
    target = builder.constant("target_size", float(option(rule, "target")))
    strength = builder.constant("strength", float(option(rule, "strength")))
    if option(rule, "form") == "multiplicative":
        norm = builder.signal("post_weight_norm")
        return change + strength * (target / norm - ONE) * builder.signal("weight")
    missing = target - builder.signal("post_weight_sum")
    return change + strength * missing / Sum("pre", Number(1.0))


def scale(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, times a factor."""
    return number(builder, rule, "factor") * inside(builder)


def scaling(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change, and a growth of all weights of a neuron while it is too quiet."""
    change = inside(builder)
    target = number(builder, rule, "target")
    rate = number(builder, rule, "rate")
    steps = builder.constant("steps", float(option(rule, "steps")))
    state = builder.state("scaling_mean", "post", target)
    mean = builder.keep(state, state + (builder.signal("post") - state) / steps)
    return change + rate * (target - mean) * builder.signal("weight")


def sliding(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The change of a rule that sees activities as deviations from their running means."""
    steps = number(builder, rule, "steps")
    sides = option(rule, "sides")
    seen: dict[str, Expression] = {}
    for side in ("post", "pre"):
        if sides not in (side, "both"):
            continue
        activity = builder.signal(side)
        mean = builder.state(f"sliding_{side}", "post" if side == "post" else "pre")
        seen[side] = builder.let(f"relative_{side}", activity - mean)
        builder.keep(mean, mean + (activity - mean) / steps)
    return inside(builder.seeing(seen))


def three_factor(builder: Builder, rule: Node, inside: Inside) -> Expression:
    """The eligible changes, times a modulator."""
    tau = number(builder, rule, "tau")
    state = builder.state("eligibility", "synapse")
    eligibility = builder.keep(state, faded(state, tau) + inside(builder))
    modulator = builder.signal(f"modulator.{option(rule, 'modulator')}")
    return number(builder, rule, "rate") * modulator * eligibility

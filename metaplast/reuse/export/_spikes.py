"""The equations of rules of spike times, by steps and by events."""

import math
from typing import NamedTuple

from metaplast.language.grammar import TRACES, Product, parse
from metaplast.reuse.export._expressions import (
    ONE,
    STEP,
    WEIGHT,
    Expression,
    Name,
    Number,
    SpikeSide,
    call,
)
from metaplast.reuse.export._numbers import note, number, option
from metaplast.reuse.export._program import AtSpike, Builder, Events, Trace, faded, total
from metaplast.reuse.node import Node, coefficients, rate

SIDES: tuple[SpikeSide, SpikeSide] = ("pre", "post")


class Change(NamedTuple):
    """The change of weight of a rule.

    change: delta_w of a step.
    events: the same change by events, or None.
    """

    change: Expression
    events: Events | None = None


class Kept(NamedTuple):
    """A trace of spikes in a step.

    state: its value before the step.
    before: its value before the jump of this step.
    after: its value after the jump.
    trace: the trace by events.
    """

    state: Name
    before: Expression
    after: Expression
    trace: Trace


def kept_trace(
    builder: Builder,
    original: str,
    side: SpikeSide,
    tau: Expression,
    nearest: bool = False,
    size: Expression = ONE,
) -> Kept:
    """A trace: x <- exp(-dt/tau) x, then the jump at spikes.

    Args:
        builder: the collector.
        original: the name in the state of the rule.
        side: whose spikes it follows.
        tau: the time constant.
        nearest: whether a spike sets the trace to `size`.
        size: the jump.
    """
    spikes = builder.signal(side, spikes=True)
    state = builder.state(original, side)
    before = builder.let(f"{state.name}_faded", faded(state, tau))
    if nearest:
        on = call("positive", call("abs", spikes))
        jumped = before * (ONE - on) + size * on
    else:
        jumped = before + size * spikes
    after = builder.keep(state, jumped)
    return Kept(state, before, after, Trace(state, tau, nearest, size))


def stdp(builder: Builder, rule: Node) -> Change:
    """Pairs of spikes, with bounded changes."""
    sizes = {"pre": ONE, "post": ONE}
    tau = {side: number(builder, rule, f"tau_{side}") for side in SIDES}
    if option(rule, "increment") == "dt_over_tau":
        sizes = {side: STEP / tau[side] for side in SIDES}
    nearest = option(rule, "pairing") == "nearest"
    x = kept_trace(builder, "stdp_x", "pre", tau["pre"], nearest, sizes["pre"])
    y = kept_trace(builder, "stdp_y", "post", tau["post"], nearest, sizes["post"])
    z_pre = builder.signal("pre", spikes=True)
    z_post = builder.signal("post", spikes=True)
    up = number(builder, rule, "potentiation") * _room(builder, rule, "potentiation")
    down = number(builder, rule, "depression") * _room(builder, rule, "depression")
    after = _orders(rule)
    change = up * z_post * _met(x, "pre" in after) - down * z_pre * _met(y, "post" in after)
    events = Events(
        (x.trace, y.trace),
        (AtSpike("pre", -(down * y.state)), AtSpike("post", up * x.state)),
        after,
    )
    return Change(change, events)


def triplet(builder: Builder, rule: Node) -> Change:
    """Pairs and triplets of spikes, with bounded changes."""
    nearest = option(rule, "pairing") == "nearest"
    tau_plus = number(builder, rule, "tau_plus")
    tau_x = number(builder, rule, "tau_x")
    tau_minus = number(builder, rule, "tau_minus")
    tau_y = number(builder, rule, "tau_y")
    r1 = kept_trace(builder, "triplet_r1", "pre", tau_plus, nearest)
    r2 = kept_trace(builder, "triplet_r2", "pre", tau_x, nearest)
    o1 = kept_trace(builder, "triplet_o1", "post", tau_minus, nearest)
    o2 = kept_trace(builder, "triplet_o2", "post", tau_y, nearest)
    z_pre = builder.signal("pre", spikes=True)
    z_post = builder.signal("post", spikes=True)
    a2_plus = number(builder, rule, "a2_plus")
    a3_plus = number(builder, rule, "a3_plus")
    a2_minus = number(builder, rule, "a2_minus")
    a3_minus = number(builder, rule, "a3_minus")
    room_up = _room(builder, rule, "potentiation")
    room_down = _room(builder, rule, "depression")
    after = _orders(rule)
    post_triplets = builder.let("o2_met", among(z_post, [(o2.before, 1)], nearest))
    pre_triplets = builder.let("r2_met", among(z_pre, [(r2.before, 1)], nearest))
    up = (a2_plus * z_post + a3_plus * post_triplets) * _met(r1, "pre" in after)
    down = (a2_minus * z_pre + a3_minus * pre_triplets) * _met(o1, "post" in after)
    change = room_up * up - room_down * down
    at_pre = -(room_down * o1.state * (a2_minus + a3_minus * r2.state))
    at_post = room_up * r1.state * (a2_plus + a3_plus * o2.state)
    events = Events(
        (r1.trace, r2.trace, o1.trace, o2.trace),
        (AtSpike("pre", at_pre), AtSpike("post", at_post)),
        after,
    )
    return Change(change, events)


def vogels(builder: Builder, rule: Node) -> Change:
    """Inhibitory plasticity that drives its target to a set rate."""
    step = number(builder, rule, "rate")
    tau = number(builder, rule, "tau")
    target_rate = number(builder, rule, "target_rate")
    x = kept_trace(builder, "vogels_x", "pre", tau)
    y = kept_trace(builder, "vogels_y", "post", tau)
    z_pre = builder.signal("pre", spikes=True)
    z_post = builder.signal("post", spikes=True)
    alpha = 2.0 * target_rate * tau
    after = _orders(rule)
    at_pre = _met(y, "post" in after) - alpha
    change = step * (at_pre * z_pre + z_post * _met(x, "pre" in after))
    events = Events(
        (x.trace, y.trace),
        (AtSpike("pre", step * (y.state - alpha)), AtSpike("post", step * x.state)),
        after,
    )
    return Change(change, events)


def trace_taylor(builder: Builder, rule: Node) -> Change:
    """delta_w = rate sum_k c_k term_k over spikes, their traces and other signals."""
    step = builder.constant("rate", rate(rule), note(rule, "rate"))
    nearest = option(rule, "pairing") == "nearest"
    weighted: list[tuple[Expression, Product]] = []
    count = 0
    for term, coefficient in coefficients(rule).items():
        if coefficient == 0.0:
            continue
        count += 1
        c = builder.constant(f"c_{count}", coefficient, f"coefficient of {term}")
        for product in parse(term, traces=True):
            weighted.append((c, product))
    read = {name for _, product in weighted for name in dict(product.factors)}
    traces: dict[str, Kept] = {}
    for name, (side, _) in TRACES.items():
        if name in read:
            tau = number(builder, rule, f"tau_{name}")
            on: SpikeSide = "pre" if side == "pre" else "post"
            traces[name] = kept_trace(builder, f"trace_taylor_{name}", on, tau, nearest)
    after = _orders(rule)
    summands = []
    for c, product in weighted:
        summands.append(c * _stepped(builder, product, traces, after, nearest))
    return Change(step * total(summands), _events(step, weighted, traces, after))


def _events(
    step: Expression,
    weighted: list[tuple[Expression, Product]],
    traces: dict[str, Kept],
    after: frozenset[str],
) -> Events | None:
    """The terms by events; None where one of them does not act at the spikes of one side alone."""
    changes = []
    n_placed = 0
    for side in SIDES:
        values = []
        for c, product in weighted:
            spiking = [other for other in SIDES if other in dict(product.factors)]
            if spiking == [side] and _reads_traces_alone(product):
                values.append(c * _at_spike(product, traces))
        if values:
            changes.append(AtSpike(side, step * total(values)))
        n_placed += len(values)
    if n_placed < len(weighted):
        return None
    kept = tuple(trace.trace for trace in traces.values())
    return Events(kept, tuple(changes), after)


def _reads_traces_alone(product: Product) -> bool:
    """Whether a product reads spikes, traces and the weight, and nothing else."""
    for name, _ in product.factors:
        if name not in TRACES and name not in (*SIDES, "weight"):
            return False
    return True


def _at_spike(product: Product, traces: dict[str, Kept]) -> Expression:
    """The value of a product at one spike, without the spike itself."""
    value: Expression = Number(product.scale)
    for name, power in product.factors:
        if name == "weight":
            value = value * WEIGHT**power
        elif name in traces:
            value = value * traces[name].state ** power
    return value


def _stepped(
    builder: Builder,
    product: Product,
    traces: dict[str, Kept],
    after: frozenset[str],
    nearest: bool,
) -> Expression:
    """The value of a product in a step. A product without a spike acts for dt."""
    factors = dict(product.factors)
    spiking = [side for side in SIDES if side in factors]
    value: Expression = Number(product.scale)
    if not spiking:
        value = value * STEP
    own: dict[str, list[tuple[Expression, int]]] = {side: [] for side in SIDES}
    for name, power in product.factors:
        if name in SIDES:
            continue
        if name not in traces:
            value = value * builder.signal(name) ** power
            continue
        side = TRACES[name][0]
        if side in spiking:
            own[side].append((traces[name].before, power))
        else:
            value = value * _met(traces[name], side in after) ** power
    for side in spiking:
        spikes = builder.signal(side, spikes=True)
        met = among(spikes, own[side], nearest, factors[side])
        if own[side] or factors[side] > 1:
            met = builder.let(f"{side}_met", met)
        value = value * met
    return value


def among(
    spikes: Expression,
    traces: list[tuple[Expression, int]],
    nearest: bool,
    power: int = 1,
) -> Expression:
    """The product spikes^power prod trace^n, where each of several spikes finds its own traces.

    Args:
        spikes: the number of spikes of a neuron in this step.
        traces: (trace before the jump, exponent) each.
        nearest: whether a spike sets the trace to 1.
        power: of the spikes.
    """
    product: Expression = ONE
    for trace, exponent in traces:
        product = product * trace**exponent
    first = spikes**power * product
    if not traces and power == 1:
        return first
    every = product + spikes - ONE if nearest else _summed(spikes, traces)
    return first + call("positive", spikes - ONE) * (every - first)


def _summed(count: Expression, traces: list[tuple[Expression, int]]) -> Expression:
    """sum_{k < count} prod_i (x_i + k)^n_i, by the sums of powers of k."""
    coefficients: list[Expression] = [ONE]
    for trace, exponent in traces:
        for _ in range(exponent):
            raised = [Number(0.0), *coefficients]
            kept = [*coefficients, Number(0.0)]
            coefficients = [trace * c + r for c, r in zip(kept, raised, strict=True)]
    numbers = _bernoulli(len(coefficients))
    summands = []
    for j, coefficient in enumerate(coefficients):
        powers = []
        for r in range(j + 1):
            factor = math.comb(j + 1, r) * numbers[r] / (j + 1)
            powers.append(Number(factor) * count ** (j + 1 - r))
        summands.append(coefficient * total(powers))
    return total(summands)


def _bernoulli(n: int) -> list[float]:
    """The Bernoulli numbers B_0 to B_n, with B_1 = -1/2."""
    numbers = [1.0]
    for m in range(1, n + 1):
        rest = sum(math.comb(m + 1, k) * numbers[k] for k in range(m))
        numbers.append(-rest / (m + 1))
    return numbers


def _orders(rule: Node) -> frozenset[str]:
    """The sides whose traces are met after their jump."""
    after = set()
    if option(rule, "at_post_spike") == "after":
        after.add("pre")
    if option(rule, "at_pre_spike") == "after":
        after.add("post")
    return frozenset(after)


def _met(kept: Kept, is_after: bool) -> Expression:
    """The trace that a spike of the other neuron meets."""
    return kept.after if is_after else kept.before


def _room(builder: Builder, rule: Node, part: str) -> Expression:
    """The factor of a bounded change: the distance to a bound, to an exponent."""
    mu = float(option(rule, f"mu_{part}"))
    if mu == 0.0:
        return ONE
    weight = builder.signal("weight")
    room = weight
    if part == "potentiation":
        room = builder.weight_max() - weight
    if mu == 1.0:
        return room
    return call("sign", room) * call("abs", room) ** mu

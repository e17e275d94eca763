"""The equations of rules that read more of a neuron than its spikes."""

import itertools
import math
from typing import NamedTuple

from metaplast.reuse.export._expressions import (
    ONE,
    STEP,
    ZERO,
    Expression,
    Name,
    Number,
    call,
)
from metaplast.reuse.export._numbers import acting, note, number, option
from metaplast.reuse.export._program import Builder, Unsupported, faded
from metaplast.reuse.node import Node


class _LowPass(NamedTuple):
    """read: the value `delay` steps ago, before this step; newest: before and after this step."""

    read: Name
    newest: tuple[Name, Name]


def clopath(builder: Builder, rule: Node) -> Expression:
    """Spikes depress by the low-passed potential, and the potential itself potentiates."""
    z_pre = builder.signal("pre", spikes=True)
    theta_minus = number(builder, rule, "theta_minus")
    theta_plus = number(builder, rule, "theta_plus")
    a_ltd = number(builder, rule, "a_ltd")
    a_ltp = number(builder, rule, "a_ltp")
    tau_x = number(builder, rule, "tau_x")
    tau_plus = number(builder, rule, "tau_plus")
    width = float(option(rule, "spike_width"))
    offset = Number(float(option(rule, "offset")))
    shown = offset + float(option(rule, "scale")) * builder.signal("post_potential")
    more: Expression = ZERO
    held: Expression = ZERO
    if width:
        z = builder.signal("post", spikes=True)
        more = builder.let("more", call("maximum", z - ONE, 0.0))
        held = builder.let("held", z - more)
    height = float(option(rule, "spike_height"))
    u = builder.let("u", shown + held * (height - shown))
    once = builder.let("once", STEP + held * (width - STEP))
    h = builder.let("h", once + width * more)
    x_state = builder.state("clopath_x", "pre")
    x = builder.let("x_faded", faded(x_state, tau_x))
    builder.keep(x_state, x + z_pre)
    former: Expression = u
    if option(rule, "between_steps") == "linear":
        former = builder.state("clopath_u", "post", acting(rule, "theta_minus"))
        builder.keep(former, u)
    minus = _low_passed(builder, rule, "minus", number(builder, rule, "tau_minus"), former, u, h)
    plus = _low_passed(builder, rule, "plus", tau_plus, former, u, h)
    depression = a_ltd * _above(minus.read, theta_minus)
    reference = float(option(rule, "u_ref_squared"))
    if reference:
        tau_mean = number(builder, rule, "tau_mean")
        if option(rule, "mean_of") == "u_minus":
            mean = builder.state("clopath_mean", "post", acting(rule, "theta_minus"))
            builder.keep(mean, _faded(mean, *minus.newest, tau_mean, h))
        else:
            mean = builder.state("clopath_mean", "post")
            above = builder.let("above", _above(u, theta_minus))
            builder.keep(mean, _faded(mean, above, above, tau_mean, h))
        depression = depression * mean**2 / reference
    reached = once * _above(plus.read, theta_minus)
    if width:
        reached = reached + _further(builder, rule, more, plus.read, tau_plus, theta_minus)
    potentiation = a_ltp / tau_x * _above(u, theta_plus) * reached
    return potentiation * x - depression * z_pre


def _above(u: Expression, threshold: Expression) -> Expression:
    return call("maximum", u - threshold, 0.0)


def _low_passed(
    builder: Builder,
    rule: Node,
    name: str,
    tau: Expression,
    former: Expression,
    u: Expression,
    h: Expression,
) -> _LowPass:
    """The low-passed u: what the rule reads of it, and how it moves."""
    start = acting(rule, "theta_minus")
    values: list[Name] = []
    for k in range(1 + int(option(rule, "delay"))):
        values.append(builder.state(f"clopath_{name}[{k}]", "post", start))
    after = builder.keep(values[0], _faded(values[0], former, u, tau, h))
    for newer, older in itertools.pairwise(values):
        builder.keep(older, newer)
    return _LowPass(values[-1], (values[0], after))


def _faded(
    filtered: Expression, former: Expression, u: Expression, tau: Expression, h: Expression
) -> Expression:
    """The low-passed u after h, where u went from its former value to the new one."""
    kept = call("exp", -h / tau)
    if former is u:
        return u + kept * (filtered - u)
    lag = (u - former) * tau / h
    return u - lag + kept * (filtered - former + lag)


def _further(
    builder: Builder,
    rule: Node,
    more: Expression,
    plus: Expression,
    tau: Expression,
    theta_minus: Expression,
) -> Expression:
    """The sum of spike_width [u+ - theta_minus] over the spikes after the first of a step."""
    width = float(option(rule, "spike_width"))
    if option(rule, "delay"):
        return width * more * _above(plus, theta_minus)
    height = float(option(rule, "spike_height"))
    kept = builder.let("kept", call("exp", Number(-width) / tau))
    rest = kept - call("exp", -(width * (more + ONE)) / tau)
    faded_in = call("positive", more) * rest / (ONE - kept)
    room = height - theta_minus
    return width * (more * room + (plus - height) * faded_in)


def eprop(builder: Builder, rule: Node) -> Expression:
    """delta_w = -rate [L ebar + rate_cost (f - target_rate) e]."""
    step = number(builder, rule, "rate")
    z_pre = builder.signal("pre", spikes=True)
    eps_state = builder.state("eprop_eps", "pre")
    tau_m = number(builder, rule, "tau_m")
    eps = builder.keep(eps_state, _filtered(eps_state, z_pre, tau_m, option(rule, "soma_input")))
    beta = float(option(rule, "beta"))
    reaching: Expression = eps
    adaptation = None
    if beta:
        adaptation = builder.state("eprop_a", "synapse")
        reaching = eps - builder.constant("beta", beta, note(rule, "beta")) * adaptation
    e = builder.let("e", builder.signal("post_gain") * reaching)
    if adaptation is not None:
        builder.keep(adaptation, faded(adaptation, number(builder, rule, "tau_a")) + e)
    eligible: Expression = e
    if float(option(rule, "tau_out")):
        bar = builder.state("eprop_ebar", "synapse")
        tau_out = number(builder, rule, "tau_out")
        eligible = builder.keep(bar, _filtered(bar, e, tau_out, option(rule, "readout_input")))
    change = builder.signal("learning_signal") * eligible
    if float(option(rule, "rate_cost")):
        f_state = builder.state("eprop_f", "post")
        tau_rate = number(builder, rule, "tau_rate")
        z = builder.signal("post", spikes=True)
        f = builder.keep(f_state, faded(f_state, tau_rate) + z / tau_rate)
        cost = number(builder, rule, "rate_cost")
        change = change + cost * (f - number(builder, rule, "target_rate")) * e
    return -(step * change)


def eligibility(builder: Builder, rule: Node) -> Expression:
    """Raises: Unsupported, always: no rule file holds the neuron that the eligibility is of."""
    raise Unsupported(
        f"the form of rule {rule.name} is known as code and not as data: it takes derivatives of "
        "the step of a neuron, which no rule file holds; for lif and alif export eprop"
    )


def _filtered(state: Expression, x: Expression, tau: Expression, enters: str) -> Expression:
    if enters == "steady_state":
        x = -call("expm1", -STEP / tau) * x
    return faded(state, tau) + x


def urbanczik_senn(builder: Builder, rule: Node) -> Expression:
    """The filtered surprise of the soma's spikes, at the dendrite that predicts them."""
    step = number(builder, rule, "rate")
    phi_max = number(builder, rule, "phi_max")
    steepness = number(builder, rule, "steepness")
    threshold = number(builder, rule, "threshold")
    psp = _psp(builder, rule)
    log_k = math.log(float(option(rule, "k")))
    log_odds = steepness * (builder.signal("dendrite") - threshold) - log_k
    share = builder.let("share", ONE / (ONE + call("exp", -log_odds)))
    z = builder.signal("post", spikes=True)
    expected = phi_max * share * STEP
    if option(rule, "expected") == "probability":
        expected = -call("expm1", -expected)
    surprise = builder.let("surprise", z - expected)
    product = builder.let("product", surprise * steepness * (ONE - share) * psp)
    if not float(option(rule, "tau_delta")):
        return step * product
    tau = number(builder, rule, "tau_delta")
    state = builder.state("urbanczik_senn_delta", "synapse")
    kept = builder.keep(state, faded(state, tau) + product)
    return -(step * call("expm1", -STEP / tau) * kept)


def _psp(builder: Builder, rule: Node) -> Expression:
    """The postsynaptic potential of the presynaptic neuron."""
    if option(rule, "received") == "psp":
        return builder.signal("pre")
    z_pre = builder.signal("pre", spikes=True)
    rise = number(builder, rule, "tau_rise")
    decay = number(builder, rule, "tau_decay")
    b_state = builder.state("urbanczik_senn_rise", "pre")
    a_state = builder.state("urbanczik_senn_decay", "pre")
    b = builder.keep(b_state, faded(b_state, rise) + z_pre)
    a = builder.keep(a_state, faded(a_state, decay) + z_pre)
    return decay / (decay - rise) * (a - b)

"""A rule of spikes as a synapse model of NESTML, for the simulator NEST.

NEST moves all postsynaptic spikes up to a time before the presynaptic spike of that time. Where
both come at once, the model computes the change anew from the weight before, as the rule says.
"""

from metaplast.reuse.export._expressions import (
    Expression,
    Function,
    Name,
    Number,
    Operation,
    Power,
    SpikeSide,
    walk,
)
from metaplast.reuse.export._header import header, interval
from metaplast.reuse.export._print import Language, show
from metaplast.reuse.export._program import Events, Program, Trace, Unsupported, total
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program

NAME = "metaplast_synapse"
SHORT = "(1e-6 ms)"
"""The time constant of a value that is 1 at a postsynaptic spike, and 0 in every later step."""
REASON = (
    "The changes at spikes are those of the rule, also where both neurons spike in one step. The "
    "delay of NEST lies between the postsynaptic neuron and the synapse."
)


def export(subject: Subject) -> Exported:
    """The synapse model of a rule.

    Args:
        subject: the rule.

    Raises: Unsupported for a rule that is no rule of pairs of spikes.
    """
    equations = program(subject.rule)
    events = equations.events
    if events is None:
        raise Unsupported("it changes weights not at spikes alone, or reads more than traces")
    _check_pairs(events)
    usage = [
        "Use: compile it with a neuron model by NESTML 9, and connect with the model that NEST",
        "then has under the names of both:",
        "    generate_nest_target(input_path=[this file, your neuron], codegen_opts={",
        '        "neuron_synapse_pairs": [{"neuron": "your_neuron", "synapses": {',
        f'            "{NAME}": {{"post_ports": ["post_spikes"]}}}}}}],',
        f'        "weight_variable": {{"{NAME}": "w"}}}})',
        "w is the weight, low and high are its bounds.",
    ]
    bounds = subject.bounds or (0.0, 1.0)
    times = frozenset(trace.tau.name for trace in events.traces if isinstance(trace.tau, Name))
    language = _language(times)
    reason = f"{REASON} {_clipped(subject)}"
    lines = header(subject, "nestml", "faithful", (reason,), usage)
    lines += ["", f"model {NAME}:", *_state(events, bounds), ""]
    lines += _parameters(equations, bounds, times)
    lines += ["", "    equations:", f"        together' = -together / {SHORT}"]
    for trace in events.traces:
        name = trace.name.name
        tau = f"({show(trace.tau, language)} * 1000 ms)"
        if isinstance(trace.tau, Name):
            tau = trace.tau.name
        lines.append(f"        {name}' = -{name} / {tau}")
    lines += [
        "",
        "    input:",
        "        pre_spikes <- spike",
        "        post_spikes <- spike",
        "",
        "    output:",
        "        spike",
        "",
        *_at_post(events, language),
        "",
        *_at_pre(events, language),
        "",
        "    update:",
        "        integrate_odes()",
    ]
    return Exported("\n".join(lines) + "\n", "faithful", (reason,))


def _clipped(subject: Subject) -> str:
    """What happens to a weight at its bounds, in words."""
    if subject.bounds is None:
        return (
            "Weights are clipped to [low, high], which are 0 and 1 until you set them: the rule "
            "does not hold them."
        )
    shown = interval(subject.bounds)
    return f"Weights are clipped to {shown}, the bounds of the edge on which the rule was found."


def _check_pairs(events: Events) -> None:
    """Raises: Unsupported for a change that reads traces of its own side."""
    sides = {trace.name: trace.name.side for trace in events.traces}
    for at in events.changes:
        for part in walk(at.change):
            if isinstance(part, Name) and sides.get(part) == at.side:
                raise Unsupported("a spike reads a trace of its own neuron, as in triplets")


def _state(events: Events, bounds: tuple[float, float]) -> list[str]:
    first = min(max(0.5, bounds[0]), bounds[1])
    lines = ["    state:", f"        w real = {_number(first)}"]
    lines.append(f"        w_before real = {_number(first)}  # w before the postsynaptic spikes")
    lines.append("        together real = 0.0  # 1 where a postsynaptic spike comes at this time")
    for trace in events.traces:
        lines.append(f"        {trace.name.name} real = 0.0")
    return lines


def _parameters(
    equations: Program, bounds: tuple[float, float], times: frozenset[str]
) -> list[str]:
    lines = ["    parameters:"]
    low, high = bounds
    lines += [f"        low real = {_number(low)}", f"        high real = {_number(high)}"]
    for constant in equations.constants:
        value = float(constant.value)
        if constant.name in times:
            shown = _number(float(f"{1e3 * value:.15g}"))
            lines.append(f"        {constant.name} ms = {shown} ms")
        else:
            lines.append(f"        {constant.name} real = {_number(value)}")
    return lines


def _at_post(events: Events, language: Language) -> list[str]:
    """What a postsynaptic spike does."""
    lines = ["    onReceive(post_spikes):", "        w_before = w", "        together = 1.0"]
    change = _change(events, "post")
    if change is not None:
        lines.append(f"        w = {_bounded('w', show(change, language))}")
    return lines + _jumps(events, "post")


def _at_pre(events: Events, language: Language) -> list[str]:
    """What a presynaptic spike does."""
    by_pre = _change(events, "pre")
    by_post = _change(events, "post")
    lines = ["    onReceive(pre_spikes):", "        if together > 0.5:"]
    lines += [f"            {line}" for line in _together(events, by_pre, by_post, language)]
    if by_pre is not None:
        alone = _bounded("w", show(by_pre, language))
        lines += ["        else:", f"            w = {alone}"]
    return [*lines, *_jumps(events, "pre"), "        together = 0.0", "        emit_spike(w)"]


def _together(
    events: Events, by_pre: Expression | None, by_post: Expression | None, language: Language
) -> list[str]:
    """The statements where both neurons spike at once, from the weight before both."""
    lines = ["w = w_before"]
    changes = []
    for side, change in (("pre", by_pre), ("post", by_post)):
        if change is None:
            continue
        met = show(_met(change, side, events), language)
        if events.in_turn:
            lines.append(f"w = {_bounded('w', met)}")
        else:
            changes.append(met)
    if changes:
        lines.append(f"w = {_bounded('w', ' + '.join(f'({change})' for change in changes))}")
    return lines


def _met(change: Expression, side: str, events: Events) -> Expression:
    """A change in which traces of the other side have jumped, where the rule says so.

    The handler of a presynaptic spike sees both sides before their jumps.
    """
    jumped: dict[Expression, Expression] = {}
    for trace in events.traces:
        if trace.name.side != side and trace.name.side in events.after:
            after = trace.size if trace.nearest else trace.name + trace.size
            jumped[trace.name] = after
    return _replaced(change, jumped)


def _replaced(expression: Expression, values: dict[Expression, Expression]) -> Expression:
    """A tree in which names stand for other trees."""
    if expression in values:
        return values[expression]
    if isinstance(expression, Operation):
        left = _replaced(expression.left, values)
        return Operation(expression.operator, left, _replaced(expression.right, values))
    if isinstance(expression, Power):
        return Power(_replaced(expression.base, values), expression.exponent)
    if isinstance(expression, Function):
        arguments = [_replaced(argument, values) for argument in expression.arguments]
        return Function(expression.function, tuple(arguments))
    return expression


def _change(events: Events, side: SpikeSide) -> Expression | None:
    """The change at the spikes of a side; None where there is none."""
    changes = [at.change for at in events.changes if at.side == side]
    if not changes:
        return None
    return total(changes)


def _jumps(events: Events, side: str) -> list[str]:
    lines = []
    for trace in events.traces:
        if trace.name.side == side:
            lines.append(f"        {_jump(trace)}")
    return lines


def _jump(trace: Trace) -> str:
    if not isinstance(trace.size, Number):
        raise Unsupported("its traces jump by the length of a step")
    return f"{trace.name.name} {'=' if trace.nearest else '+='} {_number(trace.size.value)}"


def _bounded(weight: str, change: str) -> str:
    return f"min(high, max(low, {weight} + {change}))"


def _number(value: float) -> str:
    """The text of a number, whose exponent has no sign of plus."""
    return repr(float(value)).replace("e+", "e")


def _sign(_: str) -> str:
    raise Unsupported("an exponent of a bound is neither 0 nor 1")


def _language(times: frozenset[str]) -> Language:
    """The language of the model, in which a time constant in a change is a number of seconds.

    Args:
        times: names of parameters in ms.
    """

    def name(name: Name) -> str:
        if name.name in times:
            return f"({name.name} / (1000 ms))"
        return {"weight": "w", "weight_max": "high"}.get(name.name, name.name)

    return Language(name=name, functions={"sign": _sign}, power="{} ** {}".format, number=_number)

"""A rule as Synapses of the simulator Brian2.

A rule of spikes acts at spikes: `on_pre` and `on_post`. Any other rule is updated at every step of
a clock. Pathways of one step run in a fixed order, so that both forms make the changes of the rule.
"""

import math
import textwrap
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from metaplast.language.grammar import SIGNALS
from metaplast.reuse.export._expressions import (
    Name,
    Number,
    SpikeSide,
    Sum,
    walk,
)
from metaplast.reuse.export._header import WIDTH, header, interval
from metaplast.reuse.export._print import Language, show
from metaplast.reuse.export._program import (
    Constant,
    Events,
    Program,
    State,
    Trace,
    Unsupported,
)
from metaplast.reuse.export._sums import SUMS
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program
from metaplast.reuse.export.python import matrix

EVENTS = "The changes at spikes are those of the rule, also where both neurons spike in one step."
CLOCKED = "The rule is updated once a step of a clock of its own, {}."
TAKEN = frozenset({"e", "pi", "inf", "i", "j", "t", "dt", "N", "lastupdate", "step", "second"})
"""Names that Brian2 uses itself."""


Bounds = tuple[float, float]


class Summed(NamedTuple):
    """A sum over the synapses of a neuron, which Brian2 keeps in a variable of the neuron.

    variable: the variable of the neuron.
    side: the side of the neuron.
    summand: the summand of a synapse.
    value: the signal from the variable.
    """

    variable: str
    side: SpikeSide
    summand: str
    value: str


class Group(NamedTuple):
    """A group of neurons of the file.

    name: its name.
    n: its neurons in the example.
    """

    name: str
    n: int


GROUPS: dict[SpikeSide, Group] = {"pre": Group("source", 3), "post": Group("target", 2)}
_NORM = "sqrt(clip({}, 1e-30, inf))"
SUMMED: dict[str, Summed] = {
    "predicted": Summed("returned", "pre", "w * activity_post", "{}"),
    "pre_weight_sum": Summed("weight_sum", "pre", "w", "{}"),
    "post_weight_sum": Summed("weight_sum", "post", "w", "{}"),
    "pre_weight_norm": Summed("weight_square", "pre", "w**2", _NORM),
    "post_weight_norm": Summed("weight_square", "post", "w**2", _NORM),
    "input_gain": Summed("input_power", "post", "activity_pre**2", "(1 / (1 + {}))"),
}
"""signal -> the sum behind it."""
_SIDES: tuple[SpikeSide, SpikeSide] = ("pre", "post")


class Pathway(NamedTuple):
    """Statements that run at the spikes of one side.

    side: the side.
    name: the name of the pathway.
    order: its place among the pathways of one step.
    lines: the statements.
    """

    side: SpikeSide
    name: str
    order: int
    lines: tuple[str, ...]


class Parts(NamedTuple):
    """The parts of the file.

    model: the lines of the model.
    pathways: the pathways.
    update: the statements of every step; empty for a rule of events.
    reason: the reason of the grade.
    """

    model: tuple[str, ...]
    pathways: tuple[Pathway, ...]
    update: tuple[str, ...]
    reason: str


def export(subject: Subject) -> Exported:
    """The Synapses of a rule.

    Args:
        subject: the rule.

    Raises: Unsupported for a rule that sums over synapses.
    """
    equations = program(subject.rule)
    read = {signal.name for signal in equations.signals}
    sums = sorted(read & set(SUMS) - set(SUMMED))
    if sums:
        raise Unsupported(f"it reads {', '.join(sums)}, a sum over a layer")
    parts = _by_events(equations) or _by_clock(equations, subject.dt)
    bounds = _bounds(subject, equations, parts)
    reason = f"{parts.reason} {_clipped(bounds, subject.bounds is not None)}"
    lines = header(
        subject, "brian2", "faithful", (reason,), _usage(subject, equations, parts, bounds)
    )
    lines += ["", "import numpy as np", "from brian2 import NeuronGroup, Synapses, ms, run, second"]
    lines += ["", "NUMBERS = {  # time constants in seconds"]
    matrices = []
    for constant in equations.constants:
        if isinstance(constant.value, np.ndarray):
            matrices.append(constant)
        else:
            lines.append(f'    "{_safe(constant.name)}": {float(constant.value)!r},')
    lines.append("}")
    for constant in matrices:
        lines += matrix(constant)
    lines += ["", *_text("MODEL", parts.model)]
    for side in _SIDES:
        lines += _pathways(side, parts)
    if parts.update:
        lines += _text("UPDATE", parts.update)
    lines += ["", "", *_synapses(subject, equations, parts, matrices, bounds)]
    lines += ["", "", *_example(equations, parts, bounds)]
    return Exported("\n".join(lines) + "\n", "faithful", (reason,))


def _bounds(subject: Subject, equations: Program, parts: Parts) -> Bounds | None:
    """The bounds of the weights; None where the user of the file must give them."""
    if subject.bounds is not None:
        return subject.bounds
    if parts.update and not _reads(equations, "weight_max"):
        return (-math.inf, math.inf)  # weights of either sign
    return None


def _clipped(bounds: Bounds | None, is_found: bool) -> str:
    """What happens to a weight at its bounds, in words."""
    if bounds is None:
        return "Weights are clipped to [low, high], which you give: the rule does not hold them."
    if bounds == (-math.inf, math.inf):
        return "Weights have no bounds unless you give them."
    origin = ", the bounds of the edge on which the rule was found" if is_found else ""
    return f"Weights are clipped to {interval(bounds)}{origin}."


def _usage(subject: Subject, equations: Program, parts: Parts, bounds: Bounds | None) -> list[str]:
    given = "weight" if bounds is not None else "weight, low=0.0, high=1.0"
    lines = [
        "Use, with this file saved as rule.py (python rule.py runs a small example):",
        "    from rule import synapses",
        f"    learned = synapses(source, target, {given})",
        "weight is [n_target, n_source] and lies in [low, high], to which changes are clipped.",
        "The synapses transmit nothing by themselves: give transmit='I_post += w' or the like.",
    ]
    for side in _SIDES:
        group = GROUPS[side].name
        named = []
        for variable, meaning in _variables(equations, side).items():
            named.append(f"{variable} ({meaning})")
        if named:
            words = f"The group `{group}` needs the variables {', '.join(named)}."
            lines += textwrap.wrap(words, WIDTH)
    for name in _channels(equations):
        lines.append(f"Set learned.{name} as the task tells it.")
    if parts.update:
        words = "The update runs after the synapses and before the resets of a step. Its step is dt"
        if subject.dt is not None:
            words += f", {1e3 * subject.dt:g} ms as it was found, whatever step the simulation has"
        lines += textwrap.wrap(f"{words}.", WIDTH)
    return lines


def _by_events(equations: Program) -> Parts | None:
    """The parts of a rule of events; None where no order of pathways gives its changes."""
    events = equations.events
    if events is None:
        return None
    jumps: dict[tuple[SpikeSide, int], list[str]] = {}
    for trace in events.traces:
        order = _order_of_jump(trace, events)
        if order is None:
            return None
        side: SpikeSide = "pre" if trace.name.side == "pre" else "post"
        jumps.setdefault((side, order), []).append(_jump(trace))
    pathways = []
    for order, side in enumerate(_SIDES):
        lines = [*_changes(events, side), *jumps.pop((side, order), [])]
        if lines:
            pathways.append(Pathway(side, side, order, tuple(lines)))
    for (side, order), lines in jumps.items():
        pathways.append(Pathway(side, f"{side}_jump", order, tuple(lines)))
    if not events.in_turn:
        apply = ("w = clip(w + change, low, high)", "change = 0")
        for side in _SIDES:
            if any(at.side == side for at in events.changes):
                pathways.append(Pathway(side, f"{side}_apply", 3, apply))
    model = ["w : 1"]
    if not events.in_turn:
        model.append("change : 1")
    for trace in events.traces:
        name = _safe(trace.name.name)
        tau = show(trace.tau, _LANGUAGE)
        model.append(f"d{name}/dt = -{name} / ({tau} * second) : 1 (event-driven)")
    return Parts(tuple(model), tuple(pathways), (), EVENTS)


def _order_of_jump(trace: Trace, events: Events) -> int | None:
    """The order of the pathway in which a trace jumps.

    A change by presynaptic spikes has the order 0, a change by postsynaptic spikes 1. In a change
    by spikes of its own side, a trace is the one before its jump.
    """
    is_after = trace.name.side in events.after
    if trace.name.side == "pre":
        return 0 if is_after else 2
    if not is_after:
        return 1
    for at in events.changes:
        if at.side == "post" and trace.name in walk(at.change):
            return None
    return -1


def _jump(trace: Trace) -> str:
    name = _safe(trace.name.name)
    size = show(trace.size, _AT_SPIKES)
    return f"{name} {'=' if trace.nearest else '+='} {size}"


def _changes(events: Events, side: SpikeSide) -> list[str]:
    """The statements of the changes at the spikes of a side."""
    lines = []
    for at in events.changes:
        if at.side != side:
            continue
        change = show(at.change, _LANGUAGE)
        if events.in_turn:
            lines.append(f"w = clip(w + {change}, low, high)")
        else:
            lines.append(f"change += {change}")
    return lines


def _by_clock(equations: Program, dt: float | None) -> Parts:
    """The parts of a rule that is updated in every step."""
    step = "the step of the simulation unless you give one"
    if dt is not None:
        step = f"{1e3 * dt:g} ms as it was found"
    model = ["w : 1"]
    pathways = []
    for side in _SIDES:
        if _reads_spikes(equations, side):
            model.append(f"{side}_spikes : 1")
            line = f"{side}_spikes += 1"
            pathways.append(Pathway(side, side, 0, (line,)))
    if _reads(equations, "weight_initial"):
        model.append("w_birth : 1")
    for name in _channels(equations):
        model.append(f"{name} : 1 (shared)")
    for state in equations.states:
        model.append(f"{_safe(state.name)} : 1")
    for constant in equations.constants:
        if isinstance(constant.value, np.ndarray):
            model.append(f"{_safe(constant.name)} : 1")
    for summed in _summed(equations):
        model.append(f"{summed.variable}_{summed.side} = {summed.summand} : 1 (summed)")
    update = ["step = dt / second"]
    for let in equations.lets:
        update.append(f"{_safe(let.name.name)} = {show(let.value, _LANGUAGE)}")
    update.append(f"delta_w = {show(equations.change, _LANGUAGE)}")
    for state, value in equations.kept:
        update.append(f"{_safe(state.name)} = {show(value, _LANGUAGE)}")
    update.append("w = clip(w + delta_w, low, high)")
    for pathway in pathways:
        update.append(f"{pathway.side}_spikes = 0")
    return Parts(tuple(model), tuple(pathways), tuple(update), CLOCKED.format(step))


def _synapses(
    subject: Subject,
    equations: Program,
    parts: Parts,
    matrices: list[Constant],
    bounds: Bounds | None,
) -> list[str]:
    """The function `synapses`, with the arguments that act."""
    has_pre = any(pathway.side == "pre" for pathway in parts.pathways)
    has_post = any(pathway.side == "post" for pathway in parts.pathways)
    low, high = "", ""
    if bounds is not None:
        low, high = (f"={_end(end)}" for end in bounds)
    arguments = [f"low{low}", f"high{high}", "connected=None"]
    if parts.update:
        step = "None" if subject.dt is None else f"{1e3 * subject.dt:g} * ms"
        arguments.append(f"dt={step}")
    arguments.append("delay=0 * second")
    if has_post:
        arguments.append("dendritic_delay=0 * second")
    lines = [
        "def synapses(",
        "    source,",
        "    target,",
        "    weight,",
        "    *,",
        *(f"    {argument}," for argument in arguments),
        '    transmit="",',
        "):",
        '    """Plastic synapses between two groups.',
        "",
        "    weight: first weights [n_target, n_source].",
        "    connected: True where a synapse exists, of the same shape; None: everywhere.",
        "    low, high: bounds of the weights; a change is clipped to them.",
        *_meanings(subject, parts, has_post),
        "    transmit: what a presynaptic spike does to the target, such as 'I_post += w'.",
        '    """',
        "    weight = np.asarray(weight, float)",
        "    if connected is None:",
        "        connected = np.ones(weight.shape, bool)",
        "    post, pre = np.nonzero(connected)",
        "    first = weight[post, pre]",
        "    if np.any((first < low) | (first > high)):",
        "        raise ValueError(",
        '            f"first weights from {first.min():g} to {first.max():g} - expected weights "',
        '            f"in [{low:g}, {high:g}] - give low and high of your weights"',
        "        )",
        f"    on_pre = {'dict(ON_PRE)' if has_pre else '{}'}",
        "    if transmit:",
        '        on_pre["transmit"] = transmit',
        "    made = Synapses(",
        "        source,",
        "        target,",
        "        MODEL,",
    ]
    lines.append("        on_pre=on_pre,")
    if has_post:
        lines.append("        on_post=ON_POST,")
    lines += [
        '        namespace={**NUMBERS, "low": low, "high": high},',
        "    )",
        "    made.connect(i=pre, j=post)",
        "    made.w = first",
    ]
    if parts.update and _reads(equations, "weight_initial"):
        lines.append("    made.w_birth = first")
    for constant in matrices:
        lines.append(f"    made.{_safe(constant.name)} = {constant.name}[post, pre]")
    for state in equations.states:
        start = _start(state, equations)
        if start:
            lines.append(f"    made.{_safe(state.name)} = {start!r}")
    for pathway in parts.pathways:
        if pathway.order:
            lines.append(f"    made.{pathway.name}.order = {pathway.order}")
    for pathway in parts.pathways:
        given = "delay" if pathway.side == "pre" else "dendritic_delay"
        lines.append(f"    made.{pathway.name}.delay = {given}")
    lines += [
        "    if transmit:",
        "        made.transmit.order = -2",
        "        made.transmit.delay = delay",
    ]
    for summed in _summed(equations):
        updater = f'made.summed_updaters["{summed.variable}_{summed.side}"]'
        lines.append(f'    {updater}.when = "after_synapses"')
        lines.append(f"    {updater}.order = -1")
    if parts.update:
        lines.append('    made.run_regularly(UPDATE, dt=dt, when="after_synapses")')
    return [*lines, "    return made"]


def _start(state: State, equations: Program) -> float:
    """The value of a state at birth."""
    if isinstance(state.start, Number):
        return state.start.value
    for constant in equations.constants:
        if isinstance(state.start, Name) and constant.name == state.start.name:
            return float(constant.value)
    raise Unsupported(f"the value of {state.name} at birth is no number")


def _meanings(subject: Subject, parts: Parts, has_post: bool) -> list[str]:
    """The meaning of the step and the delays."""
    lines = []
    if parts.update:
        found = "None: the step of the simulation"
        if subject.dt is not None:
            found = "by default that of the rule as it was found"
        lines.append(f"    dt: the step of the update, {found}.")
    lines.append("    delay: of a presynaptic spike on its way to the synapse.")
    if has_post:
        lines.append("    dendritic_delay: of a postsynaptic spike on its way to the synapse.")
    return lines


def _end(end: float) -> str:
    """A bound as a default of an argument."""
    if math.isinf(end):
        return "np.inf" if end > 0 else "-np.inf"
    return repr(end)


def _example(equations: Program, parts: Parts, bounds: Bounds | None) -> list[str]:
    """A small example that runs."""
    ends = "" if bounds is not None else ", low=0.0, high=1.0"
    first = 0.5
    if bounds is not None and not bounds[0] <= first <= bounds[1]:
        first = next(end for end in bounds if math.isfinite(end))
    lines = ['if __name__ == "__main__":']
    for side in _SIDES:
        group, n = GROUPS[side]
        names = ["chance : 1", *(f"{name} : 1" for name in _variables(equations, side))]
        model = "\\n".join(names)
        lines.append(f'    {group} = NeuronGroup({n}, "{model}", threshold="rand() < chance")')
        lines.append(f"    {group}.chance = 0.01")
        for name in _variables(equations, side):
            lines.append(f"    {group}.{name} = 0.5")
    weights = f"np.full((2, 3), {first!r})"
    lines.append(f"    learned = synapses(source, target, {weights}{ends})")
    for name in _channels(equations):
        lines.append(f"    learned.{name} = 1.0")
    return [*lines, "    run(100 * ms)", "    print(np.asarray(learned.w))"]


def _pathways(side: SpikeSide, parts: Parts) -> list[str]:
    """The dictionary of the pathways of a side; nothing where it has none."""
    lines = []
    for pathway in parts.pathways:
        if pathway.side == side:
            lines.append(f'    "{pathway.name}": """')
            lines += pathway.lines
            lines.append('""",')
    if not lines:
        return []
    return [f"ON_{side.upper()} = {{", *lines, "}"]


def _text(name: str, content: tuple[str, ...]) -> list[str]:
    return [f'{name} = """', *content, '"""']


def _reads(equations: Program, name: str) -> bool:
    return any(signal.name == name for signal in equations.signals)


def _reads_spikes(equations: Program, side: SpikeSide) -> bool:
    return any(signal.kind == "spikes" and signal.name == side for signal in equations.signals)


def _channels(equations: Program) -> list[str]:
    """The names of the modulators."""
    names = []
    for signal in equations.signals:
        if signal.side == "scalar" and signal.name != "weight_max":
            names.append(_safe(signal.name))
    return names


def _variables(equations: Program, side: SpikeSide) -> dict[str, str]:
    """{variable: its meaning} of the variables that the neurons of a side need."""
    names = {}
    for signal in equations.signals:
        if signal.side == side and signal.kind == "signal" and signal.name not in SUMMED:
            names[SIGNALS[signal.name][1]] = signal.name
    for summed in _summed(equations):
        if f"activity_{side}" in summed.summand:
            names["activity"] = side
        if summed.side == side:
            names[summed.variable] = "filled by the synapses"
    return names


def _summed(equations: Program) -> list[Summed]:
    """The sums that a rule reads."""
    return [SUMMED[signal.name] for signal in equations.signals if signal.name in SUMMED]


def _safe(name: str) -> str:
    """A name that Brian2 takes for a variable of a synapse."""
    if name in TAKEN or name.endswith(("_pre", "_post")):
        return f"{name}_value"
    return name


def _name(name: Name) -> str:
    if name.kind == "step":
        return "step"
    if name.kind == "spikes":
        return f"{name.name}_spikes"
    if name.kind == "signal":
        fixed = {"weight": "w", "weight_initial": "w_birth", "weight_max": "high"}
        if name.name in fixed:
            return fixed[name.name]
        if name.name in SUMMED:
            summed = SUMMED[name.name]
            return summed.value.format(f"{summed.variable}_{summed.side}")
        if name.side == "synapse":
            raise Unsupported(f"it reads {name.name}, which no neuron of Brian2 has")
        if name.side != "scalar":
            return f"{SIGNALS[name.name][1]}_{name.side}"
    return _safe(name.name)


def _total(total: Sum) -> str:
    """The number of synapses of a neuron is the one sum that Brian2 knows."""
    if total == Sum("pre", Number(1.0)):
        return "N_incoming"
    raise Unsupported("it sums over the synapses of a neuron")


_LANGUAGE = Language(
    name=_name,
    functions={
        "exp": "exp({})".format,
        "expm1": "expm1({})".format,
        "log": "log({})".format,
        "sqrt": "sqrt({})".format,
        "tanh": "tanh({})".format,
        "abs": "abs({})".format,
        "sign": "sign({})".format,
        "maximum": "clip({}, {}, inf)".format,
        "clip": "clip({}, {}, {})".format,
        "positive": "int({} > 0)".format,
    },
    total=_total,
)


def _name_at_spikes(name: Name) -> str:
    return "(dt / second)" if name.kind == "step" else _name(name)


_AT_SPIKES = replace(_LANGUAGE, name=_name_at_spikes)
"""The language of pathways, where the step has no name of its own."""

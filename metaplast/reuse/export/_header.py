"""The comment at the beginning of an export."""

import textwrap
from collections.abc import Sequence

from metaplast.reuse.export._expressions import Name
from metaplast.reuse.export._names import comment
from metaplast.reuse.export._print import Language, show
from metaplast.reuse.export._program import Unsupported
from metaplast.reuse.export.exported import Grade, Subject
from metaplast.reuse.export.lowered import program
from metaplast.reuse.node import Node

WIDTH = 92
"""Characters of a line of a comment."""
LONGEST = 4000
"""Characters of the longest formula that is shown."""
_LANGUAGE = Language(
    name=lambda name: name.name,
    functions={"sign": "sign({})".format, "abs": "|{}|".format},
)


def interval(bounds: tuple[float, float]) -> str:
    """The bounds of weights in words.

    Args:
        bounds: (low, high).
    """
    low, high = bounds
    return f"[{low:.6g}, {high:.6g}]"


def _at_spikes(rule: Node) -> list[str]:
    """What a spike of either side does, for a rule that changes weights at spikes alone."""
    try:
        equations = program(rule)
    except Unsupported:
        return []
    events = equations.events
    if events is None:
        return []
    values = {constant.name: constant.value for constant in equations.constants}
    lines = []
    for at in events.changes:
        lines.append(f"At a {at.side}synaptic spike: w + ({show(at.change, _LANGUAGE)}).")
    for trace in events.traces:
        name = trace.name.name
        jump = "is set to" if trace.nearest else "grows by"
        line = f"{name} {jump} {show(trace.size, _LANGUAGE)} at a {trace.name.side}synaptic spike"
        tau = show(trace.tau, _LANGUAGE)
        if isinstance(trace.tau, Name):
            tau = f"{tau} = {1e3 * float(values[trace.tau.name]):.6g} ms"
        lines.append(f"{line}, and decays with {tau}.")
    for side, other in (("pre", "post"), ("post", "pre")):
        if any(trace.name.side == side for trace in events.traces):
            order = "after" if side in events.after else "before"
            lines.append(
                f"Both spike in one step: the {other}synaptic spike sees {side} traces {order} "
                f"their jump."
            )
    wrapped = []
    for line in lines:
        wrapped += textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    return wrapped


def header(
    subject: Subject,
    target: str,
    grade: Grade,
    reasons: Sequence[str],
    usage: Sequence[str],
    mark: str = "#",
) -> list[str]:
    """The lines of the comment: the formula, the grade with its reasons, the version and the use.

    Args:
        subject: the rule.
        target: the target.
        grade: the grade.
        reasons: the reasons of the grade.
        usage: how to use the file, line by line as it stands.
        mark: the mark of a comment in the language; empty for bare lines.
    """
    formula = comment(subject.formula)
    if len(formula) > LONGEST:
        formula = formula[:LONGEST] + " ..."
    step = "any length of a step"
    if subject.dt is not None:
        step = f"steps of {1e3 * subject.dt:g} ms"
    if subject.bounds is not None:
        step += f", weights in {interval(subject.bounds)}"
    lines = textwrap.wrap(formula, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    lines += _at_spikes(subject.rule)
    lines.append("")
    rule = f"Rule {comment(subject.name)}, clock {subject.clock}, {step}."
    lines += textwrap.wrap(rule, WIDTH)
    lines.append(f"Exported to {target} by metaplast {comment(subject.version)}.")
    lines += textwrap.wrap(f"Grade: {grade}. {comment(' '.join(reasons))}", WIDTH)
    lines.append("")
    lines += usage
    if not mark:
        return lines
    return [f"{mark} {line}".rstrip() for line in lines]

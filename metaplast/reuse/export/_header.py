"""The comment at the beginning of an export."""

import textwrap
from collections.abc import Sequence

from metaplast.reuse.export._names import comment
from metaplast.reuse.export.exported import Grade, Subject

WIDTH = 92
"""Characters of a line of a comment."""
LONGEST = 4000
"""Characters of the longest formula that is shown."""


def interval(bounds: tuple[float, float]) -> str:
    """The bounds of weights in words.

    Args:
        bounds: (low, high).
    """
    low, high = bounds
    return f"[{low:.6g}, {high:.6g}]"


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
        step = f"found with steps of {subject.dt:g} s"
    if subject.bounds is not None:
        step += f", weights in {interval(subject.bounds)}"
    lines = textwrap.wrap(formula, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
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

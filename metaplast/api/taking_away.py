"""Take a rule away from Python: as a file of another program, or as its model card."""

from os import PathLike
from pathlib import Path

from metaplast.api.checks import name_of
from metaplast.api.run import Run
from metaplast.reuse.card_of import card_of
from metaplast.reuse.export.exported import Exported, check_target, demand_text, write
from metaplast.reuse.export.exported import export as exported_of
from metaplast.reuse.export.source import subject_of


def export(
    rule: str | PathLike[str] | Run,
    to: str,
    out: str | PathLike[str] | None = None,
    *,
    edge: str | None = None,
    force: bool = False,
) -> Exported:
    """A rule as a file that another program runs, as `metaplast export` writes it.

        mp.export("zoo/stdp", "brian2", "stdp_brian2.py").grade

    Args:
        rule: the path of a rule file, a run, the name of a known rule such as `oja`, or `zoo/NAME`.
        to: python, optax, brian2, nestml, lava, latex or json.
        out: the file that is written; None: none is, and the text is in the answer.
        edge: the edge whose rule is exported, for a file with several rules.
        force: whether an existing file is replaced.

    Returns: the text, its grade, and the reasons of the grade.
    Raises: BadInput for an unknown rule or target, for a rule that the target cannot say, and for
        an existing file without `force`.
    """
    check_target(to)
    name = _name(rule)
    exported = exported_of(subject_of(name, edge), to)
    demand_text(exported, name, to)
    if out is not None:
        write(exported, Path(out), force)
    return exported


def card(rule: str | PathLike[str] | Run) -> str:
    """The model card of a rule as Markdown, as `metaplast card` prints it.

    Args:
        rule: the path of a rule file, a run, or the name of a rule of the zoo.

    Raises: BadInput for a rule that cannot be read.
    """
    return card_of(_name(rule)).text


def _name(rule: str | PathLike[str] | Run) -> str:
    if isinstance(rule, Run):
        return str(rule.rule_file)
    return name_of(rule)

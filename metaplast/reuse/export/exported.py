"""The export of a rule: the text of a target, and the grade of the text.

Each target is one file of this folder, whose `export` takes a `Subject`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from metaplast.registry import BadInput, Plain, nearest
from metaplast.reuse.export._program import Unsupported
from metaplast.reuse.node import Node
from metaplast.reuse.text import quote

Grade = Literal["faithful", "approximate", "unsupported"]
TARGETS: dict[str, str] = {
    "python": "py",
    "optax": "py",
    "brian2": "py",
    "nestml": "nestml",
    "lava": "py",
    "latex": "tex",
    "json": "json",
}
"""target -> ending of the name of a file."""


class Subject(NamedTuple):
    """A rule that is exported.

    name: its name, from a known rule or a file.
    rule: the rule with its numbers.
    formula: the rule as text.
    reads: fields of the view that it reads.
    clock: clock of its updates.
    dt: seconds of a step in training; None: any.
    version: the version of this package.
    document: the document of a rule file that holds the rule.
    tensors: the tensors of that file.
    bounds: (low, high) of the weights of the edge on which it was found; None: not known.
    """

    name: str
    rule: Node
    formula: str
    reads: tuple[str, ...]
    clock: str
    dt: float | None
    version: str
    document: Plain
    tensors: dict[str, np.ndarray]
    bounds: tuple[float, float] | None = None


class Exported(NamedTuple):
    """The export of a rule.

    text: the whole file; empty where the grade is `unsupported`.
    grade: `faithful`: the same changes of weight, to the precision of numbers. `approximate`: other
        ones, by an amount that is given. `unsupported`: nothing is written.
    reasons: the reasons of the grade, one a line.
    error: the measured difference as a share of the change of weight; 0.0 where it is faithful.
    """

    text: str
    grade: Grade
    reasons: tuple[str, ...]
    error: float = 0.0


def export(subject: Subject, target: str) -> Exported:
    """The export of a rule to a target.

    Args:
        subject: the rule.
        target: one of TARGETS.

    Raises: BadInput for an unknown target.
    """
    check_target(target)
    module: Any = import_module(f"metaplast.reuse.export.{target}")
    try:
        return module.export(subject)
    except Unsupported as error:
        return Exported("", "unsupported", (str(error),))


def demand_text(exported: Exported, rule: str, target: str) -> None:
    """Check that an export has a text.

    Args:
        exported: the export.
        rule: the name of the rule.
        target: the target.

    Raises: BadInput for a rule that the target cannot say.
    """
    if exported.grade == "unsupported":
        raise BadInput(
            f"rule {quote(rule)} to {target}: {' '.join(exported.reasons)}",
            f"a rule that {target} can express",
            "export it to python, which has every form",
        )


def write(exported: Exported, path: Path, force: bool) -> None:
    """Write an export as a file.

    Args:
        exported: the export.
        path: of the file.
        force: whether an existing file is replaced.

    Raises: BadInput for an existing file without `force`, for a folder, and for a file in a folder
        that does not exist; OSError where the disk refuses.
    """
    shown = quote(str(path), 200)
    if not path.parent.is_dir():
        parent = quote(str(path.parent), 200)
        what = f"out {shown}: the folder {parent} does not exist"
        raise BadInput(what, "a file in an existing folder", "make the folder first")
    if path.is_file() and not force:
        fix = "take another name, or replace it: --force (force=True in Python)"
        raise BadInput(f"out {shown}: the file exists", "a new file", fix)
    if path.is_dir():
        raise BadInput(f"out {shown}: a folder", "a file", "add the name of a file")
    path.write_text(exported.text, encoding="utf-8")


def check_target(target: str) -> None:
    """Raises: BadInput for an unknown target."""
    if target not in TARGETS:
        known = tuple(TARGETS)
        fix = nearest(str(target), known, "choose one")
        raise BadInput(f"target {quote(target)}", f"one of {', '.join(known)}", fix)

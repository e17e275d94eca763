"""The rule of a file, of the folder of a run, or of a name, as the subject of an export.

The rule is loaded as `load_rule` loads it: its reference vector is computed anew and compared.
"""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from metaplast.registry import Plain
from metaplast.reuse import shelf
from metaplast.reuse.ask import node_of
from metaplast.reuse.describe import versions
from metaplast.reuse.export.exported import Subject
from metaplast.reuse.known import FILE, is_name, rule_path
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import read_rule

SLOT = "rule"
"""The slot of a run that has one rule."""


def subject_of(path_or_name: str | os.PathLike[str], edge: str | None = None) -> Subject:
    """The subject of an export.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, the name of a known rule,
            or the name of a rule of the zoo, such as `zoo/oja`.
        edge: the edge whose rule is exported, for a file with several rules.

    Raises: BadInput, one line, for a bad file, an unknown name, or a missing edge.
    """
    path_or_name = rule_path(path_or_name)
    rule = load_rule(path_or_name, edge)
    file = rule.as_file() if is_name(path_or_name) else read_rule(path_or_name)
    return Subject(
        name=_title(path_or_name, rule.name, edge),
        rule=node_of(rule.spec, rule.theta),
        formula=rule.formula,
        reads=tuple(sorted(rule.reads)),
        clock=rule.clock,
        dt=rule.dt,
        version=versions()["metaplast"],
        document=file.document,
        tensors=file.tensors,
        bounds=_bounds(file.document, rule.edges),
    )


def _title(path_or_name: str | os.PathLike[str], entry: str, edge: str | None) -> str:
    """The name of a rule for a reader: its own, its slot's, or that of its folder or file."""
    given = str(path_or_name)
    if not is_name(path_or_name) and not shelf.is_shelved(path_or_name):
        if entry != SLOT:
            return entry
        path = Path(path_or_name)
        given = path.absolute().parent.name if path.name == FILE else path.stem
    return given if edge is None else f"{given}, {edge}"


def _bounds(document: Plain, edges: Iterable[str]) -> tuple[float, float] | None:
    """The bounds of the weights of edges, where the file has them and they are the same."""
    found = set()
    by_edge = document["provenance"].get("bounds")
    for edge in edges:
        ends = by_edge.get(edge) if isinstance(by_edge, dict) else None
        if not isinstance(ends, list) or len(ends) != 2:
            return None
        found.add((_end(ends[0], -math.inf), _end(ends[1], math.inf)))
    if len(found) != 1:
        return None
    low, high = found.pop()
    return (low, high) if low < high else None


def _end(value: Any, none: float) -> float:
    """A bound as a number; null is none, and anything else is NaN."""
    if value is None:
        return none
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan

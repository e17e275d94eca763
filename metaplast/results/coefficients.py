"""The numbers of a discovered rule as they act: over seeds, and along meta-training."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from metaplast.registry import Plain
from metaplast.results.statistics import Estimate, student
from metaplast.reuse.document import entries
from metaplast.reuse.formula import rule_terms, terms
from metaplast.reuse.node import learned, nodes, walk

Tensors = Mapping[str, np.ndarray]
Numbers = dict[str, dict[str, float]]  # entry (slot or slot/edge) -> name -> value


class ActingNumbers(NamedTuple):
    """The numbers of a rule as they act.

    terms: the coefficients c_k of the terms, before the rate.
    constants: learnt positive numbers such as rates.
    """

    terms: Numbers
    constants: Numbers


class Paths(NamedTuple):
    """The numbers of a rule along meta-training: {entry: {name: values}}.

    A value is NaN where a number was not finite.

    terms: the coefficients c_k of the terms, before the rate.
    constants: learnt positive numbers such as rates.
    """

    terms: Plain
    constants: Plain


def acting(document: Plain, tensors: Tensors) -> ActingNumbers:
    """The coefficients and constants of every entry of a rule file."""
    coefficients = {}
    constants = {}
    for key, rule in nodes(document, tensors).items():
        coefficients[key] = rule_terms(rule)
        constants[key] = {}
        for mark, part in walk(rule):
            for name, value in learned(part).items():
                constants[key][f"{mark}{name}"] = value
    return ActingNumbers(coefficients, constants)


def over_seeds(runs: Sequence[Numbers]) -> dict[str, dict[str, Estimate]]:
    """Mean over runs of every number, with the 95 % interval of `student`."""
    estimates: dict[str, dict[str, Estimate]] = {}
    for entry, values in runs[0].items():
        estimates[entry] = {}
        for name in values:
            estimates[entry][name] = student([run[entry][name] for run in runs])
    return estimates


def path(document: Plain, tensors: Tensors, logged: Sequence[Sequence[Any]]) -> Paths:
    """The numbers of a rule at every outer step.

    Args:
        document: of the rule file.
        tensors: of the rule file.
        logged: the `theta` of metrics.jsonl, one list per outer step: the leaves of `tensors` in
            the order of their names.

    Raises: ValueError for lists of another length.
    """
    sizes = {name: value.size for name, value in sorted(tensors.items())}
    ends = np.cumsum(list(sizes.values()))
    steps = []
    for numbers in logged:
        flat = np.asarray([float(number) for number in numbers])
        if flat.size != sum(sizes.values()):
            raise ValueError(f"{flat.size} numbers instead of {sum(sizes.values())}")
        leaves_then = {}
        for name, piece in zip(sizes, np.split(flat, ends[:-1]), strict=True):
            leaves_then[name] = piece.reshape(tensors[name].shape)
        steps.append(acting(document, leaves_then))
    of_terms = _stacked([step.terms for step in steps])
    return Paths(of_terms, _stacked([step.constants for step in steps]))


def leaves(document: Plain, tensors: Tensors) -> dict[str, np.ndarray]:
    """The leaves of the entries whose rule is no list of terms, by dotted name."""
    of_entry = terms(document, tensors)
    others = []
    for key, entry in entries(document).items():
        if not of_entry[key]:
            others.append(entry.prefix)
    of_others = {}
    for name, value in tensors.items():
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in others):
            of_others[name] = np.asarray(value)
    return of_others


def _stacked(steps: Sequence[Numbers]) -> dict[str, dict[str, list[float]]]:
    stacked: dict[str, dict[str, list[float]]] = {}
    for entry, values in steps[0].items():
        stacked[entry] = {}
        for name in values:
            stacked[entry][name] = [step[entry][name] for step in steps]
    return stacked

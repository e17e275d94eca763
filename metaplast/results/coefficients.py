"""The numbers of a discovered rule as they act: per slot and edge, over seeds, and along
meta-training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metaplast.results.statistics import Estimate, student
from metaplast.reuse.document import entries
from metaplast.reuse.formula import rule_terms, terms
from metaplast.reuse.node import learned, nodes, walk

Plain = dict[str, Any]
Tensors = Mapping[str, np.ndarray]
Numbers = dict[str, dict[str, float]]  # entry (slot or slot/edge) -> name -> value


def acting(document: Plain, tensors: Tensors) -> tuple[Numbers, Numbers]:
    """(coefficients c_k of the terms, before the rate; learnt positive constants such as rates),
    each per entry.
    """
    coefficients, constants = {}, {}
    for key, rule in nodes(document, tensors).items():
        coefficients[key] = rule_terms(rule)
        constants[key] = {
            f"{mark}{name}": value
            for mark, part in walk(rule)
            for name, value in learned(part).items()
        }
    return coefficients, constants


def over_seeds(runs: Sequence[Numbers]) -> dict[str, dict[str, Estimate]]:
    """Mean over runs of every number, with the 95 % interval of `student`."""
    return {
        entry: {name: student([run[entry][name] for run in runs]) for name in values}
        for entry, values in runs[0].items()
    }


def path(document: Plain, tensors: Tensors, logged: Sequence[Sequence[Any]]) -> tuple[Plain, Plain]:
    """(terms, constants): entry -> name -> values along meta-training, NaN where a number was not
    finite.

    logged: the `theta` of metrics.jsonl, one list per outer step: the leaves of `tensors` in the
    order of their names.
    Raises: ValueError for lists of another length.
    """
    sizes = {name: value.size for name, value in sorted(tensors.items())}
    ends = np.cumsum(list(sizes.values()))
    found = []
    for numbers in logged:
        flat = np.asarray([float(number) for number in numbers])
        if flat.size != sum(sizes.values()):
            raise ValueError(f"{flat.size} numbers instead of {sum(sizes.values())}")
        pieces = zip(sizes, np.split(flat, ends[:-1]), strict=True)
        found.append(
            acting(document, {name: piece.reshape(tensors[name].shape) for name, piece in pieces})
        )
    return _stacked([step[0] for step in found]), _stacked([step[1] for step in found])


def leaves(document: Plain, tensors: Tensors) -> dict[str, np.ndarray]:
    """The leaves of those entries whose rule is no list of terms, by dotted name."""
    others = [
        entry.prefix
        for key, entry in entries(document).items()
        if not terms(document, tensors)[key]
    ]
    return {
        name: np.asarray(value)
        for name, value in tensors.items()
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in others)
    }


def _stacked(steps: Sequence[Numbers]) -> dict[str, dict[str, list[float]]]:
    return {
        entry: {name: [step[entry][name] for step in steps] for name in values}
        for entry, values in steps[0].items()
    }

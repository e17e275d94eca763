"""The locality certificate of a rule: what it reads, from how far, and what it mixes."""

from collections.abc import Iterable
from typing import NamedTuple

from metaplast.inspection.library import read_by, unnamed
from metaplast.inspection.subject import Subject
from metaplast.language.grammar import MIXING, reach


class Locality(NamedTuple):
    """The measured locality of the rule of one edge.

    reach: the farthest source of what it reads: synapse, neuron or layer.
    signals: the names of the signals that it reads.
    others: what it reads beside them, in words.
    mixing: where it computes with numbers of several synapses by itself: empty, neuron or layer.
    transport: whether it reads activity that is carried back through the forward weights.
    """

    reach: str
    signals: tuple[str, ...]
    others: tuple[str, ...]
    mixing: str
    transport: bool


def certificate(subject: Subject) -> dict[str, Locality]:
    """{edge: the locality of its rule}, measured on the program of one step.

    Args:
        subject: the rule in its task.
    """
    reads = subject.problem.lifetime.reads()
    return {name: locality(fields) for name, fields in reads.items()}


def locality(fields: Iterable[str]) -> Locality:
    """The locality of a rule that reads these fields of its view."""
    fields = frozenset(fields)
    read = read_by(fields)
    mixed = ""
    for distance, field in MIXING.items():
        if field in fields:
            mixed = distance
    transport = any(field.endswith(".returned") for field in fields)
    return Locality(reach(fields), read.names, tuple(unnamed(read.others)), mixed, transport)

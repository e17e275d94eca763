"""The library of local terms in which a rule is sought."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metaplast.inspection.along import columns
from metaplast.inspection.visited import Visited
from metaplast.language.constants import log_for
from metaplast.language.grammar import MIXING, SIGNALS, Product, field_of, parse, show
from metaplast.rules.trace_taylor import TraceTaylor

ORDER = 2
"""The largest power of a signal."""
MOST = 100
"""Terms of a library. With more signals, products of many of them are left out."""
OF_TRACES = (
    *("pre", "post", "post*pre_trace", "pre*post_trace", "post*pre"),
    *("post*post_slow*pre_trace", "post_trace*pre*pre_slow"),
)
"""Spikes, pairs of spikes, coincidences and triplets (Pfister & Gerstner 2006)."""
_NAMES = {field_of(name): name for name in SIGNALS}


class Read(NamedTuple):
    """The signals that a rule reads, as the grammar names them.

    names: of signals of the grammar.
    others: fields for which the grammar has no name, such as `weight_initial`.
    """

    names: tuple[str, ...]
    others: tuple[str, ...]


def read_by(fields: Iterable[str]) -> Read:
    """The signals among the fields of a view, in the order of the grammar."""
    names = []
    others = []
    for field in sorted(fields):
        if field.startswith("modulators."):
            names.append(field.replace("modulators.", "modulator."))
        elif field in _NAMES:
            names.append(_NAMES[field])
        else:
            others.append(field)
    order = [*SIGNALS]
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    return Read(tuple(names), tuple(others))


def products(names: Sequence[str]) -> tuple[str, ...]:
    """All products of powers 0 to ORDER of the signals, those of low degree and low powers first.

    Where there are more than MOST of them, those of the highest degree are left out.

    Args:
        names: signals of the grammar.
    """
    terms: list[tuple[int, int, str]] = []
    for powers in itertools.product(range(ORDER + 1), repeat=len(names)):
        factors = []
        for name, power in sorted(zip(names, powers, strict=True)):
            if power:
                factors.append((name, power))
        highest = max(powers, default=0)
        terms.append((sum(powers), highest, show(Product(1.0, tuple(factors)))))
    terms.sort(key=lambda term: term[:2])
    largest = terms[-1][0]
    while len(terms) > MOST and largest > 1:
        largest -= 1
        terms = [term for term in terms if term[0] <= largest]
    return tuple(text for _, _, text in terms)


def of_traces(names: Sequence[str]) -> tuple[str, ...]:
    """Terms of spikes and their traces, each alone, times the weight, and times each modulator.

    Args:
        names: signals that the rule reads.
    """
    terms = list(OF_TRACES)
    for name in names:
        if name == "weight" or name.startswith("modulator."):
            for term in OF_TRACES:
                factors = sorted([*term.split("*"), name])
                terms.append("*".join(factors))
    return tuple(terms)


def values(terms: Sequence[str], signals: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The values of terms without traces, in the shape of the signals.

    Args:
        terms: text of the grammar.
        signals: {name of the grammar: values}.
    """
    shape = np.broadcast_shapes(*[np.shape(value) for value in signals.values()])
    every = []
    for term in terms:
        total = np.zeros(shape)
        for product in parse(term):
            value = np.full(shape, product.scale)
            for name, power in product.factors:
                value = value * signals[name] ** power
            total += value
        every.append(total)
    return every


def named(names: Iterable[str], followed: Visited) -> dict[str, np.ndarray]:
    """{name of the grammar: values [n_lives, n_steps, n_synapses]}."""
    return {name: followed.signals[field_of(name)] for name in names}


def trace_values(
    terms: Sequence[str], taus: tuple[float, float], followed: Visited, dt: float
) -> list[np.ndarray]:
    """The values of terms of traces [n_lives, n_steps, n_synapses], by the rule's own step.

    Args:
        terms: text of the grammar.
        taus: seconds of `pre_trace` and `post_trace`.
        followed: the signals.
        dt: seconds of a step.
    """
    rule = TraceTaylor(terms=tuple(terms), rate=1.0, learn_tau=True)
    thetas = {"coefficients": np.eye(len(terms))}
    for name, log in log_taus(rule, taus).items():
        thetas[name] = np.full(len(terms), log)
    return list(columns(rule, thetas, followed, dt))


def log_taus(rule: TraceTaylor, taus: tuple[float, float]) -> dict[str, float]:
    """{leaf of theta: its value} of the time constants that a rule of traces learns.

    Args:
        rule: the rule.
        taus: seconds of `pre_trace` and `post_trace`. The slow traces keep their defaults.
    """
    wanted = {"pre_trace": taus[0], "post_trace": taus[1]}
    leaves = {}
    for name in rule.kept:
        log = 0.0
        if name in wanted:
            log = log_for(getattr(rule, f"tau_{name}"), wanted[name])
        leaves[f"log_tau_{name}"] = log
    return leaves


def unnamed(others: Sequence[str]) -> list[str]:
    """What a rule reads that no term can name, in words."""
    words = []
    for field in others:
        if field in MIXING.values():
            words.append(f"sums of its own over a {field.partition('.')[2]}")
        elif field == "key":
            words.append("random numbers")
        else:
            words.append(f"`{field}`")
    return words

"""The terms that are kept and the option that is chosen, on examples small enough to see."""

from typing import Any

import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast.fitting.engine import SearchResult
from metaplast.fitting.support import (
    SupportOption,
    chosen_index,
    is_long,
    n_kept,
    refits,
    support_mask,
)
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor

FOUR = ("post*pre", "post^2*weight", "pre", "weight")
NAN = float("nan")
INF = float("inf")


def theta_of(*coefficients, **more) -> Any:
    values = np.asarray(coefficients, np.float32)
    genome = {"edge": np.asarray([0.0, 5.0])}
    return {"rules": {"a": {"coefficients": values, **more}}, "genome": genome}


def fitted(theta) -> SearchResult:
    return SearchResult(theta, np.zeros((1, 4)), 10, True, 0.5, 0)


def kept(theta, share):
    return support_mask(theta, share)["rules"]["a"]["coefficients"].tolist()


def test_coefficients_are_kept_from_a_share_of_the_largest_on():
    theta = theta_of(2.0, -1.0, 0.5, -0.499, 0.0)
    assert kept(theta, 0.25) == [1, 1, 1, 0, 0]
    assert kept(theta, 0.5) == [1, 1, 0, 0, 0]
    assert kept(theta, 1.0) == [1, 0, 0, 0, 0]
    assert kept(theta, 0.0) == [1, 1, 1, 1, 1]


def test_each_leaf_has_its_own_largest_and_nothing_but_coefficients_is_dropped():
    theta = theta_of(100.0, 1.0, log_rate=np.asarray(0.0, np.float32))
    theta["rules"]["b"] = {"edge": {"coefficients": np.asarray([1e-3, 1e-6], np.float32)}}
    mask = support_mask(theta, 0.05)
    assert mask["rules"]["a"]["coefficients"].tolist() == [1, 0]
    assert mask["rules"]["b"]["edge"]["coefficients"].tolist() == [1, 0]
    assert mask["rules"]["a"]["log_rate"] == 1
    assert mask["genome"]["edge"].tolist() == [1, 1]
    assert mask["rules"]["a"]["coefficients"].dtype == np.float32
    assert n_kept(mask) == 2  # neither the rate nor the genome is a term


def test_a_fit_that_broke_keeps_nothing():
    assert kept(theta_of(NAN, 1.0), 0.05) == [0, 0]


def test_refits_start_from_the_fit_on_its_support_without_a_penalty():
    path = [fitted(theta_of(2.0, -1.0, 0.01, 0.5)), fitted(theta_of(1.5, 0.01, 0.0, 0.0))]
    members = refits(path, 0.05)
    assert [m.strength for m in members] == [0.0, 0.0]
    assert [m.targets for m in members] == [None, None]
    masks = [member.mask["rules"]["a"]["coefficients"].tolist() for member in members]
    assert masks == [[1, 1, 0, 1], [1, 0, 0, 0]]
    first = members[1].theta["rules"]["a"]["coefficients"].tolist()
    assert first == [1.5, np.float32(0.01), 0.0, 0.0]


def supports(options: list[tuple[int, float, float]]) -> list[SupportOption]:
    """Options of these (n_terms, deviance, error), left by rising strengths."""
    return [SupportOption(0.1 * i, *option) for i, option in enumerate(options)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # the sparsest within one standard error
        ([(9, 1.0, 0.1), (4, 1.05, 0.1), (2, 1.2, 0.1)], 1),
        # the edge counts; only the best one's error matters
        ([(9, 1.0, 0.1), (4, 1.1, 0.0), (2, 1.11, 9.0)], 1),
        ([(9, 1.0, 0.0), (4, 1.0001, 0.0), (2, 1.2, 0.0)], 0),  # no error, no choice
        ([(4, 1.05, 0.1), (4, 1.0, 0.1), (4, 1.02, 0.1)], 1),  # equal sizes: the smaller deviance
        ([(4, 1.0, 0.1), (4, 1.0, 0.1)], 0),  # all equal: the first
        ([(2, 1.0, 0.1), (9, 1.05, 0.1)], 0),  # the best is the sparsest
        ([(9, 1.0, 0.1), (2, NAN, NAN), (1, INF, NAN)], 0),  # what broke is never within reach
        ([(2, NAN, NAN), (9, 1.0, NAN), (4, 1.0, 0.1)], 1),  # an unknown error reaches nobody else
        ([(1, INF, NAN), (9, 1e9, 1.0)], 1),
    ],
)
def test_the_choice(options, expected):
    assert chosen_index(supports(options)) == expected


@pytest.mark.parametrize("broken", [NAN, INF])
def test_where_everything_broke_something_is_still_chosen(broken):
    options = [SupportOption(0.1, 3, broken, NAN), SupportOption(1.0, 2, broken, NAN)]
    assert chosen_index(options) in (0, 1)


def test_the_order_of_the_options_does_not_matter():
    options = supports([(9, 1.0, 0.1), (4, 1.05, 0.2), (4, 1.04, 0.2), (2, 2.0, 0.1)])
    best = options[chosen_index(options)]
    assert best == options[2]
    assert options[::-1][chosen_index(options[::-1])] == best


@pytest.mark.parametrize(
    ("rules", "few", "long"),
    [
        ([Polynomial(terms=FOUR)], 3, True),
        ([Polynomial(terms=FOUR)], 4, False),
        ([Polynomial(terms=FOUR, learn="both")], 3, True),
        ([TraceTaylor(learn_tau=True)], 3, True),
        ([Polynomial(terms=FOUR, learn="rate")], 3, False),
        # a known rule is not taken apart
        ([Polynomial(terms=FOUR, initial=(1.0, 0.0, 0.0, 0.0))], 3, False),
        ([Polynomial(terms=FOUR, initial=(0.0,) * 4)], 3, True),
        ([Stdp()], 0, False),
        ([Polynomial(), Polynomial(terms=FOUR)], 3, True),
        ([], 0, False),
    ],
)
def test_a_long_rule_has_many_coefficients_to_fit(rules, few, long):
    edges = ("input_to_hidden_1", "hidden_1_to_output")
    slots = []
    for index, rule in enumerate(rules):
        slots.append(Slot(f"slot_{index}", edges[index], rule))
    lifetime = Lifetime(
        Taught(n_sessions=2), Feedforward(hidden=(3,)), genome=Given(), slots=tuple(slots)
    )
    assert is_long(lifetime, few) is long

"""The numbers of a fitted rule, against products written out."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast.feedback.none import None_
from metaplast.fitting.numbers import numbers, vector
from metaplast.genomes.random import Random
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.rules.bcm import Bcm
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.wrappers.sum import Sum

TWO = ("post*pre", "post^2*weight")
FIRST = "input_to_hidden_1"
LAST = "hidden_1_to_output"


def lifetime_of(*slots: Slot) -> Lifetime:
    family = Taught(n_in=3, n_out=2, n_steps=4, n_sessions=2)
    return Lifetime(family, Feedforward(hidden=(2,)), None_(), Random(), slots)


def numbers_of(rules: Any, *slots: Slot) -> dict[str, float]:
    """The numbers of slots whose theta has these values."""
    lifetime = lifetime_of(*slots)
    theta = lifetime.init(jax.random.key(0))

    def is_values(x: Any) -> bool:
        return isinstance(x, list)

    arrays = jax.tree.map(lambda x: jnp.asarray(x, float), rules, is_leaf=is_values)
    assert jax.tree.structure(arrays) == jax.tree.structure(theta["rules"])
    return numbers(lifetime, {**theta, "rules": arrays})


def test_a_number_is_the_rate_times_initial_plus_fitted_coefficient():
    rule = Polynomial(terms=TWO, initial=(1.0, -1.0), rate=0.2)
    by_name = numbers_of({"rule": {"coefficients": [0.5, 0.25]}}, Slot(rule=rule))
    assert by_name == pytest.approx({"post*pre": 0.2 * 1.5, "post^2*weight": 0.2 * -0.75})


def test_a_learnt_rate_enters_the_products_and_is_no_number():
    rule = Polynomial(terms=TWO, rate=0.2, learn="both")
    by_name = numbers_of({"rule": {"coefficients": [3.0, -1.0], "log_rate": 0.1}}, Slot(rule=rule))
    rate = 0.2 * math.exp(5 * 0.1)
    assert by_name == pytest.approx({"post*pre": 3.0 * rate, "post^2*weight": -rate})
    only = Polynomial(terms=TWO, initial=(1.0, -2.0), rate=0.2, learn="rate")
    by_name = numbers_of({"rule": {"log_rate": 0.1}}, Slot(rule=only))
    assert by_name == pytest.approx({"post*pre": rate, "post^2*weight": -2.0 * rate})


def test_the_same_change_in_another_unit_gives_the_same_numbers():
    """Only products of a rate and a coefficient can be known from data."""
    slots = [Slot(rule=Polynomial(terms=TWO, rate=rate, learn="both")) for rate in (0.1, 0.4)]
    a = numbers_of({"rule": {"coefficients": [2.0, 1.0], "log_rate": 0.0}}, slots[0])
    b = numbers_of({"rule": {"coefficients": [1.0, 0.5], "log_rate": math.log(0.5) / 5}}, slots[1])
    assert a == pytest.approx(b, rel=1e-5)


def test_slots_and_edges_stand_before_the_names():
    rule = Polynomial(terms=("post*pre",), rate=0.5)
    both = numbers_of(
        {"a": {"coefficients": [2.0]}, "b": {"coefficients": [3.0]}},
        Slot("a", FIRST, rule),
        Slot("b", LAST, rule),
    )
    assert both == pytest.approx({"a: post*pre": 1.0, "b: post*pre": 1.5})
    per_edge = numbers_of(
        {"rule": {FIRST: {"coefficients": [2.0]}, LAST: {"coefficients": [-2.0]}}},
        Slot(rule=rule, shared=False),
    )
    assert per_edge == pytest.approx(
        {f"rule/{FIRST}: post*pre": 1.0, f"rule/{LAST}: post*pre": -1.0}
    )
    one = numbers_of({"rule": {"coefficients": [2.0]}}, Slot(rule=rule))
    assert one == pytest.approx({"post*pre": 1.0})


def test_slots_with_different_rates_keep_theirs():
    slots = [
        Slot("a", FIRST, Polynomial(terms=("pre",), rate=0.5)),
        Slot("b", LAST, Polynomial(terms=("pre",), rate=2.0)),
    ]
    by_name = numbers_of({"a": {"coefficients": [1.0]}, "b": {"coefficients": [1.0]}}, *slots)
    assert by_name == pytest.approx({"a: pre": 0.5, "b: pre": 2.0})


def test_the_parts_of_a_sum_each_have_their_rate():
    hebb = Polynomial(terms=("post*pre",), rate=0.5)
    decay = Polynomial(terms=("weight",), initial=(-1.0,), rate=0.01, learn="rate")
    slot = Slot(rule=Sum(rules=(("hebb", hebb), ("decay", decay))))
    by_name = numbers_of(
        {"rule": {"hebb": {"coefficients": [4.0]}, "decay": {"log_rate": 0.2}}}, slot
    )
    assert by_name == pytest.approx({"hebb: post*pre": 2.0, "decay: weight": -0.01 * math.exp(1.0)})


def test_a_single_part_is_that_rule():
    inner = Polynomial(terms=("post*pre",), rate=0.5)
    by_name = numbers_of(
        {"rule": {"one": {"coefficients": [4.0]}}}, Slot(rule=Sum(rules=(("one", inner),)))
    )
    assert by_name == pytest.approx({"post*pre": 2.0})


def test_learnt_constants_are_numbers():
    by_name = numbers_of(
        {"rule": {"log_rate": 0.1, "log_tau": -0.1}},
        Slot(rule=Bcm(rate=10.0, tau=0.02, learn=True)),
    )
    assert by_name == pytest.approx({"rate": 10.0 * math.exp(0.5), "tau": 0.02 * math.exp(-0.5)})
    pair = Slot(rule=Stdp(0.01, 0.008, 0.017, 0.034, learn=True))
    theta = jax.tree.map(np.zeros_like, lifetime_of(pair).init(jax.random.key(0))["rules"])
    assert sorted(numbers_of(theta, pair).values()) == pytest.approx([0.008, 0.01, 0.017, 0.034])


def test_terms_of_traces_have_time_constants_beside_them():
    rule = TraceTaylor(
        terms=("pre", "post*pre_trace"), rate=0.5, tau_pre_trace=0.03, learn_tau=True
    )
    by_name = numbers_of(
        {"rule": {"coefficients": [2.0, -1.0], "log_tau_pre_trace": 0.2}}, Slot(rule=rule)
    )
    assert by_name == pytest.approx(
        {"pre": 1.0, "post*pre_trace": -0.5, "tau_pre_trace": 0.03 * math.e}
    )


def test_without_a_rule_there_are_no_numbers():
    assert numbers_of({}) == {}


def test_a_vector_has_the_order_of_the_names_and_gaps_where_a_name_is_missing():
    np.testing.assert_array_equal(
        vector({"a": 1.0, "b": 2.0}, ["b", "c", "a"]), [2.0, math.nan, 1.0]
    )

"""Recurrent synapses that learn by spike times are a loop from spike to spike.

Recurrent synapses that give credit see the transmitted signal.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.life.at_synapse import SpikeTimes, at_synapse, empty_queues
from metaplast.networks import base as network
from metaplast.neurons.lif import Lif
from metaplast.rules.clopath import Clopath
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.sliding import Sliding
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.runs.config import Sources, compose, read_yaml, to_yaml
from metaplast.runs.job import parse
from metaplast.signals import neuron_view
from metaplast.spec import decode
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.instant import Instant
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours
from tests.oracles import events

DT = 1e-3
STEPS = 400
N_IN = 30
N = 8
TOP = 5.0
PAIR = Stdp(potentiation=4e-3, depression=3e-3, tau_pre=17e-3, tau_post=29e-3)
TRIPLET = Triplet(a2_plus=1e-3, a3_plus=2e-3, a2_minus=2e-3, a3_minus=1e-3)
VOGELS = Vogels(rate=2e-3, target_rate=20.0)
TAYLOR = TraceTaylor(
    ("pre", "pre*post_trace", "post*pre_trace"), (-1e-2, -4e-2, 5e-2), learn="none"
)
NONE = Instant()
AXON = Delayed(3 * DT)
NEST = Delayed(3 * DT, dendrite=3 * DT)
BOTH = Delayed(4 * DT, dendrite=DT)
NESTED = Delayed(2 * DT, Delayed(3 * DT, dendrite=2 * DT))
CASES: dict[
    str, tuple[Any, Any, Callable[..., Any], AbstractTransmission, int, int]
] = {  # the last two: steps
    "pair": (PAIR, PAIR, events.pair, NONE, 0, 0),
    "pair axon": (PAIR, PAIR, events.pair, AXON, 3, 0),
    "pair dendrite": (PAIR, PAIR, events.pair, NEST, 0, 3),
    "pair both": (PAIR, PAIR, events.pair, BOTH, 3, 1),
    "pair nested": (PAIR, PAIR, events.pair, NESTED, 3, 2),
    "pair sparse": (PAIR, PAIR, events.pair, BOTH, 3, 1),
    "pathways": (Pathways(PAIR), PAIR, events.pair, AXON, 3, 0),
    "scaled": (Scale(PAIR, learn=False), PAIR, events.pair, AXON, 3, 0),
    "sum": (
        Sum((("a", PAIR), ("b", Polynomial(("weight",), (0.0,), learn="none")))),
        PAIR,
        events.pair,
        NONE,
        0,
        0,
    ),
    "triplet": (TRIPLET, TRIPLET, events.triplet, NONE, 0, 0),
    "triplet both": (TRIPLET, TRIPLET, events.triplet, BOTH, 3, 1),
    "vogels": (VOGELS, VOGELS, events.vogels, NEST, 0, 3),
    "terms": (TAYLOR, TAYLOR, events.taylor, AXON, 3, 0),
}


@cache
def case() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    spikes = {"input": 1.0 * (rng.random((STEPS, N_IN)) < 0.04)}
    weights = {"in": rng.uniform(0.6, 1.6, (N, N_IN)), "through": rng.uniform(0.5, 1.0, (N, N_IN))}
    return spikes, weights | {name: rng.uniform(0.5, 1.0, graph(name).shape) for name in CASES}


def graph(name: str) -> Any:
    return Sparse(N, N, 0.5, 1) if name == "pair sparse" else Dense(N, N)


@cache
def lived(
    spike_times: SpikeTimes = "synapse",
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every case is an edge of one network.

    `through` does not go back, and has a delay in front of it.
    """
    sources = Population("input", N_IN)
    cells = Population("cells", N, Lif(tau_m=10e-3, tau_syn=5e-3), sign=-1)
    edges = [
        Edge("input", "cells", Dense(N, N_IN), label="in", bounds=(0.0, TOP)),
        Edge("input", "cells", Dense(N, N_IN), BOTH, label="through", bounds=(0.0, TOP)),
    ]
    for name, (_, _, _, transmission, _, _) in CASES.items():
        label = name.replace(" ", "_")
        edges.append(
            Edge(
                "cells",
                "cells",
                graph(name),
                transmission,
                label=label,
                bounds=(0.0, TOP),
                gain=0.1,
            )
        )
    rules = {edge.label: CASES.get(edge.label.replace("_", " "), (PAIR,))[0] for edge in edges[1:]}
    spikes, weights = case()
    born = {name.replace(" ", "_"): w for name, w in weights.items()}
    return _ours.run(Wiring((sources, cells), tuple(edges)), rules, spikes, born, DT, spike_times)


def late(spikes: np.ndarray, steps: int) -> np.ndarray:
    return np.concatenate([np.zeros((steps, spikes.shape[1])), spikes])[: len(spikes)] > 0


def expected(name: str, lag: int = 0) -> np.ndarray:
    """The last weights, from spike to spike.

    lag: the number of steps by which presynaptic spikes come late.
    """
    _, rule, oracle, _, axon, dendrite = CASES[name]
    cells = lived("transmitted" if lag else "synapse")[0]["cells"]
    pre = late(cells, axon + lag)
    post = late(cells, dendrite)
    connection = graph(name)
    born = case()[1][name]
    if born.ndim == 2:
        return events.weights(lambda: oracle(rule, TOP), pre, post, born, DT, TOP)
    ends = connection.topology()
    each = [
        (post[:, [j]], pre[:, [i]], w) for j, i, w in zip(ends.post, ends.pre, born, strict=True)
    ]
    return np.array(
        [
            events.weights(lambda: oracle(rule, TOP), x, z, np.full((1, 1), w), DT, TOP)
            for z, x, w in each
        ]
    )


@pytest.mark.parametrize("name", CASES)
def test_a_recurrent_synapse_pairs_spikes_at_their_times(name):
    weights = lived()[1][name.replace(" ", "_")]
    assert lived()[0]["cells"].sum() > 10 * N
    np.testing.assert_allclose(weights.ravel(), expected(name).ravel(), rtol=0.0, atol=1e-12)
    assert np.abs(weights - case()[1][name]).max() > 0.01


@pytest.mark.parametrize("name", [name for name, (*_, dendrite) in CASES.items() if not dendrite])
def test_as_it_was_before_it_pairs_what_was_transmitted(name):
    weights = lived("transmitted")[1][name.replace(" ", "_")]
    np.testing.assert_allclose(weights.ravel(), expected(name, lag=1).ravel(), rtol=0.0, atol=1e-12)
    assert np.abs(weights - lived()[1][name.replace(" ", "_")]).max() > 1e-3


def test_an_edge_that_does_not_go_back_has_its_delays_alone():
    spikes, weights = case()
    pre = late(spikes["input"], 3)
    post = late(lived()[0]["cells"], 1)
    wanted = events.weights(lambda: events.pair(PAIR, TOP), pre, post, weights["through"], DT, TOP)
    np.testing.assert_allclose(lived()[1]["through"], wanted, rtol=0.0, atol=1e-12)


def alone(
    rule: Any, transmission: AbstractTransmission = NONE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(spikes, first and last weights) of cells with one plastic edge.

    It goes back and has no effect worth naming.
    """
    spikes, weights = case()
    edges = (
        Edge("input", "cells", Dense(N, N_IN), label="in"),
        Edge("cells", "cells", Dense(N, N), transmission, label="back", bounds=(-TOP, TOP)),
    )
    wiring = Wiring(
        (Population("input", N_IN), Population("cells", N, Lif(tau_m=10e-3, tau_syn=5e-3))), edges
    )
    born = {"in": weights["in"], "back": 1e-3 * weights["pair"]}
    seen, last = _ours.run(wiring, {"back": rule}, spikes, born, DT)
    return seen["cells"], born["back"], last["back"]


@pytest.mark.parametrize("transmission, steps", [(NONE, 1), (AXON, 4)])
def test_a_rule_that_is_none_of_spike_times_sees_what_is_transmitted(transmission, steps):
    rule = Polynomial(("post*pre",), (1.0,), rate=1e-3, learn="none")
    cells, born, last = alone(rule, transmission)
    pairs = cells.T @ late(cells, steps)
    np.testing.assert_allclose(last, born + 1e-3 * pairs, rtol=0.0, atol=1e-12)
    assert pairs.max() > 2


def test_terms_of_credit_see_what_is_transmitted_and_terms_of_spikes_the_spikes():
    """The trace of the presynaptic spikes at a postsynaptic one is a plain sum."""
    spikes = TraceTaylor(("post*pre_trace",), (1e-3,), learn="none")
    credit = ("0*score", "0*post_gain")
    rules = {0: spikes, 1: replace(spikes, terms=(*spikes.terms, credit[1]), initial=(1e-3, 0.0))}
    assert not TraceTaylor(credit[:1], learn="none").spike_timing
    for lag, rule in rules.items():
        cells, born, last = alone(rule)
        ages = np.subtract.outer(np.arange(STEPS), np.arange(STEPS)) * DT
        traces = np.where(ages >= 0.0, np.exp(-np.maximum(ages, 0.0) / 20e-3), 0.0) @ late(
            cells, lag
        )
        np.testing.assert_allclose(last, born + 1e-4 * cells.T @ traces, rtol=0.0, atol=1e-12)


WEAK = replace(PAIR, potentiation=4e-8, depression=3e-8)  # too weak to move a spike of these cells
RATES = Polynomial(("post*pre",), (1.0,), rate=1e-8, learn="none")


@pytest.mark.parametrize("transmission, sent", [(NONE, 1), (AXON, 4), (NEST, 4)])
def test_each_part_of_a_sum_sees_spikes_at_its_own_times(transmission, sent):
    """A sum makes the change of its part of spike times, plus products of transmitted signals."""
    cells, born, alone_last = alone(WEAK, transmission)
    pairs = RATES.rate * cells.T @ late(cells, sent)
    for parts in ((("times", WEAK), ("rates", RATES)), (("rates", RATES), ("times", WEAK))):
        spikes, _, last = alone(Sum(parts), transmission)
        np.testing.assert_array_equal(spikes, cells)
        np.testing.assert_allclose(last, alone_last + pairs, rtol=0.0, atol=1e-13)
    assert np.abs(alone_last - born).max() > 1e-7
    assert np.abs(pairs - RATES.rate * cells.T @ cells).max() > 1e-8


def test_a_sum_within_a_sliding_mean_keeps_both_times():
    """The part of rates: postsynaptic deviations from a mean, times transmitted signals."""
    silent = replace(PAIR, potentiation=1e-30, depression=1e-30)
    rule = Scale(Sliding(Sum((("times", silent), ("rates", RATES))), steps=20.0), learn=False)
    cells, born, last = alone(rule)
    mean = np.zeros(N)
    deviations = []
    for spikes in cells:
        deviations.append(spikes - mean)
        mean = mean + (spikes - mean) / 20.0
    wanted = born + RATES.rate * np.array(deviations).T @ late(cells, 1)
    np.testing.assert_allclose(last, wanted, rtol=0.0, atol=1e-13)
    assert np.abs(last - born).max() > 1e-8


def test_the_rule_of_potentials_sees_presynaptic_spikes_at_their_times():
    """A potential stands still at u, and is low-passed from theta_minus.

    Each presynaptic spike depresses by the value that the low-pass has come to.
    """
    u = -60.0
    low = -70.6
    rule = Clopath(a_ltd=1e-4, a_ltp=0.0, scale=1e-14, offset=u, spike_width=0.0)
    cells, born, last = alone(rule, AXON)
    come = (u - low) * -np.expm1(-np.arange(STEPS) * DT / rule.tau_minus)
    np.testing.assert_allclose(
        last, born - 1e-4 * (come @ late(cells, 3))[None, :], rtol=0.0, atol=1e-12
    )


def test_what_a_dendrite_has_not_brought_yet_is_the_first_potential_and_no_spike():
    cells = Population("cells", 2, Lif())
    wiring = Wiring(
        (cells,),
        (Edge("cells", "cells", Dense(2, 2), Delayed(2 * DT, dendrite=2 * DT), label="back"),),
    )
    edge = wiring.edges[0]
    views = np.arange(1.0, 11.0).reshape(5, 2)
    seen = []
    state = network.init_state(wiring, {}, DT)
    queues = empty_queues(edge, frozenset({"post.activity", "post.potential"}), DT)
    for now in views:
        view = {"cells": neuron_view(jnp.asarray(now), jnp.asarray(-now), jnp.ones(2))}
        queues, arrived = at_synapse(wiring, edge, queues, state, state, view, DT)
        seen.append(arrived)
    assert all(list(arrived.post) == ["activity", "potential"] for arrived in seen)
    np.testing.assert_array_equal([arrived.pre for arrived in seen], views)
    np.testing.assert_array_equal(
        [arrived.post["activity"] for arrived in seen], [[0, 0], [0, 0], *views[:3]]
    )
    potentials = [arrived.post["potential"] for arrived in seen]
    np.testing.assert_array_equal(potentials, [-views[0], -views[0], *-views[:3]])


def test_wrappers_and_sums_ask_what_is_inside():
    assert ThreeFactor(rule=Scale(PAIR)).spike_timing
    for rule in (
        ThreeFactor(),
        Sum(),
        decode("rule", {"name": "eprop"}),
        decode("rule", "urbanczik_senn"),
    ):
        assert not rule.spike_timing


def test_a_dendrite_is_no_longer_than_the_delay():
    with pytest.raises(ValidationError, match=r"dendrite=0.003 of delay=0.002.*raise delay"):
        Delayed(delay=2e-3, dendrite=3e-3)


def test_a_config_says_which_and_one_of_before_means_what_was_transmitted(tmp_path):
    words = ["experiment=spiking", "network=recurrent"]
    new = compose(words, Sources())
    assert parse(new, check=False).main.meta_problem().lifetime.spike_times == "synapse"
    assert parse(read_yaml(to_yaml(new), "written"), check=False).main.spike_times == "synapse"
    old = {key: value for key, value in new.items() if key != "spike_times"}
    (tmp_path / "config.yaml").write_text(to_yaml(old))
    for again in (old, compose([], Sources(), tmp_path / "config.yaml")):
        assert parse(again, check=False).main.meta_problem().lifetime.spike_times == "transmitted"
    assert (
        parse(compose([*words, "spike_times=transmitted"], Sources()), check=False).main.spike_times
        == "transmitted"
    )

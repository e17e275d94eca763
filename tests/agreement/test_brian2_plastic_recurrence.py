"""Inhibitory cells whose recurrent synapses learn by spike times, here and in Brian2: the same
spikes and weights.

What Brian2 calls the delay of a synapse's pathway is, here, what the edge declares: the presynaptic
pathway's is on the axon, the postsynaptic one's on the dendrite. A recurrent edge transmits one
step after its declared
delays: in Brian2, a pathway of its own that adds the current one step later than the one that
learns.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.life.at_synapse import SpikeTimes
from metaplast.neurons.lif import Lif
from metaplast.rules.stdp import Stdp
from metaplast.rules.triplet import Triplet
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.instant import Instant
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours, _theirs

DT, STEPS, N_IN, N = 1e-3, 600, 40, 12
LIF = Lif(tau_m=20e-3, tau_syn=5e-3, current_jumps="after")
RULES: dict[str, Any] = {
    "STDP": Stdp(potentiation=4e-3, depression=4.2e-3, tau_pre=17e-3, tau_post=29e-3),
    "TRIPLET": Triplet(a2_plus=1e-3, a3_plus=1.5e-3, a2_minus=2e-3, a3_minus=1e-3),
}
DELAYS = {
    "none": (0.0, 0.0),
    "axon": (4 * DT, 0.0),
    "dendrite": (0.0, 4 * DT),
    "both": (3 * DT, DT),
}


@cache
def case() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    spikes = {"input": 1.0 * (rng.random((STEPS, N_IN)) < 0.03)}
    return spikes, {"in": rng.uniform(0.2, 0.6, (N, N_IN)), "back": rng.uniform(0.3, 0.5, (N, N))}


@cache
def here(
    model: str, delay: str, spike_times: SpikeTimes = "synapse"
) -> tuple[np.ndarray, np.ndarray]:
    axon, dendrite = DELAYS[delay]
    sent = Delayed(axon + dendrite, dendrite=dendrite) if axon + dendrite else Instant()
    edges = (
        Edge("input", "cells", Dense(N, N_IN), label="in", bounds=(0.0, 1.0)),
        Edge("cells", "cells", Dense(N, N), sent, label="back", bounds=(0.0, 1.0)),
    )
    graph = Wiring((Population("input", N_IN), Population("cells", N, LIF, sign=-1)), edges)
    spikes, weights = _ours.run(graph, {"back": RULES[model]}, *case(), DT, spike_times)
    return spikes["cells"], weights["back"].ravel()


@cache
def there(model: str, delay: str) -> tuple[np.ndarray, np.ndarray]:
    axon, dendrite = DELAYS[delay]
    spikes, weights = case()
    numbers = {**vars(RULES[model]), "largest": 1.0}
    numbers = {name: value for name, value in numbers.items() if isinstance(value, float)}
    edges = {}
    for name, pre, learns in (("in", "input", "STATIC"), ("back", "cells", model)):
        weight, graph = (
            weights[name].ravel(),
            tuple(axis.ravel() for axis in np.indices(weights[name].shape)),
        )
        edges[name] = _theirs.Edge(pre, "cells", graph, weight, getattr(_theirs, learns), numbers)
    edges["back"] = edges["back"]._replace(
        delay=axon, dendrite=dendrite, lag=dendrite + DT, pull=-1.0
    )
    neuron = {"tau_m": LIF.tau_m, "tau_syn": LIF.tau_syn, "refractory": 0.0}
    seen, learned = _theirs.run(edges, {"cells": N}, spikes, (_theirs.CURRENT, neuron), DT)
    return seen["cells"], learned["back"]


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("model", RULES)
def test_recurrent_synapses_learn_as_in_brian2(model: str, delay: str) -> None:
    (ours, learned), (brian, wanted) = here(model, delay), there(model, delay)
    assert brian.sum() > 10 * N
    assert np.sum(ours != brian) == 0
    np.testing.assert_allclose(learned, wanted, rtol=0.0, atol=1e-10)
    assert np.max(np.abs(wanted - case()[1]["back"].ravel())) > 0.03
    assert wanted.min() > 0.0 and wanted.max() < 1.0  # nothing is clipped


@pytest.mark.parametrize("model", RULES)
def test_what_an_edge_transmits_is_one_step_late_for_its_rule(model: str) -> None:
    """The control, and what a config of before means."""
    assert np.max(np.abs(here(model, "none", "transmitted")[1] - there(model, "none")[1])) > 1e-3

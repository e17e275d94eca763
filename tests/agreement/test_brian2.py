"""The same networks, here and in Brian2 (float64, exact integration on both sides): the same
spikes, the same weights.

In every step Brian2 moves the neurons, then compares with thresholds, then delivers spikes to
synapses (`on_pre` before `on_post`), then resets. So a spike that arrives in step s meets a neuron
that has already moved: it acts on the potential from step s + 1 on, while plasticity counts it in
step s. What means the same
here:

- `dv/dt = (I - v) / tau_m; dI/dt = -I / tau_syn` under method="exact", with `on_pre: I_post += w`:
neuron `lif` with
  tau_syn and current_jumps="after".
- `dv/dt = (g_e * (e_e - v) + g_i * (e_i - v) - v) / tau_m; dg_e/dt = -g_e / tau_e; ...` under
"exponential_euler", with
  `on_pre: g_e_post += w`: neuron `conductance_lif` with tau_excitatory, tau_inhibitory and
  conductance_jumps="after".
- `(unless refractory)` on v and refractory=r: neuron `refractory` around it, of period r - dt,
since Brian2 counts the
  step of the spike too.
- A synapse without delay from a group whose spikes are given (SpikeGeneratorGroup): an edge whose
pre stands before its
  post. Such an edge with `delayed` has the delay that Brian2 is told.
- In a recurrence: an edge that goes back (its pre does not stand before its post) is one step late
by itself. So
  delay = dt is such an edge as it is, delay = d one with `delayed` of d - dt, and no delay at all
  does not exist. Its rule learns with Brian2's delay too, d in all, under
  spike_times="transmitted"; by itself a rule of spike times sees the declared delay alone
  (test_brian2_plastic_recurrence.py).
- `on_pre: w = clip(w + y, 0, w_max)`, `on_post: w = clip(w + x, 0, w_max)`, x and y event-driven:
rules `stdp` and
  `vogels` with their default orders. The presynaptic spike sees y before, the postsynaptic one x
  after its own jump.
- The two clips: by themselves the rules are bounded once a step, on the sum of both changes, which
differs at a synapse
  both of whose neurons spike in one step and whose weight the first change alone would take past a
  bound. The rule `pathways` around them bounds each change by itself.
"""

import dataclasses
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.instant import Instant
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours, _theirs

INSTANT = Instant()
DT, STEPS, N_IN, N_OUT = 1e-3, 1000, 40, 20
TAU_M, TAU_SYN, TAU = 20e-3, 5e-3, 20e-3
LIF = Lif(tau_m=TAU_M, tau_syn=TAU_SYN, current_jumps="after")
CELL = ConductanceLif(
    tau_m=TAU_M,
    e_excitatory=3.0,
    tau_excitatory=TAU_SYN,
    tau_inhibitory=2 * TAU_SYN,
    conductance_jumps="after",
)
HELD = Refractory(neuron=CELL, period=2 * DT)
MEMBRANES = {
    LIF: (_theirs.CURRENT, {"tau_m": TAU_M, "tau_syn": TAU_SYN, "refractory": 0.0}),
    HELD: (
        _theirs.CONDUCTANCES,
        {
            "e_e": CELL.e_excitatory,
            "e_i": CELL.e_inhibitory,
            "tau_m": TAU_M,
            "tau_e": TAU_SYN,
            "tau_i": 2 * TAU_SYN,
        }
        | {"refractory": 3 * DT},
    ),
}


class Case(NamedTuple):
    """What both sides are given: trains and first weights of the excitatory inputs, and of
    inhibitory ones.
    """

    spikes: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


@cache
def case() -> Case:
    rng = np.random.default_rng(0)
    excitatory, inhibitory = rng.random((STEPS, N_IN)) < 0.02, rng.random((STEPS, N_OUT)) < 0.02
    weights = {
        "excites": rng.uniform(0.15, 0.5, (N_OUT, N_IN)),
        "inhibits": rng.uniform(0.2, 0.4, (N_OUT, N_OUT)),
    }
    return Case({"input": 1.0 * excitatory, "inhibition": 1.0 * inhibitory}, weights)


def here(
    rules: dict[str, Any],
    neuron: AbstractNeuron = LIF,
    transmission: AbstractTransmission = INSTANT,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    populations = (
        Population("input", N_IN),
        Population("inhibition", N_OUT, sign=-1),
        Population("output", N_OUT, neuron),
    )
    ports = ("soma", "soma") if neuron == LIF else ("excitatory", "inhibitory")
    edges = (
        Edge(
            "input",
            "output",
            Dense(N_OUT, N_IN),
            transmission,
            ports[0],
            bounds=(0.0, 1.0),
            label="excites",
        ),
        Edge(
            "inhibition",
            "output",
            Dense(N_OUT, N_OUT),
            port=ports[1],
            bounds=(0.0, 1.0),
            label="inhibits",
        ),
    )
    spikes, weights = _ours.run(Wiring(populations, edges), rules, *case(), DT)
    return spikes["output"], weights


@cache
def there(
    excites: str, inhibits: str, neuron: AbstractNeuron = LIF, times: float = 1.0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """excites, inhibits: the name of the model of each edge; times: what multiplies every change of
    weight.
    """
    numbers = {"tau_pre": TAU, "tau_post": TAU, "largest": 1.0, "alpha": 0.4}
    numbers |= {"potentiation": times * 0.01, "depression": times * 0.0105, "rate": times * 0.01}
    edges = {}
    into = (("I", 1.0), ("I", -1.0)) if neuron == LIF else (("g_e", 1.0), ("g_i", 1.0))
    ends = (("excites", "input", excites, *into[0]), ("inhibits", "inhibition", inhibits, *into[1]))
    for name, pre, model, variable, pull in ends:
        weight = case().weights[name]
        graph = tuple(axis.ravel() for axis in np.indices(weight.shape))
        learns = getattr(_theirs, model)
        edges[name] = _theirs.Edge(
            pre, "output", graph, weight.ravel(), learns, numbers, variable, pull
        )
    spikes, weights = _theirs.run(edges, {"output": N_OUT}, case().spikes, MEMBRANES[neuron], DT)
    return spikes["output"], weights


def stdp(times: float = 1.0) -> Stdp:
    return Stdp(potentiation=times * 0.01, depression=times * 0.0105, tau_pre=TAU, tau_post=TAU)


def vogels(times: float = 1.0) -> Vogels:
    return Vogels(rate=times * 0.01, target_rate=10.0, tau=TAU)


STDP, VOGELS = {"excites": stdp()}, {"inhibits": vogels()}


def far(ours: dict[str, np.ndarray], brian: dict[str, np.ndarray]) -> float:
    return max(np.max(np.abs(ours[edge].ravel() - brian[edge])) for edge in brian)


@pytest.mark.parametrize("neuron", [LIF, HELD], ids=["lif", "conductance_lif"])
@pytest.mark.parametrize(
    "rules, models", [(STDP, ("STDP", "STATIC")), (VOGELS, ("STATIC", "VOGELS"))]
)
def test_a_feedforward_second_has_the_same_spikes_and_weights(
    rules: Any, models: tuple[str, str], neuron: AbstractNeuron
) -> None:
    (ours, weights), (brian, wanted) = here(rules, neuron), there(*models, neuron)
    (edge,) = rules
    assert (
        brian.sum() > 5 * N_OUT and np.sum(case().spikes["input"].sum(1)[brian.any(1)] > 0) > 50
    )  # and coincidences
    assert np.sum(ours != brian) == 0
    assert far(weights, wanted) < 1e-10
    assert wanted[edge].min() > 0.0 and wanted[edge].max() < 1.0  # nothing is clipped
    assert np.max(np.abs(wanted[edge] - case().weights[edge].ravel())) > 0.05


@pytest.mark.parametrize(
    "edge, rule, models",
    [("excites", stdp(8.0), ("STDP", "STATIC")), ("inhibits", vogels(8.0), ("STATIC", "VOGELS"))],
)
def test_bounds_are_the_same_too_where_each_pathway_keeps_them(
    edge: str, rule: Any, models: tuple[str, str]
) -> None:
    brian, wanted = there(*models, times=8.0)
    ours, weights = here({edge: Pathways(rule=rule)})
    assert np.mean((wanted[edge] == 0.0) | (wanted[edge] == 1.0)) > 0.02
    assert np.sum(ours != brian) == 0
    assert far(weights, wanted) < 1e-10
    assert far(here({edge: rule})[1], wanted) > 1e-3  # the bounds on the sum are something else


def test_another_order_of_coincidences_or_a_later_arrival_is_seen() -> None:
    brian, wanted = there("STDP", "STATIC")
    before = dataclasses.replace(stdp(), at_post_spike="before")
    assert far(here({"excites": before})[1], wanted) > 1e-3
    late, _ = here(STDP, transmission=Delayed(delay=DT))
    assert np.sum(late != brian) > 50

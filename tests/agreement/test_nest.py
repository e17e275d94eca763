"""The rules against NEST's own synapses, on the same spike trains (float64 on both sides).

What means the same here:

- A coincident pair: NEST pairs a spike with earlier spikes of the other side alone. That is
  at_pre_spike = at_post_spike = "before". Where both spikes change the weight in one step, the
  postsynaptic one comes first: `pathways` with first="post".
- The delay of a NEST synapse is dendritic, at least one step: `delayed` with dendrite = delay. A
  delay on the axon is, in NEST, a relay in front of the synapse.
- The weight of a spike: NEST reads it when the spike is at the synapse, this library when the spike
  reaches the soma. With one step of dendritic delay both are the same weight. So the neurons of the
  other cases are taught their spikes by strong synapses.
- NEST moves a weight when a presynaptic spike is at the synapse. All trains end with one.
- `iaf_psc_delta`: neuron `lif` with soma_input="jump".
- Dopamine: dw/dt = c n is integrated exactly where rate is the integral over a step of
  exp(-t / tau), 1 / tau = 1 / tau_c + 1 / tau_n.
- Clopath: NEST integrates u- and u+ with the membrane (between_steps="linear"), delays them by
  delay_u_bars (`delay`, less the step that the rule waits anyway), and shows whole spikes
  (spike_width=0). Its homeostasis follows u- itself (mean_of="u_minus").
- Urbanczik and Senn: NEST expects phi dt spikes (expected="rate"), and has factors of 15 at two
  places: rate = 225 eta tau_syn.
- E-prop: NEST filters the eligibility with a factor 1 - kappa (readout_input="steady_state"), sums
  the changes of an interval and makes them at its end. Its t_ref counts the step of the spike, as
  Brian2's does (since NEST 3.9): it is `period` + dt.

For the rules that read a membrane, the postsynaptic signals are those that NEST recorded.
"""

import dataclasses
import json
import math
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.neurons._integrate_and_fire import EPROP, EPROP_ADAPTATION
from metaplast.neurons.alif import Alif
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.rules.base import AbstractRule
from metaplast.rules.clopath import Clopath
from metaplast.rules.eprop import Eprop
from metaplast.rules.stdp import Stdp
from metaplast.rules.triplet import Triplet
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.transmission.delayed import Delayed
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours
from tests.rules._drive import drive

PYTHON = sys.executable if find_spec("nest") else os.environ.get("METAPLAST_NEST_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="nest-simulator has no wheel here, and METAPLAST_NEST_PYTHON names no Python"
)
PROGRAM = Path(__file__).with_name("_nest_program.py")


class Case(NamedTuple):
    """A rule of spike times, and NEST's synapse.

    axon, dendrite: the delays in steps of 1 ms; control: what has to differ from NEST: another
    rule, or (axon, dendrite) of the same one; taught: the weight of the train that teaches the
    postsynaptic neuron its spikes, which fires at `threshold`.
    """

    model: str
    synapse: dict[str, Any]
    rule: AbstractRule
    control: AbstractRule | tuple[int, int]
    axon: int = 0
    dendrite: int = 1
    sign: int = 1
    taught: float = 200.0
    threshold: float = 100.0
    tau_post: float = 29.0


LAST, N_PRE, N_POST = 590, 20, 4
TAU_M, TAU_C, TAU_N = 20.0, 80.0, 50.0  # ms
BEFORE: dict[str, Any] = {"at_pre_spike": "before", "at_post_spike": "before"}
TAUS: dict[str, Any] = {"tau_pre": 17e-3, "tau_post": 29e-3}
PAIR: dict[str, Any] = {"lambda": 4e-3, "alpha": 1.05, "tau_plus": 17.0, "Wmax": 1.0}
SIZES: dict[str, Any] = {"potentiation": 4e-3, "depression": 4.2e-3}
SOFT: dict[str, Any] = {"mu_potentiation": 1.0, "mu_depression": 1.0}
ADDITIVE: dict[str, Any] = PAIR | {"mu_plus": 0.0, "mu_minus": 0.0}
STDP = Stdp(**SIZES, **TAUS, **BEFORE)
TRIPLETS: dict[str, Any] = {"a2_plus": 3e-4, "a3_plus": 5e-4, "a2_minus": 6e-4, "a3_minus": 3e-4}
TRIPLETS |= {"tau_plus": 17e-3, "tau_x": 101e-3, "tau_minus": 29e-3, "tau_y": 125e-3}
TRIPLET: dict[str, Any] = {
    "Aplus": 3e-4,
    "Aplus_triplet": 5e-4,
    "Aminus": 6e-4,
    "Aminus_triplet": 3e-4,
}
TRIPLET |= {"tau_plus": 17.0, "tau_plus_triplet": 101.0, "Wmax": 1.0}
INHIBITS: dict[str, Any] = {"rate": 1e-3, "target_rate": 10.0, "tau": 20e-3}
DOPAMINE: dict[str, Any] = {
    "A_plus": 0.01,
    "A_minus": 0.012,
    "tau_plus": 17.0,
    "Wmin": 0.0,
    "Wmax": 1.0,
}
DOPAMINE |= {"tau_c": TAU_C, "tau_n": TAU_N}
TAU_BOTH = TAU_C * TAU_N / (TAU_C + TAU_N)
ELIGIBLE = Stdp(potentiation=0.01, depression=0.012, **TAUS, **BEFORE)
REWARDED: dict[str, Any] = {"rule": ELIGIBLE, "modulator": "dopamine", "tau": 1e-3 * TAU_C}
EXACT = TAU_BOTH * -math.expm1(-1.0 / TAU_BOTH)
CASES = {
    "stdp": Case("stdp_synapse", ADDITIVE, STDP, Stdp(**SIZES, **TAUS)),
    "stdp_dendrite": Case("stdp_synapse", ADDITIVE, STDP, (1, 2), dendrite=3),
    "stdp_axon": Case("stdp_synapse", ADDITIVE, STDP, (1, 2), axon=2),
    "stdp_soft": Case(
        "stdp_synapse",
        PAIR | {"mu_plus": 1.0, "mu_minus": 1.0},
        Pathways(Stdp(**SIZES, **TAUS, **SOFT, **BEFORE), first="post"),
        Pathways(Stdp(**SIZES, **TAUS, **SOFT, **BEFORE)),
    ),
    "stdp_nearest": Case(
        "stdp_nn_symm_synapse",
        ADDITIVE,
        Stdp(**SIZES, **TAUS, **BEFORE, pairing="nearest"),
        STDP,
    ),
    "stdp_transmits": Case(
        "stdp_synapse", ADDITIVE, STDP, (1, 2), axon=2, taught=0.0, threshold=1.0
    ),
    "triplet": Case(
        "stdp_triplet_synapse", TRIPLET, Triplet(**TRIPLETS, **BEFORE), Triplet(**TRIPLETS)
    ),
    "triplet_both": Case(
        "stdp_triplet_synapse",
        TRIPLET,
        Triplet(**TRIPLETS, **BEFORE),
        (2, 2),
        axon=1,
        dendrite=3,
    ),
    "vogels": Case(
        "vogels_sprekeler_synapse",
        {"eta": 1e-3, "alpha": 0.4, "tau": 20.0, "Wmax": -1.0},
        Vogels(**INHIBITS, **BEFORE),
        Vogels(**INHIBITS),
        dendrite=2,
        sign=-1,
        tau_post=20.0,
    ),
    "dopamine": Case(
        "stdp_dopamine_synapse",
        DOPAMINE,
        ThreeFactor(**REWARDED, rate=EXACT),
        ThreeFactor(**REWARDED, rate=1.0),
    ),
    "dopamine_both": Case(
        "stdp_dopamine_synapse",
        DOPAMINE,
        ThreeFactor(**REWARDED, rate=EXACT),
        (2, 2),
        axon=1,
        dendrite=3,
    ),
}


def spikes(seed: int, n: int, rate: float) -> np.ndarray:
    """Trains [step, n] that begin and end together, with silence before the end."""
    found = np.random.default_rng(seed).random((LAST + 3, n)) < rate
    found[:10] = found[-60:] = False
    return 1.0 * found


@cache
def trains() -> dict[str, np.ndarray]:
    """The trains by step: pre ends with a spike of every neuron, after the last one of post."""
    pre = spikes(0, N_PRE, 0.03)
    pre[8] = pre[LAST] = 1.0
    return {"pre": pre, "post": spikes(1, N_POST, 0.04), "dopamine": spikes(2, 1, 0.02)}


@cache
def first() -> np.ndarray:
    return np.random.default_rng(3).uniform(0.3, 0.6, (N_POST, N_PRE))


def times(of: np.ndarray, step: float = 1.0, earlier: int = 0) -> list[list[float]]:
    """The times in ms of the spikes of every neuron."""
    found = []
    for column in of.T:
        found.append([round((k - earlier) * step, 6) for k in np.flatnonzero(column)])
    return found


def steps(of: list[list[float]], n_steps: int, step: float = 1.0) -> np.ndarray:
    """The trains [step, n] of these times in ms."""
    found = np.zeros((n_steps, len(of)))
    for cell, at in enumerate(of):
        found[np.rint(np.asarray(at) / step).astype(int), cell] = 1.0
    return found


def deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of two changes of weights, over the mean size of a change in NEST."""
    return float(np.max(np.abs(ours - theirs)) / np.mean(np.abs(theirs)))


@cache
def there() -> dict[str, Any]:
    """What NEST says of all experiments, from one process."""
    cases = {}
    for name, case in CASES.items():
        told = case._asdict()
        neuron = {"V_th": case.threshold, "tau_m": TAU_M, "tau_minus": case.tau_post}
        told["neuron"] = neuron | {"tau_minus_triplet": 125.0}
        for ours in ("rule", "control", "threshold", "tau_post"):
            del told[ours]
        cases[name] = told
    of = trains()
    post = times(of["post"], earlier=1)  # its synapses have a delay of one step
    given = {
        "pairs": {
            "trains": {"pre": times(of["pre"]), "post": post, "dopamine": times(of["dopamine"])},
            "weights": first().tolist(),
            "cases": cases,
            "until": LAST + 3.0,
        },
        "voltage": of_voltage(MODELS["voltage"]),
        "homeostasis": of_voltage(MODELS["homeostasis"]),
        "dendrite": of_dendrite(),
        "eprop": of_eprop(),
    }
    with TemporaryDirectory() as folder:
        asked = Path(folder) / "given.json"
        found = Path(folder) / "found.json"
        asked.write_text(json.dumps(given))
        done = subprocess.run(
            [PYTHON, str(PROGRAM), str(asked), str(found)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(found.read_text())


@cache
def here() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(spikes, weights) of all cases and their controls, each with neurons of its own."""
    populations = [
        Population("pre", N_PRE),
        Population("inhibits", N_PRE, sign=-1),
        Population("post", N_POST),
    ]
    edges = []
    rules = {}
    weights = {}
    for name, case in CASES.items():
        for of, control in ((name, False), (f"{name}_control", True)):
            rule = case.rule
            axon, dendrite = case.axon, case.dendrite
            if control and isinstance(case.control, tuple):
                axon, dendrite = case.control
            elif control:
                rule = case.control
            tau_m = 1e-3 * TAU_M
            cells = Lif(tau_m=tau_m, threshold=case.threshold, soma_input="jump")
            populations.append(Population(of, N_POST, cells))
            source = "pre" if case.sign > 0 else "inhibits"
            sent = Delayed(1e-3 * (axon + dendrite), dendrite=1e-3 * dendrite)
            learns = Edge(source, of, Dense(N_POST, N_PRE), sent, label=of, bounds=(0.0, 1.0))
            teaches = Edge("post", of, Dense(N_POST, N_POST), label=f"{of}_taught")
            edges += [learns, teaches]
            rules[of] = rule
            weights[of] = first()
            weights[f"{of}_taught"] = case.taught * np.eye(N_POST)
    of = trains()
    given = {"pre": of["pre"], "inhibits": of["pre"], "post": of["post"]}
    graph = Wiring(tuple(populations), tuple(edges))
    return _ours.run(
        graph, rules, given, weights, 1e-3, modulators={"dopamine": concentration(of["dopamine"])}
    )


def concentration(of: np.ndarray) -> np.ndarray:
    """The concentration after each step, per ms: each spike, one step later, adds 1 / tau_n."""
    found = np.zeros(len(of))
    for step in range(1, len(of)):
        found[step] = math.exp(-1.0 / TAU_N) * found[step - 1] + of[step - 1, 0] / TAU_N
    return found


@pytest.mark.parametrize("name", CASES)
def test_synapses_of_spike_times_learn_as_in_nest(name: str) -> None:
    spiked, weights = here()
    found = there()["pairs"][name]
    seen = steps(found["spikes"], LAST + 4)[: LAST + 3]
    assert np.sum(spiked[name] != seen) == 0
    assert seen[:-20].sum() > 40
    if CASES[name].taught:
        assert np.sum(seen != trains()["post"]) == 0
    assert weights[name].min() > 0.0 and weights[name].max() < 1.0  # nothing is clipped
    wanted = np.abs(found["weights"]) - first()
    assert deviation(weights[name] - first(), wanted) < 1e-9
    assert deviation(weights[f"{name}_control"] - first(), wanted) > 3e-3


STEP, UNTIL, DENDRITIC = 0.05, 250.0, 2  # ms, ms, steps
U_BARS = {"u_bar_plus": -70.6, "u_bar_minus": -70.6, "u_bar_bar": -70.6}
HODGKIN_HUXLEY = U_BARS | {"tau_u_bar_plus": 7.0, "tau_u_bar_minus": 10.0}
MODELS = {
    "voltage": HODGKIN_HUXLEY,
    "homeostasis": HODGKIN_HUXLEY
    | {"A_LTD_const": False, "u_ref_squared": 4900.0, "tau_u_bar_bar": 50.0},
}
FILTERED = Clopath(spike_width=0.0, between_steps="linear", delay=round(5.0 / STEP) - 1)
MEAN = dataclasses.replace(FILTERED, u_ref_squared=4900.0, tau_mean=50e-3, mean_of="u_minus")
VOLTAGES = {
    "voltage": (
        FILTERED,
        (
            dataclasses.replace(FILTERED, between_steps="held"),
            dataclasses.replace(FILTERED, delay=FILTERED.delay + 1),
        ),
    ),
    "homeostasis": (MEAN, (dataclasses.replace(MEAN, mean_of="excess"), FILTERED)),
}
ETA, TAU_SYN = 0.17, 3.0  # NEST's rate, ms
PREDICTS = UrbanczikSenn(
    rate=225.0 * ETA * TAU_SYN,
    phi_max=150.0,
    k=0.5,
    steepness=1 / 3,
    threshold=-55.0,
    received="spikes",
    tau_rise=1e-3 * TAU_SYN,
    tau_decay=10e-3,
    expected="rate",
)
ON_DENDRITE = np.linspace(100.0, 400.0, 6)[None]
INTERVAL, N_IN, N_CELLS, N_OUT = 300, 8, 4, 2  # steps of 1 ms; N_CELLS of either model
TAU_OUT, TAU_A, BETA, RATE = 20.0, 200.0, 0.174, 1e-3  # ms, ms


def arrivals(step: float, n: int) -> np.ndarray:
    """Presynaptic trains [step, n] of which the last spikes come together."""
    rng = np.random.default_rng(1)
    found = np.zeros((round(UNTIL / step) + 1, n))
    for column in found.T:
        column[np.rint(rng.uniform(30.0, UNTIL - 20.0, 15) / step).astype(int)] = 1.0
    found[round((UNTIL - 5.0) / step)] = 1.0
    return found


def of_voltage(neuron: dict[str, Any]) -> dict[str, Any]:
    """Pulses of a current, and the synapses of a Hodgkin-Huxley neuron."""
    onsets = np.arange(10.0, UNTIL, 25.0)
    strength = [600.0 * (k % 2 == 0) for k in range(len(onsets))]
    weight = {"weight": 1.0, "delay": DENDRITIC * STEP, "tau_x": 15.0, "Wmin": 0.0, "Wmax": 10.0}
    return {
        "step": STEP,
        "trains": times(arrivals(STEP, 5), STEP),
        "current": {"amplitude_times": onsets.tolist(), "amplitude_values": strength},
        "neuron": neuron,
        "synapse": weight,
        "until": UNTIL,
    }


def of_dendrite() -> dict[str, Any]:
    limits = {"Wmin": -1e6, "Wmax": 1e6}
    delay = {"delay": DENDRITIC * 2 * STEP}
    return {
        "step": 2 * STEP,
        "trains": times(arrivals(2 * STEP, ON_DENDRITE.size), 2 * STEP),
        "weights": ON_DENDRITE.tolist(),
        "synapse": limits | delay | {"eta": ETA, "tau_Delta": 100.0},
        "until": UNTIL,
    }


@cache
def of_eprop() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    inputs = 1.0 * (rng.random((INTERVAL + 8, N_IN)) < 0.05)
    inputs[:3] = inputs[INTERVAL + 1 :] = 0.0
    inputs[INTERVAL + 6] = 1.0  # a spike in the next interval makes the update
    cell = {"C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_th": EPROP["threshold"], "tau_m": 20.0}
    cell |= {"t_ref": 5.0, "c_reg": 0.0, "regular_spike_arrival": True}
    cell |= {
        "surrogate_gradient_function": "piecewise_linear",
        "surrogate_gradient_height": 0.3 / EPROP["threshold"],
        "surrogate_gradient_width": EPROP["threshold"],
    }
    readout = {"C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "tau_m": TAU_OUT}
    readout |= {"loss": "mean_squared_error", "regular_spike_arrival": False}
    return {
        "trains": times(inputs),
        "target": rng.normal(size=(N_OUT, INTERVAL)).tolist(),
        "neurons": {
            "eprop_iaf_bsshslm_2020": cell,
            "eprop_iaf_adapt_bsshslm_2020": cell | {"adapt_beta": BETA, "adapt_tau": TAU_A},
        },
        "readout": readout,
        "weights": {
            "in": rng.uniform(0.0, 0.5, (2 * N_CELLS, N_IN)).tolist(),
            "out": (0.3 * rng.normal(size=(N_OUT, 2 * N_CELLS))).tolist(),
        },
        "tau": TAU_OUT,
        "eta": RATE,
        "interval": float(INTERVAL),
    }


def changed(rule: AbstractRule, pre: Any, post: Any, dt: float, **signals: Any) -> np.ndarray:
    """The sum of all changes [n_post, n_pre]; dt in ms."""
    n_post, n_pre = post.shape[1], pre.shape[1]
    with jax.enable_x64(True):
        found, _ = drive(rule, Dense(n_post, n_pre), pre, post, dt=1e-3 * dt, signals=signals)
    return found.sum(axis=0)


def later(values: np.ndarray) -> np.ndarray:
    """The values at the synapse, DENDRITIC steps after the soma."""
    waiting = np.repeat(values[:1], DENDRITIC, axis=0)
    return np.concatenate([waiting, values[:-DENDRITIC]])


@pytest.mark.parametrize("name", MODELS)
def test_clopath_synapses_learn_as_in_nest(name: str) -> None:
    found = there()[name]
    pre = arrivals(STEP, 5)[: round((UNTIL - 5.0) / STEP) + 1]
    potential = np.array([found["potential"][0], *found["potential"]])[: len(pre), None]
    assert len(found["spikes"][0]) > 5
    silent = np.zeros_like(potential)

    def far(rule: AbstractRule) -> float:
        change = changed(rule, pre, silent, STEP, potential=later(potential))
        return deviation(change, np.array(found["weights"]) - 1.0)

    rule, controls = VOLTAGES[name]
    assert far(rule) < 1e-3
    for control in controls:
        assert far(control) > 3e-3


def test_urbanczik_senn_synapses_learn_as_in_nest() -> None:
    found = there()["dendrite"]
    step = 2 * STEP
    pre = arrivals(step, ON_DENDRITE.size)[: round((UNTIL - 5.0) / step)]
    dendrite = np.array([found["potential"][0], *found["potential"]])[: len(pre), None]
    predicted = (30.0 * -70.0 + 600.0 * dendrite) / 630.0  # by NEST's leak and coupling, in nS
    post = steps(found["spikes"], round(UNTIL / step) + 1, step)[: len(pre)]
    assert post.sum() > 5

    def far(rule: AbstractRule) -> float:
        change = changed(rule, pre, later(post), step, dendrite=later(predicted))
        return deviation(change, found["weights"] - ON_DENDRITE)

    assert far(PREDICTS) < 1e-9
    assert far(dataclasses.replace(PREDICTS, expected="probability")) > 3e-3


@cache
def of_cells() -> dict[str, np.ndarray]:
    """The signals of NEST's e-prop, each at the step in which NEST pairs it: [step, n]."""
    found = there()["eprop"]
    n_steps = len(found["gain"]) + 1
    trains = steps(of_eprop()["trains"], n_steps)
    spiked = steps(found["spikes"], n_steps)
    recurrent = np.arange(2, INTERVAL + 2)
    readout = recurrent + 1
    return {
        "pre": trains[recurrent],
        "gain": np.array(found["gain"])[recurrent],
        "signal": np.array(found["signal"])[recurrent + 3],  # what the readout sent comes 3 late
        "spikes": spiked[recurrent + 1],
        "sent": spiked[readout],
        "error": np.array(found["error"])[readout + 1],
    }


LEARNS = Eprop(rate=RATE, tau_out=1e-3 * TAU_OUT, readout_input="steady_state")
ADAPTS = dataclasses.replace(LEARNS, beta=BETA, tau_a=1e-3 * TAU_A)
READS = Eprop(rate=RATE, tau_m=1e-3 * TAU_OUT, tau_out=0.0, soma_input="steady_state")
EPROP_RULES = {
    "lif": (LEARNS, dataclasses.replace(LEARNS, readout_input="jump")),
    "alif": (ADAPTS, LEARNS),
    "readout": (READS, dataclasses.replace(READS, soma_input="jump")),
}
CELLS = {"lif": slice(0, N_CELLS), "alif": slice(N_CELLS, None)}


@pytest.mark.parametrize("model", EPROP_RULES)
def test_eprop_synapses_learn_as_in_nest(model: str) -> None:
    signals = of_cells()
    if model == "readout":
        pre, told = signals["sent"], signals["error"]
        gain = np.ones_like(told)
        wanted = np.array(there()["eprop"]["out"]) - of_eprop()["weights"]["out"]
    else:
        cells = CELLS[model]
        pre, told, gain = signals["pre"], signals["signal"][:, cells], signals["gain"][:, cells]
        wanted = (np.array(there()["eprop"]["in"]) - of_eprop()["weights"]["in"])[cells]

    def far(rule: AbstractRule, told: np.ndarray) -> float:
        change = changed(rule, pre, np.zeros_like(gain), 1.0, gain=gain, learning_signal=told)
        return deviation(change, wanted)

    rule, control = EPROP_RULES[model]
    assert far(rule, told) < 1e-9
    assert far(control, told) > 3e-3
    assert far(rule, np.roll(told, 1, axis=0)) > 3e-3


@pytest.mark.parametrize("model", CELLS)
def test_eprop_neurons_spike_as_in_nest(model: str) -> None:
    signals = of_cells()
    wanted = signals["spikes"][:, CELLS[model]]
    adaptation = {**EPROP_ADAPTATION, "beta": BETA, "tau_a": 1e-3 * TAU_A}
    neuron = Lif(**EPROP) if model == "lif" else Alif(**EPROP, **adaptation)
    weights = {"in": np.array(of_eprop()["weights"]["in"])[CELLS[model]]}

    def differ(cell: AbstractNeuron) -> int:
        populations = (Population("pre", N_IN), Population("cells", N_CELLS, cell))
        edges = (Edge("pre", "cells", Dense(N_CELLS, N_IN), label="in"),)
        graph = Wiring(populations, edges)
        found, _ = _ours.run(graph, {}, {"pre": signals["pre"]}, weights, 1e-3)
        return int(np.sum(found["cells"] != wanted))

    assert wanted.sum() > 50
    assert differ(Refractory(neuron=neuron, period=4e-3, during="silent")) == 0
    assert differ(Refractory(neuron=neuron, period=5e-3, during="silent")) > 5

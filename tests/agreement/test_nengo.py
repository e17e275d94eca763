"""PES, Voja and RLS against Nengo's own simulator, on the signals that it recorded (float64).

What means the same here:

- A spike of a step is 1 here, and 1 / dt there. Rates in hertz there are in units of F hertz here
  (`activity_reference`), so that decoders are F times Nengo's.
- Nengo filters the activities for a rule by `pre_synapse` and `post_synapse`. Rates in place of
  spikes are the life's `rate_trace` (life/as_rates.py). `rls` has a filter of its
  own, `tau`.
- PES and RLS: rate = learning_rate dt F^2 / n_pre. The inv_gamma of RLS is rate Q / F^2. Voja:
  rate = learning_rate dt F.
- The error of PES and RLS is output - target, of curvature 1. Nengo filters it on its way, by the
  synapse of that connection.
- Voja moves scaled encoders towards gain / radius times the decoded value. Our weights are those
  encoders divided by gain / radius.

"""

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.life.as_rates import as_rates, no_rates
from metaplast.locality.reads import blank_view
from metaplast.neurons.lif import Lif
from metaplast.reuse.known import known_rule
from metaplast.rules.base import AbstractRule
from metaplast.rules.rls import Rls
from metaplast.signals import neuron_view
from metaplast.spec import decode
from metaplast.wiring import Edge, Population, Wiring

nengo: Any = pytest.importorskip("nengo")

DT = 1e-3
TAU = 5e-3
N = 40
F = 100.0
LEARNING_RATE = 1e-3
VOJA_RATE = 1e-2
SECONDS = 0.5
CELLS = {"rates": nengo.LIFRate, "spikes": nengo.LIF}
CLOSE = 1e-9
"""Largest difference of weights, as a share of the largest weight."""


class Recorded(NamedTuple):
    """A life in Nengo.

    activities [n_steps, n]: output of the neurons, spikes as 1 / dt.
    filtered [n_steps, n]: what the rule met in each step.
    told [n_steps, n_signal]: the error, or the decoded value, in each step.
    weights [n_steps, ...]: before the change that was computed in the step.
    scale [n]: gain / radius of the neurons.
    """

    activities: np.ndarray
    filtered: np.ndarray
    told: np.ndarray
    weights: np.ndarray
    scale: np.ndarray


@cache
def decoded(rule: str, cells: str) -> Recorded:
    """A decoder that learns the identity of two waves."""
    with nengo.Network(seed=1) as model:
        wave = nengo.Node(lambda t: [np.sin(2 * np.pi * t), np.cos(6 * np.pi * t)])
        ensemble = nengo.Ensemble(N, 2, neuron_type=CELLS[cells]())
        output = nengo.Node(size_in=2)
        error = nengo.Node(size_in=2)
        made = getattr(nengo, rule)(learning_rate=LEARNING_RATE, pre_synapse=TAU)
        nengo.Connection(wave, ensemble, synapse=None)
        decoders = nengo.Connection(
            ensemble, output, function=lambda x: [0, 0], learning_rule_type=made, synapse=None
        )
        nengo.Connection(output, error, synapse=None)
        nengo.Connection(wave, error, transform=-1, synapse=None)
        nengo.Connection(error, decoders.learning_rule, synapse=TAU)
        name = "activities" if rule == "PES" else "pre_filtered"
        probes = [
            nengo.Probe(ensemble.neurons),
            nengo.Probe(decoders.learning_rule, name),
            nengo.Probe(decoders.learning_rule, "error"),
            nengo.Probe(decoders, "weights"),
        ]
    with nengo.Simulator(model, dt=DT, progress_bar=False) as simulator:
        simulator.run(SECONDS)
        return Recorded(*(np.array(simulator.data[p]) for p in probes), scale=np.ones(N))


@cache
def encoded(cells: str) -> Recorded:
    """Encoders of an ensemble that is shown two values in turn."""
    with nengo.Network(seed=1) as model:
        shown = nengo.Node(lambda t: [0.8, -0.4] if t % 0.2 < 0.1 else [-0.5, 0.6])
        ensemble = nengo.Ensemble(N, 2, neuron_type=CELLS[cells](), radius=1.5)
        made = nengo.Voja(learning_rate=VOJA_RATE, post_synapse=TAU)
        arriving = nengo.Connection(shown, ensemble, learning_rule_type=made, synapse=None)
        probes = [
            nengo.Probe(ensemble.neurons),
            nengo.Probe(arriving.learning_rule, "post_filtered"),
            nengo.Probe(shown),
            nengo.Probe(arriving.learning_rule, "scaled_encoders"),
        ]
    with nengo.Simulator(model, dt=DT, progress_bar=False) as simulator:
        simulator.run(SECONDS)
        scale = simulator.data[ensemble].gain / ensemble.radius
        return Recorded(*(np.array(simulator.data[p]) for p in probes), scale=scale)


def rates_of(spikes: np.ndarray) -> np.ndarray:
    """Rates in units of F as a life under `rate_trace` shows them to a rule [n_steps, n]."""
    edge = Edge(connection=Dense(1, N))
    wiring = Wiring((Population("input", N, Lif()), Population("output")), (edge,))
    silent = jnp.zeros(1)
    views = {"output": neuron_view(silent, silent, silent)}

    def one(rates: Any, sent: Any) -> Any:
        later, seen = as_rates(edge, rates, sent, views, DT, TAU, F)
        return later, seen.pre

    _, rates = jax.lax.scan(one, no_rates(wiring, edge), jnp.asarray(spikes))
    return np.asarray(rates)


def lived(
    rule: AbstractRule, weight: np.ndarray, pre: np.ndarray, **post: np.ndarray
) -> np.ndarray:
    """The weights before each step of a rule on recorded signals [n_steps, n_post, n_pre]."""
    connection = Dense(*weight.shape)
    blank = blank_view(connection, ())

    def one(carry: Any, now: Any) -> Any:
        state, weight = carry
        x, fields = now
        view = replace(
            blank,
            pre=replace(blank.pre, activity=x),
            post=replace(blank.post, **fields),
            weight=weight,
        )
        state, delta = rule.step({}, state, connection, view, DT)
        return (state, weight + delta), weight

    start = (rule.init_state({}, connection), jnp.asarray(weight))
    return np.asarray(jax.lax.scan(one, start, (jnp.asarray(pre), post))[1])


def gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of weights in any step, by the largest change of one."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs - theirs[0]).max())


def known(name: str, rate: float) -> AbstractRule:
    return decode("rule", {**known_rule(name), "rate": rate})


def test_a_known_rule_has_the_default_of_nengo() -> None:
    assert known_rule("pes")["rate"] == pytest.approx(nengo.PES().learning_rate * DT * F**2 / 100)
    assert known_rule("voja")["rate"] == pytest.approx(nengo.Voja().learning_rate * DT * F)
    assert nengo.PES().pre_synapse.tau == nengo.Voja().post_synapse.tau == TAU


def test_rates_of_a_life_are_the_filtered_spikes_of_nengo() -> None:
    theirs = decoded("PES", "spikes")
    spikes = theirs.activities * DT
    assert set(np.unique(np.round(spikes, 9))) == {0.0, 1.0}
    with jax.enable_x64(True):
        rates = F * rates_of(spikes)
    np.testing.assert_allclose(rates, theirs.filtered, rtol=CLOSE, atol=CLOSE)
    assert np.abs(rates[:-1] - theirs.filtered[1:]).max() > 100.0  # control: one step too late


@pytest.mark.parametrize("cells", CELLS)
def test_pes_is_nengos(cells: str) -> None:
    theirs = decoded("PES", cells)
    rate = LEARNING_RATE * DT * F**2 / N
    signals = {"pre": theirs.filtered / F, "feedback": theirs.told}
    with jax.enable_x64(True):
        weights = lived(known("pes", rate), F * theirs.weights[0], **signals)
        control = lived(known("pes", rate * N), F * theirs.weights[0], **signals)
    assert gap(weights / F, theirs.weights) < CLOSE
    assert gap(control / F, theirs.weights) > 1.0  # control: without 1 / n_pre


@pytest.mark.parametrize("cells", CELLS)
def test_rls_is_nengos(cells: str) -> None:
    theirs = decoded("RLS", cells)
    rule = Rls(rate=LEARNING_RATE * DT * F**2 / N, tau=TAU)
    start = F * theirs.weights[0]
    signals = {"pre": theirs.activities / F, "feedback": theirs.told}
    with jax.enable_x64(True):
        weights = lived(rule, start, **signals)
        controls = [
            lived(replace(rule, curvature=2.0), start, **signals),
            lived(replace(rule, tau=0.0), start, **signals),
            lived(known("pes", rule.rate), start, **signals),
        ]
    assert gap(weights / F, theirs.weights) < CLOSE
    for control in controls:
        assert gap(control / F, theirs.weights) > 0.05


@pytest.mark.parametrize("cells", CELLS)
def test_voja_is_nengos(cells: str) -> None:
    theirs = encoded(cells)
    scale = theirs.scale[:, None]
    rule = known("voja", VOJA_RATE * DT * F)
    with jax.enable_x64(True):
        weights = lived(rule, theirs.weights[0] / scale, theirs.told, activity=theirs.filtered / F)
        unscaled = lived(rule, theirs.weights[0], theirs.told, activity=theirs.filtered / F)
    assert gap(weights * scale, theirs.weights) < CLOSE
    assert gap(unscaled, theirs.weights) > 0.1  # control: without gain / radius


def held(rule: Any) -> tuple[float, float]:
    """RMSE of Nengo's demonstration: (in the last 0.1 s of learning, in the second after it)."""
    with nengo.Network() as model:
        wave = nengo.Node(lambda t: np.sin(2 * np.pi * t))
        ensemble = nengo.Ensemble(100, 1, seed=0, neuron_type=nengo.LIFRate())
        output = nengo.Node(size_in=1)
        error = nengo.Node(lambda t, e: e if t < 1 else 0, size_in=1)
        nengo.Connection(wave, error, synapse=None, transform=-1)
        nengo.Connection(wave, ensemble, synapse=None)
        decoders = nengo.Connection(
            ensemble, output, synapse=None, learning_rule_type=rule, function=lambda x: 0
        )
        nengo.Connection(output, error, synapse=None)
        nengo.Connection(error, decoders.learning_rule, synapse=TAU)
        shown, put_out = nengo.Probe(wave, synapse=TAU), nengo.Probe(output, synapse=TAU)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as simulator:
        simulator.run(2.0)
        squares = (simulator.data[put_out] - simulator.data[shown]) ** 2
    return float(np.mean(squares[900:1000]) ** 0.5), float(np.mean(squares[1000:]) ** 0.5)


def test_nengos_own_demonstration() -> None:
    """tests/rules/test_rls.py has the same of our rules."""
    learned, later = held(nengo.RLS(learning_rate=1.0, pre_synapse=TAU))
    assert later < 0.02
    for learning_rate in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
        learned, later = held(nengo.PES(learning_rate=learning_rate, pre_synapse=TAU))
        assert learned < 0.1
        assert later > 0.1

"""Reward times the trace of the score is the gradient of the expected reward, over all outcomes."""

import dataclasses
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.feedback.none import None_
from metaplast.life.at_synapse import AtSynapse
from metaplast.life.view import EdgeWeights, edge_view
from metaplast.locality.reads import reads
from metaplast.networks import base as network
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.stochastic import Stochastic
from metaplast.reuse.known import known_rule
from metaplast.signals import Synapses, feedback
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from tests._seen import seen

DT = 5e-3
N_STEPS = 4
N_IN = 2
N = 2
N_LIVES = 150_000
TAU = 20e-3
SPIKES_IN = np.asarray([[1, 0], [0, 1], [1, 1], [0, 0]], float)
WEIGHTS = {
    "input_to_output": np.asarray([[0.9, -0.4], [0.3, 0.8]]),
    "output_to_output": np.asarray([[0.5, -0.6], [0.7, -0.3]]),
}
OUTCOMES = np.asarray(list(itertools.product((0.0, 1.0), repeat=N_STEPS * N))).reshape(
    -1, N_STEPS, N
)
REWARD = np.random.default_rng(0).normal(size=len(OUTCOMES))
CELLS = {
    "sigmoid": Stochastic(tau_m=TAU, noise="sigmoid", threshold=0.6, width=1.2, soma_input="jump"),
    "escape": Stochastic(
        tau_m=TAU, rate=110.0, threshold=0.4, width=2.0, soma_input="jump", reset_mode="subtract"
    ),
    "silent": Stochastic(tau_m=TAU, noise="sigmoid", threshold=0.2, width=0.7),
    "value": Stochastic(
        tau_m=TAU, noise="sigmoid", threshold=0.4, width=1.2, soma_input="jump", reset_mode="value"
    ),
}


def library(name: str) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]:
    """Many lives of the library.

    Returns: the number of the outcome of each life [n_lives], and per rule and edge the eligibility
        at its end [n_lives, post, pre]; `unfiltered` is the control.
    """
    cell = CELLS[name]
    neuron = Refractory(cell, period=DT, during="silent") if name == "silent" else cell
    wiring = Recurrent(readout=False, neuron=neuron).wiring({"input": N_IN}, N)
    synapses = {n: Synapses(weight=jnp.asarray(w), mask=jnp.ones(())) for n, w in WEIGHTS.items()}
    plain = {**known_rule("policy_gradient"), "tau": 1e15}
    inner = {**plain["rule"], "rate": 1.0 / DT, "tau_pre_trace": TAU}
    known = decode("rule", {**plain, "rule": inner})
    bare = decode(
        "rule",
        {
            "name": "polynomial",
            "terms": ["score*pre"],
            "initial": [1.0],
            "rate": 1.0,
            "learn": "none",
        },
    )
    rules = {"known": known, "unfiltered": dataclasses.replace(known, rule=bare)}
    answer = feedback(N, modulators={"reward": jnp.zeros(())})
    thetas = {
        of: rule.init(jax.random.key(0), wiring.edges[0].connection) for of, rule in rules.items()
    }

    def step(carry: Any, now: Any) -> Any:
        state, states = carry
        state, (views, sent) = network.step(
            wiring, {}, synapses, state, {"input": now[0]}, DT, now[1]
        )
        credit = None_().step({}, {}, seen(wiring, views, answer))[1]
        new = {}
        for (of, rule), edge in itertools.product(rules.items(), wiring.edges):
            used = reads(rule, edge.connection, ("reward",))
            w = synapses[edge.name].weight
            arrived = AtSynapse(sent[edge.name], {})
            view = edge_view(
                edge,
                used,
                EdgeWeights(w, w, 10.0, wiring.effect(edge)),
                views,
                arrived,
                credit,
                now[1],
            )
            new[of, edge.name], _ = rule.step(
                thetas[of], states[of, edge.name], edge.connection, view, DT
            )
        return (state, new), views["output"].activity

    born = {}
    for of, rule in rules.items():
        for edge in wiring.edges:
            born[of, edge.name] = rule.init_state(thetas[of], edge.connection)

    def life(key: Any) -> Any:
        start = (network.init_state(wiring, {}, DT), born)
        (_, states), spikes = jax.lax.scan(
            step, start, (jnp.asarray(SPIKES_IN), jax.random.split(key, N_STEPS))
        )
        eligibility = {}
        for of in rules:
            eligibility[of] = {e: states[of, e].synapse["eligibility"] for e in WEIGHTS}
        return spikes, eligibility

    lives = quick_jit(jax.vmap(life))(jax.random.split(jax.random.key(1), N_LIVES))
    spikes, eligibility = jax.tree.map(np.asarray, lives)
    return spikes.reshape(N_LIVES, -1).astype(int) @ 2 ** np.arange(N_STEPS * N)[::-1], eligibility


def likelihood(name: str, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The probability of every outcome, by a program of its own.

    The potential is a sum over past inputs and past spikes.
    """
    cell = CELLS[name]
    total = np.ones(len(OUTCOMES), complex)
    alpha = math.exp(-DT / TAU)
    zeta = 1.0 if cell.soma_input == "jump" else 1.0 - alpha
    for j in range(N):
        v = np.zeros(len(OUTCOMES), complex)
        for t in range(N_STEPS):
            last = OUTCOMES[:, t - 1] if t else np.zeros((len(OUTCOMES), N))
            drive = (
                SPIKES_IN[t] @ weights["input_to_output"][j] + last @ weights["output_to_output"][j]
            )
            v = alpha * v + zeta * drive
            x = (v - cell.threshold) / cell.width
            z = OUTCOMES[:, t, j]
            silent = 1.0 / (1.0 + np.exp(x))
            if cell.noise == "escape":
                silent = np.exp(-cell.rate * DT * np.exp(x))
            if name == "silent":
                silent = np.where(last[:, j] > 0, 1.0, silent)
            total = total * np.where(z > 0, 1.0 - silent, silent)
            v = v - (cell.threshold * z if cell.reset_mode == "subtract" else 0.0)
            v = np.where((z > 0) & (cell.reset_mode == "value"), cell.v_reset, v)
    return total


def exact_gradient(name: str) -> dict[str, np.ndarray]:
    """d (sum_o P(o) R(o)) / dw by a complex step: no difference is taken, so no digit is lost."""
    slopes = {}
    for edge, w in WEIGHTS.items():
        slopes[edge] = np.zeros_like(w)
        for at in np.ndindex(*w.shape):
            moved = w.astype(complex)
            moved[at] += 1e-30j
            slopes[edge][at] = np.imag(likelihood(name, {**WEIGHTS, edge: moved}) @ REWARD) / 1e-30
    return slopes


@pytest.mark.parametrize("name", CELLS)
def test_reward_times_the_score_trace_is_on_average_the_gradient_of_the_expected_reward(name):
    """sum P R eligibility over all 2^(n_neurons n_steps) spike trains is the gradient, to 1e-10.

    The trains are those of two recurrent units. The library lives each under some key, and it is
    weighted by its probability P. Without the filter, or where a reset forgets, the sum is not the
    gradient.
    """
    p = likelihood(name, WEIGHTS).real
    possible = np.flatnonzero(p > 0)
    with jax.enable_x64(True):
        number, eligibility = library(name)
    assert abs(p.sum() - 1.0) < 1e-12
    assert set(possible) == set(number)
    first = np.asarray([np.argmax(number == o) for o in possible])
    weighted = (p * REWARD)[possible]
    sums = {}
    for of, edges in eligibility.items():
        sums[of] = {e: np.einsum("o,oji->ji", weighted, x[first]) for e, x in edges.items()}
    for edge, slope in exact_gradient(name).items():
        zeta = 1.0 if CELLS[name].soma_input == "jump" else 1.0 - math.exp(-DT / TAU)
        off = {}
        for of, x in sums.items():
            off[of] = np.abs(zeta * x[edge] - slope).max() / np.abs(slope).max()
        assert off["known"] < 1e-10 if name != "value" else off["known"] > 1e-2
        assert off["unfiltered"] > 1e-2
    counts = np.bincount(number, minlength=len(p))
    error = np.sqrt(N_LIVES * p * (1.0 - p))
    assert (np.abs(counts - N_LIVES * p) < 4.5 * error)[possible].all()
    assert (np.abs(counts - N_LIVES / len(p)) > 4.5 * error).any()  # control: not all alike

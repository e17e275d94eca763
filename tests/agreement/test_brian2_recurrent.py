"""A recurrent network of excitation and inhibition, here and in Brian2: spike by spike, and on
average.

80 excitatory and 20 inhibitory `lif`, refractory for 2 ms, under 100 Poisson trains; all synapses
sparse, exponential currents, 1 ms of delay in the recurrence, inhibition of the excitatory cells
plastic by Vogels' rule; the same trains on both sides. An edge that goes back is one step late by
itself, and is given a delay one step shorter, as test_brian2.py says; its rule sees what it
transmits (`spike_times`): Brian2's one pathway learns when it transmits.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from metaplast.connections.sparse import Sparse
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.rules.vogels import Vogels
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.instant import Instant
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours, _theirs

pytestmark = pytest.mark.system  # lives of 30,000 steps

DT, SECONDS, DELAY, REFRACTORY, TAU = 1e-4, 3.0, 1e-3, 2e-3, 20e-3
SIZES = {"input": 100, "e": 80, "i": 20}
LIF = Lif(tau_m=20e-3, tau_syn=5e-3, current_jumps="after")
NEURON = Refractory(neuron=LIF, period=REFRACTORY - DT)
EDGES = {  # name: probability, mean weight
    "input_to_e": (0.3, 0.5),
    "input_to_i": (0.3, 0.5),
    "e_to_e": (0.2, 0.3),
    "e_to_i": (0.2, 0.3),
    "i_to_e": (0.5, 0.5),
    "i_to_i": (0.5, 0.5),
}
RULE = Vogels(rate=5e-3, target_rate=8.0, tau=TAU)


def connection(name: str) -> Sparse:
    pre, _, post = name.split("_")
    seed = list(EDGES).index(name)
    return Sparse(SIZES[post], SIZES[pre], EDGES[name][0], seed, self_connections=pre != post)


@cache
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        name: mean * rng.uniform(0.5, 1.5, connection(name).shape)
        for name, (_, mean) in EDGES.items()
    }


def trains(seed: int, hertz: float) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(seed).random((round(SECONDS / DT), SIZES["input"]))
    return {"input": 1.0 * (draws < hertz * DT)}


@cache
def here(
    seed: int = 0, hertz: float = 15.0, delay: float = DELAY
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    signs = {"input": 0, "e": 1, "i": -1}
    populations = [
        Population(name, n, NEURON, signs[name]) for name, n in SIZES.items() if name != "input"
    ]
    edges = []
    for name in EDGES:
        pre, _, post = name.split("_")
        ahead = name == "e_to_i"  # the only recurrent edge that does not go back
        sent = Instant() if pre == "input" else Delayed(delay if ahead else delay - DT)
        edges.append(Edge(pre, post, connection(name), sent, bounds=(0.0, 5.0)))
    graph = Wiring((Population("input", SIZES["input"]), *populations), tuple(edges))
    return _ours.run(graph, {"i_to_e": RULE}, trains(seed, hertz), weights(), DT, "transmitted")


@cache
def there() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    numbers = {"tau_pre": TAU, "tau_post": TAU, "rate": RULE.rate, "largest": 5.0}
    numbers["alpha"] = 2.0 * RULE.target_rate * TAU
    edges = {}
    for name, weight in weights().items():
        pre, _, post = name.split("_")
        model = _theirs.VOGELS if name == "i_to_e" else _theirs.STATIC
        pull, delay = -1.0 if pre == "i" else 1.0, 0.0 if pre == "input" else DELAY
        edges[name] = _theirs.Edge(
            pre,
            post,
            tuple(connection(name).topology()),
            weight,
            model,
            numbers,
            pull=pull,
            delay=delay,
        )
    cells = {name: n for name, n in SIZES.items() if name != "input"}
    neuron = {"tau_m": LIF.tau_m, "tau_syn": LIF.tau_syn, "refractory": REFRACTORY}
    return _theirs.run(edges, cells, trains(0, 15.0), (_theirs.CURRENT, neuron), DT)


class Statistic(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float


def statistic(values: np.ndarray) -> Statistic:
    return Statistic(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5))


def late(spikes: np.ndarray) -> np.ndarray:
    """After the first second."""
    return spikes[round(1.0 / DT) :]


def rate(spikes: np.ndarray) -> Statistic:
    """Of the population in hertz; standard error over 20 windows of 100 ms."""
    return statistic(late(spikes).reshape(20, -1).mean(1) / DT)


def irregularity(spikes: np.ndarray) -> Statistic:
    """Coefficient of variation of a neuron's intervals; standard error over the neurons with at
    least 5 of them.
    """
    intervals = [np.diff(np.flatnonzero(z)) for z in late(spikes).T]
    return statistic(np.array([x.std(ddof=1) / x.mean() for x in intervals if len(x) >= 5]))


FIRST = round(0.1 / DT)  # steps


def apart(one: Statistic, other: Statistic) -> float:
    """The difference of two means in standard errors of it."""
    return abs(one.mean - other.mean) / (one.error**2 + other.error**2) ** 0.5


@pytest.mark.parametrize("cells", ["e", "i"])
def test_spikes_are_the_same(cells: str) -> None:
    """In the first 100 ms; a rounding error may part two chaotic networks later on (these stay the
    same for 3 s).
    """
    ours, brian = here()[0][cells], there()[0][cells]
    assert brian[:FIRST].sum() > 20
    assert np.sum(ours[:FIRST] != brian[:FIRST]) == 0
    assert (
        np.sum(here(delay=DELAY + DT)[0][cells][:FIRST] != brian[:FIRST]) > 10
    )  # a delay one step longer is seen


@pytest.mark.parametrize("measure", [rate, irregularity])
@pytest.mark.parametrize("cells", ["e", "i"])
def test_rates_and_irregularity_are_the_same(
    measure: Callable[[np.ndarray], Statistic], cells: str
) -> None:
    """Over two seconds, within three standard errors, for the same trains and for others of the
    same rate.
    """
    wanted = measure(there()[0][cells])
    assert 0.0 < wanted.error < 0.2 * wanted.mean
    assert apart(measure(here()[0][cells]), wanted) < 3.0
    assert apart(measure(here(seed=1)[0][cells]), wanted) < 3.0


def test_other_inputs_are_told_apart() -> None:
    """The control: inputs of 25 instead of 15 Hz."""
    assert apart(rate(here(seed=1, hertz=25.0)[0]["i"]), rate(there()[0]["i"])) > 5.0


def test_inhibition_has_learned_the_same() -> None:
    ours, brian = here()[1]["i_to_e"], there()[1]["i_to_e"]
    np.testing.assert_allclose(ours, brian, rtol=0.0, atol=1e-10)
    assert np.mean(brian) > np.mean(weights()["i_to_e"]) + 0.05 and np.min(brian) > 0.0

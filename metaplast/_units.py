"""Units that carry nothing through a life, and lives that went wrong, each counted by name."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.signals import Theta
from metaplast.wiring import Wiring

FAULTS = {
    "dead": "a population silent throughout",
    "saturated": "most units of a population saturated",
    "runaway": "a population above 100 Hz at the end",
    "clipped": "most weights at their bound",
}
MOST = 0.5  # of the units of a population, or of the plastic synapses: what it takes to call a life by their fault
RUNAWAY = 100.0  # hertz, of the mean of a population: beyond what cortical cells sustain
FLAT = 0.01  # of the steepest gain, or of the largest activity
_DRIVES = np.concatenate([[0.0], np.logspace(-2, 3, 101), -np.logspace(-2, 3, 101)])


def idle(wiring: Wiring, neurons: Theta, recorded: dict[str, dict[str, Array]], dt: float) -> dict[str, Array]:
    """{silent_<population>, saturated_<population>}: shares [] of the units of every population that an edge drives.

    A unit is flat where its gain (d activity / d potential) stays below 1 % of the steepest that the neuron has, in
    every step of the life. silent: its activity is 0 throughout, or it is flat and within 1 % of 0 (on the scale of the
    neuron's largest); saturated: flat, but not silent. Steepest and largest are those over drives of 0 and +-0.01 to
    1000 from rest, or in the life itself if larger there.
    recorded: `activity` and `gain` of one life, {population: [n_steps, n]}; dt in seconds.
    """
    found = {}
    for population in wiring.populations:
        name = population.name
        if not wiring.into(name):
            continue
        activity, gain = jnp.abs(recorded["activity"][name]), jnp.abs(recorded["gain"][name])
        largest, steepest = _reach(population.neuron, neurons.get(name, {}), population.n, dt)
        flat = jnp.max(gain, axis=0) < FLAT * jnp.maximum(steepest, jnp.max(gain))
        loudest = jnp.max(activity, axis=0)
        silent = (loudest == 0) | (flat & (loudest <= FLAT * jnp.maximum(largest, jnp.max(activity))))
        for word, units in (("silent", silent), ("saturated", flat & ~silent)):
            found[f"{word}_{name}"] = jnp.mean(units.astype(gain.dtype))
    return found


def faults(
    wiring: Wiring, shares: dict[str, Array], activity: dict[str, Array], at_bound: Array, dt: float
) -> dict[str, Array]:
    """What is wrong with a whole life, 0 or 1 []. dead: a population that an edge drives is silent in all its units;
    saturated: so are more than half of one's units; runaway: one of spikes fires at more than 100 Hz on average over
    the last tenth of the life; clipped: more than half of the plastic synapses end at a bound.

    shares: those of `idle`; activity {population: [n_steps, n]}; at_bound []: share of the plastic synapses.
    """
    driven = [p for p in wiring.populations if wiring.into(p.name)]
    end = max(1, len(next(iter(activity.values()))) // 10)
    rates = [jnp.mean(activity[p.name][-end:]) / dt for p in driven if p.neuron.spiking]
    found = {
        "dead": [shares[f"silent_{p.name}"] >= 1.0 for p in driven],
        "saturated": [shares[f"saturated_{p.name}"] > MOST for p in driven],
        "runaway": [rate > RUNAWAY for rate in rates],
        "clipped": [at_bound > MOST],
    }
    told = {name: jnp.stack(each).any() if each else jnp.zeros((), bool) for name, each in found.items()}
    return {name: value.astype(at_bound.dtype) for name, value in told.items()}


def _reach(neuron: AbstractNeuron, theta: Theta, n: int, dt: float) -> tuple[Array, Array]:
    """The largest |activity| and |gain| of one step from rest, over all drives of the soma."""

    def step(drive: Array) -> tuple[Array, Array]:
        ports = {port: jnp.zeros(n) for port in neuron.ports} | {"soma": jnp.full(n, drive)}
        view = neuron.step(theta, neuron.init_state(theta, n), ports, dt, jax.random.key(0))[1]
        return jnp.max(jnp.abs(view.activity)), jnp.max(jnp.abs(view.gain))

    activity, gain = jax.vmap(step)(jnp.asarray(_DRIVES, float))
    return jnp.max(activity), jnp.max(gain)

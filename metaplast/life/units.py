"""Units that carry nothing through a life, and lives that went wrong, each counted by name."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.signals import Key, Theta
from metaplast.wiring import Population, Wiring

FAULTS = {
    "dead": "a population silent throughout",
    "saturated": "most units of a population saturated",
    "runaway": "a population above 100 Hz at the end",
    "clipped": "most weights at their bound",
}
MOST = 0.5  # of the units of a population, or of the plastic synapses: what it takes to call a life by their fault
RUNAWAY = 100.0  # hertz, of the mean of a population: beyond what cortical cells sustain
LAST = 0.1  # seconds, the least over which a rate is taken
FASTEST, SPELL = 0.9, 100  # of the rate that a spiking unit reaches in so many steps
FLAT = 0.01  # of the steepest gain, or of the largest activity
_DRIVES = np.concatenate([[0.0], np.logspace(-2, 3, 101), -np.logspace(-2, 3, 101)])


def idle(
    wiring: Wiring, neurons: Theta, recorded: dict[str, dict[str, Array]], dt: float
) -> dict[str, Array]:
    """{silent_<population>, saturated_<population>}: shares [] of the units of every population
    that an edge drives.

    A unit is flat where its gain (d activity / d potential) stays below 1 % of the steepest that
    the neuron has, in
    every step of the life. silent: its activity is 0 throughout, or it is flat and within 1 % of 0
    (on the scale of the neuron's largest); saturated: flat, but not silent. Steepest and largest
    are those over drives of 0 and +-0.01 to 1000 from rest, or in the life itself if larger there.
    A unit of spikes is silent without a spike, and saturated at 90 % of the rate that the neuron
    reaches under any of such drives.
    recorded: `activity` and `gain` of one life, {population: [n_steps, n]}; dt in seconds.
    """
    found = {}
    for population in wiring.populations:
        name = population.name
        if not wiring.into(name):
            continue
        activity, gain = jnp.abs(recorded["activity"][name]), jnp.abs(recorded["gain"][name])
        theta = neurons.get(name, {})
        if population.neuron.spiking:
            silent = jnp.all(activity == 0, axis=0)
            saturated = ~silent & (
                jnp.mean(activity, axis=0) >= FASTEST * _fastest(population, theta, dt)
            )
        else:
            largest, steepest = _reach(population.neuron, theta, population.n, dt)
            flat = jnp.max(gain, axis=0) < FLAT * jnp.maximum(steepest, jnp.max(gain))
            loudest = jnp.max(activity, axis=0)
            silent = (loudest == 0) | (
                flat & (loudest <= FLAT * jnp.maximum(largest, jnp.max(activity)))
            )
            saturated = flat & ~silent
        for word, units in (("silent", silent), ("saturated", saturated)):
            found[f"{word}_{name}"] = jnp.mean(units.astype(gain.dtype))
    return found


def faults(
    wiring: Wiring, shares: dict[str, Array], activity: dict[str, Array], at_bound: Array, dt: float
) -> dict[str, Array]:
    """What is wrong with a whole life, 0 or 1 []. dead: a population that an edge drives is silent
    in all its units;
    saturated: so are more than half of one's units; runaway: one of spikes fires at more than 100
    Hz on average over the last tenth of the life, at least 0.1 s (no verdict on a shorter life);
    clipped: more than half of the plastic synapses end at a bound.

    shares: those of `idle`; activity {population: [n_steps, n]}; at_bound []: share of the plastic
    synapses.
    """
    driven = [p for p in wiring.populations if wiring.into(p.name)]
    n_steps = len(next(iter(activity.values())))
    end = max(n_steps // 10, math.ceil(LAST / dt))
    timed = [p for p in driven if p.neuron.spiking and n_steps >= end]
    rates = [jnp.mean(activity[p.name][-end:]) / dt for p in timed]
    found = {
        "dead": [shares[f"silent_{p.name}"] >= 1.0 for p in driven],
        "saturated": [shares[f"saturated_{p.name}"] > MOST for p in driven],
        "runaway": [rate > RUNAWAY for rate in rates],
        "clipped": [at_bound > MOST],
    }
    told = {
        name: jnp.stack(each).any() if each else jnp.zeros((), bool) for name, each in found.items()
    }
    return {name: value.astype(at_bound.dtype) for name, value in told.items()}


def _fastest(population: Population, theta: Theta, dt: float) -> Array:
    """The largest mean number of spikes per step of any unit, over constant drives of the soma of 1
    to 1000.
    """
    neuron, n = population.neuron, population.n

    def count(drive: Array) -> Array:
        ports = {port: jnp.zeros(n) for port in neuron.ports} | {"soma": jnp.full(n, drive)}

        def step(state: Theta, key: Key) -> tuple[Theta, Array]:
            state, view = neuron.step(theta, state, ports, dt, key)
            return state, view.activity

        keys = jax.random.split(jax.random.key(0), SPELL)
        return jnp.max(jnp.mean(jax.lax.scan(step, neuron.init_state(theta, n), keys)[1], axis=0))

    return jnp.max(jax.vmap(count)(jnp.logspace(0.0, 3.0, 7)))


def _reach(neuron: AbstractNeuron, theta: Theta, n: int, dt: float) -> tuple[Array, Array]:
    """The largest |activity| and |gain| of one step from rest, over all drives of the soma."""

    def step(drive: Array) -> tuple[Array, Array]:
        ports = {port: jnp.zeros(n) for port in neuron.ports} | {"soma": jnp.full(n, drive)}
        view = neuron.step(theta, neuron.init_state(theta, n), ports, dt, jax.random.key(0))[1]
        return jnp.max(jnp.abs(view.activity)), jnp.max(jnp.abs(view.gain))

    activity, gain = jax.vmap(step)(jnp.asarray(_DRIVES, float))
    return jnp.max(activity), jnp.max(gain)

"""Counts of units that carry nothing through a life, and of lives that went wrong, by name."""

import math
from typing import NamedTuple

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
MOST = 0.5
"""The share of a population's units, or of the plastic synapses, above which a life is at fault."""
RUNAWAY = 100.0
"""Hertz, for the mean of a population: beyond the rates that cortical cells sustain."""
LAST = 0.1
"""Seconds: the shortest time over which a rate is taken."""
FASTEST = 0.9
"""A spiking unit is saturated from this share of the neuron's largest rate on."""
SPELL = 100
"""Steps over which that largest rate is counted."""
FLAT = 0.01
"""A share of the steepest gain, or of the largest activity, that counts as none."""
_DRIVES = np.concatenate([[0.0], np.logspace(-2, 3, 101), -np.logspace(-2, 3, 101)])


class _Idle(NamedTuple):
    """Whether each unit of a population is silent, or saturated, throughout a life; each [n]."""

    silent: Array
    saturated: Array


def idle(
    wiring: Wiring, neurons: Theta, recorded: dict[str, dict[str, Array]], dt: float
) -> dict[str, Array]:
    """The shares of silent and saturated units, for every population that an edge drives.

    A graded unit is flat where its gain (d activity / d potential) stays below 1 % of the neuron's
    steepest gain in every step of the life. It is silent where its activity is 0 throughout. It is
    also silent where it is flat and its activity stays below 1 % of the neuron's largest activity.
    It is saturated where it is flat but not silent. The steepest gain and the largest activity are
    taken over drives of 0 and +-0.01 to 1000 from rest, or from the life itself if larger there.

    A unit of spikes is silent without a spike. It is saturated at 90 % of the largest rate of the
    neuron under any constant drive of 1 to 1000.

    A cell of an event-driven network, or of a timeless neuron, is silent without a spike. None
    counts as saturated: a unit that gives the same answer in every step may be right.

    Args:
        wiring: the graph.
        neurons: learned parameters, population -> theta.
        recorded: `activity` and `gain` of one life, {population: [n_steps, n]}.
        dt: seconds per step.

    Returns:
        {silent_<population>: share [], saturated_<population>: share []}.
    """
    shares = {}
    for population in wiring.populations:
        name = population.name
        if not wiring.into(name):
            continue
        activity = jnp.abs(recorded["activity"][name])
        gain = jnp.abs(recorded["gain"][name])
        theta = neurons.get(name, {})
        if wiring.events or population.neuron.timeless:
            silent = jnp.all(activity == 0, axis=0)
            units = _Idle(silent, jnp.zeros_like(silent))
        elif population.neuron.spiking:
            units = _idle_spiking(population, theta, activity, dt)
        else:
            units = _idle_graded(population, theta, activity, gain, dt)
        shares[f"silent_{name}"] = jnp.mean(units.silent.astype(gain.dtype))
        shares[f"saturated_{name}"] = jnp.mean(units.saturated.astype(gain.dtype))
    return shares


def _idle_spiking(population: Population, theta: Theta, activity: Array, dt: float) -> _Idle:
    silent = jnp.all(activity == 0, axis=0)
    rate = jnp.mean(activity, axis=0)
    saturated = ~silent & (rate >= FASTEST * _fastest(population, theta, dt))
    return _Idle(silent, saturated)


def _idle_graded(
    population: Population, theta: Theta, activity: Array, gain: Array, dt: float
) -> _Idle:
    reach = _reach(population.neuron, theta, population.n, dt)
    flat = jnp.max(gain, axis=0) < FLAT * jnp.maximum(reach.gain, jnp.max(gain))
    loudest = jnp.max(activity, axis=0)
    quiet = loudest <= FLAT * jnp.maximum(reach.activity, jnp.max(activity))
    silent = (loudest == 0) | (flat & quiet)
    return _Idle(silent, flat & ~silent)


def faults(
    wiring: Wiring, shares: dict[str, Array], activity: dict[str, Array], at_bound: Array, dt: float
) -> dict[str, Array]:
    """The faults of a whole life, each 0 or 1 [].

    dead: a population that an edge drives is silent in all its units.
    saturated: more than half of the units of such a population are saturated.
    runaway: such a population of spiking units fires at more than 100 Hz on average over the last
        tenth of the life, at least 0.1 s. A shorter life has no verdict, nor have an event-driven
        network and a timeless neuron.
    clipped: more than half of the plastic synapses end at a bound.

    Args:
        wiring: the graph.
        shares: the shares of silent and saturated units (`idle`).
        activity: {population: [n_steps, n]}.
        at_bound: the share of the plastic synapses that end at a bound [].
        dt: seconds per step.

    Returns:
        {fault: 0 or 1}, with the names of `FAULTS`.
    """
    driven = [p for p in wiring.populations if wiring.into(p.name)]
    n_steps = len(next(iter(activity.values())))
    n_last = max(n_steps // 10, math.ceil(LAST / dt))
    rates = []
    for population in driven:
        counts = wiring.spikes(population) and not population.neuron.timeless
        if counts and n_steps >= n_last:
            rates.append(jnp.mean(activity[population.name][-n_last:]) / dt)
    verdicts = {
        "dead": [shares[f"silent_{p.name}"] >= 1.0 for p in driven],
        "saturated": [shares[f"saturated_{p.name}"] > MOST for p in driven],
        "runaway": [rate > RUNAWAY for rate in rates],
        "clipped": [at_bound > MOST],
    }
    return {name: _any(each).astype(at_bound.dtype) for name, each in verdicts.items()}


def _any(verdicts: list[Array]) -> Array:
    """Whether any verdict holds, as a boolean []."""
    return jnp.stack(verdicts).any() if verdicts else jnp.zeros((), bool)


def _somatic(neuron: AbstractNeuron, n: int, drive: Array) -> dict[str, Array]:
    """The drives of all ports [n]: `drive` [] at the soma, none elsewhere."""
    return {port: jnp.zeros(n) for port in neuron.ports} | {"soma": jnp.full(n, drive)}


def _fastest(population: Population, theta: Theta, dt: float) -> Array:
    """The largest mean number of spikes per step [] of any unit.

    The soma is driven by constant drives of 1 to 1000.
    """
    neuron = population.neuron
    n = population.n

    def count(drive: Array) -> Array:
        ports = _somatic(neuron, n, drive)

        def step(state: Theta, key: Key) -> tuple[Theta, Array]:
            state, view = neuron.step(theta, state, ports, dt, key)
            return state, view.activity

        keys = jax.random.split(jax.random.key(0), SPELL)
        _, spikes = jax.lax.scan(step, neuron.init_state(theta, n), keys)
        return jnp.max(jnp.mean(spikes, axis=0))

    return jnp.max(jax.vmap(count)(jnp.logspace(0.0, 3.0, 7)))


class _Reach(NamedTuple):
    """The largest |activity| [] and |gain| [] of a neuron."""

    activity: Array
    gain: Array


def _reach(neuron: AbstractNeuron, theta: Theta, n: int, dt: float) -> _Reach:
    """The largest |activity| and |gain| of one step from rest, over all drives of the soma."""

    def step(drive: Array) -> _Reach:
        ports = _somatic(neuron, n, drive)
        _, view = neuron.step(theta, neuron.init_state(theta, n), ports, dt, jax.random.key(0))
        return _Reach(jnp.max(jnp.abs(view.activity)), jnp.max(jnp.abs(view.gain)))

    largest = jax.vmap(step)(jnp.asarray(_DRIVES, float))
    return _Reach(jnp.max(largest.activity), jnp.max(largest.gain))

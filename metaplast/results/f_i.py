"""The rate of a spiking cell over the constant current that drives it: its f-I curve."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.numerics.compiler import program
from metaplast.registry import BadInput, name_of


class FICurve(NamedTuple):
    """The rate of a cell under constant drives.

    drives: of the port [n], in the neuron's own unit.
    onset: 1 / the first interval between two spikes [n], hertz; 0 where there is none.
    steady: 1 / the mean of the intervals that end in the second half of the time [n], hertz; 0
        where there is none.
    """

    drives: np.ndarray
    onset: np.ndarray
    steady: np.ndarray


def f_i_curve(
    neuron: AbstractNeuron,
    drives: np.ndarray,
    seconds: float = 1.0,
    dt: float = 1e-3,
    port: str = "soma",
    seed: int = 0,
) -> FICurve:
    """The f-I curve of a neuron, from one simulation of a cell for each drive, all side by side.

    Each cell starts at rest. Its other ports get 0.

    Args:
        neuron: the cell.
        drives: the constant drive of each cell [n], in the neuron's own unit.
        seconds: that each cell lives.
        dt: seconds of a step.
        port: at which the drive arrives.
        seed: of cells that fire by lot.

    Raises: BadInput for a neuron that does not spike or a port that it lacks, and for drives
        that are no list of finite numbers.
    """
    name = name_of(type(neuron)) or type(neuron).__name__
    if not neuron.spiking or not neuron.ports:
        raise BadInput(f"neuron {name!r}", "a neuron that spikes", "see mp.list('neurons')")
    if port not in neuron.ports:
        raise BadInput(f"port {port!r}", f"one of {', '.join(neuron.ports)}", "choose one")
    drives = np.asarray(drives, float)
    if drives.ndim != 1 or not drives.size or not np.isfinite(drives).all():
        raise BadInput(f"drives of shape {drives.shape}", "a list of finite numbers", "give [n]")
    n_steps = round(seconds / dt)
    if n_steps < 2:
        raise BadInput(f"seconds={seconds:g}", f"two steps of {dt:g} s or more", "give more time")
    spikes = np.asarray(_spikes(neuron, jnp.asarray(drives), n_steps, dt, port, seed))
    onset = np.zeros(len(drives))
    steady = np.zeros(len(drives))
    for cell in range(len(drives)):
        steps = np.flatnonzero(spikes[:, cell])
        between = np.diff(steps)
        late = between[steps[1:] >= n_steps // 2]
        if len(between):
            onset[cell] = 1.0 / (dt * between[0])
        if len(late):
            steady[cell] = 1.0 / (dt * late.mean())
    return FICurve(drives, onset, steady)


@program("neuron", "n_steps", "dt", "port", small=True)
def _spikes(
    neuron: AbstractNeuron, drives: Array, n_steps: int, dt: float, port: str, seed: int
) -> Array:
    """The spikes of cells under constant drives [n_steps, n]."""
    n = drives.shape[0]
    k_theta, k_birth, k_steps = jax.random.split(jax.random.key(seed), 3)
    theta = neuron.init(k_theta, n)
    arriving = dict.fromkeys(neuron.ports, jnp.zeros(n))
    arriving[port] = drives

    def step(state: object, key: Array) -> tuple[object, Array]:
        state, view = neuron.step(theta, state, arriving, dt, key)
        return state, view.activity

    return jax.lax.scan(step, neuron.begin(theta, n, k_birth), jax.random.split(k_steps, n_steps))[
        1
    ]

"""Neurons under drives that do not change."""

from functools import partial
from typing import Any

import jax
import numpy as np

from metaplast.neurons.base import AbstractNeuron
from metaplast.signals import NeuronView
from metaplast.testing.base import keys, quick_jit
from tests._compiler import as_users_jit

DT = 1e-3


def constant(neuron: AbstractNeuron, n_steps: int, dt: float = DT, **drive: float) -> Any:
    """[spikes, potential, gain], each [n_steps], of one neuron under a constant drive {port:
    value}, 0 elsewhere.
    """
    return _shown(_quickly, neuron, n_steps, dt, {}, drive)


def exactly(neuron: AbstractNeuron, n_steps: int, theta: Any = None, **drive: float) -> Any:
    """The same, compiled as in a user's run: bits are compared."""
    return _shown(_as_users, neuron, n_steps, DT, theta or {}, drive)


def _shown(
    live: Any, neuron: AbstractNeuron, n_steps: int, dt: float, theta: Any, drive: dict[str, float]
) -> Any:
    ports = {port: np.full(1, drive.get(port, 0.0), np.float32) for port in neuron.ports}
    view = live(neuron, n_steps, dt, theta, ports, keys(0, n_steps))
    return [np.asarray(x)[:, 0] for x in (view.activity, view.potential, view.gain)]


def population(
    neuron: AbstractNeuron, n_steps: int, dt: float, seed: int = 0, **drive: np.ndarray
) -> NeuronView:
    """The view of every step, in float64, of units under constant drives {port: [n]}.

    Ports without a drive get 0.
    """
    n = len(next(iter(drive.values())))
    with jax.enable_x64(True):
        ports = {
            port: np.broadcast_to(drive.get(port, 0.0), n).astype(float) for port in neuron.ports
        }
        return jax.tree.map(
            np.asarray, _quickly(neuron, n_steps, dt, {}, ports, keys(seed, n_steps))
        )


def _live(
    neuron: AbstractNeuron, n_steps: int, dt: float, theta: Any, ports: Any, noise: Any
) -> NeuronView:
    step = lambda state, key: neuron.step(theta, state, ports, dt, key)
    return jax.lax.scan(step, neuron.init_state(theta, ports["soma"].size), noise, n_steps)[1]


_as_users = partial(as_users_jit, static_argnums=(0, 1, 2))(_live)
_quickly = partial(quick_jit, static_argnums=(0, 1, 2))(_live)

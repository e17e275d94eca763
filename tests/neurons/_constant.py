"""One neuron under a constant drive."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from tests._compiler import as_users_jit

DT = 1e-3


def constant(neuron: AbstractNeuron, n_steps: int, dt: float = DT, theta: Any = None, **drive: float) -> Any:
    """[spikes, potential, gain], each [n_steps], of one neuron under a constant drive {port: value}, 0 elsewhere."""
    ports = {port: jnp.full(1, drive.get(port, 0.0)) for port in neuron.ports}
    return [np.asarray(x) for x in _scan(neuron, n_steps, dt, theta or {}, ports)]


@partial(as_users_jit, static_argnums=(0, 1, 2))  # bits are compared
def _scan(
    neuron: AbstractNeuron, n_steps: int, dt: float, theta: Any, ports: dict[str, Array]
) -> tuple[Array, Array, Array]:
    def step(state: Any, _: Any) -> Any:
        state, view = neuron.step(theta, state, ports, dt, jax.random.key(0))
        return state, (view.activity[0], view.potential[0], view.gain[0])

    return jax.lax.scan(step, neuron.init_state(theta, 1), None, n_steps)[1]

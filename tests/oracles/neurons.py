"""Every neuron as a plain NumPy program: (neuron, drive {port: [n_steps, n]}, dt) -> (activity, potential)."""

import math
from typing import Any

import numpy as np

Drive = dict[str, np.ndarray]
Output = tuple[np.ndarray, np.ndarray]


def constant(neuron: Any, drive: Drive, dt: float) -> Output:
    return np.ones_like(drive["soma"]), drive["soma"]


def linear(neuron: Any, drive: Drive, dt: float) -> Output:
    return drive["soma"], drive["soma"]


def tanh(neuron: Any, drive: Drive, dt: float) -> Output:
    up, down = np.exp(drive["soma"]), np.exp(-drive["soma"])
    return (up - down) / (up + down), drive["soma"]


def softplus(neuron: Any, drive: Drive, dt: float) -> Output:
    return np.log(1.0 + np.exp(neuron.beta * drive["soma"])) / neuron.beta, drive["soma"]


def lif(neuron: Any, drive: Drive, dt: float) -> Output:
    """One neuron, one step at a time: the closed form of the linear equation, then the threshold."""
    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    for k in range(n):
        v, silent = neuron.v_rest, 0
        for t in range(n_steps):
            if silent == 0:
                g_e, g_i = drive["excitatory"][t, k], drive["inhibitory"][t, k]
                pull = neuron.v_rest + drive["soma"][t, k] + g_e * neuron.e_excitatory + g_i * neuron.e_inhibitory
                rate = (1.0 + g_e + g_i) / neuron.tau_m
                end = pull / (1.0 + g_e + g_i)
                v = end + (v - end) * math.exp(-rate * dt)
            potential[t, k] = v
            if silent == 0 and v > neuron.threshold:
                activity[t, k], v, silent = 1.0, neuron.v_reset, round(neuron.refractory / dt)
            else:
                silent = max(0, silent - 1)
    return activity, potential

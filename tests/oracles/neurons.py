"""Every neuron as a plain NumPy program: (neuron, drive {port: [n_steps, n]}, dt) -> (activity, potential)."""

import math
from typing import Any

import jax
import numpy as np

from metaplast._checks.base import keys

Drive = dict[str, np.ndarray]
Output = tuple[np.ndarray, np.ndarray]


def constant(neuron: Any, drive: Drive, dt: float) -> Output:
    return np.ones_like(drive["soma"]), drive["soma"]


def linear(neuron: Any, drive: Drive, dt: float) -> Output:
    return drive["soma"], drive["soma"]


def recorded(neuron: Any, drive: Drive, dt: float) -> Output:
    """What the task shows; the tap transmits nothing to the cell."""
    return drive["soma"], drive["soma"]


def tanh(neuron: Any, drive: Drive, dt: float) -> Output:
    up, down = np.exp(drive["soma"]), np.exp(-drive["soma"])
    return (up - down) / (up + down), drive["soma"]


def softplus(neuron: Any, drive: Drive, dt: float) -> Output:
    return np.log(1.0 + np.exp(neuron.beta * drive["soma"])) / neuron.beta, drive["soma"]


def sigmoid(neuron: Any, drive: Drive, dt: float) -> Output:
    return 0.5 * (1.0 + np.tanh(0.5 * neuron.beta * drive["soma"])), drive["soma"]


def relu(neuron: Any, drive: Drive, dt: float) -> Output:
    return 0.5 * (drive["soma"] + np.abs(drive["soma"])), drive["soma"]


def leaky(neuron: Any, drive: Drive, dt: float) -> Output:
    """u as a plain sum over the past: the drive of s steps ago counts (1 - a) a^s, a = exp(-dt / tau)."""
    steps = np.arange(len(drive["soma"]))
    a = math.exp(-dt / neuron.tau)
    kernel = (1.0 - a) * np.tril(a ** np.maximum(steps[:, None] - steps[None, :], 0))
    inner = globals()[type(neuron.neuron).__name__.lower()]
    return inner(neuron.neuron, {**drive, "soma": kernel @ drive["soma"]}, dt)


def choice(neuron: Any, drive: Drive, dt: float) -> Output:
    """The unit that is first in a race of exponential clocks of rates exp(beta u), with the noise of the same keys."""
    activity = np.zeros_like(drive["soma"])
    for t, (key, u) in enumerate(zip(keys(0, len(activity)), drive["soma"], strict=True)):
        times = np.exp(-np.asarray(jax.random.gumbel(key, u.shape)))  # exponentially distributed
        activity[t, np.argmin(times / np.exp(neuron.inverse_temperature * u))] = 1.0
    return activity, drive["soma"]


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


def escape(neuron: Any, drive: Drive, dt: float) -> Output:
    """The unit fires where an exponentially distributed waiting time, from the same keys, ends within the step."""
    activity = np.zeros_like(drive["soma"])
    for t, (key, u) in enumerate(zip(keys(0, len(activity)), drive["soma"], strict=True)):
        waiting = -np.log1p(-np.asarray(jax.random.uniform(key, u.shape, u.dtype)))  # in units of 1 / rate
        activity[t] = waiting < neuron.rate * np.exp((u - neuron.threshold) / neuron.width) * dt
    return activity, drive["soma"]

"""Every transmission as a plain NumPy program: (transmission, what was sent [n_steps, n], dt) ->
what arrives.
"""

import math
from typing import Any

import numpy as np

from metaplast.registry import name_of


def instant(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    return sent


def exponential(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    steps = np.arange(len(sent))
    kernel = np.tril(np.exp(-(steps[:, None] - steps[None, :]) * dt / spec.tau))
    return kernel @ sent


def delayed(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    k = round(spec.delay / dt)
    late = np.concatenate([np.zeros((k, sent.shape[1])), sent[:-k]])
    inner = globals()[name_of(type(spec.transmission))]
    return inner(spec.transmission, late, dt)


def tsodyks_markram(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    """One synapse at a time, event by event: between two events u and x relax in closed form."""
    out, big_u = np.zeros_like(sent), spec.utilisation
    left = lambda time, tau: np.exp(-time / tau) if tau else 0.0
    for k in range(sent.shape[1]):
        u, x, last = 0.0, 1.0, 0
        for t in np.flatnonzero(sent[:, k]):
            passed, last = (t - last) * dt, t
            u, x = (
                (u * left(passed, spec.tau_f), 1 + (x - 1) * left(passed, spec.tau_d))
                if passed
                else (u, x)
            )
            p = u + big_u - u * big_u
            out[t, k] = p * x * sent[t, k] / big_u
            u, x = u + (p - u) * sent[t, k], x * (1 - p * sent[t, k])
    return out


def nmda(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    """The transmitter as a plain sum over the past; s relaxes step by step, synapse by synapse."""
    out, steps = np.zeros_like(sent), np.arange(len(sent))
    x = np.tril(np.exp(-(steps[:, None] - steps[None, :]) * dt / spec.tau_rise)) @ np.where(
        sent > 0, sent, 0.0
    )
    for k in range(sent.shape[1]):
        s = 0.0
        for t in steps:
            up, down = spec.rate * x[t, k], 1 / spec.tau_decay
            stays = math.exp(-(up + down) * dt)
            s = s * stays + up * (1 - stays) / (up + down)
            out[t, k] = s
    return out


def dual_exponential(spec: Any, sent: np.ndarray, dt: float) -> np.ndarray:
    """Each output leaves a difference of exponentials (or an alpha function), of peak 1 on a fine
    grid of times.
    """

    def shape(t: np.ndarray) -> np.ndarray:
        if spec.tau_rise == spec.tau_decay:
            return t * np.exp(-t / spec.tau_rise)
        return np.abs(np.exp(-t / spec.tau_decay) - np.exp(-t / spec.tau_rise))

    steps, fine = np.arange(len(sent)), np.linspace(0.0, 10 * spec.tau_rise, 1_000_001)
    ages = (steps[:, None] - steps[None, :]) * dt
    return np.tril(shape(np.maximum(ages, 0.0)) / shape(fine).max()) @ sent

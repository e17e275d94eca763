"""Every neuron as a plain NumPy program: (neuron, drive {port: [n_steps, n]}, dt) -> (activity,
potential).
"""

import math
from typing import Any

import jax
import numpy as np

from metaplast.registry import name_of
from metaplast.testing.base import keys

Drive = dict[str, np.ndarray]
Output = tuple[np.ndarray, np.ndarray]


def constant(neuron: Any, drive: Drive, dt: float) -> Output:
    return np.ones_like(drive["soma"]), drive["soma"]


def linear(neuron: Any, drive: Drive, dt: float) -> Output:
    return drive["soma"], drive["soma"]


def spikes(neuron: Any, drive: Drive, dt: float) -> Output:
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
    inner = globals()[type(neuron.neuron).__name__.lower()]
    return inner(neuron.neuron, {**drive, "soma": _past(drive["soma"], neuron.tau, dt)}, dt)


def _past(drive: np.ndarray, tau: float, dt: float) -> np.ndarray:
    """A plain sum over the past: the drive s steps ago counts (1 - a) a^s, a = exp(-dt / tau)."""
    steps = np.arange(len(drive))
    a = math.exp(-dt / tau)
    return (1.0 - a) * np.tril(a ** np.maximum(steps[:, None] - steps[None, :], 0)) @ drive


def choice(neuron: Any, drive: Drive, dt: float) -> Output:
    """The unit that is first in a race of exponential clocks of rates exp(beta u), with the noise
    of the same keys.
    """
    activity = np.zeros_like(drive["soma"])
    for t, (key, u) in enumerate(zip(keys(0, len(activity)), drive["soma"], strict=True)):
        times = np.exp(-np.asarray(jax.random.gumbel(key, u.shape)))  # exponentially distributed
        activity[t, np.argmin(times / np.exp(neuron.inverse_temperature * u))] = 1.0
    return activity, drive["soma"]


def conductance_lif(neuron: Any, drive: Drive, dt: float) -> Output:
    """One neuron, step by step: the closed form of the linear equation, then the threshold."""
    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    for k in range(n):
        v = neuron.v_rest
        for t in range(n_steps):
            g_e, g_i = drive["excitatory"][t, k], drive["inhibitory"][t, k]
            pull = (
                neuron.v_rest
                + drive["soma"][t, k]
                + g_e * neuron.e_excitatory
                + g_i * neuron.e_inhibitory
            )
            end = pull / (1.0 + g_e + g_i)
            v = end + (v - end) * math.exp(-(1.0 + g_e + g_i) / neuron.tau_m * dt)
            potential[t, k] = v
            if v > neuron.threshold:
                activity[t, k], v = 1.0, neuron.v_reset
    return activity, potential


def lif(neuron: Any, drive: Drive, dt: float, beta: float = 0.0, tau_a: float = 1.0) -> Output:
    """From spike to spike: since the last reset V is a plain sum over the drive, as `leaky` is."""
    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    a = math.exp(-dt / neuron.tau_m)
    for k in range(n):
        born, start, times = 0, neuron.v_rest, []
        for t in range(n_steps):
            ages = np.arange(t - born, -1, -1)
            pulled = (1.0 - a) * (a**ages) @ drive["soma"][born : t + 1, k]
            potential[t, k] = neuron.v_rest + (start - neuron.v_rest) * a ** (t - born + 1) + pulled
            raised = beta * sum(math.exp(-(t - 1 - s) * dt / tau_a) for s in times)
            if potential[t, k] > neuron.threshold + raised:
                activity[t, k], born, start = 1.0, t + 1, neuron.v_reset
                times.append(t)
    return activity, potential


def alif(neuron: Any, drive: Drive, dt: float) -> Output:
    """Each spike has raised the threshold by beta, from the next step on, and that fades with
    tau_a.
    """
    return lif(neuron, drive, dt, neuron.beta, neuron.tau_a)


def refractory(neuron: Any, drive: Drive, dt: float) -> Output:
    """A held neuron meets only the drive outside its refractory steps: the inner program on each
    stretch in turn.
    """
    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.full((n_steps, n), neuron.neuron.v_reset)
    inner, held = globals()[type(neuron.neuron).__name__.lower()], int(neuron.period / dt + 0.5)
    for k in range(n):
        left = np.arange(n_steps)
        while True:  # each round finds one spike more, and takes out the steps that it silences
            seen = {port: x[left, k : k + 1] for port, x in drive.items()}
            z, v = (x[:, 0] for x in inner(neuron.neuron, seen, dt))
            early = [s for s in left[z > 0] if np.isin(np.arange(s + 1, s + 1 + held), left).any()]
            if not early:
                break
            left = left[(left <= early[0]) | (left > early[0] + held)]
        activity[left, k], potential[left, k] = z, v
    return activity, potential


def mixed(neuron: Any, drive: Drive, dt: float) -> Output:
    """Each stretch of units by the program of its cell; in the ratio of equal shares, the first
    ones are the larger by at most one.
    """
    outputs = []
    stretches = np.array_split(np.arange(drive["soma"].shape[1]), len(neuron.neurons))
    for (_, cell), units in zip(neuron.neurons, stretches, strict=True):
        own = {port: x[:, units] for port, x in drive.items()}
        outputs.append(globals()[name_of(type(cell))](cell, own, dt))
    activity, potential = (np.concatenate(parts, axis=1) for parts in zip(*outputs, strict=True))
    return activity, potential


def starting(neuron: Any, drive: Drive, dt: float) -> Output:
    """From rest, as `init_state` has it; first potentials: tests/neurons/test_starting.py."""
    return globals()[name_of(type(neuron.neuron))](neuron.neuron, drive, dt)


def stochastic(neuron: Any, drive: Drive, dt: float) -> Output:
    """Fires where an exponentially distributed waiting time, from the same keys, ends within the
    step; no reset.
    """
    potential = _past(drive["soma"], neuron.tau_m, dt)
    activity = np.zeros_like(potential)
    for t, (key, v) in enumerate(zip(keys(0, len(activity)), potential, strict=True)):
        waiting = -np.log1p(
            -np.asarray(jax.random.uniform(key, v.shape, v.dtype))
        )  # in units of 1 / rate
        activity[t] = waiting < neuron.rate * np.exp((v - neuron.threshold) / neuron.width) * dt
    return activity, potential


def two_compartment(neuron: Any, drive: Drive, dt: float) -> Output:
    """The soma relaxes to the conductance-weighted mean of what pulls it; it fires where a waiting
    time ends.
    """
    u, activity = np.zeros(drive["soma"].shape[1]), np.zeros_like(drive["soma"])
    potential = np.zeros_like(activity)
    for t, key in enumerate(keys(0, len(activity))):
        pulls = [(1.0, 0.0), (neuron.g_dendrite, drive["dendrite"][t])]
        pulls += [
            (drive["excitatory"][t], neuron.e_excitatory),
            (drive["inhibitory"][t], neuron.e_inhibitory),
        ]
        total = sum(g for g, _ in pulls)
        end = (sum(g * e for g, e in pulls) + drive["soma"][t]) / total
        u = u + (end - u) * (1.0 - np.exp(-total * dt / neuron.tau_m))
        rate = neuron.phi_max / (1.0 + neuron.k * np.exp(neuron.steepness * (neuron.threshold - u)))
        waiting = -np.log1p(
            -np.asarray(jax.random.uniform(key, u.shape, u.dtype))
        )  # in units of 1 / rate
        activity[t], potential[t] = waiting < rate * dt, u
    return activity, potential


def pyramidal(neuron: Any, drive: Drive, dt: float) -> Output:
    """The soma relaxes to the conductance-weighted mean of rest, dendrites and shunt."""
    u = np.zeros(drive["soma"].shape[1])
    potential = np.zeros_like(drive["soma"])
    for t in range(len(potential)):
        pulls = [(1.0, 0.0), (drive["shunt"][t], 0.0)]
        pulls += [(neuron.g_basal, drive["basal"][t]), (neuron.g_apical, drive["apical"][t])]
        total = sum(g for g, _ in pulls)
        end = (sum(g * e for g, e in pulls) + drive["soma"][t]) / total
        u = u + (end - u) * (1.0 - np.exp(-total * dt / neuron.tau_m))
        potential[t] = u
    return softplus(neuron.transfer, {"soma": potential}, dt)[0], potential


def poisson(neuron: Any, drive: Drive, dt: float) -> Output:
    """A spike where the first event of a process of the given rate, from the same keys, comes
    within the step.
    """
    activity = np.zeros_like(drive["soma"])
    for t, (key, rate) in enumerate(zip(keys(0, len(activity)), drive["soma"], strict=True)):
        waiting = -np.log1p(
            -np.asarray(jax.random.uniform(key, rate.shape, rate.dtype))
        )  # in units of 1 / rate
        activity[t] = waiting < neuron.scale * np.clip(rate, 0.0, None) * dt
    return activity, drive["soma"]


def hodgkin_huxley(neuron: Any, drive: Drive, dt: float) -> Output:
    """One cell after the other, in the numbers of the paper: u = V + 65, each rate as printed there
    with its sign turned; the solution of each linear equation over a part of the step.
    """
    n_parts = round(dt / neuron.part)
    h = 1000 * dt / n_parts

    def relaxed(x: float, to: float, rate: float) -> float:
        return to - (to - x) / math.exp(h * rate)

    def gates(u: float) -> list[tuple[float, float]]:
        return [
            (0.1 * (25 - u) / (math.exp((25 - u) / 10) - 1), 4 / math.exp(u / 18)),
            (0.07 / math.exp(u / 20), 1 / (math.exp((30 - u) / 10) + 1)),
            (0.01 * (10 - u) / (math.exp((10 - u) / 10) - 1), 0.125 / math.exp(u / 80)),
        ]

    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    for k in range(n):
        u, open_share = 0.0, [a / (a + b) for a, b in gates(0.0)]
        for t in range(n_steps):
            began, top = u, -math.inf
            g_e, g_i = drive["excitatory"][t, k], drive["inhibitory"][t, k]
            for _ in range(n_parts):
                m, h_gate, n_gate = open_share
                currents = [
                    (neuron.g_sodium * m**3 * h_gate, neuron.e_sodium),
                    (neuron.g_potassium * n_gate**4, neuron.e_potassium),
                    (neuron.g_leak, neuron.e_leak),
                    (neuron.g_leak * g_e, neuron.e_excitatory),
                    (neuron.g_leak * g_i, neuron.e_inhibitory),
                ]
                total = sum(g for g, _ in currents)
                to = (drive["soma"][t, k] + sum(g * (e + 65) for g, e in currents)) / total
                open_share = [
                    relaxed(x, a / (a + b), a + b)
                    for x, (a, b) in zip(open_share, gates(u), strict=True)
                ]
                u = relaxed(u, to, total / neuron.capacitance)
                top = max(top, u)
            potential[t, k] = top - 65
            activity[t, k] = float(began - 65 <= neuron.threshold < top - 65)
    return activity, potential


def izhikevich(neuron: Any, drive: Drive, dt: float) -> Output:
    """In milliseconds: Euler, or v from its two rests (which may be complex) with u relaxing half a
    step on each side; what is shown of an upstroke ends at v_peak + width."""
    rest = min(np.roots([0.04, 5 - neuron.b, 140]))
    end = neuron.v_peak + neuron.width

    def euler(v: float, u: float, i: float, h: float) -> tuple[float, float]:
        return v + h * (0.04 * v * v + 5 * v + 140 - u + i), u + h * neuron.a * (neuron.b * v - u)

    def exact(v: float, u: float, i: float, h: float) -> tuple[float, float]:
        u = neuron.b * v + (u - neuron.b * v) * math.exp(-0.5 * neuron.a * h)
        low, high = np.roots([0.04 + 0j, 5, 140 - u + i])
        apart = lambda x: (x - high) / (x - low)
        until = np.log(apart(end) / apart(v)) / (
            0.04 * (high - low)
        )  # the time from v to `end`, negative for none
        if high.imag != 0:
            until = until.real % (np.pi / (0.04 * abs((high - low).imag) / 2))
        if abs(until.imag) < 1e-9 and 0 <= until.real <= h:
            return end, neuron.b * end + (u - neuron.b * end) * math.exp(-0.5 * neuron.a * h)
        ratio = apart(v) * np.exp(0.04 * (high - low) * h)
        v = float(((high - ratio * low) / (1 - ratio)).real)
        return v, neuron.b * v + (u - neuron.b * v) * math.exp(-0.5 * neuron.a * h)

    move = euler if neuron.integration == "euler" else exact
    return _upstroke(neuron, drive, dt, move, (rest, neuron.b * rest))


def adex(neuron: Any, drive: Drive, dt: float) -> Output:
    """Euler in milliseconds, pA / pF = mV / ms."""

    def euler(v: float, w: float, i: float, h: float) -> tuple[float, float]:
        above = min((v - neuron.v_t) / neuron.delta_t, 10.0)
        leak, spike = (
            neuron.g_leak * (neuron.e_leak - v),
            neuron.g_leak * neuron.delta_t * math.exp(above),
        )
        dw = (neuron.a * (v - neuron.e_leak) - w) / (1000 * neuron.tau_w)
        return v + h * (leak + spike - w + i) / neuron.capacitance, w + h * dw

    return _upstroke(neuron, drive, dt, euler, (neuron.e_leak, 0.0))


def _upstroke(neuron: Any, drive: Drive, dt: float, move: Any, rest: tuple[float, float]) -> Output:
    n_steps, n = drive["soma"].shape
    activity, potential = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    for k in range(n):
        v, slow = rest
        for t in range(n_steps):
            v, slow = move(v, slow, drive["soma"][t, k], 1000 * dt)
            potential[t, k] = min(v, neuron.v_peak + neuron.width)
            if v > neuron.v_peak:
                activity[t, k], v, slow = 1.0, neuron.v_reset, slow + neuron.jump
    return activity, potential

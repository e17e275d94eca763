"""The squid axon in Brian2: the same equations, written as a user of Brian2 writes them.

Both take exponential Euler steps of the same length, so that traces agree to rounding.
"""

import brian2 as b
import numpy as np

from metaplast.neurons.hodgkin_huxley import HodgkinHuxley
from tests.neurons._constant import population

DT = 25e-6
N_STEPS = 1600
CURRENTS = np.array([0.0, 5.0, 10.0, 40.0])
EXCITATION = 2.0
INHIBITION = 1.5
EQUATIONS = """
dv/dt = (I + g_na * m**3 * h * (50*mV - v) + g_k * n**4 * (-77*mV - v) + g_l * (-54.387*mV - v)
    + g_l * (g_e * (0*mV - v) + g_i * (-80*mV - v))) / (1*uF/cm**2) : volt
dm/dt = alpha_m * (1 - m) - beta_m * m : 1
dh/dt = alpha_h * (1 - h) - beta_h * h : 1
dn/dt = alpha_n * (1 - n) - beta_n * n : 1
alpha_m = 1 / exprel(-(v + 40*mV) / (10*mV)) / ms : Hz
beta_m = 4 * exp(-(v + 65*mV) / (18*mV)) / ms : Hz
alpha_h = 0.07 * exp(-(v + 65*mV) / (20*mV)) / ms : Hz
beta_h = 1 / (1 + exp(-(v + 35*mV) / (10*mV))) / ms : Hz
alpha_n = 0.1 / exprel(-(v + 55*mV) / (10*mV)) / ms : Hz
beta_n = 0.125 * exp(-(v + 65*mV) / (80*mV)) / ms : Hz
I : amp/meter**2 (constant)
g_e : 1 (constant)
g_i : 1 (constant)
"""


def _brian() -> tuple[np.ndarray, list[np.ndarray]]:
    """(V after every step in mV [n_steps, n], spike times of every cell in steps)."""
    b.prefs.codegen.target = "numpy"
    conductances = {"g_na": 120.0, "g_k": 36.0, "g_l": 0.3}
    namespace = {name: g * b.msiemens / b.cm**2 for name, g in conductances.items()}
    cells = b.NeuronGroup(
        len(CURRENTS),
        EQUATIONS,
        method="exponential_euler",
        threshold="v > -20*mV",
        refractory="v > -20*mV",  # pyright: ignore[reportArgumentType]
        dt=DT * b.second,
        namespace=namespace,
    )
    cells.v = -65 * b.mV
    for gate in "mhn":
        setattr(cells, gate, f"alpha_{gate} / (alpha_{gate} + beta_{gate})")
    cells.I = CURRENTS * b.uA / b.cm**2
    cells.g_e = [0.0, 0.0, 0.0, EXCITATION]
    cells.g_i = [0.0, 0.0, INHIBITION, 0.0]
    # `end`: after the equations of a step, and before the next one begins
    trace = b.StateMonitor(cells, "v", record=True, when="end", dt=DT * b.second)
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, trace, spikes).run(N_STEPS * DT * b.second)
    when = np.asarray(spikes.t / b.second)
    times = [np.round(when[np.asarray(spikes.i) == k] / DT).astype(int) for k in range(4)]
    return np.asarray(trace.v / b.mV).T, times


def _ours(part: float = DT) -> tuple[np.ndarray, list[np.ndarray]]:
    drive = {
        "soma": CURRENTS,
        "excitatory": np.array([0.0, 0.0, 0.0, EXCITATION]),
        "inhibitory": np.array([0.0, 0.0, INHIBITION, 0.0]),
    }
    view = population(HodgkinHuxley(part=part), N_STEPS, DT, 0, **drive)
    return np.asarray(view.potential), [np.flatnonzero(z) for z in view.activity.T]


def test_traces_and_spikes_are_those_of_brian2():
    theirs, wanted = _brian()
    ours, found = _ours()
    assert len(wanted[0]) == 0 and len(wanted[1]) == 1 and len(wanted[3]) > 2
    for a, c in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, c)
    assert np.abs(ours - theirs).max() < 1e-8
    finer, _ = _ours(part=DT / 2)  # the control: other steps are another trace
    assert np.abs(finer - theirs).max() > 1.0

"""Izhikevich's neuron and AdEx: order of convergence, textbook behaviour against fine-step
integration, overflow.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from metaplast.neurons.adex import Adex
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.izhikevich import Izhikevich
from metaplast.signals import neuron_view
from metaplast.spec import spec
from metaplast.testing.base import quick_jit
from metaplast.testing.neuron import check_oracle
from tests.neurons._constant import population
from tests.oracles import neurons as oracles

Field = Callable[[float, float, float], tuple[float, float]]


def _field(neuron: Any) -> Field:
    """(dv/dt, dslow/dt) per millisecond, written once more."""
    if isinstance(neuron, Izhikevich):
        return lambda v, u, i: (0.04 * v * v + 5 * v + 140 - u + i, neuron.a * (neuron.b * v - u))
    tau_m = neuron.capacitance / neuron.g_leak

    def adex(v: float, w: float, i: float) -> tuple[float, float]:
        spike = neuron.delta_t * math.exp(min((v - neuron.v_t) / neuron.delta_t, 10.0))
        dw = (neuron.a * (v - neuron.e_leak) - w) / 144.0
        return (neuron.e_leak - v + spike + (i - w) / neuron.g_leak) / tau_m, dw

    return adex


def _rest(neuron: Any) -> list[float]:
    state = neuron.init_state({}, 1)
    return [float(state["v"][0]), float(state["slow"][0])]


def _solved(neuron: Any, current: float, end_ms: float) -> Any:
    """The equations to 1e-10, up to the first peak."""
    peak = lambda t, y: y[0] - neuron.v_peak
    peak.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    flow = lambda t, y: _field(neuron)(*y, current)
    return solve_ivp(
        flow, (0.0, end_ms), _rest(neuron), "LSODA", events=peak, rtol=1e-10, atol=1e-10
    )


CELLS = [
    pytest.param(Izhikevich(), 1.0, np.linspace(8.0, 14.0, 8), 2.0, id="izhikevich"),
    pytest.param(Izhikevich(integration="euler"), 1.0, np.linspace(8.0, 14.0, 8), 1.0, id="euler"),
    pytest.param(
        Izhikevich(integration="half_steps"), 1.0, np.linspace(8.0, 14.0, 8), 1.0, id="half_steps"
    ),
    pytest.param(Adex(), 300.0, np.linspace(800.0, 1500.0, 8), 1.0, id="adex"),
]


@pytest.mark.parametrize(("neuron", "weak", "strong", "order"), CELLS)
def test_the_potential_is_of_its_order_in_dt_and_the_time_of_the_first_spike_of_the_first(
    neuron, weak, strong, order
):
    exact = _solved(neuron, weak, 16.0).y[0, -1]
    peaks = np.array([_solved(neuron, i, 100.0).t_events[0][0] for i in strong])
    steps, off, late = np.array([0.1, 0.05, 0.025]), [], []
    for h in steps:
        n = round(40 / h)
        view = population(neuron, n, 1e-3 * h, soma=np.concatenate([[weak], strong]))
        off.append(abs(view.potential[round(16 / h) - 1, 0] - exact))
        assert view.activity[:, 1:].any(axis=0).all()
        late.append(np.abs(h * (1 + view.activity[:, 1:].argmax(axis=0)) - peaks).mean())
    assert np.polyfit(np.log(steps), np.log(off), 1)[0] == pytest.approx(order, abs=0.12)
    assert np.polyfit(np.log(steps), np.log(late), 1)[0] == pytest.approx(1.0, abs=0.25)


def _fine(neuron: Any, current: float, end_ms: float, h: float = 0.01) -> np.ndarray:
    """Spike times [ms] by plain Euler steps of h ms."""
    field, (v, slow), times = _field(neuron), _rest(neuron), []
    for k in range(round(end_ms / h)):
        dv, dslow = field(v, slow, current)
        v, slow = v + h * dv, slow + h * dslow
        if v > neuron.v_peak:
            times.append(h * (k + 1))
            v, slow = neuron.v_reset, slow + neuron.jump
    return np.array(times)


def _times(neuron: Any, current: float, end_ms: float, h: float) -> np.ndarray:
    view = population(neuron, round(end_ms / h), 1e-3 * h, soma=np.array([current]))
    return h * (1 + np.flatnonzero(view.activity[:, 0]))


TYPES = {
    "regular": (Izhikevich(substeps=4), 10.0),
    "bursting": (Izhikevich(v_reset=-55.0, jump=4.0, substeps=4), 10.0),
    "chattering": (Izhikevich(v_reset=-50.0, jump=2.0, substeps=4), 10.0),
    "fast": (Izhikevich(a=0.1, jump=2.0, substeps=4), 10.0),
    "adex": (Adex(substeps=4), 1000.0),
    "adex_without_adaptation": (Adex(a=0.0, jump=0.0, substeps=4), 1000.0),
}


@pytest.fixture(scope="module")
def trains() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Spike times [ms] under a step of current over 300 ms: (at dt = 0.1 ms, by fine steps)."""
    return {
        name: (_times(cell, i, 300.0, 0.1), _fine(cell, i, 300.0))
        for name, (cell, i) in TYPES.items()
    }


def test_spike_trains_under_a_step_of_current_are_those_of_a_fine_integration(trains):
    for name, (found, fine) in trains.items():
        n = min(len(found), len(fine))
        assert n >= 4, name
        assert abs(len(found) - len(fine)) <= 1, name
        late = np.abs(found[:n] - fine[:n]) / (1 + np.arange(n))
        assert late.max() < 0.12, name  # each spike waits for the end of its step


def test_each_type_behaves_as_the_textbook_says(trains):
    gaps = {name: np.diff(found) for name, (found, _) in trains.items()}
    for name in ("regular", "adex"):  # they adapt: intervals grow to a settled value
        assert gaps[name][-1] > 1.5 * gaps[name][0]
    assert gaps["adex_without_adaptation"].std() < 0.1  # tonic: all intervals are equal, up to dt
    assert len(trains["fast"][0]) > 2 * len(trains["regular"][0])
    assert gaps["bursting"][0] < 0.3 * gaps["bursting"][-1]  # a burst, then single spikes
    assert gaps["chattering"].max() > 5 * gaps["chattering"].min()  # bursts throughout
    assert (gaps["chattering"][-10:] < 8.0).any() and (gaps["bursting"][-3:] > 20.0).all()


def test_small_currents_settle_where_the_linear_equations_say():
    adex = Adex()
    view = population(adex, 8000, 5e-4, soma=np.array([0.0, 10.0, -10.0]))
    expected = adex.e_leak + np.array([0.0, 10.0, -10.0]) / (adex.g_leak + adex.a)
    np.testing.assert_allclose(view.potential[-1], expected, atol=1e-3)
    izhikevich = population(Izhikevich(), 4000, 5e-4, soma=np.array([0.0, 2.0, 5.0]))
    np.testing.assert_allclose(izhikevich.potential[-1, 0], -70.0)
    np.testing.assert_allclose(
        izhikevich.potential[-1, 1], min(np.roots([0.04, 4.8, 142.0])), rtol=1e-6
    )
    assert izhikevich.activity[:, :2].sum() == 0
    assert izhikevich.activity[2000:, 2].sum() > 0  # above 4 there is no rest


@pytest.mark.parametrize(
    "neuron", [Izhikevich(substeps=8), Adex(substeps=8)], ids=["izhikevich", "adex"]
)
def test_substeps_are_smaller_steps_up_to_the_peak(neuron):
    current = np.array([2.0 if isinstance(neuron, Izhikevich) else 300.0])
    coarse = population(neuron, 20, 8e-4, soma=current)
    fine = population(dataclasses.replace(neuron, substeps=1), 160, 1e-4, soma=current)
    np.testing.assert_allclose(coarse.potential, fine.potential[7::8], rtol=1e-12)


@pytest.mark.parametrize(
    "neuron", [Izhikevich(), Izhikevich(integration="euler"), Adex(), Adex(substeps=5)], ids=str
)
def test_no_drive_is_too_strong_for_finite_numbers(neuron):
    """In float32, at a coarse step, forward and backward."""

    def lives(drive: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            return neuron.step({}, state, {"soma": drive}, 1e-3, jax.random.key(0))

        view = jax.lax.scan(step, neuron.init_state({}, drive.size), None, 12)[1]
        return jnp.sum(view.activity), view

    drive = jnp.asarray([-3e3, -10.0, 20.0, 1e3, 1e5, 1e7])
    slopes, view = quick_jit(jax.grad(lives, has_aux=True))(drive)
    for field in (view.activity, view.potential, view.gain, slopes):
        assert np.isfinite(field).all()
    assert view.potential.max() <= neuron.v_peak + neuron.width
    assert (view.activity[:, -1] == 1).all()


def test_a_reset_above_the_peak_is_refused_by_name():
    with pytest.raises(ValueError, match=r"v_reset=30\.0 - expected a value below v_peak=20\.0"):
        Adex(v_reset=30.0)


CURRENTS = np.array([-200.0, -100.0, -50.0, -20.0, 0.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0])


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    """Spikes of Izhikevich's cell in 500 ms under CURRENTS, by Euler steps of 2 us."""
    h, v = 0.002, np.full(CURRENTS.size, -70.0)
    u, n = 0.2 * v, np.zeros(CURRENTS.size)
    for _ in range(round(500 / h)):
        v, u = v + h * (0.04 * v * v + 5 * v + 140 - u + CURRENTS), u + h * 0.02 * (0.2 * v - u)
        spikes = v > 30
        n, v, u = n + spikes, np.where(spikes, -65.0, v), u + 8.0 * spikes
    return n


@pytest.mark.parametrize("dt", [1e-4, 2.5e-4, 5e-4, 1e-3])
def test_izhikevich_fires_as_often_as_a_fine_integration_from_strong_inhibition_to_strong_drive(
    dt, counts
):
    assert (counts[:5] == 0).all() and counts[-1] > 200
    view = population(Izhikevich(), round(0.5 / dt), dt, soma=CURRENTS)
    n = view.activity.sum(axis=0)
    assert (n[:5] == 0).all()
    assert (
        np.abs(n - counts) <= 1 + 70.0 * dt * counts
    ).all()  # a spike waits for the end of its step
    if dt == 1e-3:  # the control: an explicit method overshoots
        euler = population(Izhikevich(integration="euler"), 500, dt, soma=CURRENTS).activity.sum(
            axis=0
        )
        assert (euler[:2] > 200).all()


@pytest.mark.parametrize("drive", [-200.0, -20.0, 0.0, 2.0])
def test_no_step_of_the_exact_method_is_too_long_for_a_cell_at_rest(drive):
    settled = population(Izhikevich(), 400, 5e-3, soma=np.array([drive]))
    assert not settled.activity.any()
    np.testing.assert_allclose(
        settled.potential[-1, 0], min(np.roots([0.04, 4.8, 140.0 + drive])), rtol=1e-6
    )


@pytest.mark.parametrize(("method", "parts"), [("euler", 1), ("half_steps", 2)])
def test_the_limit_of_an_explicit_method_is_that_of_its_fastest_slope(method, parts):
    """Of dv/dt alone: |1 + h (0.08 v + 5)| = 1 at the lowest v, to the influence of u; twice as
    long by half steps.
    """
    fine = population(Izhikevich(), 20_000, 2e-5, soma=np.array([-200.0]))
    limit = 1e-3 * parts * 2.0 / -(0.08 * fine.potential.min() + 5.0)
    assert Izhikevich(integration=method).stable_dt() == pytest.approx(limit, rel=0.03)
    finer = Izhikevich(integration=method, substeps=3).stable_dt()
    assert finer == pytest.approx(3 * Izhikevich(integration=method).stable_dt(), rel=0.03)


def test_the_limit_of_adex_is_that_of_its_leak():
    """The matrix of dv/dt and dw/dt below the upstroke: Euler is stable up to 2 / |its largest
    eigenvalue|.
    """
    cell = Adex(g_leak=300.0, tau_w=0.1)
    matrix = np.array(
        [[-cell.g_leak / cell.capacitance, -1.0 / cell.capacitance], [cell.a / 100.0, -1.0 / 100.0]]
    )
    assert cell.stable_dt() == pytest.approx(
        2e-3 / np.abs(np.linalg.eigvals(matrix)).max(), rel=0.01
    )


def test_euler_is_the_numpy_program_too():
    with jax.enable_x64(True):
        check_oracle(Izhikevich(integration="euler"), {}, oracles.izhikevich)


@spec
class _Counting(AbstractNeuron):
    """A plug-in that says nothing of its limit: an Euler membrane of 10 ms, reset and held for five
    steps in `step`.
    """

    def init(self, key: Any, n: int) -> Any:
        return {}

    def init_state(self, theta: Any, n: int) -> Any:
        return {"v": jnp.zeros(n), "left": jnp.zeros(n)}

    def step(self, theta: Any, state: Any, drive: Any, dt: float, key: Any) -> Any:
        v = jnp.where(
            state["left"] <= 0, state["v"] + dt / 10e-3 * (drive["soma"] - state["v"]), state["v"]
        )
        z = (v > 1.0).astype(v.dtype)
        left = jnp.where(z > 0, 5.0, jnp.maximum(state["left"] - 1.0, 0.0))
        return {"v": jnp.where(z > 0, 0.0, v), "left": left}, neuron_view(z, v, jnp.ones_like(v))


def test_the_limit_of_a_neuron_that_states_none_is_measured_past_its_jumps():
    assert _Counting().stable_dt() == pytest.approx(20e-3, rel=0.01)


def test_the_limit_of_euler_is_that_of_the_lowest_potential_on_the_way():
    """Own Jacobian of Izhikevich's equations (ms, mV), at the lowest potential that a second under
    the strongest
    inhibition comes by: its overshoot lasts a few ms. 1 + h lambda leaves the unit circle at h = 2
    / |lambda|.
    """
    cell = Izhikevich(integration="euler")
    v = lowest = -65.0
    u = 0.2 * v
    for _ in range(50_000):
        dv = 0.04 * v * v + 5.0 * v + 140.0 - u + cell.drives[0]
        v, u = v + 0.02 * dv, u + 0.02 * 0.02 * (0.2 * v - u)
        lowest = min(lowest, v)
    slopes = np.array([[0.08 * lowest + 5.0, -1.0], [0.02 * 0.2, -0.02]])
    limit = 2e-3 / np.abs(np.linalg.eigvals(slopes).real).max()
    np.testing.assert_allclose(cell.stable_dt(), limit, rtol=3e-3)

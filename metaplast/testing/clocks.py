"""The promises of a rule's clock: how the change of weight scales with the time step."""

import itertools
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import jax
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.signals import RuleState, SynapseView
from metaplast.testing.base import EXACT, demand, demand_close, keys
from metaplast.testing.worlds import DT, N_POST, N_PRE, N_STEPS, moment

DENSE = Dense(N_POST, N_PRE)
PAGE = "docs/explanations/units.md, the clock of a rule"
Bench = Any  # metaplast.testing.rule.Bench, whose module imports this one


def check(bench: Bench) -> None:
    """Check the promise of the rule's clock (see AbstractRule). Raises: ContractBroken."""
    checks = {
        "event": _check_event,
        "time": _check_time,
        "mixed": _check_mixed,
        "trial": _check_trial,
    }
    checks[bench.rule.clock](bench)


def _check_event(bench: Bench) -> None:
    """Check that the same events at half the dt give the same change, and no change in between.

    A rule without state may count every step as a presentation; then dt does not scale it.
    """
    if not jax.tree.leaves(bench.base["state"]):
        _check_trial(bench)
        return

    def after_silence(x: np.ndarray) -> np.ndarray:
        """Every moment after a moment of zeros."""
        return np.stack([np.zeros_like(x), x], axis=1).reshape(-1, *x.shape[1:])

    views = jax.tree.map(after_silence, replace(bench.views, key=np.zeros(N_STEPS)))
    views = replace(views, weight_max=np.ones(2 * N_STEPS), key=keys(0, 2 * N_STEPS))
    fine = bench.live(views=views, dt=DT / 2)["deltas"].reshape(N_STEPS, 2, *DENSE.shape)
    carried = ", ".join(_entries(bench.base["state"]))
    demand_close(
        fine[:, 0],
        np.zeros_like(fine[:, 0]),
        "clock `event`: nothing changes without a spike, activity, error or modulator; here the "
        f"state ({carried}) changes the weight in a silent step. A rule of steps, such as momentum "
        'with a constant decay, declares the field clock = "trial"; one that multiplies its change '
        f'by dt declares clock = "time" ({PAGE})',
        size=float(np.abs(fine).max()),
    )
    demand_close(
        fine[:, 1],
        bench.base["deltas"],
        "clock `event`: the same events at half the dt give the same change",
    )


def _entries(state: RuleState) -> list[str]:
    """The entries of a state with their sides, such as `synapse.m`."""
    names = []
    for side in fields(state):
        for name in getattr(state, side.name):
            names.append(f"{side.name}.{name}")
    return names


def _check_trial(bench: Bench) -> None:
    """Check that dt does not matter."""
    fine = bench.live(dt=DT / 2)["deltas"]
    demand_close(
        fine,
        bench.base["deltas"],
        f"clock `{bench.rule.clock}`: one step is one presentation, whatever dt; here dt plays a "
        f"part, as in a decay of exp(-dt / tau) ({PAGE})",
    )


def _check_time(bench: Bench, views: Callable[[int], SynapseView] | None = None) -> None:
    """Check that the change over a fixed life converges to a number that is not 0, as dt -> 0.

    It converges at first order or better. views: the moments of a life of so many steps; None:
    smooth signals.
    """
    totals = []
    for n_steps in (8, 16, 32, 64):
        view = views(n_steps) if views else _smooth(bench, n_steps)
        out = bench.live(views=view, dt=N_STEPS * DT / n_steps)
        totals.append(out["deltas"].sum(axis=0))  # not the weights: those stop at their bounds
    steps = [float(np.abs(a - b).max()) for a, b in itertools.pairwise(totals)]
    size = float(np.abs(totals[-1]).max())
    converges = steps[2] <= 0.7 * steps[1] <= 0.7**2 * steps[0] or steps[2] <= EXACT
    demand(
        size > 0 and converges,
        f"clock `{bench.rule.clock}`: the change over a fixed life converges as dt -> 0, "
        f"its steps were {steps}; a change that is not multiplied by dt does not ({PAGE})",
    )


def _check_mixed(bench: Bench) -> None:
    """Check that the change over a fixed life with spikes at fixed times converges.

    Other signals are smooth. Smooth activities would be ever more spikes.
    """

    def views(n_steps: int) -> SynapseView:
        smooth = _smooth(bench, n_steps)

        def spiking(side: Any, spikes: np.ndarray) -> Any:
            activity = np.zeros_like(side.activity)
            activity[:: n_steps // 8] = np.round(spikes)
            return replace(side, activity=activity)

        rng = np.random.default_rng(5)
        pre = spiking(smooth.pre, rng.random((8, N_PRE)))
        post = spiking(smooth.post, rng.random((8, N_POST)))
        return replace(smooth, pre=pre, post=post)

    _check_time(bench, views)


def _smooth(bench: Bench, n_steps: int) -> SynapseView:
    """The same smooth signals over the same life, at the middle of each of `n_steps` steps."""
    phase = replace(moment(bench.views, 1), key=0.0)
    frequency = replace(moment(bench.views, 3), key=0.0)
    time = (np.arange(n_steps) + 0.5) / n_steps

    def wave(phase: Any, frequency: Any) -> Any:
        t = time.reshape(-1, *(1,) * np.ndim(phase))
        return 1.0 + 0.3 * np.sin(2.0 * np.pi * t * frequency + phase)

    views = jax.tree.map(wave, phase, frequency)
    return replace(views, weight_max=np.ones(n_steps), key=keys(0, n_steps))

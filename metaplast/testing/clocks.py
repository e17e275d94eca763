"""How the change of a rule scales with the time step, by its clock."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.signals import SynapseView
from metaplast.testing.base import EXACT, demand, demand_close, keys
from metaplast.testing.worlds import DT, N_POST, N_PRE, N_STEPS, moment

DENSE = Dense(N_POST, N_PRE)
Bench = Any  # of rule.py


def check(bench: Bench) -> None:
    """What the clock of the rule promises (see AbstractRule). Raises: ContractBroken."""
    checks = {
        "event": _check_event,
        "time": _check_time,
        "mixed": _check_mixed,
        "trial": _check_trial,
    }
    checks[bench.rule.clock](bench)


def _check_event(bench: Bench) -> None:
    """The same events at half the dt give the same change, and none in between. (A rule without
    state may count every step as a presentation; then dt does not scale it.)"""
    if not jax.tree.leaves(bench.base["state"]):
        _check_trial(bench)
        return
    views = replace(bench.views, key=np.zeros(N_STEPS))
    views = jax.tree.map(
        lambda x: np.stack([np.zeros_like(x), x], axis=1).reshape(-1, *x.shape[1:]), views
    )
    views = replace(views, weight_max=np.ones(2 * N_STEPS), key=keys(0, 2 * N_STEPS))
    fine = bench.live(views=views, dt=DT / 2)["deltas"].reshape(N_STEPS, 2, *DENSE.shape)
    demand_close(
        fine[:, 0],
        np.zeros_like(fine[:, 0]),
        "clock `event`: nothing changes without a spike, activity, error or modulator",
        size=float(np.abs(fine).max()),
    )
    demand_close(
        fine[:, 1],
        bench.base["deltas"],
        "clock `event`: the same events at half the dt give the same change",
    )


def _check_trial(bench: Bench) -> None:
    fine = bench.live(dt=DT / 2)["deltas"]
    demand_close(
        fine,
        bench.base["deltas"],
        f"clock `{bench.rule.clock}`: one step is one presentation, whatever dt",
    )


def _check_time(bench: Bench, views: Callable[[int], SynapseView] | None = None) -> None:
    """The change over a fixed life converges, to something, as dt -> 0: first order or better."""
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
        f"clock `{bench.rule.clock}`: the change over a fixed life converges as dt -> 0, its steps "
        f"were {steps}",
    )


def _check_mixed(bench: Bench) -> None:
    """The same with activities that are spikes at fixed times and other signals that are smooth:
    smooth activities would be ever more spikes."""

    def views(n_steps: int) -> SynapseView:
        smooth = _smooth(bench, n_steps)

        def spiking(side: Any, spikes: np.ndarray) -> Any:
            activity = np.zeros_like(side.activity)
            activity[:: n_steps // 8] = np.round(spikes)
            return replace(side, activity=activity)

        rng = np.random.default_rng(5)
        pre, post = (
            spiking(smooth.pre, rng.random((8, N_PRE))),
            spiking(smooth.post, rng.random((8, N_POST))),
        )
        return replace(smooth, pre=pre, post=post)

    _check_time(bench, views)


def _smooth(bench: Bench, n_steps: int) -> SynapseView:
    """The same smooth signals over the same life, sampled at the middle of each of `n_steps`
    steps.
    """
    phase, swing = moment(bench.views, 1), moment(bench.views, 3)
    time = (np.arange(n_steps) + 0.5) / n_steps

    def wave(p: Any, s: Any) -> Any:
        return 1.0 + 0.3 * np.sin(2.0 * np.pi * time.reshape(-1, *(1,) * np.ndim(p)) * s + p)

    views = jax.tree.map(wave, replace(phase, key=0.0), replace(swing, key=0.0))
    return replace(views, weight_max=np.ones(n_steps), key=keys(0, n_steps))

"""Simulated pairings of spike trains in a dish, with weights measured before and after."""

import math
from functools import lru_cache
from typing import Annotated, NamedTuple

import numpy as np
from jax import Array

from inner_tasks._simulated import Simulated, recorded
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.networks.clamped import Clamped
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import BadInput, register
from metaplast.rules.stdp import Stdp
from metaplast.signals import Key
from metaplast.spec import Count, Natural, NonNegative, Positive, Probability, nested, plugin, spec

BOUNDS = (0.0, 1.0)  # of the weights
BEFORE = (0.3, 0.7)  # between which the first weights are drawn


@register("task", "spike_pairing")
@spec
class SpikePairing(AbstractRecording):
    """Spike trains are paired while additive STDP acts; weights are measured before and after.

    n_sessions: sessions, one a dish.
    n_steps: steps of a session.
    rate: of the presynaptic cells, in hertz.
    data_seed: of the simulated dishes.
    n_in: presynaptic cells. They fire Poisson trains at `rate` hertz.
    n_out: postsynaptic cells. Each follows one presynaptic cell, which is drawn per session.
    copied: the share of spikes that a follower repeats. Spikes of its own bring it to about the
        same rate.
    max_lag: a session has one lag by which spikes are repeated later, uniform in +- max_lag.
    jitter: standard deviation that is added to the lag of every spike.
    measurement_sd: standard deviation of the error of the last weights; the first are exact.
    potentiation, depression, tau_pre, tau_post: those of the rule `stdp`, in its default order.
    dt_s: seconds per step; the dt of the lifetime has to equal it.
    clamp: whether the recorded activity drives the rule, with network `clamped`. Then only the
        weights are judged, and no spike counts as observed. Without it, spikes are judged, the edge
        is `input_to_output`, and no truth is known, since the weights did not make the spikes.

    Weights [n_out, n_in] lie in 0 .. 1, and the first ones are uniform in 0.3 .. 0.7. Times are in
    seconds. The objective is `final_weights`. Each session is a subject of its own. The data depend
    on data_seed and the numbers above.

    Raises: BadInput where the dt of the lifetime is not dt_s.
    Source: this library.
    """

    n_sessions: Count = 24
    n_steps: Count = 400
    n_in: Count = 8
    n_out: Count = 4
    dt_s: Positive = 1e-3
    rate: NonNegative = 20.0
    copied: Probability = 0.5
    max_lag: NonNegative = 50e-3
    jitter: NonNegative = 3e-3
    measurement_sd: NonNegative = 1e-3
    potentiation: NonNegative = 1e-2
    depression: NonNegative = 8e-3
    tau_pre: Positive = 17e-3
    tau_post: Positive = 34e-3
    data_seed: Natural = 0
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Bernoulli()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut()
    clamp: bool = True

    def recorded(self) -> Recorded:
        return _recorded(self)

    def truth(self) -> Truth | None:
        rule = Stdp(self.potentiation, self.depression, self.tau_pre, self.tau_post)
        if not self.clamp:
            return None
        return Truth(Clamped(bounds=BOUNDS), {"*": rule})

    def seconds(self) -> float:
        return self.dt_s

    def begin(self, task: Session, key: Key, dt: float) -> Array:
        if not math.isclose(dt, self.dt_s):
            what = f"dt={dt:g} with task.dt_s={self.dt_s:g}"
            raise BadInput(what, "two equal steps", "change one of the two")
        return super().begin(task, key, dt)


@lru_cache(maxsize=8)
def _recorded(task: SpikePairing) -> Recorded:
    """All sessions."""
    n = task.n_sessions
    rng = np.random.default_rng(task.data_seed)
    first = rng.uniform(*BEFORE, size=(n, task.n_out, task.n_in)).astype(np.float32)
    spikes = _spikes(task, rng)
    weights = []
    for i in range(n):
        weights.append(_plastic(task, first[i], spikes.pre[i], spikes.post[i]))
    last = np.stack(weights)
    last = last + task.measurement_sd * rng.normal(size=last.shape)
    edge = "input_to_recorded" if task.clamp else "input_to_output"
    simulated = Simulated(
        stimulus=spikes.pre,
        target=spikes.post,
        observed=np.full(spikes.post.shape, float(not task.clamp), np.float32),
        weights={edge: first},
        final={edge: last.astype(np.float32)},
    )
    return recorded(simulated, "dish")


class _Spikes(NamedTuple):
    """The spikes of all sessions, 0 or 1: a cell fires once a step at most.

    pre [n_sessions, n_steps, n_in].
    post [n_sessions, n_steps, n_out].
    """

    pre: np.ndarray
    post: np.ndarray


def _spikes(task: SpikePairing, rng: np.random.Generator) -> _Spikes:
    """Draws the spikes of all sessions."""
    n = task.n_sessions
    n_steps = task.n_steps
    chance = min(1.0, task.rate * task.dt_s)
    pre = (rng.random((n, n_steps, task.n_in)) < chance).astype(np.float32)
    alone = rng.random((n, n_steps, task.n_out)) < (1.0 - task.copied) * chance
    post = alone.astype(np.float32)
    lags = rng.uniform(-task.max_lag, task.max_lag, size=n)
    for session in range(n):
        for cell, leader in enumerate(rng.integers(task.n_in, size=task.n_out)):
            times = np.flatnonzero(pre[session, :, leader])
            times = times[rng.random(len(times)) < task.copied]
            shift = lags[session] + task.jitter * rng.normal(size=len(times))
            times = times + np.round(shift / task.dt_s).astype(int)
            post[session, times[(times >= 0) & (times < n_steps)], cell] = 1.0
    return _Spikes(pre, post)


def _plastic(
    task: SpikePairing, weight: np.ndarray, pre: np.ndarray, post: np.ndarray
) -> np.ndarray:
    """The weights [n_out, n_in] of one session after its last spike, from event to event.

    In a step with spikes on both sides the pre pathway comes first. Pre spikes meet the post traces
    before their jump, and post spikes meet the pre traces after theirs. The weights are bounded
    once both have acted.
    """
    w = weight.astype(np.float64)
    x = np.zeros(task.n_in)
    y = np.zeros(task.n_out)
    now = 0
    for t in np.flatnonzero(pre.any(axis=1) | post.any(axis=1)):
        x *= math.exp((now - t) * task.dt_s / task.tau_pre)
        y *= math.exp((now - t) * task.dt_s / task.tau_post)
        down = task.depression * np.outer(y, pre[t])
        x += pre[t]
        up = task.potentiation * np.outer(post[t], x)
        y += post[t]
        w = np.clip(w + up - down, *BOUNDS)
        now = t
    return w

"""The spike-timing window of a rule: the change of one weight by a pair of spikes."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.results.surfaces import for_one_synapse
from metaplast.reuse.load import Rule
from metaplast.rules.base import AbstractRule, Wrapper
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.signals import Theta

REACH = 0.1  # largest time between the spikes, on either side, in seconds
WEIGHT = 0.5  # the weight that stands still, of an upper bound of 1
NEVER = np.iinfo(np.int64).max  # the lag that stands for no post spike


class SpikeWindow(NamedTuple):
    """The spike-timing window of a rule: the change of weight by one pair of spikes.

    lags: post minus pre time [n], seconds.
    pair: the whole change by both spikes [n].
    alone: the change by both spikes, each alone at a synapse.
    gated: whether these changes only become eligible, for a modulator to apply.
    """

    lags: np.ndarray
    pair: np.ndarray
    alone: float
    gated: bool


def spike_window(rule: Rule) -> SpikeWindow | None:
    """The window of a rule that learns from the times of spikes; None for any other rule."""
    if not by_pairs(rule.spec, rule.reads):
        return None
    dt = 1e-3
    if rule.dt is not None:
        dt = rule.dt
    lags = np.arange(-round(REACH / dt), round(REACH / dt) + 1)
    theta = for_one_synapse(rule.spec, rule.theta).theta
    both = pairs(rule.spec, theta, dt, np.append(lags, NEVER), rule.reads)
    post = (lags == 0)[:, None]
    post_alone = changes(rule.spec, theta, dt, np.zeros_like(post), post, rule.reads)
    return SpikeWindow(
        lags=lags * dt,
        pair=both[:-1],
        alone=float(both[-1] + post_alone[0]),
        gated=gated(rule.spec),
    )


def by_pairs(rule: AbstractRule, reads: Iterable[str]) -> bool:
    """Whether a pair of spikes alone describes a rule.

    It does for one rule of spike times that reads no potential.
    """
    inner = rule
    while isinstance(inner, Wrapper):
        inner = inner.rule
    return rule.spike_timing and not isinstance(inner, Sum) and "post.potential" not in reads


def gated(rule: AbstractRule) -> bool:
    """Whether the changes by spikes only become eligible, for a modulator to apply."""
    return isinstance(rule, Wrapper) and (isinstance(rule, ThreeFactor) or gated(rule.rule))


class _RuleWithTheta(NamedTuple):
    rule: AbstractRule
    theta: Theta


def _eligible(rule: AbstractRule, theta: Theta) -> _RuleWithTheta:
    """The rule inside a gated rule, whose changes become eligible; any other rule as it is.

    An eligibility fades over seconds. The changes by the gated rule until the window ends would
    show how early a pair came, not how far apart its spikes are.
    """
    while isinstance(rule, Wrapper) and gated(rule):
        theta = rule.inner(theta)
        rule = rule.rule
    return _RuleWithTheta(rule, theta)


def pairs(
    rule: AbstractRule, theta: Theta, dt: float, lags: np.ndarray, reads: Iterable[str]
) -> np.ndarray:
    """delta_w [n] by a pre spike at 0 and a post spike at each lag, at one synapse per lag.

    Every life goes from the first lag to the last; the weight stands still. For a gated rule it is
    the change that becomes eligible.

    Args:
        rule: the form of the rule.
        theta: its numbers.
        dt: seconds of a step.
        lags: post minus pre time [n], steps; NEVER for no post spike.
        reads: the fields of the view that the rule depends on; its modulators are held at 1.
    """
    steps = np.arange(lags.min(), lags[lags != NEVER].max() + 1)[:, None]
    post = steps == lags[None, :]
    return changes(rule, theta, dt, np.broadcast_to(steps == 0, post.shape), post, reads)


class _Spikes(NamedTuple):
    """The spikes of both sides of one synapse [n_steps, 1], or of one step [1]."""

    pre: Array
    post: Array


def changes(
    rule: AbstractRule,
    theta: Theta,
    dt: float,
    pre: np.ndarray,
    post: np.ndarray,
    reads: Iterable[str],
) -> np.ndarray:
    """The whole delta_w [n] by trains of spikes, each at a synapse of its own.

    The weight stands still at WEIGHT. For a gated rule it is the change that becomes eligible.

    Args:
        rule: the form of the rule.
        theta: its numbers.
        dt: seconds of a step.
        pre: presynaptic spikes [n_steps, n].
        post: postsynaptic spikes [n_steps, n].
        reads: the fields of the view that the rule depends on; its modulators are held at 1.
    """
    rule, theta = _eligible(rule, theta)
    modulators = {}
    for name in sorted(reads):
        if name.startswith("modulators."):
            modulators[name.partition(".")[2]] = jnp.ones(())
    connection = Dense(1, 1)
    blank = blank_view(connection, tuple(modulators))
    held = {"weight": jnp.full(connection.shape, WEIGHT), "modulators": modulators}

    def step(state: Any, spikes: _Spikes) -> tuple[Any, Array]:
        pre_side = replace(blank.pre, activity=spikes.pre)
        post_side = replace(blank.post, activity=spikes.post)
        view = replace(blank, pre=pre_side, post=post_side, **held)
        return rule.step(theta, state, connection, view, dt)

    def live(spikes: _Spikes) -> Array:
        _, deltas = jax.lax.scan(step, rule.init_state(theta, connection), spikes)
        return jnp.sum(deltas)

    trains = _Spikes(jnp.asarray(pre.T[:, :, None], float), jnp.asarray(post.T[:, :, None], float))
    return np.asarray(jax.jit(jax.vmap(live))(trains), np.float64)

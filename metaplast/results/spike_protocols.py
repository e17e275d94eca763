"""A rule under the protocols of slices: pairs of spikes at a frequency, and triplets of spikes."""

from typing import NamedTuple

import numpy as np

from metaplast.results.surfaces import for_one_synapse
from metaplast.results.windows import by_pairs, changes
from metaplast.reuse.load import Rule

N_PAIRS = 60
"""Pairs of a train, as in Pfister & Gerstner 2006."""
FREQUENCIES = (1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0)
"""Hertz, up to those of Sjoestroem, Turrigiano & Nelson 2001."""
LAG = 10e-3
"""Seconds between the spikes of a pair."""
INTERVALS = ((5e-3, 5e-3), (10e-3, 10e-3), (15e-3, 5e-3), (5e-3, 15e-3))
"""Seconds between the spikes of a triplet, as in Wang, Gerkin, Nauen & Bi 2005."""
PAUSE = 0.1
"""Seconds after the last spike, in which traces fade."""


class SpikeProtocols(NamedTuple):
    """The change of one weight by the protocols.

    frequencies: hertz [n].
    post_later: the mean change of a pair whose post spike comes LAG later [n].
    post_earlier: the same where it comes LAG earlier [n].
    intervals: seconds between first and second, and second and third spike of a triplet [m, 2].
    pre_post_pre: the change by a triplet of two pre spikes around a post spike [m].
    post_pre_post: the change by a triplet of two post spikes around a pre spike [m].
    """

    frequencies: np.ndarray
    post_later: np.ndarray
    post_earlier: np.ndarray
    intervals: np.ndarray
    pre_post_pre: np.ndarray
    post_pre_post: np.ndarray


def spike_protocols(rule: Rule) -> SpikeProtocols | None:
    """The protocols of a rule that learns from the times of spikes; None for any other rule.

    The weight stands still, and modulators are held at 1. Frequencies whose period is shorter than
    two pairs are left out.
    """
    if not by_pairs(rule.spec, rule.reads):
        return None
    dt = 1e-3
    if rule.dt is not None:
        dt = rule.dt
    slowest = round((N_PAIRS / min(FREQUENCIES) + PAUSE) / dt)
    lag = max(1, round(LAG / dt))
    kept = [frequency for frequency in FREQUENCIES if round(1.0 / (frequency * dt)) >= 2 * lag]
    trains = []
    for frequency in kept:
        first = round(1.0 / (frequency * dt)) * np.arange(N_PAIRS)
        trains.append((first, first + lag))
    for first, second in list(trains):
        trains.append((second, first))
    by_frequency = _by_times(rule, dt, trains, slowest) / N_PAIRS
    triplets = []
    for one, other in INTERVALS:
        middle = round(one / dt)
        last = middle + round(other / dt)
        triplets.append((np.asarray([0, last]), np.asarray([middle])))
    for outer, middle in list(triplets):
        triplets.append((middle, outer))
    by_triplet = _by_times(rule, dt, triplets, round(PAUSE / dt))
    return SpikeProtocols(
        frequencies=np.asarray(kept),
        post_later=by_frequency[: len(kept)],
        post_earlier=by_frequency[len(kept) :],
        intervals=np.asarray(INTERVALS),
        pre_post_pre=by_triplet[: len(INTERVALS)],
        post_pre_post=by_triplet[len(INTERVALS) :],
    )


def _by_times(
    rule: Rule, dt: float, trains: list[tuple[np.ndarray, np.ndarray]], n_steps: int
) -> np.ndarray:
    """delta_w [n] by (steps of pre spikes, steps of post spikes), each at a synapse of its own."""
    pre = np.zeros((n_steps, len(trains)))
    post = np.zeros((n_steps, len(trains)))
    for index, (before, behind) in enumerate(trains):
        pre[before, index] = 1.0
        post[behind, index] = 1.0
    theta = for_one_synapse(rule.spec, rule.theta).theta
    return changes(rule.spec, theta, dt, pre, post, rule.reads)

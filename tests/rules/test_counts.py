"""A count, several spikes of a neuron in one step, is the limit of close spikes in every rule."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.rules.clopath import Clopath
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels

SYNAPSE = Dense(1, 1)
# seconds: a step, and the distance of close spikes
DT = 4e-3
CLOSE = 1e-12
TRIPLETS = (
    "pre*post_trace*pre_slow",
    "post*pre_trace*post_slow",
    "post*post_trace^2*post_slow",
    "pre^2",
    "post^2",
)


def _lived(rule, steps, potential=-50.0):
    """Sum of delta_w over steps of (dt, pre, post), in float64."""
    with jax.enable_x64(True):
        theta = rule.init(jax.random.key(0), SYNAPSE)
        total = 0.0
        state = rule.init_state(theta, SYNAPSE)
        blank = blank_view(SYNAPSE, ())
        for dt, pre, post in steps:
            view = replace(
                blank,
                weight=jnp.full((1, 1), 0.5),
                weight_max=jnp.ones(()),
                pre=replace(blank.pre, activity=jnp.asarray([float(pre)])),
                post=replace(
                    blank.post,
                    activity=jnp.asarray([float(post)]),
                    potential=jnp.asarray([potential]),
                ),
            )
            state, delta = rule.step(theta, state, SYNAPSE, view, dt)
            total += float(delta[0, 0])
        return total


def _close(events):
    """The same spikes one by one, the presynaptic ones first."""
    for pre, post in events:
        single = [(1, 0)] * pre + [(0, 1)] * post or [(0, 0)]
        for k, (one, other) in enumerate(single):
            yield DT if k == 0 else CLOSE, one, other


def _at_once(events):
    return [(DT, pre, post) for pre, post in events]


EVENTS = [(1, 0), (0, 3), (2, 0), (0, 0), (0, 2), (3, 1), (2, 4), (1, 1), (4, 0), (0, 5)]
RULES = [
    Stdp(),
    Stdp(mu_potentiation=1.0, mu_depression=1.0),
    Stdp(pairing="nearest"),
    Vogels(),
    Triplet(a2_plus=1e-3),
    Triplet(a2_plus=1e-3, pairing="nearest"),
    Triplet(a2_plus=1e-3, mu_potentiation=0.5),
    TraceTaylor(terms=TRIPLETS, initial=(0.3, 0.5, -0.2, 0.7, 0.4)),
    TraceTaylor(terms=TRIPLETS, initial=(0.3, 0.5, -0.2, 0.7, 0.4), pairing="nearest"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_count_is_the_limit_of_close_spikes(rule):
    np.testing.assert_allclose(
        _lived(rule, _at_once(EVENTS)), _lived(rule, _close(EVENTS)), rtol=1e-8
    )
    # the control: a count is more than a spike
    once = [(min(pre, 1), min(post, 1)) for pre, post in EVENTS]
    assert abs(_lived(rule, _at_once(once)) / _lived(rule, _at_once(EVENTS)) - 1) > 0.05


def test_the_second_of_two_close_spikes_sees_the_first_in_the_triplet_term():
    """Pre at 0, two post spikes 10 ms later: a3 r1 (0 + 1). A product count * o2 leaves it out."""
    rule = Triplet(a2_plus=0.0, a3_plus=1.0, a2_minus=0.0, a3_minus=0.0, tau_plus=10e-3)
    steps = [(1e-3, 1, 0), (10e-3, 0, 2)]
    assert _lived(rule, steps) == pytest.approx(np.exp(-1.0), rel=1e-12)


def test_a_membrane_is_held_for_each_spike_of_a_count():
    """Presynaptic spikes come singly here.

    Each spike of a count sees the potential before the step, so the change is a sum.
    """
    events = [(1, 0), (0, 3), (0, 0), (1, 0), (0, 4), (1, 0)]
    warm = [(DT, 0, 0)] * 4
    at_once = _lived(Clopath(), warm + _at_once(events))
    close = _lived(Clopath(), warm + list(_close(events)))
    np.testing.assert_allclose(at_once, close, rtol=1e-6)
    np.testing.assert_allclose(
        _lived(Clopath(), [*warm, (DT, 3, 0)]), 3 * _lived(Clopath(), [*warm, (DT, 1, 0)])
    )


def test_a_membrane_that_is_read_late_is_the_same_for_all_spikes_of_a_count():
    """`delay` reads the u+ of earlier steps, which close spikes do not change.

    So their potentiation is a multiple of the potentiation by one spike.
    """
    rule = Clopath(delay=2)
    before = [(DT, 0, 0)] * 4 + [(DT, 1, 0)]
    alone = _lived(rule, [*before, (DT, 0, 0)])
    one, three = (_lived(rule, [*before, (DT, 0, n)]) - alone for n in (1, 3))
    assert three == pytest.approx(3 * one, rel=1e-9) and one > 0


@pytest.mark.parametrize(
    "rule",
    [Triplet(), TraceTaylor(terms=TRIPLETS), Clopath()],
    ids=lambda rule: type(rule).__name__,
)
def test_the_gradient_through_single_spikes_is_as_if_there_were_no_counts(rule):
    """d delta_w / d spike at 0 and 1 is the slope of the plain product.

    That slope is the same from 0 to 1.
    """
    with jax.enable_x64(True):
        theta = rule.init(jax.random.key(0), SYNAPSE)
        blank = blank_view(SYNAPSE, ())
        theta = jax.tree.map(lambda x: x + 0.3, theta)
        before = rule.init_state(theta, SYNAPSE)
        view = replace(
            blank,
            post=replace(blank.post, activity=jnp.ones(1)),
            pre=replace(blank.pre, activity=jnp.ones(1)),
        )
        state = rule.step(theta, before, SYNAPSE, view, DT)[0]

        def change(z):
            seen = replace(view, pre=replace(view.pre, activity=z))
            return rule.step(theta, state, SYNAPSE, seen, DT)[1][0, 0]

        slopes = [float(jax.grad(change)(jnp.full(1, at))[0]) for at in (1.0, 0.999)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.01) and slopes[0] != 0

"""Spike-timing rules, step by step, are a loop from spike to spike (tests/oracles/events.py)."""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels
from metaplast.testing.base import quick_jit
from tests.oracles import events

DT = 1e-3
STEPS = 2000
TOP = 1.5
EDGE = Dense(3, 4)
NEAREST = {"pairing": "nearest"}
SWAPPED = {"at_post_spike": "before", "at_pre_spike": "after"}
PAIR = Stdp(potentiation=0.04, depression=0.05, tau_pre=17e-3, tau_post=34e-3)
TRIPLET = Triplet(a2_plus=0.01, a3_plus=0.05, a2_minus=0.02, a3_minus=0.01)
VOGELS = Vogels(rate=0.03, target_rate=20.0)
TERMS = {  # term -> coefficient
    "pre": -0.3,
    "pre*post_trace": -0.5,
    "post": 0.1,
    "post*pre_trace": 0.6,
    "post*pre_trace*post_slow": 1.0,
    "pre*pre_slow*post_trace^2": 0.4,
    "pre*post*post_slow": -1.0,
    "pre*weight": -0.2,
    "post*pre_trace*weight^2": -0.3,
}
TAYLOR = TraceTaylor(
    tuple(TERMS),
    tuple(TERMS.values()),
    rate=0.1,
    tau_pre_trace=11e-3,
    tau_post_trace=31e-3,
    learn="none",
)
CASES: dict[str, tuple[Any, Any]] = {
    "pair": (PAIR, events.pair),
    "pair swapped": (replace(PAIR, **SWAPPED), events.pair),
    "pair none": (replace(PAIR, at_post_spike="none", at_pre_spike="none"), events.pair),
    "multiplicative": (replace(PAIR, mu_potentiation=1.0, mu_depression=1.0), events.pair),
    "van Rossum": (replace(PAIR, mu_depression=1.0, **SWAPPED), events.pair),
    "power": (replace(PAIR, mu_potentiation=0.3, mu_depression=0.6), events.pair),
    "nearest": (replace(PAIR, **NEAREST), events.pair),
    "nearest swapped": (replace(PAIR, **NEAREST, **SWAPPED), events.pair),
    "nearest power": (
        replace(PAIR, mu_potentiation=0.5, mu_depression=1.0, **NEAREST),
        events.pair,
    ),
    "triplet": (TRIPLET, events.triplet),
    "triplet nearest": (replace(TRIPLET, **NEAREST, **SWAPPED), events.triplet),
    "triplet multiplicative": (
        replace(TRIPLET, mu_potentiation=1.0, mu_depression=1.0),
        events.triplet,
    ),
    "vogels": (VOGELS, events.vogels),
    "vogels after": (replace(VOGELS, at_pre_spike="after"), events.vogels),
    "terms": (TAYLOR, events.taylor),
    "terms nearest": (replace(TAYLOR, **NEAREST, **SWAPPED), events.taylor),
    "terms none": (replace(TAYLOR, at_post_spike="none", at_pre_spike="none"), events.taylor),
}


@lru_cache
def trains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pre [n_steps, 4], post [n_steps, 3], first weights).

    The spikes are random, with coincidences, runs in successive steps, and half a second of
    silence.
    """
    rng = np.random.default_rng(0)
    pre = rng.random((STEPS, 4)) < 0.03
    post = rng.random((STEPS, 3)) < 0.03
    post |= pre[:, :3] & (rng.random((STEPS, 3)) < 0.3)
    for spikes in (pre, post):
        spikes[1:] |= spikes[:-1] & (rng.random(spikes[1:].shape) < 0.2)
        spikes[450:950] = False
    return pre, post, rng.uniform(0.2, 1.2, EDGE.shape)


@lru_cache
def stepped(wide: bool) -> dict[str, np.ndarray]:
    """The last weights of every case, one step after another, in one program."""
    with jax.enable_x64(wide):
        dtype = jnp.zeros(()).dtype
        pre, post, start = (jnp.asarray(x, dtype) for x in trains())
        rules = {name: rule for name, (rule, _) in CASES.items()}
        blank = replace(blank_view(EDGE, ()), weight_max=jnp.asarray(TOP, dtype))

        def step(carry: Any, now: Any) -> Any:
            after = {}
            for name, (state, w) in carry.items():
                here = blank.replace(
                    pre=blank.pre.replace(activity=now[0]),
                    post=blank.post.replace(activity=now[1]),
                    weight=w,
                )
                state, delta = rules[name].step({}, state, EDGE, here, DT)
                after[name] = state, jnp.clip(w + delta, 0.0, TOP)
            return after, None

        first = {name: (rule.init_state({}, EDGE), start) for name, rule in rules.items()}
        last = quick_jit(lambda c, s: jax.lax.scan(step, c, s)[0])(first, (pre, post))
        return {name: np.asarray(w) for name, (_, w) in last.items()}


@lru_cache
def expected(name: str) -> np.ndarray:
    rule, oracle = CASES[name]
    return of_events(rule, oracle)


def of_events(rule: Any, oracle: Any) -> np.ndarray:
    pre, post, start = trains()
    return events.weights(lambda: oracle(rule, TOP), pre, post, start, DT, TOP)


def off(actual: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.max(np.abs(actual - wanted)) / np.max(np.abs(wanted)))


def test_the_trains_hold_what_is_hard():
    pre, post, start = trains()
    assert (pre[:, :3] & post).sum() > 20
    assert (pre[1:] & pre[:-1]).sum() > 10 and (post[1:] & post[:-1]).sum() > 10
    assert not pre[450:950].any() and pre[950:].any()
    for name in CASES:
        moved = np.abs(expected(name) - start)
        assert moved.max() > 0.2, name
    assert (expected("pair") == 0.0).any() or (expected("pair") == TOP).any()  # bounds are met


@pytest.mark.parametrize(
    ("wide", "allowed"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"]
)
def test_every_rule_ends_where_the_loop_over_spikes_ends(wide, allowed):
    errors = {name: off(stepped(wide)[name], expected(name)) for name in CASES}
    print({name: f"{value:.1e}" for name, value in errors.items()})
    assert max(errors.values()) < allowed, errors


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("pair", "pair swapped"),
        ("pair", "pair none"),
        ("pair", "nearest"),
        ("multiplicative", "power"),
        ("triplet", "triplet nearest"),
        ("vogels", "vogels after"),
        ("terms", "terms nearest"),
        ("terms", "terms none"),
    ],
)
def test_another_convention_is_caught(name, other):
    assert off(stepped(True)[name], expected(other)) > 1e-3


def test_a_trace_by_euler_steps_is_caught():
    """An Euler step fades by 1 - dt / tau, as an exact trace of a slightly shorter tau does."""
    euler = replace(
        PAIR,
        **{tau: -DT / math.log(1.0 - DT / getattr(PAIR, tau)) for tau in ("tau_pre", "tau_post")},
    )
    assert off(of_events(euler, events.pair), stepped(True)["pair"]) > 1e-3

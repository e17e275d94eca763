"""What a feedback sees in a life, and what becomes of its state in frozen phases and new trials."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit, reverse_walk
from metaplast.feedback.none import None_
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.tanh import Tanh
from metaplast.problem.health import is_finite
from metaplast.registry import BadInput, register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Credit, Key, Theta, feedback, neuron_view
from metaplast.spec import spec
from metaplast.testing.base import quick_jit
from metaplast.wiring import Wiring
from tests._numbers import Numbers
from tests._seen import seen

STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")
PHASES = ((4, True), (3, False), (5, True))
ENDS = (1, 5, 8)


def _silent(wiring: Wiring) -> Credit:
    zeros = {p.name: jnp.zeros(p.n) for p in wiring.populations}
    return Credit(learning_signal=zeros, feedback=zeros, modulators={})


class Counting(AbstractFeedback):
    """It counts steps of the life, of the trial, and those in which rules are at work."""

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {
            "fixed": jax.random.normal(key, (3,)),
            "drawn": jax.random.normal(key, ()),
            "steps": jnp.zeros(()),
            "trial": {"steps": jnp.zeros(())},
            "plastic": jnp.zeros(()),
            "noise": jnp.zeros(()),
        }

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        after = {
            "fixed": state["fixed"],
            "drawn": state["drawn"],
            "steps": state["steps"] + 1.0,
            "trial": {"steps": state["trial"]["steps"] + 1.0},
            "plastic": state["plastic"] + jnp.where(seen.plastic, 1.0, 0.0),
            "noise": jax.random.normal(seen.key, ()),
        }
        return after, _silent(seen.wiring)


@register("feedback", "counting_on")
@spec
class CountingOn(Counting):
    """It lives on where rules rest, and resets."""

    lives_on: ClassVar[bool] = True
    resets: ClassVar[frozenset[str]] = frozenset({"trial", "drawn"})


@register("feedback", "counting_plastic")
@spec
class CountingPlastic(Counting):
    """It rests with the rules."""


def _ends_of_steps(rule: Any, start: int | None) -> list[Any]:
    """The state of the feedback at birth and after every step."""
    lifetime = Lifetime(
        task=Numbers(phases=PHASES, ends=ENDS),
        network=Feedforward(hidden=()),
        feedback=rule,
        slots=(Slot(rule=STILL),),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        life = lifetime.begin(theta, task, key)
        states = [life.feedback]
        for t in range(12):
            at = None if start is None else t
            life, _ = lifetime.advance(theta, task, life, 1, start=at)
            states.append(life.feedback)
        return states

    return jax.tree.map(np.asarray, live(jax.random.key(0)))


@pytest.mark.parametrize("start", [None, 0], ids=["masked", "skipped"])
@pytest.mark.parametrize("rule", [CountingOn(), CountingPlastic()], ids=["on", "plastic"])
def test_a_feedback_lives_on_and_resets_where_it_says_so(rule, start):
    """In plain Python; frozen phases are masked or skipped, with equal results."""
    states = _ends_of_steps(rule, start)
    is_plastic = [plastic for n, plastic in PHASES for _ in range(n)]
    steps = trial = plastic = 0
    for t, state in enumerate(states[1:]):
        if is_plastic[t] or rule.lives_on:
            steps += 1
            trial += 1
            plastic += is_plastic[t]
        if t in ENDS and rule.resets:
            trial = 0
        assert state["steps"] == steps
        assert state["trial"]["steps"] == trial
        assert state["plastic"] == plastic
        np.testing.assert_array_equal(state["fixed"], states[0]["fixed"])
        was_redrawn = state["drawn"] != states[t]["drawn"]
        assert was_redrawn == (t in ENDS and bool(rule.resets))
    drawn = {float(state["noise"]) for state in states[1:]}
    assert len(drawn) == (12 if rule.lives_on else 9)  # every step has a key of its own


def test_a_reset_of_what_a_feedback_does_not_hold_is_refused():
    @spec
    class Astray(Counting):
        resets: ClassVar[frozenset[str]] = frozenset({"triel"})

    with pytest.raises(BadInput, match=r"feedback Astray: resets 'triel' - expected an entry of"):
        Astray().new_trial({"trial": 0.0}, {"trial": 0.0}, jnp.ones(()))


@register("feedback", "phased")
@spec
class Phased(AbstractFeedback):
    """A second phase: the network goes on for a step, with the error as a drive of the output."""

    relaxes: ClassVar[bool] = True

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        nudge = {**seen.stimulus, seen.wiring.output.name: -0.5 * seen.feedback.error}
        _, (views, _) = network.step(
            seen.wiring, seen.neurons, seen.synapses, seen.network, nudge, seen.dt, seen.key
        )
        relaxed = {name: view.activity for name, view in views.items()}
        return state, _silent(seen.wiring).replace(relaxed=relaxed)


def test_a_second_phase_starts_from_the_state_of_the_network_and_rules_read_its_end():
    """Contrastive Hebb in a leaky loop, in NumPy: post_relaxed pre_relaxed - post pre."""
    rate = 0.1
    terms = ("post_relaxed*pre_relaxed", "post*pre")
    rule = Polynomial(terms=terms, initial=(1.0, -1.0), rate=rate, learn="none")
    cell = Leaky(3e-3, Tanh())
    lifetime = Lifetime(
        task=Numbers(),
        network=Recurrent(n_recurrent=4, neuron=cell, output=cell),
        feedback=Phased(),
        slots=(Slot(rule=rule),),
        record=("weights",),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return born.synapses, lifetime.advance(theta, task, born, 12, start=0)[1].recorded

    with jax.enable_x64(True):
        born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    w = {name: synapses.weight for name, synapses in born.items()}
    w_in, w_loop, w_out = (w[edge.name] for edge in _in_order(lifetime.wiring()))
    kept = np.exp(-1e-3 / 3e-3)

    def step(u: Any, v: Any, last: Any, x: Any, nudge: Any) -> Any:
        u = kept * u + (1 - kept) * (w_in @ x + w_loop @ last)
        v = kept * v + (1 - kept) * (w_out @ np.tanh(u) + nudge)
        return u, v, np.tanh(u), np.tanh(v)

    u, v, h = np.zeros(4), np.zeros(2), np.zeros(4)
    for t, x in enumerate(Numbers().stimuli()):
        last = h
        u, v, h, y = step(u, v, last, x, 0.0)
        _, _, h2, y2 = step(u, v, h, x, -0.5 * y)  # the error of the task is its output
        moved = (
            np.outer(h2, x) - np.outer(h, x),
            np.outer(h2, h2) - np.outer(h, last),
            np.outer(y2, h2) - np.outer(y, h),
        )
        w_in, w_loop, w_out = (
            a + rate * b for a, b in zip((w_in, w_loop, w_out), moved, strict=True)
        )
        for edge, weights in zip(_in_order(lifetime.wiring()), (w_in, w_loop, w_out), strict=True):
            np.testing.assert_allclose(recorded["weights"][edge.name][t], weights, rtol=1e-9)


def _in_order(wiring: Wiring) -> list[Any]:
    """The edges from the input, of the loop, and onto the output."""
    loop = [e for e in wiring.edges if e.pre == e.post]
    first = [e for e in wiring.edges if e.pre == "input"]
    last = [e for e in wiring.edges if e.post == "output"]
    return [*first, *loop, *last]


def test_a_relaxed_activity_is_refused_where_no_feedback_gives_it():
    rule = Polynomial(terms=("post*pre_relaxed",))
    lifetime = Lifetime(task=Numbers(), feedback=Symmetric(), slots=(Slot(rule=rule),))
    with pytest.raises(
        BadInput, match=r"reads pre\.relaxed; feedback symmetric relaxes no network"
    ):
        lifetime.check()


@register("feedback", "bursting")
@spec
class Bursting(Counting):
    """Its state grows beyond all numbers, which no rule reads."""

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"grown": jnp.ones(()), "broken_at_birth": jnp.full((), jnp.nan)}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        return {**state, "grown": 1e9 * state["grown"]}, _silent(seen.wiring)


def test_a_broken_state_of_the_feedback_is_a_broken_life():
    """1e9^n passes the largest float32, 3.4e38, in step 5; what never moves is not looked at."""
    lifetime = Lifetime(
        task=Numbers(),
        network=Feedforward(hidden=()),
        feedback=Bursting(),
        slots=(Slot(rule=STILL),),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        ends = [lifetime.advance(theta, task, born, n, start=0)[0] for n in (4, 5)]
        return [is_finite(end, born) for end in ends]

    assert [bool(finite) for finite in live(jax.random.key(0))] == [True, False]


def test_a_step_in_parts_of_an_earlier_version_still_works():
    with pytest.warns(
        FutureWarning, match=r"Parted\.step\(theta, state, wiring, .* old form still"
    ):

        @spec
        class Parted(None_):
            def step(self, theta, state, wiring, synapses, views, feedback, dt):
                carried = {name: dt * 1e3 * s.weight for name, s in synapses.items()}
                signals = reverse_walk(wiring, carried, views, feedback)
                return state, credit(signals, views, feedback)

    wiring = Feedforward(hidden=(4,)).wiring({"input": 3}, 2)
    rng = np.random.default_rng(0)
    views = {p.name: neuron_view(*rng.normal(size=(3, p.n))) for p in wiring.populations}
    step = seen(wiring, views, feedback(2, error=rng.normal(size=2)))
    old, new = (rule.step({}, {}, step)[1] for rule in (Parted(), Symmetric()))
    for name, signal in new.feedback.items():
        np.testing.assert_array_equal(old.feedback[name], signal)
    assert np.any(new.feedback["output"])

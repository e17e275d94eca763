"""Loops around loops: what an inner loop gives reaches the run, and no key comes twice."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.space import Coordinate, within
from outer_loops.auto import Auto
from outer_loops.bptt import Bptt
from outer_loops.hybrid import Hybrid
from outer_loops.multi_start import MultiStart
from outer_loops.proposals import Proposals
from tests.outer_loops._written import Written, init, run

START = {"w": jnp.asarray([1.0, -1.0])}
BOWL = Written(lambda w, batch: jnp.sum(w**2) + batch)
BOX = (("w", Coordinate(leaves="w", transform="box", low=-3.0, high=2.0)),)


INNER = Bptt(steps=3, learning_rate=0.1)


def front(loop: Any, problem: Any, state: Any, at: Any = lambda theta: theta) -> list[Any]:
    """A front of one rule, theta."""
    return [{"rule": "w", "w": np.asarray(at(state.theta)["w"]).tolist()}]


def regrown(loop: Any, state: Any, key: Any) -> Any:
    """The state with noise on theta."""
    noise = jax.random.normal(key, state.theta["w"].shape)
    return replace(state, theta={"w": state.theta["w"] + noise})


@pytest.mark.parametrize(
    ("outer", "steps"),
    [
        (Auto(steps=3, chosen=INNER, reason="measured"), 2),
        (Hybrid(first=INNER, then=Bptt(steps=2)), 2),
        (Hybrid(first=INNER, then=Bptt(steps=2)), 3),
        (Hybrid(first=Bptt(steps=1), then=INNER), 2),
        (MultiStart(n=3, inner=INNER), 2),
        (within(INNER, BOX), 2),
        (MultiStart(n=2, inner=Hybrid(first=INNER)), 2),
    ],
)
def test_a_loop_around_a_loop_has_its_front(
    outer: Any, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bptt, "front", front)
    state, _ = run(outer, BOWL, init(outer, BOWL, START), [0.0] * steps)
    ((row),) = outer.front(BOWL, state)
    np.testing.assert_allclose(row["w"], outer.theta(state)["w"], rtol=1e-6)


def test_every_start_is_regrown_as_it_would_be_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bptt, "regrown", regrown)
    outer = MultiStart(n=3, inner=INNER)
    state, _ = run(outer, BOWL, init(outer, BOWL, START), [0.0])
    key = jax.random.key(5)
    after = outer.regrown(state, key)
    for i in range(3):
        alone = jax.tree.map(lambda x, i=i: x[i], state.inner)
        expected = INNER.regrown(alone, jax.random.fold_in(key, i)).theta["w"]
        np.testing.assert_array_equal(after.inner.theta["w"][i], expected)


def test_starts_that_go_on_are_the_same_state_and_a_second_stage_begins_anew() -> None:
    outer = MultiStart(n=2, inner=Hybrid(first=Bptt(steps=2), then=Bptt(steps=2)))
    state = init(outer, BOWL, START)
    is_same = []
    for index in range(4):
        state, _ = run(outer, BOWL, state, [0.0], index)
        is_same.append(outer.regrown(state, jax.random.key(index)) is state)
    assert is_same == [True, False, True, True]


@pytest.mark.parametrize(
    "inner",
    [
        Hybrid(first=Proposals(folder="exchange")),
        Hybrid(then=Auto(chosen=Proposals(folder="exchange"), reason="measured")),
        MultiStart(inner=Proposals(folder="exchange")),
    ],
)
def test_starts_of_proposals_are_refused_at_any_depth(inner: Any) -> None:
    outer = MultiStart(inner=inner)
    with pytest.raises(BadInput, match="inner proposals - expected a loop that asks"):
        outer.check(BOWL, jax.random.key(0))


def test_the_second_loop_begins_with_a_key_that_its_step_does_not_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step may split its key: split(key, n)[i] is fold_in(key, i)."""
    begun = []
    stepped = []
    init_alone, step_alone = Bptt.init, Bptt.step

    def init_seen(loop: Any, problem: Any, theta: Any, key: Any, hyper: Any) -> Any:
        begun.append(key)
        return init_alone(loop, problem, theta, key, hyper)

    def step_seen(loop: Any, problem: Any, state: Any, batch: Any, key: Any) -> Any:
        stepped.append(key)
        return step_alone(loop, problem, state, batch, key)

    outer = Hybrid(first=Bptt(steps=1), then=Bptt(steps=1))
    state, _ = run(outer, BOWL, init(outer, BOWL, START), [0.0])
    monkeypatch.setattr(Bptt, "init", init_seen)
    monkeypatch.setattr(Bptt, "step", step_seen)
    with jax.disable_jit():
        outer.step(BOWL, state, jnp.zeros(()), jax.random.key(1))
    k_begin, k_step = begun[-1], stepped[-1]
    keys = jax.random.key_data(jnp.concatenate([k_step[None], jax.random.split(k_step, 1000)]))
    assert not np.any(np.all(keys == jax.random.key_data(k_begin)[None], axis=1))

"""A search that gets lost is led back to where it was sound, with smaller steps.

Any other search keeps every bit.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop, watch
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import find
from metaplast.testing.outer_loop import quadratic
from outer_loops.bptt import Bptt
from tests.contracts._enrolled import enrolled

SOUND = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.0, 1.0]


class Counted(AbstractOuterLoop):
    """A loop whose state is (steps taken, size of the next step)."""

    n_steps = 1000

    def hyper(self) -> dict[str, Any]:
        return {}

    def init(self, problem: Any, theta: Any, key: Any, hyper: Any) -> Any:
        return (0, 1.0)

    def step(self, problem: Any, state: Any, batch: Any, key: Any) -> Any:
        return state, {}

    def theta(self, state: Any) -> Any:
        return {}

    def slower(self, state: Any, factor: float) -> Any:
        return (state[0], factor * state[1])


def _metrics(loss: float, diverged: int = 0) -> dict[str, Any]:
    return {"loss": np.float32(loss), "diverged": np.int32(diverged), "lives": np.int32(8)}


def _watched(losses: Any, diverged: Any = None) -> list[tuple[Any, Any]]:
    """(watch, state) after every step of a search with these losses.

    It starts with the state (0, 1.0).
    """
    state: Any = (0, 1.0)
    known = watch.begin(state)
    course = []
    for index, loss in enumerate(losses):
        metrics = _metrics(loss, diverged[index] if diverged else 0)
        moved = (state[0] + 1, state[1])
        known, state, metrics = watch.after(known, Counted(), moved, metrics)
        assert metrics["falls"] == known.falls
        course.append((known, state))
    return course


def _falls(losses: Any, diverged: Any = None) -> list[int]:
    """The numbers of steps after which the search was led back."""
    steps = []
    before = 0
    for index, (known, _) in enumerate(_watched(losses, diverged)):
        if int(known.falls) > before:
            steps.append(index + 1)
        before = int(known.falls)
    return steps


def test_a_search_that_exploded_is_led_back_at_once():
    """Not after PATIENCE steps: none came back from there."""
    size = 1.0 + float(_watched(SOUND)[-1][0].spread)
    for factor, waits in ((1.01, 5), (0.99, 4 + watch.PATIENCE)):
        losses = [*SOUND, *[factor * watch.EXPLODED * size] * (4 + watch.PATIENCE)]
        assert _falls(losses)[0] == len(SOUND) + waits


def test_a_loss_near_zero_may_grow_many_times():
    """As where a search has solved its problem: it is compared with the loss at the start."""
    assert not _falls([*SOUND, *[1e-6] * 18, *[1e-2] * 30])


def test_a_search_whose_gains_stay_gone_is_led_back_to_before_the_best_block():
    better = [0.5 * loss for loss in SOUND]
    # The median is above from the fifth bad step on, and has been for PATIENCE steps then.
    losses = [*SOUND, *better, *[20.0] * (4 + watch.PATIENCE)]
    assert _falls(losses) == [len(losses)]
    known, state = _watched(losses)[-1]
    assert state == (9, 0.5)  # the better block began after nine steps
    assert float(known.scale) == 0.5
    np.testing.assert_allclose(float(known.lowest), 0.5)


def test_a_search_that_comes_back_by_itself_is_left_alone():
    excursion = [20.0] * (watch.PATIENCE - 1)  # so many medians are above
    assert _falls([*SOUND, *excursion, *SOUND, *excursion, *SOUND]) == []


def test_a_second_fall_from_the_same_state_halves_the_steps_again():
    # The second watch needs nine losses first.
    bad = [20.0] * (4 + watch.PATIENCE + 8 + watch.PATIENCE)
    known, state = _watched([*SOUND, *bad])[-1]
    assert state == (0, 0.25)
    assert int(known.falls) == 2
    assert float(known.scale) == 0.25


def test_lives_that_are_not_finite_count_at_once_where_they_are_most_of_most_batches():
    lost = [*SOUND, *[0.5] * 9]
    assert _falls(lost, [0] * 9 + [5] * 9) == [14]
    assert _falls(lost, [0] * 9 + [4] * 9) == []
    assert _falls([*SOUND, *[np.nan] * 9]) == [14]


def test_a_search_that_was_never_sound_is_left_alone():
    assert _falls([np.inf] * 140) == []
    assert _falls([1.0] * 140, [8] * 140) == []


def test_a_rise_that_leaves_some_of_the_gain_is_no_loss():
    down = [*[10.0] * 9, *[1.0] * 9]
    assert _falls([*down, *[9.9] * 200]) == []
    assert _falls([*down, *[10.1] * (4 + watch.PATIENCE)]) == [22 + watch.PATIENCE]


def test_falls_do_not_depend_on_the_scale_of_the_loss_or_on_its_zero():
    losses = np.asarray([*SOUND, *[3.0] * 60])
    falls = [13 + watch.PATIENCE]
    assert _falls(losses) == falls
    assert _falls(1e3 * losses) == falls
    assert _falls(1e-3 * losses - 7.0) == falls


@pytest.mark.parametrize("noise", ["normal", "lognormal", "cauchy"])
def test_noise_alone_is_no_loss(noise):
    """200 searches of 200 steps that go nowhere: none falls."""
    generator = np.random.default_rng(0)
    draws = {
        "normal": generator.normal(size=(200, 200)),
        "lognormal": np.exp(generator.normal(size=(200, 200))),
        "cauchy": generator.standard_cauchy(size=(200, 200)),
    }[noise]
    assert not any(_falls(losses) for losses in draws)


PROBLEM = quadratic()
OUTER = Bptt(steps=30, learning_rate=0.05)


def _run(outer: Bptt, seed: int = 0) -> search_loop.OuterRun:
    state = search_loop.begin(PROBLEM, outer, seed)
    return search_loop.OuterRun(seed, state, watch.begin(state))


def _course(
    outer: Bptt, run: search_loop.OuterRun, start: int, stop: int
) -> list[tuple[search_loop.OuterRun, Any]]:
    """(run, metrics) after every step."""
    course = []
    for _, runs, metrics in search_loop.steps_many(
        PROBLEM, outer, [run], start, stop, lockstep=False
    ):
        course.append((runs[0], metrics[0]))
    return course


def test_a_search_that_is_never_lost_keeps_its_bits():
    alone = list(search_loop.steps(PROBLEM, OUTER, 0, search_loop.begin(PROBLEM, OUTER, 0), 0, 30))
    watched = _course(OUTER, _run(OUTER), 0, 30)
    for (_, state, metrics), (run, metrics_watched) in zip(alone, watched, strict=True):
        jax.tree.map(np.testing.assert_array_equal, state, run.state)
        assert float(metrics_watched["loss"]) == float(metrics["loss"])
        assert int(metrics_watched["falls"]) == 0
        assert float(metrics_watched["step_scale"]) == 1.0


# Steps so long that w overshoots its minimum, by more every time, until they are halved.
WILD = Bptt(steps=120, learning_rate=2.4, optimiser="sgd", schedule="constant_schedule")


def test_a_search_that_explodes_is_led_back_until_its_steps_are_small_enough():
    begun = search_loop.begin(PROBLEM, WILD, 0)
    losses = [float(m["loss"]) for *_, m in search_loop.steps(PROBLEM, WILD, 0, begun, 0, 120)]
    assert not losses[-1] < 10 * losses[0]
    run, metrics = _course(WILD, _run(WILD), 0, 120)[-1]
    assert int(metrics["falls"]) >= 1
    rate = 2.4 * float(metrics["step_scale"])
    assert float(run.state.hyper["learning_rate"]) == pytest.approx(rate)
    assert float(metrics["loss"]) < losses[0]


def test_stopping_and_going_on_in_the_middle_of_a_fall_changes_no_bit():
    whole = _course(WILD, _run(WILD), 0, 90)
    end, _ = whole[-1]
    fell = next(step for step, (_, metrics) in enumerate(whole, 1) if int(metrics["falls"]))
    for cut in (fell - 1, fell, fell + 1):
        half, _ = _course(WILD, _run(WILD), 0, cut)[-1]
        saved = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), (half.state, half.watch))
        resumed, _ = _course(WILD, search_loop.OuterRun(0, *saved), cut, 90)[-1]
        jax.tree.map(np.testing.assert_array_equal, resumed.state, end.state)


def test_longer_lives_begin_a_watch_anew():
    """A loss over longer lives does not compare with the one before."""
    problem = replace(PROBLEM, curriculum=((0, 1), (12, 0)))
    state = search_loop.begin(problem, OUTER, 0)
    run = search_loop.OuterRun(0, state, watch.begin(state))
    seen = []
    for _, (after,), _ in search_loop.steps_many(problem, OUTER, [run], 0, 14, False):
        seen.append(int(after.watch.seen))
    assert seen[10:] == [11, 12, 1, 2]


SIZED = (
    "bptt",
    "cross_entropy",
    "es",
    "forward",
    "genetic_programming",
    "hybrid",
    "lbfgs",
    "map_elites",
    "multi_start",
    "nres",
    "pes",
    "program_evolution",
    "random_search",
)


@pytest.mark.parametrize("name", enrolled("outer"))
def test_every_loop_can_go_slower_from_where_it_is(name):
    outer = find("outer", name)()
    state = search_loop.begin(PROBLEM, outer, 0)
    slow = outer.slower(state, 0.5)
    assert jax.tree.structure(slow) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, outer.theta(slow), outer.theta(state))
    numbers = [float(np.sum(leaf)) for leaf in jax.tree.leaves(slow)]
    before = [float(np.sum(leaf)) for leaf in jax.tree.leaves(state)]
    changed = [a / b for a, b in zip(numbers, before, strict=True) if a != b]
    keeps = type(outer).slower is AbstractOuterLoop.slower  # a loop without a size of step
    assert changed == ([] if keeps else [0.5])  # one number of the loop, and nothing else
    assert not keeps or name not in SIZED

"""The engine of fits against a loop over outer steps, and rest against a loop over numbers."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast import search_loop
from metaplast.feedback.none import None_
from metaplast.fitting import engine
from metaplast.fitting.data import arrays
from metaplast.fitting.engine import CALL, Member, SearchResult, _at_rest, fit, in_one_chunk
from metaplast.genomes.direct import Direct
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import everything
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from metaplast.testing.base import quick_jit
from outer_loops.bptt import Bptt
from outer_loops.lbfgs import Lbfgs
from tests._compiler import as_users

FAMILY = Taught(n_in=3, n_out=2, n_steps=6, n_sessions=5, input_sd=1.0)
NETWORK = Feedforward(hidden=(), output=Sigmoid())
RULE = Polynomial(terms=("post*pre", "post^2*weight"), rate=0.5, scale=0.3)
LIFETIME = Lifetime(FAMILY, NETWORK, None_(), Given(), (Slot(rule=RULE),))
ALL = MetaProblem(LIFETIME, MeanLoss(), n_tasks=99, life_clip=0.0)
SOME = MetaProblem(LIFETIME, MeanLoss(), n_tasks=2, life_clip=0.0)
SGD = Bptt(steps=23, learning_rate=20.0, optimiser="sgd", schedule="constant_schedule")
ENDLESS = Fit(window=1000, chunk=1)
SESSIONS: Any = FAMILY.whole("train")
SEED = 3


def start(
    seed: int = 0, *, strength: float = 0.0, held: int | None = None, targets: Any = None
) -> Member:
    theta = LIFETIME.init(jax.random.key(seed))
    mask = np.ones(2, np.float32)
    if held is not None:
        mask[held] = 0.0
    masks = {**everything(theta), "rules": {"rule": {"coefficients": jnp.asarray(mask)}}}
    return Member(theta, masks, strength, targets)


def fits(
    problem, members, settings=ENDLESS, outer: AbstractOuterLoop = SGD, seed=SEED, **more
) -> list[SearchResult]:
    return fit(problem, outer, more.pop("sessions", SESSIONS), members, settings, seed, **more)


def coefficients(result: Any) -> np.ndarray:
    return np.asarray(result.theta["rules"]["rule"]["coefficients"])


@partial(quick_jit, static_argnames="problem")
def slope(problem: MetaProblem, theta: Any, batch: Any) -> Any:
    return problem.value_and_grad(theta, batch)


def by_hand(problem: MetaProblem, strength: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(coefficients after every step, losses before it) of plain gradient descent."""
    theta = start().theta
    tasks = arrays(SESSIONS)
    path = []
    losses = []
    for index in range(SGD.steps):
        batch = search_loop.draw_tasks(
            tasks, search_loop.stream(SEED, "tasks", jnp.asarray(index)), problem.n_tasks
        )
        loss, grad, _ = slope(problem, theta, batch)
        now = np.asarray(theta["rules"]["rule"]["coefficients"])
        down = np.asarray(grad["rules"]["rule"]["coefficients"]) + strength * np.sign(now)
        path.append(now - np.float32(SGD.learning_rate) * down)
        theta = {**theta, "rules": {"rule": {"coefficients": jnp.asarray(path[-1], float)}}}
        losses.append(float(loss) + strength * np.abs(now).sum())
    return np.stack(path), np.asarray(losses)


@pytest.fixture(scope="module", params=[ALL, SOME], ids=["all sessions", "mini-batches"])
def both(request) -> tuple[SearchResult, np.ndarray, np.ndarray, list[tuple[int, int]]]:
    ticks: list[tuple[int, int]] = []
    (result,) = fits(request.param, [start()], tick=lambda at, n: ticks.append((at, n)))
    return result, *by_hand(request.param), ticks


def test_a_fit_is_plain_gradient_descent(both):
    result, path, _, _ = both
    np.testing.assert_allclose(coefficients(result), path[-1], rtol=1e-4)
    assert np.abs(path[-1] - path[0]).max() > 0.1  # the control: it moved


def test_no_step_is_taken_beyond_the_last(both):
    result, path, _, ticks = both
    assert result.steps == SGD.steps == 23
    assert ticks == [(10, 23), (20, 23), (23, 23)]
    np.testing.assert_allclose(result.path, path[[9, 19, 22]], rtol=1e-4)
    assert np.abs(path[22] - path[21]).max() > 1e-3  # the control: one step more would be seen


def test_the_loss_is_the_mean_over_the_steps_of_the_last_call(both):
    result, _, losses, _ = both
    assert result.loss == pytest.approx(losses[20:].mean(), rel=1e-5)


def test_a_penalty_is_descended_and_is_part_of_the_loss():
    (result,) = fits(ALL, [start(strength=1e-3)])
    path, losses = by_hand(ALL, strength=1e-3)
    np.testing.assert_allclose(result.path, path[[9, 19, 22]], rtol=1e-4)
    assert result.loss == pytest.approx(losses[20:].mean(), rel=1e-5)
    assert result.diverged == 0


def test_a_life_that_is_not_finite_is_counted_once_a_step_and_none_beyond_the_last():
    spoilt = np.array(SESSIONS.target)
    spoilt[1] = np.nan
    (result,) = fits(ALL, [start()], sessions=SESSIONS.replace(target=spoilt))
    assert result.diverged == SGD.steps


@pytest.fixture(scope="module")
def four() -> list[Member]:
    return [start(0), start(1, strength=0.01), start(2, held=1), start(3, strength=0.02, held=0)]


def test_members_side_by_side_equal_members_one_by_one(four):
    alone = fits(ALL, four)
    beside = fits(ALL, four, replace(ENDLESS, chunk=2))
    assert len(alone) == len(beside) == 4
    for a, b in zip(alone, beside, strict=True):
        np.testing.assert_allclose(coefficients(b), coefficients(a), atol=1e-5)
        np.testing.assert_allclose(b.path, a.path, atol=1e-5)
        assert b.loss == pytest.approx(a.loss, abs=1e-5)
    apart = np.abs(coefficients(alone[0]) - coefficients(alone[1])).max()
    assert apart > 1e-3  # the control: members differ
    assert coefficients(alone[2])[1] == coefficients(alone[3])[0] == 0.0


@pytest.mark.exact
def test_members_that_fill_a_group_change_nothing(four, monkeypatch):
    as_users(monkeypatch, engine, "_begin", "_advance")
    three = fits(ALL, four[:3], replace(ENDLESS, chunk=2))
    more = fits(ALL, four, replace(ENDLESS, chunk=2))
    assert len(three) == 3
    for a, b in zip(three, more[:3], strict=True):
        np.testing.assert_array_equal(a.path, b.path)
        assert a.loss == b.loss


def test_each_member_is_fitted_to_its_own_targets():
    anti = replace(
        FAMILY, teacher=Polynomial(terms=("post*pre",), initial=(-1.0,), rate=0.5, learn="none")
    )
    other = anti.whole("train").target
    np.testing.assert_array_equal(anti.whole("train").stimulus, SESSIONS.stimulus)
    members = []
    for target in (SESSIONS.target, other):
        members.append(start(targets={"target": target, "final": {}}))
    result = fits(ALL, members, replace(ENDLESS, chunk=2))
    plain = fits(ALL, [start()])
    plain += fits(ALL, [start()], sessions=replace(SESSIONS, target=other))
    for a, b in zip(result, plain, strict=True):
        np.testing.assert_allclose(a.path, b.path, atol=1e-5)
    assert np.abs(coefficients(result[0]) - coefficients(result[1])).max() > 0.1


def test_the_same_seed_gives_the_same_bits_and_another_other_mini_batches():
    (a,) = fits(SOME, [start()], seed=3)
    (b,) = fits(SOME, [start()], seed=3)
    (c,) = fits(SOME, [start()], seed=4)
    np.testing.assert_array_equal(a.path, b.path)
    assert a.loss == b.loss
    assert not np.array_equal(a.path, c.path)


def test_a_fit_that_starts_at_the_optimum_stops_early():
    """The teacher's rule is 0.1 (post pre - post^2 weight), and the data are without noise."""
    theta = {**start().theta, "rules": {"rule": {"coefficients": jnp.asarray([0.2, -0.2])}}}
    member = Member(theta, everything(theta), 0.0)
    (result,) = fits(ALL, [member], Fit(window=30, chunk=1), Lbfgs(steps=200))
    assert result.stable
    assert result.steps == 40  # the first look, and a window of three calls
    assert result.path.shape == (4, 2)
    np.testing.assert_allclose(coefficients(result), [0.2, -0.2], atol=1e-3)


def test_a_fit_that_runs_out_of_steps_says_so():
    (result,) = fits(ALL, [start()], Fit(window=10, tolerance=1e-6, chunk=1))
    assert result.steps == 23
    assert not result.stable


def test_first_weights_that_still_move_are_not_at_rest():
    """The null of no plasticity has first weights to fit, and no number in a rule."""
    problem = replace(ALL, lifetime=replace(LIFETIME, genome=Direct(), slots=()))
    theta = problem.init(jax.random.key(0))
    slow = Bptt(steps=70, learning_rate=0.01, schedule="constant_schedule")
    (result,) = fits(problem, [Member(theta, everything(theta), 0.0)], Fit(chunk=1), slow)
    assert result.steps == 70
    assert not result.stable


def at_rest(paths, window, tolerance):
    """Written out: for each member, each of the last looks against the latest."""
    verdicts = []
    for member in range(len(paths[0])):
        quiet = len(paths) > window
        latest = paths[-1][member]
        largest = max((abs(x) for x in latest), default=0.0)
        for look in paths[max(0, len(paths) - 1 - window) :]:
            for before, now in zip(look[member], latest, strict=True):
                quiet = quiet and abs(before - now) <= tolerance * largest
        verdicts.append(bool(quiet))
    return verdicts


@pytest.mark.parametrize("window", [1, 3])
def test_rest_is_what_a_plain_loop_calls_rest(window):
    rng = np.random.default_rng(window)
    seen = set()
    for _ in range(300):
        n_looks = rng.integers(1, 7)
        moving = rng.random((1, 5, 1)) < 0.3
        steps = rng.normal(size=(n_looks, 5, 3)) * np.where(moving, 0.02, 0.004)
        paths = list(np.cumsum(steps, axis=0) + rng.normal(size=(5, 3)))
        expected = at_rest(paths, window, 0.01)
        assert _at_rest(paths, window, 0.01).tolist() == expected
        seen |= set(expected)
    assert seen == {True, False}


def test_what_is_not_a_number_is_never_at_rest():
    assert _at_rest([np.full((1, 2), np.nan)] * 5, 2, 0.1).tolist() == [False]
    endless = [np.ones((1, 2)), np.ones((1, 2)), np.asarray([[1.0, np.inf]])]
    assert _at_rest(endless, 2, 0.1).tolist() == [False]
    assert _at_rest([np.ones((2, 2))] * 2, 2, 0.1).tolist() == [False, False]  # too few looks


def test_a_problem_that_says_its_chunk_keeps_it():
    assert in_one_chunk(replace(ALL, chunk=3), 5).chunk == 3
    assert in_one_chunk(ALL, 5).chunk == 5
    assert in_one_chunk(ALL, 1000).chunk == 64
    assert CALL == 10  # the numbers above count on it

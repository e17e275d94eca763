"""Many lives: layout, clipping and lost lives do not change the numbers of a life."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from inner_tasks.teacher_student import TeacherStudent
from metaplast.genomes.random import Random as Drawn
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.layout import Layout, spread
from metaplast.problem.lives import Batch, Births
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import Penalised, everything
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.adam import Adam
from metaplast.rules.wrappers.metaplastic import Metaplastic
from metaplast.testing.base import demand_gradient, quick_jit
from metaplast.testing.outer_loop import blown

OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(0.8, -0.9), rate=0.3, learn="both")
PROBLEM = MetaProblem(
    lifetime=Lifetime(
        task=TeacherStudent(n_in=3, n_out=2, n_steps=4),
        network=Feedforward(hidden=()),
        genome=Drawn(learn_gain=True),
        slots=(Slot(rule=OJA),),
    ),
    objective=MeanLoss(),
    n_tasks=5,
    life_clip=0.0,
    chunk=3,  # 5 lives make two chunks of 3, one place of them padded
)
CLIP = 0.31
CLIPPED = dataclasses.replace(PROBLEM, life_clip=CLIP)
MEMBERS = 4


@partial(quick_jit, static_argnums=0)
def _setting(problem: MetaProblem, seed: Any) -> tuple[Any, Any, Batch]:
    """One theta, several members that differ from it a little, and a batch of tasks."""
    theta = problem.lifetime._init(jax.random.key(seed))
    members = jax.tree.map(lambda x: jnp.stack([x + 0.1 * k for k in range(MEMBERS)]), theta)
    return theta, members, problem.sample(jax.random.key(seed + 1), problem.n_tasks, "train")


@partial(quick_jit, static_argnums=(0, 3))
def _losses(problem: MetaProblem, thetas: Any, batch: Batch, share: int | None = None) -> Any:
    return problem.losses(thetas, batch, share)


@partial(quick_jit, static_argnums=0)
def _grad(problem: MetaProblem, theta: Any, batch: Batch) -> Any:
    return problem.value_and_grad(theta, batch)


def _lives(batch: Batch, chosen: Any) -> Batch:
    return jax.tree.map(lambda x: x[chosen], batch)


def _close(a: Any, b: Any, rtol: float = 2e-6) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7)


@pytest.fixture(scope="module")
def setting() -> Any:
    return _setting(PROBLEM, 0)


@pytest.fixture(scope="module")
def one_by_one(setting: Any) -> tuple[np.ndarray, list[Any]]:
    """(losses [n_tasks], gradients) of the lives, each on its own."""
    theta, _, batch = setting
    losses = []
    gradients = []
    for i in range(PROBLEM.n_tasks):
        loss, gradient, _ = _grad(PROBLEM, theta, _lives(batch, np.asarray([i])))
        losses.append(loss)
        gradients.append(gradient)
    return np.asarray(losses), gradients


def test_the_gradient_equals_central_differences():
    with jax.enable_x64(True):
        theta, _, batch = _setting(PROBLEM, 0)
        batch = _lives(batch, np.asarray([0, 1]))
        loss, grad, _ = _grad(PROBLEM, theta, batch)

        def value(theta: Any) -> float:
            thetas = jax.tree.map(lambda x: x[None], theta)
            return float(_losses(PROBLEM, thetas, batch)[0][0])

        np.testing.assert_allclose(loss, value(theta), rtol=1e-12)
        demand_gradient(value, theta, grad)


def test_losses_are_those_of_the_lives_one_by_one(setting, one_by_one):
    """20 lives in chunks of 3, the last of them padded."""
    _, members, batch = setting
    means, metrics = _losses(PROBLEM, members, batch)
    np.testing.assert_allclose(metrics["life_loss"][0], one_by_one[0], rtol=1e-6)
    np.testing.assert_allclose(means, metrics["life_loss"].mean(axis=1), rtol=1e-6)
    assert int(metrics["lives"]) == 5 * MEMBERS
    assert int(metrics["diverged"]) == 0
    assert np.all(metrics["survived"] == 1)


def test_lives_in_chunks_of_one_are_those_in_wider_chunks(setting):
    theta, _, batch = setting
    alone = dataclasses.replace(PROBLEM, chunk=1)
    loss, grad, _ = _grad(alone, theta, batch)
    expected_loss, expected_grad, _ = _grad(PROBLEM, theta, batch)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    _close(grad, expected_grad, rtol=2e-5)


@pytest.mark.parametrize(("kept", "chunk"), [(1, 4), (2, 2), (3, 1)])
def test_a_chunk_holds_as_many_lives_as_fit_the_cache_with_what_their_rules_keep(kept, chunk):
    """100 x 100 synapses keep, beside their weight: nothing, a confidence, Adam's two moments."""
    delta = Polynomial(terms=("error*pre",), initial=(-1.0,))
    rule = {1: delta, 2: Metaplastic(rule=delta, by="change"), 3: Adam(rule=delta)}[kept]
    task = TeacherStudent(n_in=100, n_out=100, n_steps=4)
    problem = MetaProblem(
        Lifetime(task=task, network=Feedforward(hidden=()), slots=(Slot(rule=rule),))
    )
    assert problem.chunk_size() == chunk
    assert dataclasses.replace(problem, chunk=7).chunk_size() == 7
    assert problem.chunk_size(tangents=40) == 1


def test_a_chunk_of_one_is_no_axis_of_one():
    """XLA compiles a product of one matrix and one vector far better than a batch of one."""

    def program(chunk: int) -> str:
        layout = Layout(4, chunk, n_devices=1)
        sines = lambda x: spread(lambda i, x: jnp.sin(x[i]), layout, x)
        return str(jax.make_jaxpr(sines)(jnp.ones(4)))

    assert "f32[2] = sin" in program(2)
    assert "f32[] = sin" in program(1)


def _clipped_mean(one_by_one: Any, chosen: list[int]) -> tuple[np.ndarray, Any]:
    """(gradient norms, mean of the gradients of some lives, each scaled down to CLIP)."""
    norms = []
    clipped = []
    for i in chosen:
        flat, unravel = ravel_pytree(one_by_one[1][i])
        norm = np.linalg.norm(flat)
        norms.append(norm)
        clipped.append(unravel(flat * min(1.0, CLIP / norm)))
    return np.asarray(norms), jax.tree.map(lambda *g: np.mean(g, axis=0), *clipped)


def test_the_gradient_of_one_life_is_clipped_before_the_mean(setting, one_by_one):
    theta, _, batch = setting
    loss, grad, metrics = _grad(CLIPPED, theta, batch)
    norms, expected = _clipped_mean(one_by_one, [0, 1, 2, 3, 4])
    assert 0 < np.sum(norms > CLIP) < 5
    np.testing.assert_allclose(loss, one_by_one[0].mean(), rtol=1e-6)
    _close(grad, expected)
    assert int(metrics["lives"]) == 5
    assert int(metrics["diverged"]) == 0
    assert int(metrics["clipped"]) == np.sum(norms > CLIP)
    np.testing.assert_allclose(metrics["norm"], norms.mean(), rtol=1e-5)


def test_a_blown_life_is_left_out_and_counted(setting, one_by_one):
    theta, members, batch = setting
    spoilt = blown(batch, slice(1, 2))
    loss, grad, metrics = _grad(CLIPPED, theta, spoilt)
    rest = [0, 2, 3, 4]
    np.testing.assert_allclose(loss, one_by_one[0][rest].mean(), rtol=1e-6)
    _close(grad, _clipped_mean(one_by_one, rest)[1])
    assert int(metrics["diverged"]) == 1
    assert np.isfinite(metrics["norm"])
    means, metrics = _losses(PROBLEM, members, spoilt)
    # A member with a blown life has no mean: the outer loop has to see it.
    assert not np.isfinite(means).any()
    assert int(metrics["diverged"]) == MEMBERS
    np.testing.assert_array_equal(
        np.isfinite(metrics["life_loss"]), [[True, False, True, True, True]] * MEMBERS
    )


def test_a_step_without_a_healthy_life_has_no_number(setting):
    theta, _, batch = setting
    loss, grad, metrics = _grad(CLIPPED, theta, blown(batch, slice(None)))
    assert np.isnan(loss)
    assert all(np.isnan(x).all() for x in jax.tree.leaves(grad))
    assert int(metrics["diverged"]) == int(metrics["lives"]) == 5


def test_survival_is_the_share_of_steps_before_the_end(setting):
    _, members, batch = setting
    inputs = np.array(batch.tasks.inputs)
    inputs[2, 3:] = np.nan
    spoilt = batch.replace(tasks=batch.tasks.replace(inputs=jnp.asarray(inputs)))
    survived = _losses(PROBLEM, members, spoilt)[1]["survived"]
    np.testing.assert_allclose(survived, [[1, 1, 0.75, 1, 1]] * MEMBERS, rtol=1e-6)


def test_members_that_share_live_through_the_same_tasks(setting):
    _, members, batch = setting
    batch = _lives(batch, slice(0, 4))
    everyone = np.asarray(_losses(PROBLEM, members, batch)[1]["life_loss"])  # [members, tasks]
    assert everyone.shape == (MEMBERS, 4)
    two_groups = np.asarray(_losses(PROBLEM, members, batch, 2)[1]["life_loss"])
    expected = [everyone[0, :2], everyone[1, :2], everyone[2, 2:], everyone[3, 2:]]
    np.testing.assert_allclose(two_groups, expected, rtol=1e-6)
    with pytest.raises(BadInput, match=r"share=3 of 4 members, 4 lives - expected equal groups"):
        PROBLEM.losses(members, batch, share=3)


def test_lives_under_way_end_as_whole_ones_do(setting):
    _, members, batch = setting

    @quick_jit
    def stretches(members: Any, batch: Batch) -> Any:
        lives = PROBLEM.begin(members, batch)
        windows = []
        for n_steps in (1, 3):
            lives, window = PROBLEM.advance(members, lives, n_steps)
            windows.append(window.trace.score.loss)
        return lives, jnp.concatenate(windows, axis=1)

    lives, losses = stretches(members, batch)
    assert losses.shape == (5 * MEMBERS, 4)
    np.testing.assert_allclose(
        losses.mean(axis=1).reshape(MEMBERS, 5),
        _losses(PROBLEM, members, batch)[1]["life_loss"],
        rtol=1e-5,
    )
    assert np.all(np.asarray(lives.life.t) == 4)


def _births(batch: Batch, due: Any) -> Births:
    return Births(due=jnp.asarray(due), batch=batch)


def test_windows_of_lives_add_up_to_whole_ones_and_a_blown_life_stays_as_it_was(setting):
    """Two windows of 2 steps: life 1 of every member has a spoilt task, and then a sound one."""
    _, members, batch = setting

    @quick_jit
    def windows(members: Any, batch: Batch, spoilt: Batch) -> Any:
        empty = PROBLEM.unborn(members, batch)
        all_due = _births(spoilt, [True] * 5)
        first_window = PROBLEM.window_losses(members, empty, all_due, 2)
        one_due = _births(batch, [False, True, False, False, False])
        second_window = PROBLEM.window_losses(members, first_window[0], one_due, 2)
        return empty, (first_window, second_window)

    empty, ((first, one), (second, two)) = windows(members, batch, blown(batch, slice(1, 2)))
    grid = lambda x: np.asarray(x).reshape(MEMBERS, 5)
    healthy = [0, 2, 3, 4]
    np.testing.assert_array_equal(
        np.isfinite(grid(one["life_loss"])), [[True, False, True, True, True]] * MEMBERS
    )
    whole = np.asarray(_losses(PROBLEM, members, batch)[1]["life_loss"])
    both = (grid(one["life_loss"]) + grid(two["life_loss"])) / 2  # each is scaled to a whole life
    np.testing.assert_allclose(both[:, healthy], whole[:, healthy], rtol=1e-5)
    np.testing.assert_array_equal(grid(first.life.t), [[2, 0, 2, 2, 2]] * MEMBERS)
    np.testing.assert_array_equal(grid(second.life.t), [[4, 2, 4, 4, 4]] * MEMBERS)
    for before, kept in zip(
        jax.tree.leaves(empty.tasks), jax.tree.leaves(first.tasks), strict=True
    ):
        np.testing.assert_array_equal(kept[1], before[1])
    _close(_lives(second.tasks, 1), _lives(batch.tasks, 1))


def test_the_gradient_of_a_window_that_is_a_whole_life_is_the_one_of_the_life(setting):
    """Clipped, with one life spoilt: the same gradient, losses and counts."""
    theta, _, batch = setting
    spoilt = blown(batch, slice(1, 2))

    @quick_jit
    def window(theta: Any, batch: Batch) -> Any:
        lives = CLIPPED.unborn(jax.tree.map(lambda x: x[None], theta), batch)
        return CLIPPED.window_gradient(theta, lives, _births(batch, [True] * 5), 4)

    after = window(theta, spoilt)
    expected = _grad(CLIPPED, theta, spoilt)
    _close(after.gradient, expected.gradient, 1e-5)
    np.testing.assert_allclose(np.nanmean(after.losses), expected.loss, rtol=1e-6)
    np.testing.assert_array_equal(np.isfinite(after.losses), [True, False, True, True, True])
    for name in ("loss", "norm", "diverged", "clipped", "survived", "at_bound"):
        np.testing.assert_allclose(after.metrics[name], expected.metrics[name], rtol=1e-5)
    np.testing.assert_array_equal(after.lives.life.t, [4, 0, 4, 4, 4])


def test_a_window_that_is_a_whole_life_pays_the_penalty_of_the_life(setting):
    theta, members, batch = setting
    mask = everything(theta)
    mask["rules"]["rule"]["coefficients"] = jnp.asarray([0.0, 1.0])
    problem = Penalised(PROBLEM, mask, jnp.asarray(0.3))
    births = _births(batch, [True] * 5)

    @quick_jit
    def windows(theta: Any, members: Any) -> Any:
        one = problem.unborn(jax.tree.map(lambda x: x[None], theta), batch)
        many = problem.unborn(members, batch)
        gradient = problem.window_gradient(theta, one, births, 4)
        return gradient, problem.window_losses(members, many, births, 4)[1]

    window, metrics = windows(theta, members)
    expected = quick_jit(problem.value_and_grad)(theta, batch)
    _close(window.gradient, expected.gradient, 1e-5)
    np.testing.assert_allclose(window.metrics["loss"], expected.loss, rtol=1e-5)
    np.testing.assert_allclose(np.mean(window.losses), expected.loss, rtol=1e-5)
    means = np.mean(np.asarray(metrics["life_loss"]).reshape(MEMBERS, 5), axis=1)
    losses = quick_jit(problem.losses)(members, batch)[0]
    np.testing.assert_allclose(means, losses, rtol=1e-5)
    assert not np.allclose(losses, _losses(PROBLEM, members, batch)[0], rtol=1e-3)


def test_a_life_depends_on_its_key_and_place_alone(setting):
    sample = quick_jit(lambda key: [PROBLEM.sample(key, n, "train") for n in (4, 2)])
    four, two = sample(jax.random.key(1))
    for a, b in zip(jax.tree.leaves(_lives(four, slice(0, 2))), jax.tree.leaves(two), strict=True):
        if a.dtype == four.keys.dtype:
            a = jax.random.key_data(a)
            b = jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


def test_weights_that_end_at_their_bound_are_counted():
    for rate, share in ((1e6, 1.0), (1e-6, 0.0)):
        grow = Polynomial(terms=("1",), initial=(1.0,), rate=rate, learn="both")
        lifetime = dataclasses.replace(PROBLEM.lifetime, slots=(Slot(rule=grow),))
        problem = dataclasses.replace(PROBLEM, lifetime=lifetime)
        own, _, lives = _setting(problem, 0)
        _, _, metrics = _grad(problem, own, lives)
        assert metrics["at_bound"] == share

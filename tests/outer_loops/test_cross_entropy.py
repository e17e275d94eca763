"""The cross-entropy method against its closed form, and where extra noise is of use."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.registry import BadInput
from metaplast.runs import checkpoint
from metaplast.testing.outer_loop import quadratic
from outer_loops.cross_entropy import CrossEntropy
from outer_loops.es import Es
from tests._devices import on_devices
from tests.outer_loops._written import Written, init, run, step

START = {"w": jnp.asarray([1.0, -1.0, 0.5])}
BOWL = Written(lambda w, batch: jnp.sum((w - 0.2) ** 2) + batch, n=3)
PROBLEM = replace(quadratic(n_tasks=3), chunk=4)


def _noise(key: Any, n: int) -> np.ndarray:
    """The noise of every member [n, 3], each from its own key."""
    return np.asarray([jax.random.normal(jax.random.fold_in(key, i), (3,)) for i in range(n)])


def test_an_update_is_the_fit_to_the_best_members_by_a_plain_program():
    outer = CrossEntropy(
        steps=20, population=10, elite=0.3, std=0.4, learning_rate=0.7, extra=0.5, fade=0.25
    )
    with jax.enable_x64(True):
        theta = {"w": jnp.asarray(START["w"], float)}
        state = outer.init(BOWL, theta, jax.random.key(0), outer.hyper())
        mean, variance = np.asarray(theta["w"]), np.full(3, 0.16)
        for t in range(7):
            key = jax.random.fold_in(jax.random.key(1), t)
            extra = 0.2 * max(0.0, 1.0 - t / 5)
            std = np.sqrt(np.maximum(variance, 0.004**2) + extra**2)
            members = mean + std * _noise(key, 10)
            losses = ((members - 0.2) ** 2).sum(axis=1)
            best = members[np.argsort(losses)[:3]]
            mean = mean + 0.7 * (best.mean(axis=0) - mean)
            variance = variance + 0.7 * (best.var(axis=0) - variance)
            state, metrics = step(outer, BOWL, state, jnp.zeros(()), key)
            np.testing.assert_allclose(state.theta["w"], mean, rtol=1e-10)
            np.testing.assert_allclose(state.variance, variance, rtol=1e-8)
            np.testing.assert_allclose(metrics["loss"], losses.mean(), rtol=1e-10)
        # Control: the fit to all members is another one.
        assert np.abs(members.mean(axis=0) - best.mean(axis=0)).max() > 1e-3


def test_the_width_never_falls_below_the_floor_and_extra_noise_fades():
    outer = CrossEntropy(steps=40, population=16, std=0.4, extra=0.0, floor=0.05)
    _, history = run(outer, BOWL, init(outer, BOWL, START), [0.0] * 40)
    widths = [m["std"] for m in history]
    assert min(widths) == pytest.approx(0.02, rel=1e-4)
    outer = replace(outer, extra=2.0, floor=0.0, fade=0.5)
    _, history = run(outer, BOWL, init(outer, BOWL, START), [0.0] * 40)
    # The width after t steps; with extra noise alone it is 0.8 (1 - t / 20).
    assert all(m["std"] >= 0.8 * (1 - t / 20) for t, m in enumerate(history[:20], 1))
    assert history[-1]["std"] < 0.02


def test_without_extra_noise_the_search_stops_on_the_way_and_with_it_arrives():
    """The bowl is 50 standard deviations away."""
    off = {}
    for extra in (0.0, 3.0):
        outer = CrossEntropy(steps=150, population=20, std=0.1, extra=extra, floor=0.0)
        far = Written(lambda w, batch: jnp.sum((w - 5.0) ** 2), n=3)
        state, _ = run(outer, far, init(outer, far, START), [0.0] * 150)
        off[extra] = float(jnp.abs(state.theta["w"] - 5.0).max())
    assert off[0.0] > 2.0
    assert off[3.0] < 0.05


@pytest.mark.parametrize("outer", [CrossEntropy(population=16), Es(population=16)], ids=str)
def test_it_solves_the_bowl_that_an_evolution_strategy_solves(outer):
    state, _ = run(outer, BOWL, init(outer, BOWL, START), [0.0] * 80)
    assert jnp.sum((outer.theta(state)["w"] - 0.2) ** 2) < 0.01


def test_members_without_a_number_are_last_and_all_of_them_change_nothing():
    cliff = Written(lambda w, batch: jnp.where(w[0] > batch, jnp.nan, -w[0]), n=3)
    outer = CrossEntropy(steps=60, population=16, std=0.3)
    state, history = run(outer, cliff, init(outer, cliff, START), [2.0] * 30)
    assert 1.5 < state.theta["w"][0] <= 2.0
    assert sum(m["diverged"] for m in history) > 0
    assert all(np.isfinite(m["loss"]) for m in history)
    after, history = run(outer, cliff, state, [-99.0] * 2, 30)
    np.testing.assert_array_equal(after.theta["w"], state.theta["w"])
    np.testing.assert_array_equal(after.variance, state.variance)
    assert int(after.skipped) == 2
    assert np.isnan(history[-1]["loss"])


def test_a_resumed_search_has_the_bits_of_one_that_was_not_interrupted(tmp_path):
    outer = CrossEntropy(steps=6, population=13)
    start = search_loop.begin(PROBLEM, outer, 0)
    steps = [state for _, state, _ in search_loop.steps(PROBLEM, outer, 0, start, 0, 6)]
    checkpoint.write(tmp_path, 3, steps[2], "d")
    restored = checkpoint.restore(tmp_path, outer.forms(start), "d", 99)
    assert restored is not None
    *_, (_, resumed, _) = search_loop.steps(PROBLEM, outer, 0, restored[1], 3, 6)
    for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(steps[-1]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_population_is_raised_for_the_devices_with_a_warning(caplog):
    outer = CrossEntropy(population=13)
    outer.check(replace(PROBLEM, n_devices=1), jax.random.key(0))
    assert not caplog.messages
    outer.check(replace(PROBLEM, n_devices=4), jax.random.key(0))
    assert caplog.messages == [
        "outer.population=13 is raised to 16, as cross_entropy on 4 device(s) needs"
    ]


def test_a_theta_with_nothing_to_learn_is_refused():
    with pytest.raises(BadInput, match="outer cross_entropy: theta - expected a number to learn"):
        CrossEntropy().init(BOWL, {}, jnp.zeros(2), CrossEntropy().hyper())


PROGRAM = """
import dataclasses, json
import jax, numpy as np
from metaplast.testing.outer_loop import quadratic
from outer_loops.cross_entropy import CrossEntropy

problem = dataclasses.replace(quadratic(n_tasks=3), chunk=4)
batch = problem.sample(jax.random.key(2), 3, "train")
outer = CrossEntropy(population=14, std=0.3)
out = {"devices": jax.device_count()}
for n in (1, 2):
    spread = dataclasses.replace(problem, n_devices=n)
    state = outer.init(spread, spread.init(jax.random.key(0)), jax.random.key(1), outer.hyper())
    for i in range(2):
        step = jax.jit(lambda s, k: outer.step(spread, s, batch, k))
        state, metrics = step(state, jax.random.fold_in(jax.random.key(3), i))
    numbers = [*jax.tree.leaves(state), *metrics.values()]
    out[n] = [np.asarray(x, float).reshape(-1).tolist() for x in numbers]
print(json.dumps(out))
"""


@pytest.mark.system
def test_on_two_devices_the_search_is_the_one_on_one():
    out = on_devices(PROGRAM, 2)
    for on_two, on_one in zip(out["2"], out["1"], strict=True):
        assert on_two == pytest.approx(on_one, rel=1e-5, abs=1e-6)

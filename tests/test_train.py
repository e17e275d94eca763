"""The search as a generator: a function of (seed, step); stopping changes no bit."""

import dataclasses
import itertools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.registry import BadInput
from metaplast.testing.outer_loop import quadratic
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from tests._compiler import as_users

PROBLEM = quadratic()
OUTER = Bptt()


def _bits(tree: Any) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]


@pytest.mark.exact
def test_a_run_in_pieces_is_the_same_to_the_bit(monkeypatch):
    as_users(monkeypatch, search_loop, "_step")
    start = search_loop.begin(PROBLEM, OUTER, 3)
    whole = list(search_loop.steps(PROBLEM, OUTER, 3, start, 0, 4))
    first = list(search_loop.steps(PROBLEM, OUTER, 3, search_loop.begin(PROBLEM, OUTER, 3), 0, 2))
    # As a checkpoint would bring it back.
    saved = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), first[-1][1])
    second = list(search_loop.steps(PROBLEM, OUTER, 3, saved, 2, 4))
    assert [n for n, _, _ in whole] == [n for n, _, _ in first + second] == [1, 2, 3, 4]
    for step, step_in_pieces in zip(whole, first + second, strict=True):
        assert _bits(step) == _bits(step_in_pieces)


def test_seeds_and_steps_differ():
    one = search_loop.begin(PROBLEM, OUTER, 3)
    other = search_loop.begin(PROBLEM, OUTER, 4)
    assert _bits(OUTER.theta(one)) != _bits(OUTER.theta(other))
    losses = [
        float(metrics["loss"]) for *_, metrics in search_loop.steps(PROBLEM, OUTER, 3, one, 0, 2)
    ]
    assert losses[0] != losses[1]


def _several(n_steps: int, lockstep: bool | None) -> tuple[list[search_loop.OuterRun], Any]:
    """(runs, all their steps) of two seeds, and of one with half the learning rate.

    They go through a curriculum.
    """
    problem = dataclasses.replace(PROBLEM, curriculum=((0, 4), (2, 16)))
    half = {"learning_rate": jnp.asarray(0.005)}
    settings = [(3, None), (4, None), (3, half)]
    runs = [
        search_loop.OuterRun(seed, search_loop.begin(problem, OUTER, seed, hyper))
        for seed, hyper in settings
    ]
    return runs, list(search_loop.steps_many(problem, OUTER, runs, 0, n_steps, lockstep))


@pytest.mark.exact
def test_each_of_several_runs_has_the_bits_that_it_has_alone(monkeypatch):
    as_users(monkeypatch, search_loop, "_step")
    compiled = search_loop._step._cache_size()
    runs, steps = _several(4, None)
    assert search_loop._step._cache_size() - compiled <= 2
    problem = dataclasses.replace(PROBLEM, curriculum=((0, 4), (2, 16)))
    for i, run in enumerate(runs):
        alone = search_loop.steps(problem, OUTER, run.seed, run.state, 0, 4)
        for step, step_of_all in zip(alone, steps, strict=True):
            n_done, after, metrics = step_of_all
            assert _bits(step) == _bits((n_done, after[i].state, metrics[i]))
    assert len({_bits(OUTER.theta(run.state))[0] for run in steps[-1][1]}) == 3


def test_runs_in_lockstep_are_the_same_to_rounding():
    with pytest.MonkeyPatch.context() as patch:
        as_users(patch, search_loop, "_step")  # the programs of the test before
        _, apart = _several(3, False)
    _, together = _several(3, True)
    for step, lockstep in zip(apart, together, strict=True):
        assert [run.seed for run in lockstep[1]] == [3, 4, 3]
        chex.assert_trees_all_close(lockstep, step, rtol=1e-5)
    outer = Es(restarts=1)
    run = search_loop.OuterRun(0, search_loop.begin(PROBLEM, outer, 0))
    words = "runs in lockstep - expected an outer loop whose state keeps its shape"
    with pytest.raises(BadInput, match=words):
        next(search_loop.steps_many(PROBLEM, outer, [run], 0, 1, lockstep=True))


def test_every_stream_of_randomness_is_its_own():
    names = ("theta", "outer", "tasks", "step", "validation", "heldout")
    keys = [
        search_loop.stream(seed, name, index)
        for seed, name, index in itertools.product((0, 1), names, (0, 1))
    ]
    assert len({np.asarray(jax.random.key_data(key)).tobytes() for key in keys}) == len(keys)
    by_number = search_loop.stream(1, "tasks", 5)
    by_array = search_loop.stream(1, "tasks", jnp.asarray(5))
    np.testing.assert_array_equal(jax.random.key_data(by_number), jax.random.key_data(by_array))


def test_a_beginning_can_be_looked_at_by_its_shapes_alone():
    """Programs with compiler options run as plain functions inside another trace."""
    shapes = jax.eval_shape(lambda: search_loop.begin(PROBLEM, OUTER, 0))
    begun = search_loop.begin(PROBLEM, OUTER, 0)
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, begun)

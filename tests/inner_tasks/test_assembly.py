"""The course of an assembly life, and its correlations against NumPy."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.assembly import Assembly
from metaplast import Lifetime, Slot
from metaplast.connections.dense import Dense
from metaplast.feedback.none import None_
from metaplast.networks.ei import Ei
from metaplast.neurons.poisson import Poisson
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import neuron_view
from metaplast.spec import decode
from metaplast.testing.base import keys, quick_jit

DT = 1e-3
TASK = Assembly(n_cells=10, n_patterns=2, shots=3, active=0.4, present=4, pause=2, recall=5)
TAUGHT = 3 * 2 * (4 + 2)
CUE = 5 + 2


@pytest.fixture(scope="module")
def drawn() -> Any:
    return quick_jit(TASK.sample, static_argnums=1)(jax.random.key(4), "heldout")


@partial(quick_jit, static_argnames="family")
def _lived(task: Any, activity: Any, family: Assembly = TASK) -> Any:
    """(The stimulus, the score) of every step, for the output's activity [n_steps, 10]."""

    def step(state: Any, y: Any) -> Any:
        shown = family.stimulus(task, state, jax.random.key(0), DT)["input"]
        view = neuron_view(y, y, y)
        state, outcome = family.step(task, state, view, jax.random.key(0), DT)
        return state, (shown, outcome.score)

    return jax.lax.scan(step, family.begin(task, jax.random.key(1), DT), activity)[1]


def test_patterns_have_their_size_and_a_cue_is_a_part_of_one():
    many = quick_jit(jax.vmap(lambda key: TASK.sample(key, "train")))(keys(0, 50))
    assert np.all(np.sum(many.patterns, axis=2) == 4)
    assert np.all(np.sum(many.cued, axis=2) == 2)
    assert np.all(many.cued <= many.patterns)
    rounds = np.sort(np.asarray(many.order).reshape(50, 3, 2), axis=2)
    np.testing.assert_array_equal(rounds, np.broadcast_to([0, 1], (50, 3, 2)))
    assert np.ptp(np.asarray(many.patterns).mean(axis=(0, 1))) < 0.4  # every cell takes part
    np.testing.assert_array_equal(many.weights["input_to_e"][7], 0.5 * np.eye(10))


def test_patterns_are_shown_first_and_then_the_cues_of_shown_and_of_new_ones(drawn):
    shown, score = _lived(drawn, np.zeros((TASK.shape().n_steps, 10)))
    assert TASK.shape().phases == ((TAUGHT, True), (4 * CUE, False))
    expected = np.full((TAUGHT + 4 * CUE, 10), 5.0)
    for turn, pattern in enumerate(np.asarray(drawn.order)):
        expected[6 * turn : 6 * turn + 4, np.asarray(drawn.patterns[pattern]) > 0] = 100.0
    for k in range(4):
        start = TAUGHT + CUE * k
        expected[start : start + 5, np.asarray(drawn.cued[k]) > 0] = 100.0
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(np.flatnonzero(score.weight), [TAUGHT + 4 * CUE - 1])


def test_the_score_is_the_correlation_over_cells_without_a_cue(drawn):
    activity = np.random.default_rng(0).poisson(0.6, size=(TAUGHT + 4 * CUE, 10)).astype(float)
    _, score = _lived(drawn, activity)
    alike = []
    others = []
    for k in range(4):
        start = TAUGHT + CUE * k
        counts = activity[start : start + 5].sum(axis=0)
        left = np.asarray(drawn.cued[k]) == 0
        alike.append(np.corrcoef(counts[left], np.asarray(drawn.patterns[k])[left])[0, 1])
        if k < 2:
            others.append(np.corrcoef(counts[left], np.asarray(drawn.patterns[1 - k])[left])[0, 1])
    last = {name: float(values[-1]) for name, values in score.metrics.items()}
    assert last["recalled"] == pytest.approx(np.mean(alike[:2]), abs=1e-4)
    assert last["new"] == pytest.approx(np.mean(alike[2:]), abs=1e-4)
    assert last["others"] == pytest.approx(np.mean(others), abs=1e-4)
    assert last["gain"] == pytest.approx(last["recalled"] - last["new"], abs=1e-6)
    assert last["specificity"] == pytest.approx(last["recalled"] - last["others"], abs=1e-6)
    expected = 1.0 - 0.5 * (last["gain"] + last["specificity"])
    assert float(score.loss[-1]) == pytest.approx(expected, abs=1e-6)
    cues = np.concatenate([activity[TAUGHT + CUE * k :][:5] for k in range(4)])
    assert last["rate"] == pytest.approx(cues.mean() / DT, rel=1e-4)


def test_cells_of_any_shown_pattern_are_no_recall_of_one_of_them(drawn):
    """Every cue makes all cells of both shown patterns fire: a gain without specificity."""
    activity = np.zeros((TAUGHT + 4 * CUE, 10))
    activity[TAUGHT:] = np.asarray(drawn.patterns[:2]).max(axis=0)
    _, score = _lived(drawn, activity)
    last = {name: float(values[-1]) for name, values in score.metrics.items()}
    assert last["gain"] > 0.2
    assert abs(last["specificity"]) < 0.2
    assert float(score.loss[-1]) > 0.75


def test_perfect_recall_of_shown_patterns_alone_costs_nothing_but_their_overlap(drawn):
    activity = np.zeros((TAUGHT + 4 * CUE, 10))
    for k in range(2):
        activity[TAUGHT + CUE * k :][:5] = np.asarray(drawn.patterns[k])
    _, score = _lived(drawn, activity)
    others = float(score.metrics["others"][-1])
    assert float(score.metrics["recalled"][-1]) == pytest.approx(1.0, abs=1e-3)
    assert float(score.loss[-1]) == pytest.approx(0.5 * others, abs=1e-3)
    everyone = _lived(drawn, np.ones_like(activity))[1]  # all cells alike tell nothing
    assert float(everyone.loss[-1]) == pytest.approx(1.0, abs=1e-6)


def test_earlier_tests_are_those_of_shorter_lives(drawn):
    """Round by round, a life with tests after 1 and 3 rounds is made of two plain ones."""
    whole = replace(TASK, earlier=(1,))
    a_round = 2 * (4 + 2)
    phases = ((a_round, True), (4 * CUE, False), (2 * a_round, True), (4 * CUE, False))
    assert whole.shape().phases == phases
    activity = np.random.default_rng(1).poisson(0.6, size=(whole.shape().n_steps, 10)).astype(float)
    shown, score = _lived(drawn, activity, whole)
    first_end = a_round + 4 * CUE
    np.testing.assert_array_equal(
        np.flatnonzero(score.weight), [first_end - 1, whole.shape().n_steps - 1]
    )
    without_first_test = np.concatenate([activity[:a_round], activity[first_end:]])
    once = replace(TASK, shots=1)
    shown_once, score_once = _lived(drawn, activity[:first_end], once)
    shown_late, score_late = _lived(drawn, without_first_test)
    np.testing.assert_array_equal(shown[:first_end], shown_once)
    np.testing.assert_array_equal(shown[:a_round], shown_late[:a_round])
    np.testing.assert_array_equal(shown[first_end:], shown_late[a_round:])
    for at, plain in ((first_end - 1, score_once), (-1, score_late)):
        assert float(score.loss[at]) == pytest.approx(float(plain.loss[-1]), abs=1e-6)
        for name, values in score.metrics.items():
            assert float(values[at]) == pytest.approx(float(plain.metrics[name][-1]), abs=1e-5)


@pytest.mark.parametrize("earlier", [(2, 2), (2, 1), (3,), (5,)])
def test_tests_that_do_not_rise_to_the_last_round_are_refused(earlier):
    with pytest.raises(ValueError, match="earlier="):
        replace(TASK, earlier=earlier)


@pytest.mark.parametrize(
    "words", [{"active": 0.0}, {"active": 1.0}, {"cue": 0.0}, {"cue": 1.0}, {"n_cells": 2}]
)
def test_patterns_and_cues_that_leave_nothing_to_recall_are_refused(words):
    with pytest.raises(ValueError, match="active="):
        Assembly(**words)


def test_cells_that_learn_to_excite_each_other_complete_a_pattern_and_static_ones_do_not():
    """Hebbian pairs of e_to_e in a network of the library, by hand and without any search."""
    task = Assembly(n_cells=30, n_patterns=2, shots=4, present=150, pause=50, recall=150)
    hebb = decode(
        "rule",
        {
            "name": "trace_taylor",
            "terms": ["pre", "pre*post_trace", "post*pre_trace"],
            "initial": [-0.3, 1.0, 1.0],
            "rate": 0.02,
        },
    )
    genome = decode("genome", {"name": "parts", "parts": {"input_to_e": "given", "*": "random"}})
    network = Ei(readout=False, n_i=6, source=Poisson(), connection=Dense(), bounds=(-1.0, 1.0))
    gains = {}
    for name, slots in {"hebb": (Slot(edges="e_to_e", rule=hebb),), "static": ()}.items():
        problem = MetaProblem(lifetime=Lifetime(task, network, None_(), genome, slots=slots))
        thetas = jax.tree.map(lambda x: x[None], problem.init(jax.random.key(0)))
        batch = problem.sample(jax.random.key(1), 8, "heldout")
        gains[name] = float(jnp.mean(jax.jit(problem.losses)(thetas, batch)[1]["gain"]))
    assert gains["hebb"] > 0.3
    assert abs(gains["static"]) < 0.15

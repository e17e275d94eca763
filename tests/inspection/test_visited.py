"""The signals that a rule meets, against the weights of whole lives."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.inspection.along import changes
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited, existing, visited
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.evaluate import batches
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.wrappers.sum import Sum
from metaplast.spec import decode

N_STEPS = 6


@pytest.fixture(scope="module")
def subject() -> Subject:
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 6})
    rule = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0))
    lifetime = Lifetime(task=task, network=Feedforward(hidden=()), slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss())
    return Subject(problem, problem.init(jax.random.key(3)), 5, "loss", False, RuleFile({}, {}))


@pytest.fixture(scope="module")
def followed(subject: Subject) -> Visited:
    return visited(subject, n_lives=3, n_synapses=5)["input_to_output"]


def test_a_followed_synapse_has_the_weights_of_its_life(
    subject: Subject, followed: Visited
) -> None:
    assert followed.change.shape == (3, N_STEPS, 5)
    lifetime = replace(subject.problem.lifetime, record=("weights", "activity"))
    batch = batches(subject.problem, subject.seed, "validation", 3)[0]
    for life in range(3):
        task = jax.tree.map(lambda leaf, life=life: leaf[life], batch.tasks)
        born = lifetime.begin(subject.theta, task, batch.keys[life])
        _, trace = jax.jit(lambda born, task=task: lifetime.advance(subject.theta, task, born, 6))(
            born
        )
        after = np.asarray(trace.recorded["weights"]["input_to_output"]).reshape(N_STEPS, -1)
        first = np.asarray(born.synapses["input_to_output"].weight).reshape(1, -1)
        before = np.concatenate([first, after[:-1]])
        at = followed.synapses[life]
        np.testing.assert_allclose(followed.signals["weight"][life], before[:, at], rtol=1e-5)
        np.testing.assert_allclose(
            followed.change[life], (after - before)[:, at], rtol=1e-3, atol=1e-6
        )
        outputs = np.asarray(trace.recorded["activity"]["output"])
        np.testing.assert_allclose(
            followed.signals["post.activity"][life], outputs[:, at // 4], rtol=1e-5
        )


def test_the_change_is_the_rule_of_the_signals(followed: Visited) -> None:
    signals, change = followed.flat()
    post, pre = signals["post.activity"], signals["pre.activity"]
    rule = post * pre - post**2 * signals["weight"]
    np.testing.assert_allclose(change, 0.1 * rule, rtol=1e-4, atol=1e-7)


def test_a_sum_on_a_delayed_edge_is_followed_with_both_of_its_views() -> None:
    """One part sees spikes at the synapse, the other as the edge transmits them, later."""
    lif = decode("neuron", "lif")
    delayed: Any = decode("transmission", {"name": "delayed", "delay": 0.004, "dendrite": 0.003})
    network = Feedforward(hidden=(6,), neuron=lif, output=lif, transmission=delayed)
    stdp = Stdp(potentiation=1e-3, depression=1e-3)
    hebb = Polynomial(terms=("pre",), initial=(0.5,), learn="none")
    rule = Sum(rules=(("stdp", stdp), ("hebb", hebb)))
    task: Any = decode("task", {"name": "homeostasis", "n_in": 5, "n_out": 4, "n_steps": 60})
    slots = (Slot(rule=rule, edges="hidden_1_to_output"),)
    lifetime = Lifetime(task=task, network=network, slots=slots)
    problem = MetaProblem(lifetime)
    theta = problem.init(jax.random.key(0))
    subject = Subject(problem, theta, 0, "loss", False, RuleFile({}, {}))
    found = visited(subject, n_lives=2, n_synapses=6)["hidden_1_to_output"]
    sent = found.signals["transmitted.pre.activity"]
    at_synapse = found.signals["pre.activity"]
    assert (sent != at_synapse).any()
    np.testing.assert_array_equal(sent[:, 3:], at_synapse[:, :-3])
    again = changes({"rule": (rule, theta["rules"]["rule"])}, found, lifetime.dt)["rule"]
    np.testing.assert_allclose(again, found.change, rtol=1e-4, atol=1e-7)
    assert (found.change[sent > 0] > 0.01).any()


def test_only_synapses_that_exist_are_followed() -> None:
    masked = Masked(n_post=3, n_pre=4, probability=0.5)
    there = existing(masked)
    assert 0 < len(there) < 12
    assert masked.support().reshape(-1)[there].all()
    np.testing.assert_array_equal(existing(Dense(3, 4)), np.arange(12))


def test_steps_that_are_not_finite_do_not_count(followed: Visited) -> None:
    change = followed.change.copy()
    change[0, 0, 0] = np.nan
    assert len(followed._replace(change=change).flat()[1]) == change.size - 1

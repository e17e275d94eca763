"""A run says whether its steps are short enough, and where it cannot know."""

import jax
import numpy as np
import pytest

from inner_tasks.regression import Regression
from inner_tasks.target_rate import TargetRate
from metaplast.feedback.none import None_
from metaplast.inspection import halving
from metaplast.launch import preflight
from metaplast.launch.config import Sources, compose
from metaplast.launch.job import parse
from metaplast.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.izhikevich import Izhikevich
from metaplast.problem import MetaProblem
from metaplast.rules.stdp import Stdp


def _problem(cell, task, dt):
    """Izhikevich cells under constant inputs, some of them inhibitory: nothing is drawn in a step."""
    network = Feedforward(hidden=(), output=cell, gain=3.0)
    rule = Slot(rule=Stdp(potentiation=0.0, depression=0.0))
    return MetaProblem(Lifetime(task, network, None_(), slots=(rule,), dt=dt))


def _measured(cell, dt):
    seconds = 0.1
    task = TargetRate(n_in=3, n_out=4, n_steps=round(seconds / dt), window=round(0.5 * seconds / dt))
    problem = _problem(cell, task, dt)
    return halving.measure(problem, problem.init(jax.random.key(0)), 0)


def test_steps_that_are_too_long_are_told():
    found = _measured(Izhikevich(integration="euler"), 1e-3)
    assert "spikes_output" in found["changed"]
    assert "dt is too long for" in halving.line(found)


def test_steps_that_are_short_enough_are_told():
    found = _measured(Izhikevich(), 5e-4)
    assert found["before"]["spikes_output"] > 1 and not found["changed"]
    assert halving.line(found).endswith("no change beyond chance.")


def test_a_task_of_events_is_not_measured_and_says_so():
    problem = _problem(Izhikevich(), Regression(), 1e-3)
    found = halving.measure(problem, problem.init(jax.random.key(0)), 0)
    assert found == {"dt": 1e-3, "task": "regression"}
    assert halving.line(found).endswith("task regression counts events.")


def test_half_the_step_is_the_same_seconds():
    task = TargetRate(n_steps=50, window=20)
    assert (task.halved().n_steps, task.halved().window) == (100, 40)
    one, two = (np.asarray(each.sample(jax.random.key(1), "validation")) for each in (task, task.halved()))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("after", "again", "differs"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], False),
        ([1.01, 2.01, 3.01], [1.0, 2.0, 3.0], False),  # sure, but small
        ([2.0, 2.0, 3.0], [1.0, 2.0, 3.0], True),  # nothing is drawn: it is the step
        ([2.0, 2.0, 3.0], [2.0, 1.0, 3.5], False),  # another draw does as much
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], True),
    ],
)
def test_what_counts_as_a_change(after, again, differs):
    assert halving._differs(np.array([1.0, 2.0, 3.0]), np.array(after), np.array(again)) is differs


@pytest.mark.parametrize(
    ("words", "timed"),
    [
        (("experiment=digits",), False),
        (("experiment=inhibition",), True),
        (("experiment=regression", "network.hidden=[3]", "network.neuron={name: izhikevich}"), True),
    ],
)
def test_networks_without_time_constants_are_left_alone(words, timed):
    assert preflight.timed(parse(compose((*words, "rows={}"), Sources()), check=False).main) is timed

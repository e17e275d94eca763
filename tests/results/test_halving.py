"""A run says whether its steps are short enough, and where it cannot know."""

import json
import math
from dataclasses import replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from inner_tasks.homeostasis import Homeostasis
from inner_tasks.regression import Regression
from metaplast.feedback.none import None_
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.izhikevich import Izhikevich
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.results import halving, table
from metaplast.results.summary import (
    Halving,
    NotHalved,
    RunSummary,
    TrainedRow,
    Verdict,
    halving_from_json,
    halving_to_json,
)
from metaplast.rules.stdp import Stdp
from metaplast.runs import preflight
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.signals import neuron_view
from metaplast.spec import spec
from metaplast.training import row_words

FINE = Halving(1e-3, 16, before={"loss": 1.0}, after={"loss": 1.0}, changed=[])


def _problem(cell, task, dt):
    """Izhikevich cells under constant inputs, some inhibitory: nothing is drawn in a step."""
    network = Feedforward(hidden=(), output=cell, gain=3.0)
    rule = Slot(rule=Stdp(potentiation=0.0, depression=0.0))
    return MetaProblem(Lifetime(task, network, None_(), slots=(rule,), dt=dt))


def _measured(cell, dt):
    seconds = 0.1
    task = Homeostasis(
        n_in=3, n_out=4, n_steps=round(seconds / dt), window=round(0.5 * seconds / dt)
    )
    problem = _problem(cell, task, dt)
    return halving.measure(problem, problem.init(jax.random.key(0)), 0)


def test_steps_that_are_too_long_are_told():
    result = _measured(Izhikevich(integration="euler"), 1e-3)
    assert "spikes_output" in result.changed
    assert "dt is too long for" in halving.line(result)


def test_steps_that_are_short_enough_are_told():
    result = _measured(Izhikevich(), 5e-4)
    assert result.before["spikes_output"] > 1
    assert not result.changed
    assert halving.line(result).endswith("no change beyond chance.")


def test_a_task_of_events_is_not_measured_and_says_so():
    problem = _problem(Izhikevich(), Regression(), 1e-3)
    result = halving.measure(problem, problem.init(jax.random.key(0)), 0)
    assert result == NotHalved(dt=1e-3, task="regression")
    assert halving.line(result).endswith("task regression counts events.")


def test_half_the_step_is_the_same_seconds():
    task = Homeostasis(n_steps=50, window=20)
    assert (task.halved().n_steps, task.halved().window) == (100, 40)
    one, two = (
        np.asarray(each.sample(jax.random.key(1), "validation")) for each in (task, task.halved())
    )
    np.testing.assert_array_equal(one, two)


@register("neuron", "lorenz")
@spec
class Lorenz(AbstractNeuron):
    """Lorenz's flow by Runge and Kutta's method: chaotic, and nothing is drawn.

    At dt = 0.01 the statistics of its wide turns (a spike: x passes 16) equal those of the flow.
    The drive of the first step says where it starts.
    """

    spiking: ClassVar[bool] = True

    def init(self, key, n):
        return {}

    def init_state(self, theta, n):
        return {"x": jnp.zeros((3, n))}

    def step(self, theta, state, drive, dt, key):
        def flow(x):
            return jnp.stack(
                [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]
            )

        start = jnp.stack([1 + drive["soma"], 1 + drive["soma"], 20 + 0 * drive["soma"]])
        x = jnp.where(jnp.all(state["x"] == 0), start, state["x"])
        k1 = flow(x)
        k2 = flow(x + dt / 2 * k1)
        k3 = flow(x + dt / 2 * k2)
        later = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + flow(x + dt * k3))
        turned = ((x[0] <= 16) & (later[0] > 16)).astype(later.dtype)
        return {"x": later}, neuron_view(turned, later[0], jnp.ones_like(turned))


def test_chaos_is_no_effect_of_dt_and_few_lives_are_said_to_tell_nothing():
    """Counts of Lorenz's flow at dt and dt / 2 are draws of one distribution.

    A difference of means is chance. An exact repetition at dt would differ by nothing, so that any
    difference of 5 % would be an effect.
    """
    task = Homeostasis(n_in=3, n_out=1, n_steps=3000, window=700)
    network = Feedforward(hidden=(), output=Lorenz(), gain=0.02)
    rule = Slot(rule=Stdp(potentiation=0.0, depression=0.0))
    problem = MetaProblem(Lifetime(task, network, None_(), slots=(rule,), dt=0.01))
    theta = problem.init(jax.random.key(0))
    lives, control = (
        halving._lived(problem, theta, jax.random.key(1), draw, 16) for draw in (0, 1)
    )
    assert np.std(control["spikes_output"] - lives["spikes_output"]) > 1.0
    for seed in range(2):
        result = halving.measure(problem, theta, seed)
        assert isinstance(result, Halving)
        assert result.untold == ["spikes_output"]
        assert not result.changed
        assert "not told for spikes_output" in halving.line(result)


def test_the_interval_is_students():
    before, after = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.1, 2.3, 2.9, 4.5])
    right = scipy.stats.ttest_rel(after, before).confidence_interval(0.95)
    interval = halving.relative(before, after)
    assert interval is not None
    np.testing.assert_allclose(interval, np.array(right) / 2.5, rtol=1e-12)


@pytest.mark.parametrize(
    ("interval", "tells"),
    [
        ((-0.05, 0.05), True),
        ((-0.02, 0.09), False),  # wide
        ((0.04, 0.12), False),  # narrow, but it may be more than 10 %
        ((0.0, 0.0), True),
        (None, False),
    ],
)
def test_lives_that_cannot_tell_say_so(interval, tells):
    assert halving._tells(interval) is tells


def test_a_change_of_a_quarter_in_noise_is_not_called_none():
    """A shift of 23 % with a standard error of 12 %, as happened.

    2.13 * 12 % = 25.6 % either way, and 16 lives times (25.6 / 5)^2 = 419 would narrow that to 5 %.
    """
    result = replace(
        FINE,
        after={"loss": 1.23},
        untold=["loss"],
        interval={"loss": (0.23 - 0.256, 0.23 + 0.256)},
    )
    line = halving.line(result)
    assert "loss 1 -> 1.23 [-2.6, +49] %" in line
    assert line.endswith("not told for loss: needs about 500 lives.")


def test_a_record_of_before_is_told_as_it_was():
    old = {"dt": 1e-3, "lives": 16, "before": {"loss": 1.0}, "after": {"loss": 1.01}, "changed": []}
    line = halving.line(halving_from_json(old, "row.json"))
    assert line == "Half of dt=0.001 s, 16 lives: loss 1 -> 1.01: no change beyond chance."


def test_a_life_that_is_not_finite_is_null_in_json():
    plain = halving_to_json(replace(FINE, before={"loss": math.nan}, changed=["loss"]))
    assert plain["before"] == {"loss": None}
    assert json.dumps(plain, allow_nan=False)
    again = halving_from_json(plain, "row.json")
    assert "loss nan -> 1: dt is too long for loss." in halving.line(again)


def test_several_runs_name_their_seeds():
    one = replace(FINE, changed=["loss"])
    two = replace(FINE, untold=["spikes_e"])
    (line,) = halving.over_runs({4: one, 5: two, 6: one})
    assert line.endswith("dt is too long for loss (seeds 4, 6); not told for spikes_e (seed 5).")
    assert halving.over_runs({4: one}) == [halving.line(one)]


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
        (
            ("experiment=regression", "network.hidden=[3]", "network.neuron={name: izhikevich}"),
            True,
        ),
    ],
)
def test_networks_without_time_constants_are_left_alone(words, timed):
    assert (
        preflight.timed(parse(compose((*words, "rows={}"), Sources()), check=False).main) is timed
    )


def test_a_dt_that_is_too_long_is_marked_in_the_table_and_said_below_it():
    row = TrainedRow("synapse", "none", [], 1)
    rows = {"discovered": row, "other": row}
    runs = [RunSummary("x", 0, 1, 0.0, 0, rows, [], halving=FINE)]
    runs.append(RunSummary("x", 1, 1, 0.0, 0, rows, []))
    assert [table.marked(*pair) for pair in row_words.over_runs(runs).items()] == [
        "discovered",
        "other",
    ]
    assert row_words.on_dt(runs) == [halving.line(FINE)]
    late = RunSummary("x", 2, 1, 0.0, 0, rows, [], halving=replace(FINE, changed=["loss"]))
    marked = [table.marked(*pair) for pair in row_words.over_runs([*runs, late]).items()]
    assert marked == ["discovered (dt too long)", "other"]
    assert row_words.on_dt([late])[0].endswith("dt is too long for loss.")
    both = table.RowFacts(replace(row, verdict=Verdict("not trained", "loss")), too_long=["loss"])
    assert table.marked("discovered", both) == "discovered (not trained, dt too long)"

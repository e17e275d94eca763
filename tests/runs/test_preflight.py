"""Jobs that cannot work are refused before anything compiles, with the setting to change."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.cli.main import EXIT_DIVERGED, report
from metaplast.registry import BadInput, register
from metaplast.rules.clopath import Clopath
from metaplast.rules.eprop import Eprop
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.runs import preflight
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Job, parse
from metaplast.spec import spec
from metaplast.tasks import AbstractTaskFamily
from metaplast.training import first_step
from metaplast.training.diverged import Diverged
from tests._runs import start_run
from tests.reuse.test_laws import Amplified as Amplified  # registers the rule `amplified`


def _job(*words: str) -> Job:
    return parse(compose(words, Sources()))


@pytest.mark.parametrize(
    "words", [("experiment=oja",), ("experiment=association", "rows={}", "problem.n_tasks=4")]
)
def test_the_forecast_is_what_the_compiler_says_or_a_little_more(words):
    config = _job(*words).main
    problem = config.meta_problem()
    batch = jax.eval_shape(
        lambda key: problem.sample(key, problem.n_tasks, "train"), jax.random.key(0)
    )
    theta = jax.eval_shape(problem.init, jax.random.key(0))
    program = jax.jit(lambda t, b: problem.value_and_grad(t, b)[:2]).lower(theta, batch)
    used = program.compile().memory_analysis().temp_size_in_bytes
    assert 0.9 * used < preflight.forecast(config).lives < 2.5 * used


def test_memory_that_is_not_there(monkeypatch):
    job = _job("experiment=digits", "rows={}", "network.hidden=[300,300]", "problem.chunk=8")
    need = preflight.forecast(job.main)
    assert need.chunk == 8
    preflight.check(job, 1)
    enough = 2 * need.total - need.lives  # for two processes only with a chunk that is smaller
    monkeypatch.setattr(
        preflight, "available", lambda: int((need.total - need.lives / 2 + 2**20) / preflight.SHARE)
    )
    with pytest.raises(
        BadInput, match=r"of memory for 1 row.* - expected at most .* free - set problem\.chunk=4"
    ):
        preflight.check(job, 1)
    monkeypatch.setattr(preflight, "available", lambda: preflight.PROCESS)
    with pytest.raises(BadInput, match="use a smaller network"):
        preflight.check(job, 1)
    monkeypatch.setattr(preflight, "available", lambda: int(enough / preflight.SHARE))
    two = _job(
        "experiment=digits",
        "rows={no_plasticity: {rule: null}}",
        "network.hidden=[300,300]",
        "problem.chunk=8",
    )
    with pytest.raises(BadInput, match=r"for 2 row.* - give --jobs 1"):
        preflight.check(two, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("experiment=digits", "task.shots=60"),
            r"shots \+ queries = 70 for validation lives - expected at most 5\d",
        ),
        (("problem.n_devices=64",), "n_devices=64 - expected at most 1"),
        (("experiment=bandit", "outer=bptt"), "outer bptt - expected a differentiable task"),
    ],
)
def test_what_fails_only_after_minutes_is_refused_at_once(words, message):
    with pytest.raises(BadInput, match=message):
        preflight.check(_job(*words), 1)


def test_a_time_constant_that_dt_does_not_resolve_is_warned_about(caplog):
    words = ("experiment=pointmass", "rows={}", "evaluation.references={}")
    preflight.check(_job(*words), 1)
    assert not caplog.records
    preflight.check(_job(*words, "rule.rule.tau=0.0015"), 1)
    (record,) = caplog.records
    assert record.getMessage() == (
        "Clip.rule.tau=0.0015 s is not resolved by dt=0.001 s: expected dt of at most half of it"
    )
    caplog.clear()
    cells = "{name: refractory, neuron: {name: adex, g_leak: 300, tau_w: 0.1}}"  # C / g_L = 0.94 ms
    preflight.check(_job(*words, f"network.neuron={cells}"), 1)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "Feedforward.neuron.neuron.tau_m=0.000936667 s is not resolved by dt=0.001"
    )


def test_a_network_that_runs_from_spike_to_spike_has_no_time_constant_to_resolve(caplog):
    words = ("experiment=credit_spikes", "rows={}")
    preflight.check(_job(*words), 1)
    assert not caplog.records
    preflight.check(_job(*words, "rule={name: bcm, tau: 20.0e-3}"), 1)
    assert "tau=0.02 s is not resolved by dt=0.025 s" in caplog.records[0].getMessage()


def test_a_neuron_that_dt_makes_unstable_is_warned_about(caplog):
    words = ("experiment=pointmass", "rows={}", "evaluation.references={}", "network.hidden=[3]")
    preflight.check(_job(*words, "network.neuron={name: izhikevich}"), 1)
    assert not caplog.records  # the default method is stable
    cell = "{name: refractory, neuron: {name: izhikevich, integration: euler}}"
    preflight.check(_job(*words, f"network.neuron={cell}"), 1)
    (record,) = caplog.records
    assert record.getMessage() == (
        "hidden_1: neuron refractory is unstable at dt=0.001 s under drives of -200 to 200: "
        "expected dt of at most "
        "0.000352 s, or another method of integration"
    )


def test_a_time_constant_that_plays_no_part_is_not_warned_about():
    def used(rule):
        return {name.partition(".tau_")[2] for name, _ in preflight._time_constants(rule, "rule")}

    assert used(Eprop()) == {"m", "out"}
    assert used(Eprop(beta=0.1, rate_cost=1.0)) == {"m", "out", "a", "rate"}
    assert used(TraceTaylor()) == {"pre_trace", "post_trace"}
    assert used(TraceTaylor(terms=("post*post_slow*pre_trace",))) == {"pre_trace", "post_slow"}
    assert used(Clopath()) == {"x", "minus", "plus"} == used(Clopath(u_ref_squared=60.0)) - {"mean"}


def test_a_rule_whose_theta_is_not_where_it_says_is_refused_before_a_search():
    words = ("experiment=pointmass", "rows={}", "evaluation.references={}", "network.hidden=[3]")
    preflight.check(_job(*words, "rule={name: amplified}"), 1)
    with pytest.raises(BadInput, match="rule amplified: account: part 'rule'"):
        preflight.check(_job(*words, "rule={name: amplified, says: []}"), 1)


@register("task", "wrong_error")
@spec
class WrongError(TeacherStudent):
    """An error of shape () where one number per output is due."""

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        state, outcome = super().step(task, state, output, key, dt)
        error = outcome.feedback.error.sum()
        return state, replace(outcome, feedback=replace(outcome.feedback, error=error))


@register("task", "wrong_stimulus")
@spec
class WrongStimulus(TeacherStudent):
    """A stimulus that is one short."""

    def stimulus(self, task: Any, state: Any, key: Any, dt: float) -> Any:
        return {name: x[1:] for name, x in super().stimulus(task, state, key, dt).items()}


@register("task", "half_made")
@spec
class HalfMade(AbstractTaskFamily):
    """A task of which only the shape is written."""

    def shape(self) -> Any:
        return TeacherStudent().shape()


WRONG_PARTS = {
    "wrong_error": r"task wrong_error, broken promise: feedback .*'error': \(3,\)",
    "wrong_stimulus": "task wrong_stimulus, broken promise: stimuli have the declared sizes",
    "half_made": "no method begin - expected a class that writes begin, .*own_task.md",
}


@pytest.mark.parametrize(("name", "message"), WRONG_PARTS.items())
def test_a_task_with_wrong_parts_is_refused_before_a_folder_is_made(name, message, tmp_path):
    words = ["experiment=oja", "rows={}", "outer.steps=1"]
    plain = compose(words, Sources())
    plain["task"] = {"name": name}
    if name != "half_made":
        plain["task"] |= {"n_in": 4, "n_out": 3, "n_steps": 4}
    with pytest.raises(BadInput, match=message) as caught:
        start_run(plain, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@register("task", "not_finite")
@spec
class NotFinite(TeacherStudent):
    """A loss that is not finite from the third step on, whatever the rule does."""

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        state, outcome = super().step(task, state, output, key, dt)
        loss = jnp.where(state.t > 2, jnp.nan, outcome.score.loss)
        return state, replace(outcome, score=replace(outcome.score, loss=loss))


def test_a_loss_that_no_rule_makes_finite_ends_the_run_at_its_first_step() -> None:
    plain = compose(["experiment=oja", "rows={}", "outer=es"], Sources())
    plain["task"] = {"name": "not_finite", "n_in": 3, "n_out": 2, "n_steps": 4}
    plain["problem"] = {"n_tasks": 2}
    config = parse(plain, check=False).main
    problem = config.meta_problem()
    theta = problem.init(jax.random.key(0))
    with pytest.raises(Diverged, match="not_finite: its loss is not finite at step 3") as caught:
        first_step.report(config, problem, theta, theta, {"lives": 2.0, "diverged": 2.0})
    assert "check_task_family" in str(caught.value)
    assert report(caught.value) == EXIT_DIVERGED

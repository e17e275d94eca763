"""The checks themselves can fail: plug-ins with one deliberate fault each, and the words they are
refused with.
"""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.cli.main import EXIT_BAD_INPUT, report
from metaplast.connections.base import Term
from metaplast.language.grammar import field_of
from metaplast.locality.reads import blank_view
from metaplast.neurons.base import AbstractNeuron
from metaplast.rules.base import AbstractRule, Clock, KernelRule, Mixes, TermRule
from metaplast.signals import (
    IN_TERMS,
    Outcome,
    Score,
    TaskShape,
    feedback,
    neuron_view,
    rule_state,
)
from metaplast.spec import spec
from metaplast.tasks import SPLITS, AbstractTaskFamily
from metaplast.testing import (
    ContractBroken,
    check_neuron,
    check_rule,
    check_task_family,
    outer_loop,
)
from metaplast.testing import neuron as neurons
from metaplast.testing import rule as rules
from outer_loops.bptt import Bptt


class Hebb(TermRule):
    """delta_w = 0.1 (1 + theta) post pre: without fault, and what the faults below are put into."""

    def init(self, key: Any, connection: Any) -> Any:
        return {"a": jnp.zeros(())}

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return state, [Term(0.1 * (1.0 + theta["a"]) * view.post.activity, view.pre.activity)]

    def plain(self, theta: Any, connection: Any, view: Any) -> Any:
        return connection.outer(Hebb.products(self, theta, rule_state(), view, 1.0)[1], view.weight)


@spec
class Innocent(Hebb):
    """No fault."""


@spec
class SumsPost(Hebb):
    """Reads the activity of the whole layer."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        mean = jnp.mean(view.post.activity)
        return state, [Term((1.0 + theta["a"]) * (view.post.activity - mean), view.pre.activity)]


@spec
class Winner(Hebb):
    """Only the most active neuron learns: no derivative shows it, a jump does."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        best = (view.post.activity >= jnp.max(view.post.activity)).astype(view.weight.dtype)
        return state, [Term((1.0 + theta["a"]) * best * view.post.activity, view.pre.activity)]


@spec
class OwnSum(Hebb):
    """Sums the weights itself instead of reading weight_sum."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        row = jnp.sum(view.weight, axis=1)
        return state, [Term((1.0 + theta["a"]) * row * view.post.activity, view.pre.activity)]


@spec
class Pooled(Hebb):
    """Carries the activity of the layer in a scalar."""

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state(scalar={"pool": jnp.zeros(())})

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        pool = state.scalar["pool"] + jnp.sum(view.post.activity)
        delta = (1.0 + theta["a"]) * state.scalar["pool"] * self.plain(theta, connection, view)
        return rule_state(scalar={"pool": pool}), delta


@spec
class Overclaims(Hebb):
    """Seems to read what is carried back through the weights."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return state, [
            Term((1.0 + theta["a"]) * view.post.activity, view.pre.activity + 0.0 * view.pre.gain)
        ]


@spec
class Favours(Hebb):
    """The first synapse of a neuron learns faster."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        first = 1.0 + (jnp.arange(view.pre.activity.shape[0]) == 0).astype(view.weight.dtype)
        return state, [Term((1.0 + theta["a"]) * view.post.activity, first * view.pre.activity)]


@spec
class FanIn(Hebb):
    """Knows how many synapses there are."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        n = view.pre.activity.shape[0]
        return state, [Term((1.0 + theta["a"]) / n * view.post.activity, view.pre.activity)]


@spec
class MatrixOnly(Hebb):
    """Takes the layout of a matrix for granted, and the weights off its support for real."""

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        delta = self.plain(theta, connection, view)
        return state, delta if view.weight.ndim == 2 else 1.5 * delta


@spec
class Cut(Hebb):
    """No gradient reaches theta."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        gain = jax.lax.stop_gradient(1.0 + theta["a"])
        return state, [Term(gain * view.post.activity, view.pre.activity)]


@spec
class HalfCut(Hebb):
    """Half of the gradient reaches theta."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        gain = 2.0 + jax.lax.stop_gradient(theta["a"]) + theta["a"]
        return state, [Term(gain * view.post.activity, view.pre.activity)]


@spec
class Integers(Hebb):
    """State of a dtype that does not stay."""

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state(scalar={"n": jnp.zeros((), jnp.int32)})

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        return rule_state(scalar={"n": jnp.ones(())}), self.plain(theta, connection, view)


class Traced(Hebb):
    """A presynaptic trace; `keep` is what is left of it after one step."""

    def keep(self, dt: float) -> float:
        return float(np.exp(-dt / 20e-3))

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state(pre={"x": jnp.zeros(connection.n_pre)})

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        x = self.keep(dt) * state.pre["x"] + view.pre.activity
        return rule_state(pre={"x": x}), [Term((1.0 + theta["a"]) * view.post.activity, x)]


@spec
class Fades(Traced):
    """No fault."""


@spec
class ForgetsDt(Traced):
    """The trace fades by the step, not by the second."""

    def keep(self, dt: float) -> float:
        return 0.9


@spec
class Drifts(Traced):
    """The weight changes without any event."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        state, terms = super().products(theta, state, view, dt)
        return state, [*terms, Term(jnp.full(view.post.activity.shape, 1e-3), None)]


@spec
class Integral(Hebb):
    """dw/dt = post pre, by Euler steps: no fault."""

    clock: ClassVar[Clock] = "time"

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return state, [Term(dt * (1.0 + theta["a"]) * view.post.activity, view.pre.activity)]


@spec
class Hasty(Hebb):
    """Says it integrates over time, and forgets dt."""

    clock: ClassVar[Clock] = "time"


@spec
class Trial(Hebb):
    """Says that a step is a trial, and lets dt scale it."""

    clock: ClassVar[Clock] = "trial"

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return state, [Term(dt * (1.0 + theta["a"]) * view.post.activity, view.pre.activity)]


@spec
class Decorrelates(Hebb):
    """Subspace learning from the weights themselves, and says so."""

    mixes: ClassVar[Mixes] = "layer"

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        explained = view.weight.T @ view.post.activity
        return state, [Term((1.0 + theta["a"]) * view.post.activity, view.pre.activity - explained)]


@spec
class Silent(Decorrelates):
    """The same, and does not say so."""

    mixes: ClassVar[Mixes] = ""


@spec
class Boasts(Hebb):
    """Says that it mixes a layer, and does not."""

    mixes: ClassVar[Mixes] = "layer"


@spec
class Momentum(KernelRule):
    """A running mean of error*pre whose decay goes by time, with weight decay, in steps."""

    def init(self, key: Any, connection: Any) -> Any:
        return {}

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state(synapse={"m": connection.zeros()})

    def keep(self, dt: float) -> Any:
        return jnp.exp(-dt / 3e-3)

    def kernel(self, theta: Any, state: Any, synapse: Any, dt: float) -> Any:
        keep = self.keep(dt)
        mean = keep * state["m"] + (1 - keep) * synapse.post.feedback * synapse.pre.activity
        return {"m": mean}, -0.1 * mean - 0.01 * synapse.weight


@spec
class ByTime(Momentum):
    """The same with the clock of time, and without dt in the change."""

    clock: ClassVar[Clock] = "time"


@spec
class ByTrial(Momentum):
    """The same with the clock of trials, and a decay of time."""

    clock: ClassVar[Clock] = "trial"


@spec
class Counted(ByTrial):
    """A constant decay a step: no fault."""

    def keep(self, dt: float) -> Any:
        return 0.9


@spec
class Integrated(ByTime):
    """A change that dt scales: no fault."""

    def kernel(self, theta: Any, state: Any, synapse: Any, dt: float) -> Any:
        state, delta = super().kernel(theta, state, synapse, dt)
        return state, dt * delta


@spec
class Misspelt(Momentum):
    """Reads a signal by its name in a term."""

    def kernel(self, theta: Any, state: Any, synapse: Any, dt: float) -> Any:
        return state, synapse.post.error * synapse.pre.activity


LOCALITY = rules.check_locality
CLOCK = rules.check_clock
FAULTS = [
    (SumsPost, LOCALITY, "delta_w depends on no foreign post neuron"),
    (Winner, LOCALITY, "delta_w depends on no foreign post neuron"),
    (OwnSum, LOCALITY, "delta_w depends on no foreign synapse"),
    (Pooled, LOCALITY, "the scalar-side state depends on no foreign post neuron"),
    (Silent, LOCALITY, "delta_w depends on no foreign post neuron"),
    (Boasts, LOCALITY, "`mixes` says 'layer'; in its program the rule mixes nothing"),
    (Overclaims, LOCALITY, r"reads pre\.gain, but nothing depends on it"),
    (Favours, rules.check_equivariance, "permuting the neurons permutes delta_w"),
    (FanIn, rules.check_copies, "one copy of it per synapse"),
    (MatrixOnly, rules.check_layouts, "sparse and masked synapses change alike"),
    (Cut, rules.check_gradient, r"theta\['a'\] has an effect"),
    (HalfCut, rules.check_gradient, "equals central differences"),
    (ForgetsDt, CLOCK, "the same events at half the dt"),
    (Drifts, CLOCK, "nothing changes without a spike"),
    (Hasty, CLOCK, "converges as dt -> 0"),
    (Momentum, CLOCK, r"the state \(synapse.m\) changes the weight.*field clock.*units.md"),
    (ByTime, CLOCK, "a change that is not multiplied by dt does not.*units.md"),
    (ByTrial, CLOCK, "dt plays a part.*units.md"),
    (Trial, CLOCK, "one step is one presentation"),
]


@pytest.mark.parametrize(
    ("fault", "check", "words"), FAULTS, ids=lambda x: getattr(x, "__name__", "")
)
def test_a_faulty_rule_is_refused(fault, check, words):
    with jax.enable_x64(True):
        bench = rules.Bench(fault())
        with pytest.raises(ContractBroken, match=words):
            check(bench)


def test_a_rule_that_says_what_it_mixes_is_held_to_that():
    with jax.enable_x64(True):
        bench = rules.Bench(Decorrelates())
        LOCALITY(bench)
        rules.check_equivariance(bench)


def test_a_rule_without_fault_is_not():
    check_rule(Fades())
    with jax.enable_x64(True):
        CLOCK(rules.Bench(Integral()))


def test_a_state_that_does_not_stay_what_it_is_is_refused():
    with pytest.raises(ContractBroken, match=r"state.*'scalar/n': types: int32 != float32"):
        check_rule(Integers())


def test_a_wrong_oracle_is_told_from_a_right_one():
    def right(rule: AbstractRule, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return state, 0.1 * (1.0 + theta["a"]) * np.outer(view.post.activity, view.pre.activity)

    def wrong(rule: AbstractRule, theta: Any, state: Any, view: Any, dt: float) -> Any:
        state, delta = right(rule, theta, state, view, dt)
        return state, 1.0001 * delta

    with jax.enable_x64(True):
        bench = rules.Bench(Innocent())
        rules.check_oracle(bench, right)
        with pytest.raises(ContractBroken, match=r"step \d equals the NumPy oracle's"):
            rules.check_oracle(bench, wrong)


class Leaky(AbstractNeuron):
    """tau dv/dt = drive - v, activity tanh(v), exactly; what the faults below are put into."""

    def init(self, key: Any, n: int) -> Any:
        return {"log_tau": jnp.zeros(())}

    def init_state(self, theta: Any, n: int) -> Any:
        return {"v": jnp.zeros(n)}

    def keep(self, theta: Any, dt: float) -> Any:
        return jnp.exp(-dt / (20e-3 * jnp.exp(theta["log_tau"])))

    def show(self, v: Any) -> Any:
        return neuron_view(jnp.tanh(v), v, 1.0 - jnp.tanh(v) ** 2)

    def step(self, theta: Any, state: Any, drive: Any, dt: float, key: Any) -> Any:
        keep = self.keep(theta, dt)
        v = keep * state["v"] + (1.0 - keep) * drive["soma"]
        return {"v": v}, self.show(v)


@spec
class Sound(Leaky):
    """No fault."""


@spec
class WrongGain(Leaky):
    def show(self, v: Any) -> Any:
        return neuron_view(jnp.tanh(v), v, jnp.ones_like(v))


@spec
class NoDt(Leaky):
    def keep(self, theta: Any, dt: float) -> Any:
        return jnp.exp(-0.05 * jnp.exp(theta["log_tau"]))


@spec
class Mixes(Leaky):
    def show(self, v: Any) -> Any:
        v = v * (1.0 + jnp.arange(v.shape[0]).astype(v.dtype))
        return neuron_view(jnp.tanh(v), v, 1.0 - jnp.tanh(v) ** 2)


@spec
class Leaks(Leaky):
    """The surrogate changes what goes forward."""

    surrogate: Literal["a", "b"] = "a"

    def show(self, v: Any) -> Any:
        return super().show(v + 0.1 if self.surrogate == "b" else v)


@spec
class Same(Leaky):
    """Its surrogates are all the same."""

    surrogate: Literal["a", "b"] = "a"


@spec
class Mute(Leaky):
    """Nothing makes it active."""

    def show(self, v: Any) -> Any:
        return neuron_view(0.0 * v, v, 0.0 * v)


@spec
class Frozen(Leaky):
    """theta has no effect."""

    def keep(self, theta: Any, dt: float) -> Any:
        return jnp.exp(-dt / 20e-3)


@spec
class Denies(Leaky):
    """It says that a drive of its soma lowers the potential, which that raises."""

    lowering: ClassVar[tuple[str, ...]] = ("soma",)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Denies, "a drive at port soma lowers the potential"),
        (WrongGain, "gain is d activity / d potential"),
        (NoDt, "the potential converges as dt -> 0"),
        (Mixes, "permuting like units"),
        (Leaks, "the same under any surrogate"),
        (Same, "another surrogate or slope is another gain"),
        (Mute, "some drive of the soma makes a unit active"),
        (Frozen, r"theta\['log_tau'\] has an effect"),
    ],
)
def test_a_faulty_neuron_is_refused(fault, words):
    with pytest.raises(ContractBroken, match=words):
        check_neuron(fault())


def test_a_neuron_without_fault_is_not():
    def oracle(neuron: Any, drive: Any, dt: float) -> Any:
        theta = 0.1 * np.random.default_rng(1).normal(size=())
        keep = np.exp(-dt / (20e-3 * np.exp(theta)))
        v = np.zeros(neurons.N)
        potential = []
        for now in drive["soma"]:
            v = keep * v + (1.0 - keep) * now
            potential.append(v)
        return np.tanh(potential), np.asarray(potential)

    def wrong(neuron: Any, drive: Any, dt: float) -> Any:
        activity, potential = oracle(neuron, drive, dt)
        return activity, potential + 1e-6

    check_neuron(Sound(), oracle)
    with pytest.raises(ContractBroken, match="the potential equals the NumPy oracle's"):
        check_neuron(Sound(), wrong)


class Echo(AbstractTaskFamily):
    """Say what you see, loss (y - x)^2; what the faults below are put into."""

    def shape(self) -> Any:
        return TaskShape(
            {"input": 2},
            2,
            ((3, True), (2, False)),
            frozenset({"error", "target"}),
            differentiable=True,
        )

    def sample(self, key: Any, split: Any) -> Any:
        return (
            jax.random.bits(jax.random.fold_in(key, SPLITS.index(split)), (5, 2)).astype(
                jnp.float32
            )
            / 2.0**32
        )

    def begin(self, task: Any, key: Any, dt: float) -> Any:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Any, state: Any, key: Any, dt: float) -> Any:
        return {"input": task[state]}

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        target = task[state]
        gap = output.activity - target
        score = Score(loss=jnp.sum(gap**2), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=feedback(2, error=2.0 * gap, target=target), score=score)


@spec
class Faithful(Echo):
    """No fault."""


@spec
class WrongError(Echo):
    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        state, outcome = super().step(task, state, output, key, dt)
        return state, outcome.replace(
            feedback=outcome.feedback.replace(error=2.0 * outcome.feedback.error)
        )


@spec
class OneSplit(Echo):
    def sample(self, key: Any, split: Any) -> Any:
        return super().sample(key, "train")


@spec
class NoSlope(Echo):
    """The gradient is cut, and no error is offered either."""

    def shape(self) -> Any:
        return super().shape()._replace(offers=frozenset({"target"}))

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        state, outcome = super().step(task, state, output, key, dt)
        blank = outcome.replace(feedback=outcome.feedback.replace(error=jnp.zeros(2)))
        return state, jax.lax.stop_gradient(blank)


@spec
class Backwards(Echo):
    """A good answer is worse."""

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        state, outcome = super().step(task, state, output, key, dt)
        feedback = outcome.feedback.replace(error=-outcome.feedback.error)
        score = outcome.score.replace(loss=-outcome.score.loss)
        return state, outcome.replace(feedback=feedback, score=score)


@spec
class Secret(Echo):
    """Tells a target that it does not offer."""

    def shape(self) -> Any:
        return super().shape()._replace(offers=frozenset({"error"}))


@spec
class TooWide(Echo):
    def shape(self) -> Any:
        return super().shape()._replace(inputs={"input": 7})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (WrongError, "error is d loss / d activity"),
        (OneSplit, "the splits train and validation differ"),
        (NoSlope, "a differentiable task passes the gradient"),
        (Backwards, "oracle < chance < wrong"),
        (Secret, r"target is 0\.0 where it is not offered"),
        (TooWide, r"stimuli have the declared sizes"),
    ],
)
def test_a_faulty_task_family_is_refused(fault, words):
    with pytest.raises(ContractBroken, match=words):
        check_task_family(fault())


def test_a_task_family_without_fault_is_not():
    check_task_family(Faithful())


@spec
class Blind(Echo):
    """Reward alone: neither target nor gradient says what a good answer is."""

    indifferent: bool = False

    def shape(self) -> Any:
        return super().shape()._replace(offers=frozenset({"reward"}), differentiable=False)

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> Any:
        answer = jnp.zeros(2) if self.indifferent else output.activity
        loss = jnp.sum((answer - task[state]) ** 2)
        score = Score(loss=jax.lax.stop_gradient(loss), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(
            feedback=feedback(2, modulators={"reward": -score.loss}), score=score
        )


def test_a_family_without_target_and_gradient_is_held_to_its_oracle_or_to_caring_for_answers():
    check_task_family(Blind())
    check_task_family(Blind(), lambda task, state: task[state])
    with pytest.raises(ContractBroken, match="oracle < chance < wrong"):
        check_task_family(Blind(), lambda task, state: -task[state])
    with pytest.raises(ContractBroken, match="some answers are better than others"):
        check_task_family(Blind(indifferent=True))


@spec
class Greedy(Bptt):
    """Takes every step, also one without a number."""

    def step(self, problem: Any, state: Any, batch: Any, key: Any) -> Any:
        loss, grad, metrics = problem.value_and_grad(state.theta, batch)
        theta = jax.tree.map(lambda t, g: t - state.hyper["learning_rate"] * g, state.theta, grad)
        return dataclasses.replace(state, theta=theta, step=state.step + 1), {
            **metrics,
            "skipped": state.skipped + jnp.isnan(loss).astype(jnp.int32),
        }


def test_an_outer_loop_that_crawls_or_takes_a_step_without_a_number_is_refused():
    problem = outer_loop.quadratic()
    state = search_loop.begin(problem, Greedy(), 0)
    with pytest.raises(ContractBroken, match=r"a skipped step leaves state.*theta.* as it was"):
        outer_loop.check_divergence(problem, Greedy(), state)
    with pytest.raises(
        ContractBroken, match=r"2 steps on a quadratic take the loss .* below its 0\.7-fold"
    ):
        outer_loop.check_progress(problem, Greedy(), state, 2)


def test_the_quadratic_is_one():
    """loss(W) = mean |W x|^2 / n_out: it scales with the square of W and is least at zero."""
    problem = outer_loop.quadratic()
    theta = problem.init(jax.random.key(0))
    batch = outer_loop._batch(problem, 0)

    def loss(factor: float) -> float:
        thetas = jax.tree.map(lambda x: factor * x[None], theta)
        return float(search_loop.evaluate(problem, thetas, batch)[0][0])

    assert loss(2.0) == pytest.approx(4 * loss(1.0), rel=1e-5)
    assert loss(0.0) == 0.0


@pytest.mark.parametrize("rule", [Counted(), Integrated()])
def test_a_momentum_of_one_clock_has_no_fault(rule: KernelRule) -> None:
    CLOCK(rules.Bench(rule))


def test_a_misspelt_field_of_the_view_is_named_with_the_right_one() -> None:
    with pytest.raises(AttributeError) as caught:
        rules.Bench(Misspelt())
    said = str(caught.value)
    assert "no field 'error' - expected one of activity, potential" in said
    assert said.endswith("in Python `error` is `view.post.feedback`") and "\n" not in said
    assert report(caught.value) == EXIT_BAD_INPUT
    assert not hasattr(blank_view(rules.DENSE, ()), "weigth")
    for name, field in IN_TERMS.items():
        assert field == f"view.{field_of(name)}"

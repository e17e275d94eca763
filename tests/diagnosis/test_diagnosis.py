"""A diagnosis measures as closed forms and NumPy do, and advises threshold by threshold."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.diagnosis.advice import advise, kind_of
from metaplast.diagnosis.exponents import exponents
from metaplast.diagnosis.measure import Plan, diagnose, gradients, slope
from metaplast.diagnosis.signal import Signal, signal
from metaplast.genomes.constant import Constant
from metaplast.genomes.direct import Direct
from metaplast.genomes.random import Random
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.linear import Linear
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput, register
from metaplast.rules.polynomial import Polynomial
from metaplast.search_loop import sample
from metaplast.signals import Outcome, Score, TaskShape, feedback
from metaplast.space import SearchedProblem
from metaplast.spec import decode, spec
from metaplast.tasks import AbstractTaskFamily

STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")
KEY = jax.random.key(0)


@register("task", "pulse")
@spec
class Pulse(AbstractTaskFamily):
    """One input: `height` in the first step, 0 after it. The loss is floor + scale * output.

    height: N(1, 0.5^2). It is NaN in the share `blown` of lives.
    hard: the loss is the sign of the output instead.
    """

    n_steps: int = 16
    blown: float = 0.0
    hard: bool = False
    floor: float = 0.0
    scale: float = 1.0

    def shape(self):
        return TaskShape({"input": 1}, 1, ((self.n_steps, True),), frozenset(), differentiable=True)

    def sample(self, key, split):
        k_height, k_blown = jax.random.split(key)
        height = 1.0 + 0.5 * jax.random.normal(k_height)
        return jnp.where(jax.random.uniform(k_blown) < self.blown, jnp.nan, height)

    def begin(self, task, key, dt):
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task, state, key, dt):
        return {"input": jnp.where(state == 0, task, 0.0).reshape(1)}

    def step(self, task, state, output, key, dt):
        loss = (
            jnp.sign(output.activity[0])
            if self.hard
            else self.floor + self.scale * output.activity[0]
        )
        return state + 1, Outcome(
            feedback=feedback(1), score=Score(loss=loss, weight=jnp.ones(()), metrics={})
        )


def _lifetime(n, **changed):
    network = Recurrent(n_recurrent=n, neuron=Linear(), output=Linear())
    return Lifetime(
        **{
            "task": Pulse(),
            "network": network,
            "genome": Direct(),
            "slots": (),
            "dt": 0.5,
            **changed,
        }
    )


def _theta(*weights):
    edges = ("input_to_recurrent", "recurrent_to_recurrent", "recurrent_to_output")
    return {
        "rules": {},
        "feedback": {},
        "neurons": {},
        "genome": {e: jnp.full((1, 1), w) for e, w in zip(edges, weights, strict=True)},
    }


IN, LOOP, OUT = 0.7, 1.2, 0.5


def _gradient(n):
    """The gradient of mean_t OUT LOOP^t IN over n steps with respect to (IN, LOOP, OUT)."""
    t = np.arange(n)
    powers = LOOP**t
    return np.array(
        [OUT * powers.mean(), OUT * IN * (t * LOOP ** (t - 1.0)).mean(), IN * powers.mean()]
    )


@pytest.fixture(scope="module")
def pulse_lives():
    problem = MetaProblem(_lifetime(1, task=Pulse(blown=0.2)), MeanLoss(), n_tasks=4)
    plan = Plan(n_lives=12, std=0.05)
    heights = np.asarray(
        sample(problem.lifetime.task, jax.random.split(KEY, 3)[0], 12, "train").tasks, np.float64
    )
    return diagnose(problem, _theta(IN, LOOP, OUT), KEY, plan=plan), heights


def test_signal_to_noise_and_the_lives_left_out_as_by_hand(pulse_lives):
    diagnosis, heights = pulse_lives
    whole = heights[np.isfinite(heights)]
    assert 2 < len(whole) < 12
    assert (diagnosis.here.n, diagnosis.here.n_lives, diagnosis.here.zero) == (len(whole), 12, 0.0)
    noise = whole.std(ddof=1)
    np.testing.assert_allclose(
        diagnosis.here.norm, whole.mean() * np.linalg.norm(_gradient(16)), rtol=1e-5
    )
    np.testing.assert_allclose(
        diagnosis.here.ratio, whole.mean() / (noise / np.sqrt(len(whole))), rtol=1e-4
    )
    clean = np.sqrt(whole.mean() ** 2 - noise**2 / len(whole))
    np.testing.assert_allclose(diagnosis.here.per_step, clean / (noise / np.sqrt(4)), rtol=1e-4)
    np.testing.assert_allclose(
        [diagnosis.diverged, diagnosis.diverged_nearby], 1.0 - len(whole) / 12
    )
    assert len(diagnosis.nearby) == 2


def test_gradient_norms_of_lives_cut_short_and_their_growth(pulse_lives):
    diagnosis, heights = pulse_lives
    typical = np.median(np.abs(heights[np.isfinite(heights)]))
    steps, norms = zip(*diagnosis.lengths, strict=True)
    assert steps == (2, 4, 8, 16)
    np.testing.assert_allclose(
        norms, [typical * np.linalg.norm(_gradient(n)) for n in steps], rtol=1e-5
    )
    np.testing.assert_allclose(diagnosis.growth, np.polyfit(steps, np.log(norms), 1)[0], rtol=1e-6)
    assert slope(((1, 3.0), (2, 3.0 * 1.7), (4, 3.0 * 1.7**3), (8, math.nan))) == pytest.approx(
        math.log(1.7)
    )
    assert math.isnan(slope(((1, 3.0), (2, 0.0))))


def test_an_exact_gradient_agrees_with_the_loss_and_a_linear_life_has_its_eigenvalue(pulse_lives):
    diagnosis, _ = pulse_lives
    assert diagnosis.agreement.near == pytest.approx(1.0, abs=2e-3)
    assert diagnosis.agreement.along == pytest.approx(1.0, abs=0.1)
    assert diagnosis.agreement.cosine > 0.95
    assert diagnosis.agreement.linear > 0.8
    for rate in (
        diagnosis.exponents.life,
        diagnosis.exponents.network,
        diagnosis.exponents.perturbed,
    ):
        assert rate == pytest.approx(math.log(LOOP), abs=1e-3)
    assert diagnosis.exponents.spreading == 1.0
    assert 0 < diagnosis.exponents.n_lives < 8  # two lives that are not finite have no distance
    assert advise(diagnosis).kind == "gradient"


def test_what_the_network_forgets_its_weights_keep():
    lifetime = _lifetime(
        10, genome=Constant(value=0.5), slots=(Slot(edges="recurrent_to_recurrent", rule=STILL),)
    )
    rates = exponents(lifetime, lifetime.init(KEY), sample(lifetime.task, KEY, 2, "train"), KEY, 40)
    assert rates.network == pytest.approx(
        math.log(0.5), abs=1e-3
    )  # all weights 0.5 / 10: the eigenvalue is 0.5
    assert rates.life == pytest.approx(0.0, abs=0.02)
    assert rates.perturbed == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(("gain", "chaotic"), [(4.0, True), (0.8, False)])
def test_a_random_network_has_the_exponent_that_numpy_finds(gain, chaotic):
    lifetime = _lifetime(24, task=Pulse(n_steps=400), network=Recurrent(n_recurrent=24))
    theta, batch = lifetime.init(KEY), sample(lifetime.task, KEY, 1, "train")
    theta["genome"]["recurrent_to_recurrent"] *= gain  # of variance 1 / 24 as they are drawn
    rates = exponents(lifetime, theta, batch, KEY, 400)
    w_in, w = (
        np.asarray(theta["genome"][f"{e}_to_recurrent"], np.float64) for e in ("input", "recurrent")
    )
    x, u, logs = np.zeros(24), np.random.default_rng(0).normal(size=24), []
    for t in range(400):
        x = np.tanh(w @ x + w_in[:, 0] * (float(batch.tasks[0]) if t == 0 else 0.0))
        u = (1.0 - x**2) * (w @ (u / np.linalg.norm(u)))
        logs.append(np.log(np.linalg.norm(u)))
    assert rates.network == pytest.approx(np.mean(logs[100:]), abs=0.03)
    assert rates.life == pytest.approx(rates.network, abs=0.03)
    assert rates.perturbed == pytest.approx(rates.network, abs=0.05)
    assert (rates.life > 0.05) == chaotic


def test_a_gradient_that_does_not_exist_is_counted_as_zero():
    problem = MetaProblem(_lifetime(1, task=Pulse(hard=True)), MeanLoss())
    batch = sample(problem.lifetime.task, KEY, 4, "train")
    _, grads = gradients(SearchedProblem(problem, ()), _theta(IN, LOOP, OUT), batch, (16,))
    gradient_signal = signal(np.asarray(grads[:, -1], np.float64), 4)
    assert (gradient_signal.zero, gradient_signal.norm, gradient_signal.n) == (1.0, 0.0, 4)
    assert math.isnan(gradient_signal.ratio)


@pytest.mark.parametrize("floor", [1.0, 1e-12])
def test_a_gradient_is_small_only_beside_the_digits_of_its_loss(floor):
    """1e-12 of an output is lost beside 1, as a float32 has 7 digits, and plain beside 1e-12."""
    problem = MetaProblem(_lifetime(1, task=Pulse(floor=floor, scale=1e-12)), MeanLoss(), n_tasks=4)
    plan = Plan(n_lives=12, std=0.05)
    diagnosis = diagnose(problem, _theta(IN, LOOP, OUT), KEY, plan=plan)
    heights = np.asarray(
        sample(problem.lifetime.task, jax.random.split(KEY, 3)[0], 12, "train").tasks, np.float64
    )
    np.testing.assert_allclose(
        diagnosis.here.norm, 1e-12 * heights.mean() * np.linalg.norm(_gradient(16)), rtol=1e-5
    )
    if floor == 1.0:
        np.testing.assert_allclose(diagnosis.resolution, 2.0**-23 / (2.0 * 0.05), rtol=1e-6)
        assert advise(diagnosis).reason.endswith(
            "it has vanished, and losses 0.05 away tell nothing either: begin elsewhere"
        )
        seen = diagnosis.agreement.signal._replace(typical=1.0)
        felt = diagnosis._replace(agreement=diagnosis.agreement._replace(signal=seen))
        assert advise(felt).reason.endswith("less than its loss can show: it has vanished")
    else:
        assert diagnosis.agreement.near == pytest.approx(1.0, abs=2e-3)
        assert advise(diagnosis).kind == "gradient"


def test_signals_without_vectors_without_noise_and_of_noise():
    nothing = signal(np.full((3, 2), np.nan), 4)
    assert (nothing.n, nothing.n_lives) == (0, 3)
    assert math.isnan(nothing.ratio)
    assert signal(np.ones((3, 2)), 4).ratio == math.inf
    rng = np.random.default_rng(0)
    noise = [signal(rng.normal(size=(16, 50)), 8) for _ in range(50)]
    assert np.mean([s.ratio for s in noise]) == pytest.approx(1.0, abs=0.05)
    assert np.median([s.per_step for s in noise]) < 0.15


def test_every_threshold_gives_its_advice(pulse_lives):
    diagnosis, _ = pulse_lives
    good = diagnosis._replace(here=diagnosis.here._replace(n=12), diverged=0.0, diverged_nearby=0.0)
    here, agreement, away = good.here, good.agreement, good.exponents
    drowned = Signal(1.0, 1.0, 1.0, 0.01, 0.0, 12, 12)
    chaos = away._replace(life=0.9, perturbed=0.9)
    against = {
        "passes no gradient": good._replace(differentiable=False),
        "50% of lives blow up": good._replace(diverged=0.5),
        "gradient of 50% of lives is not finite": good._replace(here=here._replace(n=6)),
        "exactly zero": good._replace(here=here._replace(zero=0.75)),
        "changes the loss by 0.2 of": good._replace(
            agreement=agreement._replace(near=0.2, near_error=0.01)
        ),
        "grows 1.2e+06-fold": good._replace(growth=1.0),
        "chaotic": good._replace(
            n_steps=40, exponents=chaos, agreement=agreement._replace(along=0.0)
        ),
        "drowns in its noise": good._replace(here=drowned),
    }
    for words, diagnosed in against.items():
        advice = advise(diagnosed)
        assert (advice.outer, advice.kind) == ("es", "evolution")
        assert words in advice.reason
    for fine in (good, good._replace(n_steps=40, exponents=chaos), good._replace(growth=0.05)):
        assert (advise(fine).outer, advise(fine).kind) == ("bptt", "gradient")
    assert advise(good, memory=3.0).outer == "forward"
    assert advise(good._replace(n_numbers=10_000), memory=3.0).outer == "truncated_bptt"
    long = advise(good._replace(differentiable=False, n_steps=4000))
    assert [name for name, _ in long.second][:2] == ["pes", "nres"]


def test_the_class_of_an_outer_loop():
    kinds = {
        name: kind_of(decode("outer", name))
        for name in (
            *("bptt", "forward", "es", "cross_entropy", "pes", "genetic_algorithm"),
            *("hybrid", "multi_start"),
        )
    }
    expected = {
        "bptt": "gradient",
        "forward": "gradient",
        "es": "evolution",
        "cross_entropy": "evolution",
        "pes": "evolution",
        "genetic_algorithm": "evolution",
        "hybrid": None,
    }
    assert kinds == {**expected, "multi_start": "gradient"}


def test_nothing_to_learn_is_refused():
    with pytest.raises(BadInput, match="a number to learn"):
        diagnose(MetaProblem(_lifetime(1, genome=Random())), {"rules": {}}, KEY)

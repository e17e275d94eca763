"""The dendritic microcircuit against plain NumPy: its dynamics, its errors, its interneurons."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.regression import Regression
from inner_tasks.shown_target import ShownTarget
from inner_tasks.teacher_student import TeacherStudent
from metaplast.feedback.none import None_
from metaplast.genomes.constant import Constant
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.genomes.self_predicting import SelfPredicting
from metaplast.genomes.twins import Twins
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.microcircuit import Microcircuit
from metaplast.neurons.lif import Lif
from metaplast.neurons.linear import Linear
from metaplast.neurons.pyramidal import Pyramidal
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.neurons.softplus import Softplus
from metaplast.rules.base import AbstractRule
from metaplast.runs.config import Sources
from metaplast.signals import Synapses
from metaplast.spec import decode
from metaplast.testing.base import quick_jit

DT = 1e-3
NET = Microcircuit(hidden=(7, 6), transfer=Sigmoid(), output=Sigmoid())
SIZES = {"input": 5, "target": 3, "taught": 1}
LEVELS = ("input", "hidden_1", "hidden_2", "output")
UP = tuple(f"{pre}_to_{post}" for pre, post in pairwise(LEVELS))
TWINS = Twins(twins=(("down_1", UP[1]), ("down_2", UP[2])))
ATTENUATION = {"hidden": 10 / 19, "output": 10 / 11}
RNG = np.random.default_rng(0)
X = RNG.normal(size=5)
TARGET = RNG.normal(size=3)


def _shipped(name: str, rate: float) -> AbstractRule:
    """A rule of configs/rule at a rate."""
    plain = Sources(Path(__file__).parents[1] / "configs").load("rule", name)
    assert plain is not None
    return decode("rule", {**plain, "rate": rate})


def _born(genome: Any, seed: int = 1, net: Microcircuit = NET) -> Any:
    """{edge: weights at birth}, in float64."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, _births(genome, net, jax.random.key(seed)))


@partial(quick_jit, static_argnums=(0, 1))
def _births(genome: Any, net: Microcircuit, key: Any) -> Any:
    wiring = net.wiring(SIZES, 3)
    born = genome.weights(genome.init(key, wiring), wiring, {}, key)
    return {name: synapses.weight for name, synapses in born.items()}


def _settled(
    weights: Any, xs: Any, target: Any = None, nudge: float = 8.0, net: Microcircuit = NET
) -> Any:
    """(views, sites) of the settled network under each of some inputs [n, n_in], in float64.

    target: [n_out], None where none is shown; nudge: the conductance of the teacher.
    """
    taught = np.zeros(1) if target is None else np.ones(1)
    shown = np.zeros(3) if target is None else target
    nudged = {name: np.full_like(weights[name], nudge) for name in ("teach", "shunt")}
    with jax.enable_x64(True):
        found = _settle(net, {**weights, **nudged}, np.atleast_2d(xs), shown, taught)
        return jax.tree.map(np.asarray, found)


@partial(quick_jit, static_argnums=0)
def _settle(net: Microcircuit, weights: Any, xs: Any, target: Any, taught: Any) -> Any:
    wiring = net.wiring(SIZES, 3)
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}

    def one(x: Any) -> Any:
        stimulus = {"input": x, "target": taught * target, "taught": taught}

        def step(state: Any) -> Any:
            key = jax.random.key(0)
            return network.stepped(wiring, {}, synapses, state, stimulus, DT, key, {})

        state = network.init_state(wiring, {}, DT)
        state = jax.lax.fori_loop(0, 300, lambda _, state: step(state).state, state)
        after = step(state)
        return after.signals.views, after.sites

    return jax.vmap(one)(xs)


def _phi(u: Any) -> Any:
    return 1 / (1 + np.exp(-u))


def _forward(w: Any, x: Any) -> list[np.ndarray]:
    """The potentials of the layers of a plain network with the attenuated weights."""
    potentials = []
    r = x
    for edge in UP:
        share = ATTENUATION["output" if edge.endswith("output") else "hidden"]
        potentials.append(share * w[edge] @ r)
        r = _phi(potentials[-1])
    return potentials


def _backpropagated(w: Any, x: Any, target: Any) -> list[np.ndarray]:
    """-d loss / d activity of the hidden layers, -d loss / d potential of the output.

    The error of the output is phi'(u) (u* - u). Of attenuation, its place in the forward pass
    counts: a hidden activity acts on the potential above through the attenuated weights.
    """
    *hidden, top = _forward(w, x)
    r = _phi(top)
    error = r * (1 - r) * (target - top)
    signals = [error]
    for edge, u in zip(UP[:0:-1], hidden[::-1], strict=True):
        share = ATTENUATION["output" if edge.endswith("output") else "hidden"]
        signal = share * w[edge].T @ error
        signals.append(signal)
        error = signal * _phi(u) * (1 - _phi(u))
    return signals[::-1]


def _cosine(a: Any, b: Any) -> float:
    a, b = np.ravel(a), np.ravel(b)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_oracle_is_the_slope_of_its_loss():
    """loss = sum int_u^u* phi'(v) (u* - v) dv = sum S(u*) - S(u) - phi(u) (u* - u), S' = phi."""
    w = _born(SelfPredicting(TWINS))

    def loss(x: Any, shifts: Any) -> float:
        r = x
        u = x
        for edge, shift in zip(UP, shifts, strict=True):
            share = ATTENUATION["output" if edge.endswith("output") else "hidden"]
            u = share * w[edge] @ r
            r = _phi(u) + shift
        integral = np.log1p(np.exp(TARGET)) - np.log1p(np.exp(u))
        return float(np.sum(integral - _phi(u) * (TARGET - u)))

    signals = _backpropagated(w, X, TARGET)
    for level in (0, 1):
        way = np.random.default_rng(level).normal(size=signals[level].size)
        ends = []
        for h in (1e-5, -1e-5):
            shifts: list[Any] = [0.0, 0.0, 0.0]
            shifts[level] = h * way
            ends.append(loss(X, shifts))
        np.testing.assert_allclose(-(ends[0] - ends[1]) / 2e-5, signals[level] @ way, rtol=1e-6)


def test_a_genome_that_leaves_out_synapses_leaves_the_prediction_perfect_and_the_nudges_whole():
    wiring = NET.wiring(SIZES, 3)
    genome = SelfPredicting(EvolvedMask(density=0.5))
    born = genome.weights(genome.init(jax.random.key(1), wiring), wiring, {}, jax.random.key(2))
    assert np.mean(born["hidden_1_to_hidden_2"].mask) == 0.5
    np.testing.assert_array_equal(born["predict_1"].mask, born["hidden_1_to_hidden_2"].mask)
    np.testing.assert_array_equal(born["cancel_1"].mask, born["down_1"].mask)
    for edge in wiring.edges:
        weight, mask = (np.asarray(x) for x in (born[edge.name].weight, born[edge.name].mask))
        missing = np.broadcast_to(mask, weight.shape) == 0
        assert np.all(weight[missing] == 0)
        assert edge.plastic == bool(np.any(missing))


@pytest.mark.parametrize("net", [NET, replace(NET, transfer=Softplus(), output=Linear())], ids=str)
def test_without_a_target_apical_dendrites_are_silent_in_the_self_predicting_state(net):
    """Whatever the input, and whether top-down weights are twins or not; not so at random."""
    xs = np.random.default_rng(2).normal(size=(20, 5))
    for inner in (TWINS, Constant(0.7), decode("genome", "random")):
        _, sites = _settled(_born(SelfPredicting(inner), net=net), xs, net=net)
        for level in (1, 2):
            assert np.abs(sites[f"down_{level}"]).max() < 1e-9
    views, sites = _settled(_born(SelfPredicting(TWINS, lateral=False), net=net), xs, net=net)
    assert min(np.abs(sites[f"down_{level}"]).max() for level in (1, 2)) > 0.1
    assert np.abs(views["hidden_1"].activity).max() > 0.1


def test_in_the_self_predicting_state_the_soma_follows_its_basal_dendrite():
    """The free network is a plain feedforward one with attenuated weights."""
    w = _born(SelfPredicting(TWINS))
    views, sites = _settled(w, X)
    for level, edge, u in zip(LEVELS[1:], UP, _forward(w, X), strict=True):
        np.testing.assert_allclose(views[level].potential[0], u, atol=1e-12)
        np.testing.assert_allclose(sites[edge][0], u, atol=1e-12)
    for level, above in ((1, "hidden_2"), (2, "output")):
        potential = views[f"interneuron_{level}"].potential
        np.testing.assert_allclose(potential, views[above].potential, atol=1e-12)


NUDGES = (1e-1, 3e-2, 1e-2, 3e-3)


def test_apical_potentials_are_backpropagated_errors_under_a_weak_nudge():
    """1 - cosine falls with the square of the nudge, the potentials with the nudge itself."""
    w = _born(SelfPredicting(TWINS))
    expected = _backpropagated(w, X, TARGET)
    gaps = {1: [], 2: []}
    sizes = {1: [], 2: []}
    for g in NUDGES:
        _, sites = _settled(w, X, TARGET, g)
        for level in (1, 2):
            apical = sites[f"down_{level}"][0]
            gaps[level].append(1 - _cosine(apical, expected[level - 1]))
            sizes[level].append(np.linalg.norm(apical))
    for level in (1, 2):
        assert gaps[level][0] < 1e-2
        assert gaps[level][-1] < 1e-8
        assert abs(np.polyfit(np.log(NUDGES), np.log(gaps[level]), 1)[0] - 2) < 0.05
        assert abs(np.polyfit(np.log(NUDGES), np.log(sizes[level]), 1)[0] - 1) < 0.05


def test_the_size_of_an_apical_potential_is_its_closed_form():
    """v_a = (1 - l) W_down phi'(u) e, with l = g_nudge / (1 + g_basal + g_nudge).

    e is the shift of the soma above: at the output g / (1 + g_basal + g) (u* - u), below it
    g_apical / (1 + g_basal + g_apical) v_a.
    """
    w = _born(SelfPredicting(TWINS))
    g = 1e-5
    _, sites = _settled(w, X, TARGET, g)
    _, middle, top = _forward(w, X)
    kept = 1 - 8 / (1 + 10 + 8)
    slope = lambda u: _phi(u) * (1 - _phi(u))
    second = kept * w["down_2"] @ (slope(top) * g / (1 + 10 + g) * (TARGET - top))
    np.testing.assert_allclose(sites["down_2"][0], second, rtol=1e-4)
    first = kept * w["down_1"] @ (slope(middle) * 8 / 19 * second)
    np.testing.assert_allclose(sites["down_1"][0], first, rtol=1e-4)


def test_without_prediction_or_without_twins_apical_potentials_are_no_gradient():
    """Means over 20 births, each with its own input and target, under the same weak nudge."""
    genomes = {
        "both": SelfPredicting(TWINS),
        "drawn interneurons": SelfPredicting(TWINS, lateral=False),
        "drawn top-down weights": SelfPredicting(),
    }
    cosines = {}
    for name, genome in genomes.items():
        cosines[name] = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            x, target = rng.normal(size=5), 2 * rng.normal(size=3)
            w = _born(genome, seed)
            expected = _backpropagated(w, x, target)
            _, sites = _settled(w, x, target, 1e-2)
            apical = (sites["down_1"][0], sites["down_2"][0])
            cosines[name].append([_cosine(v, e) for v, e in zip(apical, expected, strict=False)])
    assert np.min(cosines["both"]) > 0.99
    for name in ("drawn interneurons", "drawn top-down weights"):
        assert np.abs(np.mean(cosines[name], axis=0)).max() < 0.5


def test_the_rule_descends_the_gradient_of_every_edge_that_goes_up():
    """Its first order in u - v* and the difference of rates itself, under ever weaker nudges."""
    w = _born(SelfPredicting(TWINS))
    *signals, top = _backpropagated(w, X, TARGET)
    potentials = _forward(w, X)
    errors = [s * _phi(u) * (1 - _phi(u)) for s, u in zip(signals, potentials, strict=False)]
    errors.append(top)
    rates = [X, *(_phi(u) for u in potentials)]
    apart = []
    for g in NUDGES:
        views, sites = _settled(w, X, TARGET, g)
        largest = 0.0
        for level, (name, edge) in enumerate(zip(LEVELS[1:], UP, strict=True)):
            post = views[name]
            pre = X if level == 0 else views[LEVELS[level]].activity[0]
            linear = post.gain[0] * (post.potential[0] - sites[edge][0])
            exact = _phi(post.potential[0]) - _phi(sites[edge][0])
            largest = max(largest, np.linalg.norm(linear - exact) / np.linalg.norm(exact))
            gradient = np.outer(errors[level], rates[level])
            assert _cosine(np.outer(linear, pre), gradient) > 0.999
        apart.append(largest)
    assert abs(np.polyfit(np.log(NUDGES), np.log(apart), 1)[0] - 1) < 0.05
    assert apart[-1] < 1e-3


ONE_LAYER = Microcircuit(hidden=(4,), transfer=Sigmoid(), output=Sigmoid(), g_teacher=3.0)
RATE = 0.5
RULES = (
    Slot("up", "*_to_*", _shipped("dendritic_prediction", RATE)),
    Slot("predict", "predict_*", _shipped("dendritic_prediction", RATE)),
    Slot("cancel", "cancel_*", _shipped("dendritic_cancellation", RATE)),
)
EXAMPLES = Regression(n_in=3, shots=6, queries=4)


class _Plain:
    """One hidden layer in plain NumPy, cell by cell as the source has it."""

    def __init__(self, weights: Any) -> None:
        self.w = {name: values.copy() for name, values in weights.items()}
        self.hidden, self.inter, self.output = np.zeros(4), np.zeros(1), np.zeros(1)
        self.sent = {"output": np.zeros(1), "potential": np.zeros(1), "inter": np.zeros(1)}

    @staticmethod
    def _moved(u: Any, pulls: Any) -> Any:
        """A soma that relaxes to the mean of what pulls it: pairs (conductance, potential)."""
        total = 1.0 + sum(g for g, _ in pulls)
        end = sum(g * v for g, v in pulls) / total
        return end + np.exp(-DT * total / 10e-3) * (u - end)

    def step(self, x: Any, target: Any) -> None:
        """One step of the network; target: None where none is shown."""
        w = self.w
        self.apical = w["down_1"] @ self.sent["output"] + w["cancel_1"] @ self.sent["inter"]
        basal = w["input_to_hidden_1"] @ x
        self.hidden = self._moved(self.hidden, [(10.0, basal), (8.0, self.apical)])
        r = _phi(self.hidden)
        dendrite = w["predict_1"] @ r
        self.inter = self._moved(self.inter, [(10.0, dendrite), (8.0, self.sent["potential"])])
        top = w["hidden_1_to_output"] @ r
        self.output = self._moved(
            self.output, [(10.0, top), *([(3.0, target)] if target is not None else [])]
        )
        self.predicted = {
            "input_to_hidden_1": (self.hidden, 10 / 19 * basal, x),
            "predict_1": (self.inter, 10 / 11 * dendrite, r),
            "hidden_1_to_output": (self.output, 10 / 11 * top, r),
        }
        self.cancels = self.sent["inter"]
        self.sent = {
            "output": _phi(self.output),
            "potential": self.output,
            "inter": _phi(self.inter),
        }

    def learn(self) -> None:
        """The rules, after the last step."""
        for name, (u, v, pre) in self.predicted.items():
            slope = _phi(u) * (1 - _phi(u))
            self.w[name] = self.w[name] + RATE * np.outer(slope * (u - v), pre)
        self.w["cancel_1"] = self.w["cancel_1"] - RATE * np.outer(self.apical, self.cancels)


def test_a_life_of_the_microcircuit_is_a_plain_loop():
    """Six shown targets, then four steps in which nothing is taught or learned; five steps each."""
    lifetime = Lifetime(
        task=ShownTarget(EXAMPLES),
        network=ONE_LAYER,
        feedback=None_(),
        genome=SelfPredicting(lateral=False),
        slots=RULES,
        record=("weights", "potential"),
        settle=5,
    )
    lifetime.check()

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime._init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        recorded = lifetime.advance(theta, task, born, 10, start=0)[1].recorded
        return task, {name: s.weight for name, s in born.synapses.items()}, recorded

    with jax.enable_x64(True):
        task, born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    assert np.all(born["teach"] == 3.0) and np.all(born["shunt_1"] == 8.0)
    plain = _Plain(born)
    for t in range(10):
        for _ in range(5):
            plain.step(task.inputs[t], task.values[t] if t < 6 else None)
        if t < 6:
            plain.learn()
        potentials = {
            "hidden_1": plain.hidden,
            "interneuron_1": plain.inter,
            "output": plain.output,
        }
        for name, u in potentials.items():
            np.testing.assert_allclose(recorded["potential"][name][t], u, rtol=1e-9, atol=1e-12)
        for name, w in plain.w.items():
            np.testing.assert_allclose(recorded["weights"][name][t], w, rtol=1e-9, atol=1e-12)
    for name in ("input_to_hidden_1", "hidden_1_to_output", "predict_1", "cancel_1"):
        assert np.abs(plain.w[name] - born[name]).max() > 1e-3


def test_lateral_plasticity_finds_the_self_predicting_state():
    """From drawn interneurons, without a target: apical potentials fall to a tenth and below.

    Top-down weights are drawn and fixed. The inputs that judge were never shown.
    """
    n_steps = 3000
    lifetime = Lifetime(
        task=TeacherStudent(n_in=5, n_out=3, n_steps=n_steps, input_sd=1.0),
        network=NET,
        feedback=None_(),
        genome=SelfPredicting(lateral=False),
        slots=RULES[1:],
        settle=5,
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime._init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        grown = lifetime.advance(theta, task, born, n_steps, start=0)[0]
        return [{n: s.weight for n, s in life.synapses.items()} for life in (born, grown)]

    with jax.enable_x64(True):
        lives = jax.tree.map(np.asarray, live(jax.random.key(0)))
    untaught = {"teach": np.zeros(3), "shunt": np.zeros((3, 1))}
    xs = np.random.default_rng(3).normal(size=(100, 5))
    apical = []
    unpredicted = []
    for weights in lives:
        views, sites = _settled({**weights, **untaught}, xs)
        for level, above in ((1, "hidden_2"), (2, "output")):
            apical.append(np.sqrt(np.mean(sites[f"down_{level}"] ** 2)))
            missed = sites[f"predict_{level}"] - views[above].potential
            unpredicted.append(np.sqrt(np.mean(missed**2)))
    for born, grown in ((apical[:2], apical[2:]), (unpredicted[:2], unpredicted[2:])):
        assert np.all(np.asarray(grown) < 0.1 * np.asarray(born))
    for name in (*UP, "down_1", "down_2"):
        np.testing.assert_array_equal(*(weights[name] for weights in lives))


def test_a_shown_target_is_that_of_the_inner_task_while_rules_are_at_work():
    family = ShownTarget(EXAMPLES)
    key = jax.random.key(0)
    assert family.shape().inputs == {"input": 3, "target": 1, "taught": 1}
    task = family.sample(key, "train")
    state = family.begin(task, key, DT)
    inner = EXAMPLES.begin(task, key, DT)
    view = Linear().step({}, {}, {"soma": jnp.full(1, 0.3)}, DT, key)[1]
    for t in range(10):
        shown = family.stimulus(task, state, key, DT)
        np.testing.assert_array_equal(
            shown["input"], EXAMPLES.stimulus(task, inner, key, DT)["input"]
        )
        assert shown["taught"] == float(t < 6)
        assert shown["target"] == (task.values[t] if t < 6 else 0.0)
        state, outcome = family.step(task, state, view, key, DT)
        inner, expected = EXAMPLES.step(task, inner, view, key, DT)
        assert outcome.score.loss == expected.score.loss


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda: ShownTarget(decode("task", "bandit")), "inner task bandit - expected a task that"),
        (lambda: ShownTarget(ShownTarget()), "inner task shown_target has inputs input, target"),
        (lambda: Microcircuit(hidden=()), "expected a hidden layer"),
        (lambda: NET.wiring({"input": 5, "target": 3}, 3), "expected .*'taught': 1}, or neither"),
        (lambda: NET.wiring({"input": 5, "target": 2, "taught": 1}, 3), "'target': 2"),
        (lambda: Pyramidal(transfer=Lif()), "transfer=lif - expected a rate neuron"),
    ],
)
def test_parts_that_do_not_fit_are_refused(broken, words):
    with pytest.raises(ValueError, match=words):
        broken()

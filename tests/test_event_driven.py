"""Lives of an event-driven network: what rules see, and what is refused."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.events.membrane import EventMembrane
from metaplast.events.spikes import first_spikes, spikes
from metaplast.feedback.base import FeedbackView
from metaplast.feedback.equilibrium import Equilibrium
from metaplast.feedback.eventprop import Eventprop
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.autoassociative import Autoassociative
from metaplast.networks.event_driven import CELL, EventDriven
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.lif import Lif
from metaplast.neurons.poisson import Poisson
from metaplast.registry import find
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from metaplast.transmission.delayed import Delayed

T = 40e-3
RATE = 0.3
WIDE = (-60.0, 60.0)
LAYERS = Feedforward(hidden=(6, 5), neuron=CELL, output=CELL, gain=9.0, bounds=WIDE)
LOOP = Recurrent(n_recurrent=6, neuron=CELL, output=CELL, gain=9.0, recurrent_gain=2.0, bounds=WIDE)
DESCENT = Polynomial(terms=("synaptic_credit",), initial=(-1.0,), rate=RATE, learn="rate")
TASK = decode("task", {"name": "yin_yang", "n_train": 8, "n_test": 2})
KEY = jax.random.key(2)


def _lives(graph: Any = LAYERS, **fields: Any) -> Lifetime:
    settings: dict[str, Any] = {
        "task": TASK,
        "network": EventDriven(graph, max_events=96),
        "feedback": Eventprop(),
        "slots": (Slot(rule=DESCENT),),
        "dt": T,
        "record": ("weights", "activity", "feedback", "gain"),
    }
    return Lifetime(**{**settings, **fields})


@pytest.fixture(autouse=True)
def _in_double_precision():
    with jax.enable_x64(True):
        yield


def _lived(lives: Lifetime, n_steps: int) -> Any:
    """(task, weights at birth, trace, theta) of a life."""
    theta = lives.init(jax.random.key(0))
    task = lives.task.sample(jax.random.key(1), "train")

    @quick_jit
    def live(theta: Any) -> Any:
        born = lives.begin(theta, task, KEY)
        return born.synapses, lives.advance(theta, task, born, n_steps)[1]

    born, trace = live(theta)
    return task, {name: s.weight for name, s in born.items()}, trace, theta


def _loss(graph: Any, weights: Any, x: Any, label: Any) -> Any:
    """The loss of one point, with the matrix of all weights put together by hand."""
    sizes = {"input": 5, **{name: n for name, n in graph.items() if name != "input"}}
    names = list(sizes)
    first = dict(zip(names, np.cumsum([0, *sizes.values()]), strict=False))
    n_all = sum(sizes.values())
    matrix = jnp.zeros((n_all, n_all - 5))
    for edge, weight in weights.items():
        pre, post = edge.split("_to_")
        rows = slice(first[pre], first[pre] + sizes[pre])
        columns = slice(first[post] - 5, first[post] - 5 + sizes[post])
        matrix = matrix.at[rows, columns].set(weight.T)
    cells = EventMembrane(duration=T, max_events=96)
    record = spikes(cells, matrix, 20e-3 * (1.0 - x), jnp.arange(5))
    activity = 1.0 - first_spikes(record, n_all - 3, 3, T) / T
    return -jax.nn.log_softmax(activity)[label]


GRAPHS = {
    "layers": (LAYERS, {"hidden_1": 6, "hidden_2": 5, "output": 3}),
    "loop": (LOOP, {"recurrent": 6, "output": 3}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_descent_along_the_synaptic_credit_is_that_along_the_gradient(name):
    graph, sizes = GRAPHS[name]
    task, weights, trace, _ = _lived(_lives(graph), 5)
    gradient = quick_jit(jax.grad(lambda w, x, label: _loss(sizes, w, x, label)))
    moved = set()
    for t in range(5):
        slope = gradient(weights, task.inputs[t], task.labels[t])
        for edge, now in weights.items():
            after = trace.recorded["weights"][edge][t]
            np.testing.assert_allclose(after - now, -RATE * slope[edge], rtol=1e-8, atol=1e-13)
            if np.abs(slope[edge]).max() > 1e-4:
                moved.add(edge)
            weights[edge] = after
    assert moved == set(weights)
    assert not np.any(trace.score.metrics["full_table"])


def test_the_learning_signal_is_the_gradient_of_a_shift_of_all_spikes_that_a_neuron_sends():
    """The spikes of the hidden cells are given to the output alone, later or earlier."""
    lives = _lives(Feedforward(hidden=(6,), neuron=CELL, output=CELL, gain=12.0))
    task, weights, _, theta = _lived(lives, 1)
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}
    wiring = lives.wiring()
    rest = network.init_state(wiring, {}, T)
    state, (views, sent) = network.step(
        wiring, theta["neurons"], synapses, rest, {"input": task.inputs[0]}, T, KEY
    )
    _, outcome = lives.task.step(task, jnp.zeros((), jnp.int32), views["output"], KEY, T)
    seen = FeedbackView(
        wiring, synapses, views, sent, {}, state, {}, outcome.feedback, jnp.ones(()), KEY, T
    )
    credit = lives.feedback.step({}, {}, seen)[1]
    record = state.spikes
    is_hidden = (record.sources >= 5) & (record.sources < 11)
    times = np.asarray(record.times)[is_hidden]
    senders = np.asarray(record.sources)[is_hidden] - 5
    assert len(times) > len(set(senders.tolist()))

    def loss(shift: Any) -> Any:
        matrix = jnp.concatenate([weights["hidden_1_to_output"].T, jnp.zeros((3, 3))])
        late = jnp.asarray(times) - T * shift[senders]
        cells = EventMembrane(duration=T, max_events=96)
        own = spikes(cells, matrix, late, jnp.asarray(senders))
        return -jax.nn.log_softmax(1.0 - first_spikes(own, 6, 3, T) / T)[task.labels[0]]

    spiking = views["output"].activity > 0
    np.testing.assert_allclose(
        credit.learning_signal["output"], np.where(spiking, outcome.feedback.error, 0.0), rtol=1e-12
    )
    expected = jax.grad(loss)(jnp.zeros(6))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(credit.learning_signal["hidden_1"], expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(
        credit.feedback["hidden_1"], expected * views["hidden_1"].gain, rtol=1e-8, atol=1e-12
    )


def test_a_gradient_passes_through_the_life_and_its_own_gradients():
    lives = _lives()
    theta = lives.init(jax.random.key(0))
    task = lives.task.sample(jax.random.key(1), "train")

    def mean_loss(log_rate: Any) -> Any:
        moved = {**theta, "rules": {"rule": {"log_rate": log_rate}}}
        born = lives.begin(moved, task, KEY)
        return jnp.mean(lives.advance(moved, task, born, 6, gradient=True)[1].score.loss)

    loss = quick_jit(mean_loss)
    slope = quick_jit(jax.grad(mean_loss))(0.0)
    h = 1e-6
    assert abs(slope) > 1e-3
    np.testing.assert_allclose(slope, (loss(h) - loss(-h)) / (2 * h), rtol=1e-6)


def test_fixed_steps_come_close_to_the_exact_spikes():
    """Network `feedforward` with the same cells: first spikes, as the steps get shorter."""
    exact = _lives(Feedforward(hidden=(6,), neuron=CELL, output=CELL, gain=12.0))
    task, weights, trace, _ = _lived(exact, 1)
    first = {}
    for name in ("hidden_1", "output"):
        first[name] = T * (1 - np.asarray(trace.recorded["activity"][name][0]))
    wiring = replace(exact.wiring(), events=None)
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}
    errors = []
    for dt in (1e-4, 1e-5):
        n_steps = round(T / dt)
        arrival = jnp.round(20e-3 * (1 - task.inputs[0]) / dt)

        def step(state: Any, t: Any, dt: float = dt, arrival: Any = arrival) -> Any:
            now = {"input": (arrival == t).astype(float)}
            state, (views, _) = network.step(wiring, {}, synapses, state, now, dt, KEY)
            return state, {name: views[name].activity for name in first}

        start = network.init_state(wiring, {}, dt)
        scan = quick_jit(lambda s, t, step=step: jax.lax.scan(step, s, t)[1])
        spiked = scan(start, jnp.arange(n_steps, dtype=float))
        off = 0.0
        for name, at in first.items():
            trains = np.asarray(spiked[name]) > 0
            seen = np.where(trains.any(axis=0), dt * (trains.argmax(axis=0) + 1), T)
            off = max(off, np.abs(seen - at).max())
        errors.append(off)
    assert min(first["output"]) < T
    assert errors[1] < 1e-4
    assert errors[1] < 0.3 * errors[0]


def test_single_precision_lives_and_batches_are_finite():
    with jax.enable_x64(False):
        lives = _lives()
        theta = lives.init(jax.random.key(0))
        keys = jax.random.split(KEY, 3)

        @quick_jit
        @jax.vmap
        def live(key: Any) -> Any:
            task = lives.task.sample(key, "train")
            return lives.advance(theta, task, lives.begin(theta, task, key), 10)[1].score

        score = live(keys)
    assert score.loss.dtype == np.float32
    assert np.isfinite(score.loss).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dt": 1e-3}, "latest=0.02 in steps of dt=0.001"),
        ({"settle": 2}, "settle - expected its default"),
        ({"rate_trace": 0.1}, "rate_trace - expected its default"),
        ({"record": ("potential",)}, "potential is recorded"),
        ({"measure": ("alignment",)}, "alignment is recorded or measured"),
        ({"slots": (Slot(rule=find("rule", "stdp")()),)}, "counts the times of spikes"),
        ({"slots": (Slot(rule=find("rule", "eligibility")(exact=False)),)}, "eligibility"),
        ({"feedback": Symmetric()}, "symmetric gives credit to neurons alone"),
        (
            {"feedback": Equilibrium(), "slots": (Slot(rule=Polynomial(terms=("error*pre",))),)},
            "equilibrium relaxes",
        ),
        ({"network": LAYERS}, "a network of fixed steps"),
    ],
)
def test_what_a_presentation_cannot_have_is_refused_in_one_line(fields, words):
    with pytest.raises(ValueError, match=words):
        _lives(**fields).check()


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (Feedforward(), "neuron softplus of hidden_1"),
        (replace(LAYERS, neuron=Lif()), "tau_syn above 0"),
        (replace(LAYERS, output=Lif(tau_syn=4e-3)), "the same cell as hidden_1"),
        (replace(LAYERS, source=Poisson()), "neuron poisson of input - expected an input without"),
        (replace(LAYERS, transmission=Delayed(delay=1e-3)), "a transmission of its own"),
    ],
)
def test_cells_without_these_equations_are_refused(graph, words):
    with pytest.raises(ValueError, match=words):
        EventDriven(graph).wiring({"input": 5}, 3)


def test_a_stimulus_of_cells_that_synapses_drive_too_is_refused():
    with pytest.raises(ValueError, match="input has a stimulus and synapses"):
        EventDriven(Autoassociative(neuron=CELL)).wiring({"input": 3}, 3)

"""Credit signals: what symmetric feedback is, what random feedback does, and what every one of them keeps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast._checks.base import demand_same_type, quick_jit
from metaplast.connections.dense import Dense
from metaplast.feedback.random import Random
from metaplast.feedback.symmetric import Symmetric
from metaplast.genomes.random import Random as Drawn
from metaplast.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import find
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback, neuron_view
from metaplast.spec import decode
from metaplast.wiring import Edge, Population, Wiring
from tests.contracts._enrolled import enrolled

DT = 1e-3
NET = Feedforward(hidden=(5, 4), neuron=Tanh(), output=Tanh(), bias=True).wiring({"input": 3}, 2)
STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")


def _credit(rule: Any, wiring: Wiring, weights: Any, x: Any, target: Any) -> tuple[Any, Any]:
    """(credit, views) after one step of a network that sees x and is told 2 (output - target)."""
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}
    start = network.init_state(wiring, {}, DT)
    _, (views, sent) = network.step(wiring, {}, synapses, start, {"input": x}, DT, jax.random.key(0))
    told = feedback(wiring.output.n, error=2.0 * (views[wiring.output.name].activity - target), target=target)
    state = rule.init_state(rule.init(jax.random.key(1), wiring), wiring, jax.random.key(2))
    return rule.step({}, state, wiring, synapses, views, told, DT)[1], (views, sent)


def test_symmetric_feedback_and_the_delta_rule_are_the_gradient():
    """dw = -error * pre is exactly minus the gradient of the loss of the step, in every layer."""
    wiring, rng = NET, np.random.default_rng(0)
    weights = {e.name: rng.normal(size=e.connection.shape) for e in wiring.edges}
    x, target = rng.normal(size=3), rng.normal(size=wiring.output.n)

    @quick_jit
    def both(weights: Any) -> Any:
        credit, (_, sent) = _credit(Symmetric(), wiring, weights, x, target)
        local = {e.name: -credit.feedback[e.post][:, None] * sent[e.name][None, :] for e in wiring.edges}

        def loss(weights: Any) -> Any:
            output = _credit(Symmetric(), wiring, weights, x, target)[1][0][wiring.output.name].activity
            return jnp.sum((output - target) ** 2)

        return local, jax.grad(loss)(weights)

    with jax.enable_x64(True):
        local, grad = both(weights)
    for name in weights:
        assert np.abs(grad[name]).max() > 1e-6
        np.testing.assert_allclose(local[name], -grad[name], atol=1e-12)


def test_credit_passes_dales_sign_and_stops_at_backward_edges():
    cells = Population("cells", 2, Linear(), sign=-1)
    edges = (
        Edge("input", "cells", Dense(2, 3)),
        Edge("cells", "cells", Dense(2, 2)),
        Edge("cells", "out", Dense(1, 2)),
    )
    wiring = Wiring((Population("input", 3), cells, Population("out", 1, Linear())), edges)
    w = {
        "input_to_cells": np.ones((2, 3)),
        "cells_to_cells": np.full((2, 2), 7.0),
        "cells_to_out": np.asarray([[1.0, 3.0]]),
    }
    with jax.enable_x64(True):
        credit = quick_jit(lambda w: _credit(Symmetric(), wiring, w, np.zeros(3), np.full(1, -0.5))[0])(w)
    np.testing.assert_allclose(credit.feedback["out"], [1.0])
    np.testing.assert_allclose(credit.feedback["cells"], [-1.0, -3.0])
    np.testing.assert_allclose(credit.feedback["input"], [-4.0, -4.0, -4.0])


@pytest.mark.parametrize("wiring", [NET, Recurrent(n_recurrent=3).wiring({"input": 3}, 2)], ids=["layers", "loop"])
@pytest.mark.parametrize("name", enrolled("feedback"))
def test_a_feedback_keeps_its_type_and_reaches_every_population(name, wiring):
    rule = find("feedback", name)()
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), wiring))
    state = jax.eval_shape(lambda t: rule.init_state(t, wiring, jax.random.key(0)), theta)
    views = {p.name: neuron_view(jnp.ones(p.n), jnp.ones(p.n), jnp.ones(p.n)) for p in wiring.populations}
    synapses = {e.name: Synapses(weight=e.connection.zeros(), mask=jnp.ones(())) for e in wiring.edges}
    told = feedback(2, modulators={"reward": jnp.ones(())})
    step = lambda t, s: rule.step(t, s, wiring, synapses, views, told, DT)  # noqa: E731
    after, credit = jax.eval_shape(step, theta, state)
    demand_same_type(state, after, "the state of a feedback keeps its type")
    assert {n: x.shape for n, x in credit.feedback.items()} == {p.name: (p.n,) for p in wiring.populations}
    assert "reward" in credit.modulators


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Mean angle between rows, in degrees."""
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.degrees(np.arccos(cosine)).mean())


def test_forward_weights_align_with_random_feedback():
    """Lillicrap et al. 2016: in a linear 30-20-10 net learning a linear map, the angle between the error that returns
    through B and the one that would return through W falls from about 90 to below 45 degrees."""
    teacher = {"name": "teacher_student", "n_in": 30, "n_out": 10, "n_steps": 2000, "input_sd": 1.0, "weight_sd": 0.5}
    lifetime = Lifetime(
        task=decode("task", {**teacher, "neuron": "linear", "teacher": STILL}),
        network=Feedforward(hidden=(20,), neuron=Linear(), gain=0.03),
        genome=Drawn(),
        feedback=Random(gain=1.3),
        slots=(Slot(rule=Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.025, learn="none")),),
    )

    @quick_jit
    def lives(key: Any) -> Any:
        k_task, k_life = jax.random.split(key)
        task = lifetime.task.sample(k_task, "train")
        theta = lifetime.init(key)
        born = lifetime.begin(theta, task, k_life)
        after, trace = lifetime.advance(theta, task, born, 2000, start=0)
        pick = lambda life: life.synapses["hidden_1_to_output"].weight  # noqa: E731
        return pick(born), pick(after), after.feedback["back"]["hidden_1_to_output"], trace.score.loss

    before, after, back, loss = jax.tree.map(np.asarray, lives(jax.random.key(0)))
    errors = np.random.default_rng(0).normal(size=(200, 10))
    assert 80 < _angle(errors @ before, errors @ back) < 100
    assert _angle(errors @ after, errors @ back) < 45
    assert loss[-50:].mean() < 0.05 * loss[:50].mean()


def test_random_feedback_is_redrawn_in_every_life_and_kept_through_it():
    state = partial(Random().init_state, {}, NET)
    one, same, other = (state(jax.random.key(k))["back"] for k in (0, 0, 1))
    for edge in NET.edges:
        np.testing.assert_array_equal(one[edge.name], same[edge.name])
        assert np.any(np.asarray(one[edge.name]) != np.asarray(other[edge.name]))
    first, second = (np.asarray(one[e.name]).reshape(-1)[:5] for e in NET.edges[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.99  # no two edges share their numbers
    wide = Wiring((Population("a", 200), Population("b", 50)), (Edge("a", "b", Dense(50, 200)),))
    back = np.asarray(Random(gain=2.0).init_state({}, wide, jax.random.key(0))["back"]["a_to_b"])
    assert abs(back.std() * np.sqrt(200) / 2.0 - 1) < 4 / np.sqrt(2 * back.size)

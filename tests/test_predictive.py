"""Predictive coding against plain NumPy: backprop and the relaxation by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks._digit_images import digits
from metaplast.feedback.predictive import Predictive
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback, neuron_view
from metaplast.testing.base import quick_jit
from tests._numbers import Numbers
from tests._seen import DT, seen

NET = Feedforward(hidden=(12, 10), neuron=Tanh(), output=Tanh()).wiring({"input": 8}, 5)
RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=e.connection.shape) / np.sqrt(e.connection.fan_in) for e in NET.edges]
X = RNG.normal(size=8)
TARGET = 0.5 * RNG.normal(size=5)
LAYERS = ("input", "hidden_1", "hidden_2", "output")


def _forward(weights: Any, x: Any) -> list[np.ndarray]:
    """The activities of every layer, input first."""
    activities = [x]
    for w in weights:
        activities.append(np.tanh(w @ activities[-1]))
    return activities


def _backprop(weights: Any, x: Any, target: Any) -> list[np.ndarray]:
    """d loss / d W of the loss |y - target|^2 / 2, layer by layer."""
    y = _forward(weights, x)
    e = (y[-1] - target) * (1 - y[-1] ** 2)
    gradients = []
    for k in reversed(range(len(weights))):
        gradients.insert(0, np.outer(e, y[k]))
        e = (weights[k].T @ e) * (1 - y[k] ** 2)
    return gradients


def _relaxed(weights: Any, x: Any, target: Any, variance: float, eta: float, n: int) -> Any:
    """(variance d energy / d W, relaxed activities) after n steps of strict predictive coding."""
    a = _forward(weights, x)
    a[-1] = target
    shares = [1.0] * (len(weights) - 1) + [1.0 / variance]

    def errors() -> Any:
        predicted = [np.tanh(w @ a[k]) for k, w in enumerate(weights)]
        e = [s * (a[k + 1] - p) for k, (s, p) in enumerate(zip(shares, predicted, strict=True))]
        return e, [1 - p**2 for p in predicted]

    for _ in range(n):
        e, slopes = errors()
        for k in range(len(weights) - 1):
            a[k + 1] = a[k + 1] + eta * (-e[k] + weights[k + 1].T @ (e[k + 1] * slopes[k + 1]))
    e, slopes = errors()
    changes = [-variance * np.outer(e[k] * slopes[k], a[k]) for k in range(len(weights))]
    return changes, a


def _step(rule: Predictive, weights: Any, x: Any, target: Any) -> Any:
    """(d W by `error pre`, d W by `error pre_relaxed`, credit) of one step."""
    synapses = {}
    for edge, w in zip(NET.edges, weights, strict=True):
        synapses[edge.name] = Synapses(weight=w, mask=jnp.ones(()))
    start = network.init_state(NET, {}, DT)
    key = jax.random.key(0)
    after, (views, sent) = network.step(NET, {}, synapses, start, {"input": x}, DT, key)
    told = feedback(5, error=views["output"].activity - target)
    others = {"synapses": synapses, "sent": sent, "network": after, "stimulus": {"input": x}}
    state = rule.init_state({}, NET, key)
    credit = rule.step({}, state, seen(NET, views, told, **others))[1]
    plain = [jnp.outer(credit.feedback[e.post], sent[e.name]) for e in NET.edges]
    moved = [jnp.outer(credit.feedback[e.post], credit.relaxed[e.pre]) for e in NET.edges]
    return plain, moved, credit


def _told(rule: Predictive) -> Any:
    """`_step` of the drawn network, in float64."""
    live = quick_jit(lambda weights, x, target: _step(rule, weights, x, target))
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, live(WEIGHTS, X, TARGET))


def _worst(changes: Any, gradients: Any) -> float:
    """The largest difference of two lists of arrays."""
    return max(float(np.abs(a - b).max()) for a, b in zip(changes, gradients, strict=True))


def _cosines(changes: Any, gradients: Any) -> list[float]:
    """The cosine between two lists of arrays, layer by layer."""
    cosines = []
    for a, b in zip(changes, gradients, strict=True):
        cosines.append(float(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b)))
    return cosines


def test_backprop_by_hand_is_the_slope_of_the_loss():
    """The oracle itself, by central differences along one random direction."""
    gradients = _backprop(WEIGHTS, X, TARGET)
    way = [np.random.default_rng(1).normal(size=w.shape) for w in WEIGHTS]
    losses = []
    for h in (1e-6, -1e-6):
        y = _forward([w + h * d for w, d in zip(WEIGHTS, way, strict=True)], X)[-1]
        losses.append(0.5 * np.sum((y - TARGET) ** 2))
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, way, strict=True))
    np.testing.assert_allclose((losses[0] - losses[1]) / 2e-6, slope, rtol=1e-7)


@pytest.mark.parametrize("variance", [1.0, 100.0])
def test_the_fixed_form_is_backprop(variance):
    """Three layers need two relaxations; one is not enough, and the variance has no say."""
    gradients = _backprop(WEIGHTS, X, TARGET)
    plain, _, credit = _told(Predictive(n_relax=2, variance=variance))
    assert _worst(plain, gradients) < 1e-12
    short = _told(Predictive(n_relax=1, variance=variance))[0]
    assert _worst(short[:1], gradients[:1]) > 1e-3
    assert _worst(short[1:], gradients[1:]) < 1e-12
    down = WEIGHTS[0].T @ credit.feedback["hidden_1"]
    np.testing.assert_allclose(credit.learning_signal["input"], down, atol=1e-12)


def test_the_fixed_form_tends_to_backprop_at_a_small_step():
    gradients = _backprop(WEIGHTS, X, TARGET)
    far, near = (_worst(_told(Predictive(n_relax=n, eta=0.5))[0], gradients) for n in (4, 60))
    assert far > 1e-3
    assert near < 1e-12


@pytest.mark.parametrize("variance", [1.0, 100.0])
def test_the_strict_form_is_the_plain_relaxation(variance):
    """Weights, activities and the credit of the held input, before the relaxation is at rest."""
    rule = Predictive(form="strict", n_relax=25, eta=0.1, variance=variance)
    _, moved, credit = _told(rule)
    changes, activities = _relaxed(WEIGHTS, X, TARGET, variance, 0.1, 25)
    assert _worst(moved, changes) < 1e-12
    assert _worst([credit.relaxed[name] for name in LAYERS], activities) < 1e-12
    assert np.abs(credit.relaxed["hidden_1"] - _forward(WEIGHTS, X)[1]).max() > 1e-4
    down = WEIGHTS[0].T @ credit.feedback["hidden_1"]
    np.testing.assert_allclose(credit.learning_signal["input"], down, atol=1e-12)


def test_the_strict_form_tends_to_backprop_as_the_output_varies_widely():
    """Cosine per layer above .999 at variance 100; at variance 1 every layer is below."""
    gradients = _backprop(WEIGHTS, X, TARGET)
    at = {}
    for variance in (1.0, 100.0, 1e4):
        rule = Predictive(form="strict", n_relax=600, eta=0.1, variance=variance)
        at[variance] = _told(rule)[1]
    assert min(_cosines(at[100.0], gradients)) > 0.999
    assert max(_cosines(at[1.0], gradients)) < 0.999
    gaps = [_worst(at[variance], gradients) for variance in (100.0, 1e4)]
    assert 80 < gaps[0] / gaps[1] < 120  # the gap falls as 1 / variance


def test_a_strict_relaxation_is_at_rest_where_the_energy_is_least():
    """In NumPy: no small push of a hidden activity lowers the energy."""
    rule = Predictive(form="strict", n_relax=600, eta=0.1)
    relaxed = _told(rule)[2].relaxed
    hidden = np.concatenate([relaxed["hidden_1"], relaxed["hidden_2"]])

    def energy(values: Any) -> float:
        a = [X, values[:12], values[12:], TARGET]
        return sum(float(np.sum((a[k + 1] - np.tanh(WEIGHTS[k] @ a[k])) ** 2)) for k in range(3))

    for push in 1e-4 * np.eye(hidden.size):
        assert energy(hidden) < min(energy(hidden + push), energy(hidden - push))
    start = np.concatenate(_forward(WEIGHTS, X)[1:3])
    assert energy(hidden) < energy(start)


def test_the_fixed_form_is_the_reverse_walk_under_dales_law_and_beside_loops():
    """Inhibition turns the sign, and edges that run back in time carry nothing."""
    wiring = Recurrent(n_recurrent=10, dale=True).wiring({"input": 3}, 2)
    rng = np.random.default_rng(3)
    drawn = {p.name: rng.normal(size=(3, p.n)) for p in wiring.populations}
    weights = {e.name: np.abs(rng.normal(size=e.connection.shape)) for e in wiring.edges}
    error = rng.normal(size=2)

    @quick_jit
    def both(drawn: Any, weights: Any, error: Any) -> Any:
        views = {name: neuron_view(*values) for name, values in drawn.items()}
        synapses = {n: Synapses(weight=w, mask=jnp.ones(())) for n, w in weights.items()}
        step = seen(wiring, views, feedback(2, error=error), synapses=synapses)
        return [rule.step({}, {}, step)[1].feedback for rule in (Predictive(), Symmetric())]

    with jax.enable_x64(True):
        found, walked = jax.tree.map(np.asarray, both(drawn, weights, error))
    assert np.any(walked["inhibitory"])
    for name, values in walked.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12)


def test_a_gradient_passes_through_the_relaxation():
    """d credit / d W along one direction, against central differences, in float64."""
    rule = Predictive(form="strict", n_relax=7, eta=0.2, variance=2.0)
    ways = [np.random.default_rng(2).normal(size=w.shape) for w in WEIGHTS]

    @quick_jit
    def both(h: Any) -> Any:
        def total(weights: Any) -> Any:
            credit = _step(rule, weights, X, TARGET)[2]
            return jnp.sum(credit.feedback["hidden_1"] ** 2)

        along = lambda c: total([w + c * d for w, d in zip(WEIGHTS, ways, strict=True)])
        return jax.grad(along)(0.0), (along(h) - along(-h)) / (2 * h)

    with jax.enable_x64(True):
        exact, numeric = both(1e-5)
    assert abs(exact) > 1e-3
    np.testing.assert_allclose(exact, numeric, rtol=1e-6)


def test_a_life_with_the_strict_form_is_the_plain_loop():
    """dw = -rate error pre_relaxed; the task asks for an output of 0."""
    rate = 0.1
    rule = Polynomial(terms=("error*pre_relaxed",), initial=(-1.0,), rate=rate, learn="none")
    lifetime = Lifetime(
        task=Numbers(),
        network=Feedforward(hidden=(4,), neuron=Tanh(), output=Tanh()),
        feedback=Predictive(form="strict", n_relax=5, eta=0.2, variance=3.0),
        slots=(Slot(rule=rule),),
        record=("weights",),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return born.synapses, lifetime.advance(theta, task, born, 12, start=0)[1].recorded

    with jax.enable_x64(True):
        born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    names = ("input_to_hidden_1", "hidden_1_to_output")
    weights = [born[name].weight for name in names]
    for t, x in enumerate(Numbers().stimuli()):
        changes, _ = _relaxed(weights, x, np.zeros(2), 3.0, 0.2, 5)
        weights = [w - rate * d for w, d in zip(weights, changes, strict=True)]
        for name, w in zip(names, weights, strict=True):
            np.testing.assert_allclose(recorded["weights"][name][t], w, rtol=1e-10)


def test_the_strict_form_refuses_a_neuron_without_an_activation_function():
    wiring = Feedforward(hidden=(4,), neuron=Leaky()).wiring({"input": 3}, 2)
    words = r"feedback predictive, form=strict: neuron leaky of hidden_1 - expected a rate neuron"
    with pytest.raises(BadInput, match=words):
        Predictive(form="strict").init_state({}, wiring, jax.random.key(0))
    assert Predictive().init_state({}, wiring, jax.random.key(0)) == {}


N_LATENT = 16
N_PIXELS = 64
GENERATIVE = Feedforward(hidden=(), output=Linear()).wiring({"input": N_LATENT}, N_PIXELS)
FREE = Predictive(form="strict", inputs="free", n_relax=20, eta=0.1, variance=0.5)


def _explain(rule: Predictive, weight: Any, mean: Any, target: Any) -> Any:
    """The credit of one step of the generative network, which predicts W mean at first."""
    synapses = {"input_to_output": Synapses(weight=weight, mask=jnp.ones(()))}
    start = network.init_state(GENERATIVE, {}, DT)
    stimulus = {"input": mean}
    key = jax.random.key(0)
    _, (views, _) = network.step(GENERATIVE, {}, synapses, start, stimulus, DT, key)
    told = feedback(N_PIXELS, error=views["output"].activity - target)
    step = seen(GENERATIVE, views, told, synapses=synapses, stimulus=stimulus)
    return rule.step({}, {}, step)[1]


def test_free_inputs_of_a_linear_network_are_the_mean_of_the_posterior():
    """Of x ~ N(mean, 1), target ~ N(W x, variance), by the closed form in NumPy."""
    rng = np.random.default_rng(5)
    weight = 0.1 * rng.normal(size=(N_PIXELS, N_LATENT))
    mean, target = rng.normal(size=N_LATENT), rng.normal(size=N_PIXELS)
    rule = Predictive(form="strict", inputs="free", n_relax=400, eta=0.1, variance=0.5)
    held = Predictive(form="strict", n_relax=400, eta=0.1, variance=0.5)
    live = quick_jit(lambda *drawn: [_explain(r, *drawn).relaxed["input"] for r in (rule, held)])
    with jax.enable_x64(True):
        found, kept = jax.tree.map(np.asarray, live(weight, mean, target))
    precision = np.eye(N_LATENT) + weight.T @ weight / 0.5
    moved = np.linalg.solve(precision, weight.T @ (target - weight @ mean) / 0.5)
    np.testing.assert_allclose(found, mean + moved, atol=1e-12)
    np.testing.assert_array_equal(kept, mean)


def test_a_generative_network_completes_digits():
    """It learns 1,500 images by -error pre_relaxed, and fills in the lower half of 100 others.

    Pixels of the lower half have no synapses there, so they are silent about the causes. The error
    is below that of the mean image; the same network before it learned is worse than that image.
    The first 50 changes are those of a plain loop.
    """
    rng = np.random.default_rng(0)
    pixels = np.asarray(digits().features, float)
    pixels = pixels[rng.permutation(len(pixels))]
    pixels = pixels - pixels[:1500].mean(axis=0)
    shown, others = pixels[:1500], pixels[1500:1600]
    born = 0.1 * rng.normal(size=(N_PIXELS, N_LATENT))
    upper = np.arange(N_PIXELS) < N_PIXELS // 2
    known_pixel = upper.astype(float)
    rate = 0.02

    @quick_jit
    def learn(weight: Any, images: Any) -> Any:
        def one(weight: Any, image: Any) -> Any:
            credit = _explain(FREE, weight, jnp.zeros(N_LATENT), image)
            change = jnp.outer(credit.feedback["output"], credit.relaxed["input"])
            return weight - rate * change, weight

        return jax.lax.scan(one, weight, images)

    @quick_jit
    def complete(weight: Any, images: Any) -> Any:
        def one(image: Any) -> Any:
            known = weight * known_pixel[:, None]
            credit = _explain(FREE, known, jnp.zeros(N_LATENT), image * known_pixel)
            return weight @ credit.relaxed["input"]

        return jax.lax.map(one, images)

    with jax.enable_x64(True):
        learned, way = jax.tree.map(np.asarray, learn(born, shown))
        filled = [np.asarray(complete(weight, others)) for weight in (learned, born)]
    weight = born
    for image in shown[:50]:
        x = np.zeros(N_LATENT)
        for _ in range(20):
            x = x + 0.1 * (-x + weight.T @ (image - weight @ x) / 0.5)
        weight = weight + rate * np.outer(image - weight @ x, x)
    np.testing.assert_allclose(way[50], weight, atol=1e-12)
    by_mean = np.mean(others[:, ~upper] ** 2)
    after, before = (np.mean((f - others)[:, ~upper] ** 2) / by_mean for f in filled)
    assert after < 0.85
    assert before > 1.0

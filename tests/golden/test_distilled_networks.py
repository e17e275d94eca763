"""Networks that imitate known rules are distilled back to the terms of the rules."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from metaplast.inspection import along, library
from metaplast.inspection.distillation import FITS, Entry, Samples, fitted_taus, regressed, samples
from metaplast.inspection.second_opinion import by_pysindy
from metaplast.inspection.visited import Visited
from metaplast.language.grammar import field_of
from metaplast.results.surfaces import ONE
from metaplast.rules.mlp import Mlp

pytestmark = pytest.mark.golden

DT = 1e-3
N_LIVES, N_STEPS, N_SYNAPSES = 16, 100, 4
N_TRAINED = 2048
N_UPDATES = 4000
Signals = dict[str, Any]

RULES: dict[str, tuple[tuple[str, ...], Callable[[Signals], Any], dict[str, float]]] = {
    "hebb": (("pre", "post"), lambda s: s["post"] * s["pre"], {"post*pre": 1.0}),
    "oja": (
        ("pre", "post", "weight"),
        lambda s: s["post"] * s["pre"] - s["post"] ** 2 * s["weight"],
        {"post*pre": 1.0, "post^2*weight": -1.0},
    ),
    "bcm": (
        ("pre", "post"),
        lambda s: s["post"] * (s["post"] - 0.5) * s["pre"],
        {"post*pre": -0.5, "post^2*pre": 1.0},
    ),
    "covariance": (
        ("pre", "post"),
        lambda s: (s["post"] - 0.4) * (s["pre"] - 0.3),
        {"1": 0.12, "post": -0.3, "pre": -0.4, "post*pre": 1.0},
    ),
    "three_factor": (
        ("pre", "post", "modulator.reward"),
        lambda s: s["modulator.reward"] * s["post"] * s["pre"],
        {"modulator.reward*post*pre": 1.0},
    ),
}


def trained(
    spec: Mlp, inputs: np.ndarray, outputs: np.ndarray, care: float = 1.0, n: int = N_UPDATES
) -> Any:
    """The theta at which the layers give the outputs [n_out, n] of the inputs [n_in, n].

    Args:
        spec: the form of the network.
        inputs: drawn signals.
        outputs: of the rule, at these signals.
        care: the weight of the error of all outputs but the first.
        n: number of updates.
    """
    theta = spec.init(jax.random.key(0), ONE)
    schedule = optax.cosine_decay_schedule(1e-2, n)
    optimiser = optax.adam(schedule)
    wanted = jnp.asarray(outputs, float)
    cares = jnp.full((len(outputs), 1), care).at[0].set(1.0)

    def error(theta: Any) -> Any:
        h = jnp.asarray(inputs, float)
        for k in range(len(spec.hidden)):
            h = jnp.tanh(theta[f"layer_{k}"]["weight"] @ h + theta[f"layer_{k}"]["bias"][:, None])
        last = theta[f"layer_{len(spec.hidden)}"]
        missed = (last["weight"] @ h + last["bias"][:, None] - wanted) ** 2
        return jnp.mean(cares * missed)

    def update(carry: Any, _: None) -> Any:
        theta, state = carry
        updates, state = optimiser.update(jax.grad(error)(theta), state)
        return (optax.apply_updates(theta, updates), state), None

    start = (theta, optimiser.init(theta))
    with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
        (theta, _), _ = jax.jit(lambda start: jax.lax.scan(update, start, None, n))(start)
    return jax.tree.map(np.asarray, theta)


def visited(names: tuple[str, ...], seed: int) -> Visited:
    """Independent signals between -1 and 1."""
    generator = np.random.default_rng(seed)
    shape = (N_LIVES, N_STEPS, N_SYNAPSES)
    signals = {field_of(name): generator.uniform(-1, 1, shape) for name in {*names, "weight"}}
    return Visited(signals, np.ones(shape), np.zeros(shape), np.zeros((N_LIVES, 4), int))


def imitated(names: tuple[str, ...], rule: Callable[[Signals], Any]) -> tuple[Mlp, Any]:
    spec = Mlp(inputs=names, hidden=(32,), rate=1.0)
    generator = np.random.default_rng(7)
    drawn = generator.uniform(-1, 1, (len(names), N_TRAINED))
    outputs = rule(dict(zip(names, drawn, strict=True)))[None]
    return spec, trained(spec, drawn, outputs)


def sampled(names: tuple[str, ...], spec: Mlp, theta: Any, seed: int) -> Samples:
    signals = visited(names, seed)
    change = along.changes({"mlp": (spec, theta)}, signals, DT)["mlp"]
    terms = library.products(names)
    return samples(terms, names, [signals._replace(change=change)], None, DT)


def distilled(names: tuple[str, ...], spec: Mlp, theta: Any) -> Entry:
    ours, new = (sampled(names, spec, theta, seed) for seed in (0, 1))
    return regressed(library.products(names), ours, new)


@pytest.mark.parametrize("name", list(RULES))
def test_a_network_is_distilled_to_the_rule_that_it_imitates(name: str) -> None:
    names, rule, expected = RULES[name]
    spec, theta = imitated(names, rule)
    entry = distilled(names, spec, theta)
    found = dict(zip(entry.terms, entry.coefficients, strict=True))
    assert found == pytest.approx(expected, abs=0.03)
    assert entry.heldout.mean > 0.999
    assert entry.fits


@pytest.mark.skipif(
    find_spec("pysindy") is None, reason='needs another package: "metaplast[inspect]"'
)
@pytest.mark.parametrize("name", ["oja", "covariance"])
def test_another_package_finds_the_same_terms(name: str) -> None:
    names, rule, _ = RULES[name]
    spec, theta = imitated(names, rule)
    ours = sampled(names, spec, theta, 0)
    terms = library.products(names)
    entry = regressed(terms, ours, ours)
    found = by_pysindy(terms, ours.columns, ours.change)
    expected = dict(zip(entry.terms, entry.coefficients, strict=True))
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_rule_outside_the_library_does_not_fit() -> None:
    names = ("pre", "post")
    spec, theta = imitated(names, lambda s: np.tanh(3 * s["pre"]) * np.tanh(8 * s["post"]))
    entry = distilled(names, spec, theta)
    assert entry.heldout.high < FITS
    assert not entry.fits


def spikes(theta: Any, spec: Mlp, seed: int) -> Visited:
    """Spikes of independent neurons of 40 Hz, and the changes of a network with state."""
    generator = np.random.default_rng(seed)
    shape = (N_LIVES, 300, N_SYNAPSES)
    signals = {
        "pre.activity": (generator.uniform(size=shape) < 0.04).astype(float),
        "post.activity": (generator.uniform(size=shape) < 0.04).astype(float),
        "weight": np.full(shape, 0.5),
    }
    followed = Visited(signals, np.ones(shape), np.zeros(shape), np.zeros((N_LIVES, 4), int))
    change = along.changes({"mlp": (spec, theta)}, followed, DT)["mlp"]
    return followed._replace(change=change)


def test_a_network_with_state_is_distilled_to_pair_stdp() -> None:
    tau = 0.02
    spec = Mlp(inputs=("pre", "post"), hidden=(32,), n_state=2, tau=tau, rate=0.01)
    keep = math.exp(-DT / tau)
    jump = 0.9 * (1 - keep)  # of a state at a spike, where the output for it is arctanh(0.9)
    generator = np.random.default_rng(7)
    pre, post = (generator.uniform(size=(2, N_TRAINED)) < 0.3).astype(float)
    traces = generator.uniform(0, 3, (2, N_TRAINED))
    x = keep * traces[0] + pre
    y = keep * traces[1]
    outputs = np.stack([post * x - 1.05 * pre * y, np.arctanh(0.9) * pre, np.arctanh(0.9) * post])
    # Layers see the states at the scale of the traces; the weights of the first layer undo it.
    theta = trained(spec, np.stack([pre, post, *traces]), outputs, 100.0, 3 * N_UPDATES)
    first = theta["layer_0"]["weight"].copy()
    first[:, 2:] /= jump
    theta["layer_0"] = {**theta["layer_0"], "weight": first}
    ours, new = spikes(theta, spec, 0), spikes(theta, spec, 1)
    terms = library.of_traces(("pre", "post"))
    taus = fitted_taus(terms, [ours], DT)
    assert taus == pytest.approx((tau, tau), rel=0.1)
    entry = regressed(
        terms,
        samples(terms, (), [ours], taus, DT),
        samples(terms, (), [new], taus, DT),
        taus=taus,
    )
    found = dict(zip(entry.terms, entry.coefficients, strict=True))
    assert found == pytest.approx({"post*pre_trace": 0.01, "pre*post_trace": -0.0105}, rel=0.05)
    assert entry.fits

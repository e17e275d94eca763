"""Terms over spikes and traces: the rules they contain, their errors, their formulas and files."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

import metaplast as mp
from metaplast.cli.main import cli
from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.language.grammar import SIGNALS, TRACES
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.registry import BadInput
from metaplast.reuse import formula
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.known import known_rule
from metaplast.reuse.node import node
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels
from metaplast.spec import decode
from tests.rules._drive import drive

DT = 1e-3
EDGE = Dense(3, 4)
RNG = np.random.default_rng(0)
PRE = RNG.random((300, 4)) < 0.08
POST = RNG.random((300, 3)) < 0.08
WEIGHT = RNG.uniform(0.2, 0.9, (3, 4))

KNOWN = {
    "stdp": (
        TraceTaylor(
            terms=("pre*post_trace", "post*pre_trace - post*pre_trace*weight"),
            initial=(-0.4, 0.3),
            tau_pre_trace=17e-3,
        ),
        Stdp(mu_potentiation=1.0, potentiation=0.03, depression=0.04, tau_pre=17e-3),
    ),
    "vogels": (
        TraceTaylor(initial=(-0.2, 1.0, 0.0, 1.0), at_post_spike="none"),
        Vogels(rate=0.1, target_rate=5.0, at_post_spike="none"),
    ),
    "triplet": (
        TraceTaylor(
            terms=(
                "post*pre_trace",
                "post*post_slow*pre_trace",
                "pre*post_trace",
                "pre*pre_slow*post_trace",
            ),
            initial=(0.1, 0.5, -0.2, -0.3),
            pairing="nearest",
        ),
        Triplet(
            a2_plus=0.01, a3_plus=0.05, a2_minus=0.02, a3_minus=0.03,
            tau_plus=20e-3, tau_x=0.1, tau_minus=20e-3, tau_y=0.1, pairing="nearest",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_the_family_contains_the_rules_of_the_field(name):
    ours, known = (drive(rule, EDGE, PRE, POST, dt=DT, weight=WEIGHT)[0] for rule in KNOWN[name])
    np.testing.assert_allclose(ours, known, rtol=1e-5, atol=1e-7)
    assert np.abs(known).max() > 0.02


def test_a_term_without_a_spike_is_an_integral_over_time():
    """One post spike: the integral of its trace is tau, at any dt.

    A constant term gives its c per second.
    """
    for dt in (2e-3, 5e-4):
        post = np.zeros((round(0.4 / dt), 1))
        post[0] = 1
        rule = TraceTaylor(("post_trace", "weight"), (3.0, 0.5), rate=1.0, at_pre_spike="after")
        total = drive(rule, Dense(1, 1), np.zeros_like(post), post, dt=dt, weight=2.0)[0].sum()
        assert total == pytest.approx(
            3.0 * dt / (1.0 - math.exp(-dt / 20e-3)) + 0.5 * 2.0 * 0.4, rel=1e-5
        )


def test_the_found_rule_is_still_at_its_fixed_point():
    """Confavreux et al.: the mean change is 0 at the mean-field rate, 9.7 Hz for 10 Hz inputs.

    Elsewhere it pushes towards that rate. Coincidences at 1 ms enter the expectation. The standard
    error comes from 400 pairs.
    """
    rng = np.random.default_rng(1)
    n = 400
    steps = 1500
    nu = 10.0
    alpha, kappa, beta, gamma = known_rule("confavreux")["initial"]
    fixed = -alpha * nu / (nu * (kappa * 0.097 + gamma * 0.054) + beta)
    assert fixed == pytest.approx(9.7, abs=0.05)
    rule = decode("rule", known_rule("confavreux"))
    lanes = Sparse(n, n, probability=1.0 / n, seed=0)
    for rate in (fixed, 4.0, 20.0):
        pre = rng.random((steps, n)) < nu * DT
        post = rng.random((steps, n)) < rate * DT
        drift = drive(rule, lanes, pre, post, dt=DT)[0][500:].sum(axis=0) / (
            rule.rate * (steps - 500) * DT
        )
        faded = [DT * math.exp(-DT / tau) / (1.0 - math.exp(-DT / tau)) for tau in (0.097, 0.054)]
        expected = nu * (alpha + kappa * rate * faded[0]) + rate * (
            beta + gamma * nu * (faded[1] + DT)
        )
        assert abs(drift.mean() - expected) < 4 * drift.std() / math.sqrt(n)
        assert abs(expected) < 0.2 if rate == fixed else np.sign(expected) == np.sign(rate - fixed)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_a_signal_of_this_rule_alone(name):
    with pytest.raises(
        (BadInput, ValidationError),
        match=rf"signal '{name}' in term .*rule trace_taylor keeps traces",
    ):
        Polynomial(terms=(f"post*{name}",))
    with pytest.raises((BadInput, ValidationError), match="rule trace_taylor"):
        Polynomial(terms=(f"taylor 1 of post {name}",))
    assert name not in SIGNALS
    assert TraceTaylor(terms=(f"post*{name}",)).kept == (name,)
    with pytest.raises((BadInput, ValidationError), match="did you mean 'pre_trace'"):
        TraceTaylor(terms=("post*pretrace",))


def test_only_traces_in_use_are_kept_and_learned():
    rule = TraceTaylor(terms=("taylor 1 of pre post_slow",), learn="both", learn_tau=True)
    theta = rule.init(jax.random.key(0), EDGE)
    assert set(theta) == {"coefficients", "log_rate", "log_tau_post_slow"}
    state = rule.init_state(theta, EDGE)
    assert not state.pre and set(state.post) == {"trace_taylor_post_slow"}


def test_the_formula_shows_the_time_constants_that_act():
    spec = known_rule("confavreux") | {"learn": "both", "learn_tau": True, "pairing": "nearest"}
    theta = {
        "coefficients": np.array([0.41, 0.0, -0.015, 0.0]),
        "log_rate": np.array(0.2),
        "log_tau_pre_trace": np.array(0.2),
        "log_tau_post_trace": np.array(0.0),
    }
    rule = node(spec, decode("rule", spec).account(), theta)
    shown = formula.expression(rule)
    e = math.e
    tail = f"tau_pre_trace={0.054 * e:.4g}, tau_post_trace=0.097, pairing=nearest"
    body = "1.080*post_trace*pre - 1.000*pre + 0.7200*post*pre_trace"
    assert formula.text(shown) == f"{0.01 * e:.4g} * ({body}) with {tail}"
    assert r"\bar{y}_j\, x_i" in formula.latex(
        shown
    ) and r"\text{tau\_post\_trace}=0.097" in formula.latex(shown)
    assert formula.fields(rule) == {"pre.activity", "post.activity"}


def test_a_known_rule_is_ready_for_use():
    rule = mp.load_rule("confavreux")
    weights = np.full((1, 1), 0.5)
    state, first = rule.update(
        mp.synapse_view(pre=[1], post=[0], weight=weights), rule.init(weights), dt=DT
    )
    _, second = rule.update(mp.synapse_view(pre=[0], post=[1], weight=weights), state, dt=DT)
    np.testing.assert_allclose(
        [first, second], 0.01 * np.reshape([-1.41, 0.015 + 0.72 * math.exp(-1 / 54)], (2, 1, 1))
    )
    with pytest.raises(BadInput, match="a space to search"):
        mp.load_rule("confavreux_space")
    assert jnp.asarray(first).shape == (1, 1)


def test_a_saved_rule_is_shown_with_the_time_constants_that_act(tmp_path):
    rule = TraceTaylor(
        initial=(-1.0, 1.0, 0.0, 0.5), tau_post_trace=30e-3, learn="coefficients", learn_tau=True
    )
    lifetime = Lifetime(slots=(Slot(rule=rule),))
    theta = jax.tree.map(lambda x: x + 0.1, lifetime.init(jax.random.key(0)))
    mp.save_rule(tmp_path / "rule.safetensors", *describe_rule(lifetime, theta))
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "rule.safetensors")])
    taus = f"tau_pre_trace={20e-3 * math.exp(0.5):.4g}, tau_post_trace={30e-3 * math.exp(0.5):.4g}"
    body = "1.100*post_trace*pre - 0.9000*pre + 0.6000*post*pre_trace + 0.1000*post"
    assert (
        shown.exit_code == 0
        and f"delta_w = 0.1 * ({body}) with {taus}, pairing=all_to_all" in shown.output
    )
    assert "reads          post.activity, pre.activity" in shown.output
    loaded = mp.load_rule(tmp_path / "rule.safetensors")
    assert loaded.spec == rule and loaded.reach == "synapse"

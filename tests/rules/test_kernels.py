"""abcd, mlp and the wrappers three_factor and bound, against plain loops."""

import dataclasses
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.locality.reads import reads
from metaplast.rules import mlp
from metaplast.rules.abcd import Abcd
from metaplast.rules.base import KernelRule
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.wrappers.bound import Bound
from metaplast.rules.wrappers.three_factor import ThreeFactor
from tests._compiler import as_users
from tests.rules import _drive
from tests.rules._drive import drive

DT = 1e-3
RNG = np.random.default_rng(0)
PRE = RNG.normal(size=(6, 3))
POST = RNG.normal(size=(6, 2))
WEIGHT = RNG.normal(size=(2, 3))


@pytest.mark.parametrize("shared", [False, True])
def test_abcd_is_its_formula_at_every_synapse(shared):
    rule = Abcd(shared=shared, rate=0.2, learn_rate=True, scale=1.0)
    theta = rule.init(jax.random.key(1), Dense(2, 3))
    theta["log_rate"] = theta["log_rate"] + 0.1
    a, b, c, d = (np.broadcast_to(theta[k], (2, 3)) for k in "abcd")
    x = PRE[:, None, :]
    y = POST[:, :, None]
    expected = 0.2 * math.exp(0.5) * (a * x * y + b * x + c * y + d)
    np.testing.assert_allclose(
        drive(rule, Dense(2, 3), PRE, POST, dt=DT, theta=theta)[0], expected, rtol=1e-5, atol=1e-6
    )
    assert theta["a"].shape == (() if shared else (2, 3))


def test_abcd_has_one_coefficient_per_existing_synapse_of_a_sparse_connection():
    sparse = Sparse(4, 5, probability=0.4, seed=1)
    rule = Abcd(scale=1.0, rate=1.0)
    theta = rule.init(jax.random.key(0), sparse)
    j, i = sparse.topology()
    pre = RNG.normal(size=(1, 5))
    post = RNG.normal(size=(1, 4))
    x = pre[0, i]
    y = post[0, j]
    expected = theta["a"] * x * y + theta["b"] * x + theta["c"] * y + theta["d"]
    np.testing.assert_allclose(
        drive(rule, sparse, pre, post, dt=DT, theta=theta)[0][0], expected, rtol=1e-5, atol=1e-6
    )


BY_HAND = {
    "linear": lambda h: h,
    "tanh": np.tanh,
    "leaky_relu": lambda h: np.maximum(h, 0.0) + 0.01 * np.minimum(h, 0.0),
}


def _mlp_by_hand(rule: Mlp, theta, modulator) -> np.ndarray:
    """float64, one synapse after the other."""
    double = jax.tree.map(lambda values: np.asarray(values, float), theta)
    layers = [double[f"layer_{n}"] for n in range(len(rule.hidden) + 1)]
    keep = math.exp(-DT / rule.tau)
    out = np.zeros((len(PRE), 2, 3))
    for j in range(2):
        for i in range(3):
            s = np.zeros(rule.n_state)
            for t in range(len(PRE)):
                h = np.concatenate([[PRE[t, i], POST[t, j], WEIGHT[j, i], modulator[t]], s])
                for layer in layers[:-1]:
                    h = BY_HAND[rule.nonlinearity](layer["weight"] @ h + layer["bias"])
                h = layers[-1]["weight"] @ h + layers[-1]["bias"]
                out[t, j, i] = rule.rate * BY_HAND[rule.output](h[0])
                s = keep * s + (1 - keep) * np.tanh(h[1:])
    return out


@pytest.mark.parametrize("form", ["written_out", "matrices"])
@pytest.mark.parametrize(
    ("nonlinearity", "output"), [("tanh", "linear"), ("leaky_relu", "tanh"), ("tanh", "tanh")]
)
def test_mlp_is_its_formula_with_a_leaky_state_at_every_synapse(
    nonlinearity, output, form, monkeypatch
):
    monkeypatch.setattr(mlp, "UNROLLED", 1000 if form == "written_out" else 0)
    rule = Mlp(
        inputs=("pre", "post", "weight", "modulator.reward"),
        hidden=(5, 4),
        n_state=2,
        tau=3e-3,
        scale=2.0,
        nonlinearity=nonlinearity,
        output=output,
    )
    theta = rule.init(jax.random.key(2), Dense(2, 3))
    theta = jax.tree.map(lambda x: x + 0.1, theta)
    reward = RNG.normal(size=6)
    got, state = drive(
        rule,
        Dense(2, 3),
        PRE,
        POST,
        dt=DT,
        weight=WEIGHT,
        theta=theta,
        modulators={"reward": reward},
    )
    np.testing.assert_allclose(got, _mlp_by_hand(rule, theta, reward), rtol=2e-4, atol=1e-6)
    assert {name: leaf.shape for name, leaf in state.synapse.items()} == {
        "s_0": (2, 3),
        "s_1": (2, 3),
    }


@pytest.mark.parametrize("connection", [Dense(4, 5), Sparse(4, 5, probability=0.4, seed=1)])
def test_mlp_on_all_synapses_is_its_kernel_at_each_of_them(connection):
    """In two lives at once, and in the derivative by theta."""
    rule = Mlp(inputs=("pre", "post", "weight"), hidden=(5,), n_state=2, scale=2.0)
    theta = rule.init(jax.random.key(2), connection)
    lives = jax.random.normal(jax.random.key(3), (2, 3, 5))
    post = {"activity": jax.random.normal(jax.random.key(4), (3, 4))}
    weight = jax.random.normal(jax.random.key(5), connection.shape)

    class AtEach(Mlp):
        step = KernelRule.step

    def changes(rule, theta, pre):
        signals = (pre, post, {})
        return _drive._scan(rule, connection, DT, theta, weight, jnp.ones(()), signals)[0]

    def loss(rule):
        def of_theta(theta):
            each_life = jax.vmap(lambda pre: changes(rule, theta, pre))(lives)
            return jnp.sum(each_life**2), each_life

        return jax.value_and_grad(of_theta, has_aux=True)(theta)

    (_, at_all), slope_at_all = loss(rule)
    fields = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    (_, at_each), slope_at_each = loss(AtEach(**fields))
    np.testing.assert_allclose(at_all, at_each, rtol=1e-5, atol=1e-7)
    chex.assert_trees_all_close(slope_at_all, slope_at_each, rtol=1e-4, atol=1e-6)


def test_a_change_by_signals_of_no_synapse_is_one_number_a_synapse():
    rule = Mlp(inputs=("modulator.reward",))
    reward = {"reward": RNG.normal(size=6)}
    changes, _ = drive(rule, Dense(2, 3), PRE, POST, dt=DT, modulators=reward)
    assert changes.shape == (6, 2, 3)


@pytest.mark.parametrize("nonlinearity", ["tanh", "leaky_relu"])
def test_the_derivative_of_mlp_is_that_of_its_forward_pass(nonlinearity):
    """Central differences of the forward pass in float64, against both modes of differentiation."""
    with jax.enable_x64(True):
        rule = Mlp(hidden=(4, 3), n_state=1, scale=1.0, nonlinearity=nonlinearity, output="tanh")
        theta = rule.init(jax.random.key(3), Dense(2, 3))
        flat, unravel = ravel_pytree(jax.tree.map(lambda x: x.astype(float) + 0.05, theta))

        signals = (jnp.asarray(PRE), {"activity": jnp.asarray(POST)}, {})
        weight = jnp.asarray(WEIGHT)

        @jax.jit
        def loss(flat):
            changes, _ = _drive._scan(
                rule, Dense(2, 3), DT, unravel(flat), weight, jnp.ones(()), signals
            )
            return jnp.sum(changes**2)

        step = 1e-6 * np.eye(flat.size)
        differences = [(loss(flat + e) - loss(flat - e)) / 2e-6 for e in step]
        reverse, forward = jax.grad(loss)(flat), jax.jacfwd(loss)(flat)
    np.testing.assert_allclose(reverse, differences, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)


@pytest.mark.parametrize("nonlinearity", ["tanh", "leaky_relu"])
def test_the_derivative_of_mlp_in_blocks_is_that_of_all_synapses_at_once(nonlinearity, monkeypatch):
    """Seven synapses of two lives make two blocks of four, the last with one that is padded."""
    rule = Mlp(hidden=(4, 3), n_state=1, scale=1.0, nonlinearity=nonlinearity)
    theta = rule.init(jax.random.key(3), Dense(1, 7))
    h = jnp.asarray(RNG.normal(size=(2, 4, 1, 7)), jnp.float32)

    def loss(theta, h):
        outputs = jax.vmap(mlp._layers(nonlinearity), (None, 0))(theta, h)
        return jnp.sum(jnp.sin(outputs))

    derivatives = []
    for block in (7, 4):
        monkeypatch.setattr(mlp, "BLOCK", block)
        reverse = jax.grad(loss, argnums=(0, 1))(theta, h)
        forward = jax.jvp(loss, (theta, h), (theta, h))[1]
        derivatives.append((reverse, forward))
    assert "scan" in str(jax.make_jaxpr(jax.grad(loss))(theta, h))
    chex.assert_trees_all_close(*derivatives, rtol=2e-5, atol=1e-6)


def test_mlp_reads_exactly_the_signals_it_names():
    rule = Mlp(inputs=("pre", "error", "predicted"), hidden=(3,))
    assert reads(rule, Dense(2, 3), ()) == {"pre.activity", "post.feedback", "pre.returned"}


@pytest.mark.parametrize(
    "inputs", [("preé",), ("post*pre",), ("2*pre",), ("pre^2",), ("pre", "pre")]
)
def test_mlp_refuses_what_is_no_single_signal(inputs):
    with pytest.raises(ValueError, match=r"expected .+ - "):
        Mlp(inputs=inputs)


def test_three_factor_pays_out_the_faded_sum_of_past_changes():
    hebb = Polynomial(terms=("post*pre",), initial=(1.0,), rate=1.0, learn="none")
    rule = ThreeFactor(rule=hebb, modulator="reward", tau=4e-3, rate=0.5)
    theta = rule.init(jax.random.key(0), Dense(2, 3))
    theta = {**theta, "log_rate": jnp.asarray(0.1), "log_tau": jnp.asarray(0.2)}
    reward = np.asarray([0.0, 1.0, 0.0, -2.0, 0.0, 0.5])
    got, state = drive(
        rule,
        Dense(2, 3),
        PRE,
        POST,
        dt=DT,
        theta=theta,
        modulators={"reward": jnp.asarray(reward, jnp.float32)},
    )
    keep = math.exp(-DT / (4e-3 * math.exp(1.0)))
    e = np.zeros((2, 3))
    for t in range(6):
        e = keep * e + np.outer(POST[t], PRE[t])
        np.testing.assert_allclose(
            got[t], 0.5 * math.exp(0.5) * reward[t] * e, rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(state.synapse["eligibility"], e, rtol=1e-4)


@pytest.mark.exact
@pytest.mark.parametrize(
    "inner", [Stdp(), Mlp(inputs=("pre",), hidden=(2,), n_state=1)], ids=["stdp", "mlp"]
)
def test_three_factor_keeps_the_inner_rules_state_beside_its_own(inner, monkeypatch):
    as_users(monkeypatch, _drive, "_scan", static=("rule", "connection", "dt"))
    channels = {"reward": jnp.ones(6)}
    wrapped = ThreeFactor(rule=inner)
    c = Dense(2, 3)
    spikes = (PRE > 0, POST > 0)
    theta = wrapped.init(jax.random.key(0), c)
    alone, inner_state = drive(inner, c, *spikes, dt=DT, theta=theta["rule"])
    _, both = drive(wrapped, c, *spikes, dt=DT, theta=theta, modulators=channels)
    for side in ("pre", "post", "synapse"):
        for name, leaf in getattr(inner_state, side).items():
            np.testing.assert_array_equal(getattr(both, side)[name], leaf)
    fade = math.exp(-DT / wrapped.tau) ** np.arange(5, -1, -1)
    np.testing.assert_allclose(
        both.synapse["eligibility"], np.tensordot(fade, alone, 1), rtol=1e-4, atol=1e-7
    )


def test_bound_slows_growth_near_the_top_and_decay_near_the_bottom():
    constant = Polynomial(terms=("pre",), initial=(1.0,), rate=1.0, learn="none")
    rule = Bound(rule=constant, mu=2.0, low=-1.0)
    weight = np.asarray([[-1.0, 0.0, 2.0, 3.0, 3.5]])
    one = np.ones((1, 1))
    for sign, room in ((1.0, (3.0 - weight[0]) / 4), (-1.0, (weight[0] + 1) / 4)):
        got = drive(
            rule, Dense(1, 5), sign * np.ones((1, 5)), one, dt=DT, weight=weight, weight_max=3.0
        )[0][0, 0]
        np.testing.assert_allclose(got, sign * np.maximum(room, 0) ** 2, atol=1e-6)
    hard = Bound(rule=constant, mu=0.0)
    np.testing.assert_array_equal(
        drive(hard, Dense(1, 5), np.ones((1, 5)), one, dt=DT, weight=weight)[0][0, 0], 1.0
    )
    assert hard.clock == constant.clock and hard.slow == constant.slow

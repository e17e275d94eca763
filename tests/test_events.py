"""Synapses from spike to spike equal every synapse in every step, under vmap and gradients too."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections._access import STRETCH
from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.locality.reads import blank_view
from metaplast.spec import decode
from metaplast.testing.base import quick_jit

N_POST = 47
N_PRE = 55
N_STEPS = 60
DT = 1e-3
GRAPH = Sparse(N_POST, N_PRE, probability=0.3, seed=2)
# changed in several stretches where many spike
LONG = Sparse(131, 129, probability=0.6)
MATRIX = Dense(131, 129)
assert all(math.prod(c.shape) > c.few for c in (GRAPH, LONG, MATRIX))
assert all(c.access().sizes[2] > 1 and math.prod(c.shape) % STRETCH for c in (LONG, MATRIX))
SPIKES = frozenset({"pre", "post"})
RULES = (
    {"name": "stdp"},
    {"name": "stdp", "mu_depression": 1.0, "mu_potentiation": 1.0},
    {"name": "stdp", "mu_depression": 0.5},
    {"name": "triplet"},
    {"name": "vogels"},
    {"name": "trace_taylor", "initial": [-0.1, 0.1, 0.02, 0.2]},
    {"name": "three_factor", "rule": {"name": "stdp"}},
)


def _spikes(seed: int, n: int) -> np.ndarray:
    """Silence, single spikes, and moments in which nearly all fire."""
    rng = np.random.default_rng(seed)
    likely = rng.choice([0.0, 0.03, 0.9], p=[0.3, 0.6, 0.1], size=(N_STEPS, 1))
    return (rng.random((N_STEPS, n)) < likely).astype(float)


def _life(graph: Any, rule: Any, move: Move, weight: Any, pre: Any, post: Any) -> Any:
    blank = blank_view(graph, ("reward",)).replace(
        weight_max=jnp.ones(()), modulators={"reward": jnp.ones(())}
    )
    theta = rule.init(jax.random.key(0), graph)

    def step(carry: Any, now: Any) -> Any:
        state, w = carry
        sides = {
            "pre": blank.pre.replace(activity=now[0]),
            "post": blank.post.replace(activity=now[1]),
        }
        state, w = rule.apply(theta, state, move, graph, blank.replace(weight=w, **sides), DT)
        drive = graph.propagate_spikes if move.spiking else graph.propagate
        return (state, w), drive(w, now[0])

    return jax.lax.scan(step, (rule.init_state(theta, graph), weight), (pre, post))


@partial(quick_jit, static_argnums=(0, 1, 2))
def _many(graph: Any, rule: Any, spiking: frozenset[str], *args: Any) -> Any:
    """Lives of their own spikes in lockstep: (weights [n_lives, *shape], drives)."""
    move = Move(jnp.ones(()), jnp.asarray(0.7), 0.0, 1.0, spiking)
    (_, w), drives = jax.vmap(partial(_life, graph, rule, move))(*args)
    return w, drives


@pytest.mark.parametrize(
    ("graph", "settings", "n_lives"),
    [
        *((GRAPH, settings, 2) for settings in RULES),
        (LONG, RULES[1], 1),
        (MATRIX, RULES[0], 2),
        (MATRIX, RULES[1], 1),
    ],
    ids=str,
)
def test_from_spike_to_spike_is_every_synapse_in_every_step(graph, settings, n_lives):
    rule = decode("rule", settings)
    weight = np.random.default_rng(0).random((n_lives, *graph.shape))
    pre = np.stack([_spikes(10 * graph.n_pre + k, graph.n_pre) for k in range(n_lives)])
    post = np.stack([_spikes(10 * graph.n_post + k, graph.n_post) for k in range(n_lives)])
    with jax.enable_x64(True):
        fast, drives = _many(graph, rule, SPIKES, weight, pre, post)
        slow, expected = _many(graph, rule, frozenset(), weight, pre, post)
    np.testing.assert_allclose(fast, slow, rtol=1e-13)
    np.testing.assert_allclose(drives, expected, rtol=1e-12, atol=1e-13)
    assert np.abs(np.asarray(fast) - weight).max() > 1e-3


def test_one_life_is_that_of_a_batch_and_its_gradient_that_of_every_synapse():
    rule = decode("rule", {"name": "stdp", "learn": True, "mu_depression": 1.0})
    weight = np.random.default_rng(0).random(GRAPH.shape)
    pre = _spikes(0, N_PRE)
    post = _spikes(1, N_POST)

    @partial(quick_jit, static_argnums=0)
    def both(spiking: frozenset[str], weight: Any) -> Any:
        def loss(w: Any, factor: Any) -> Any:
            (_, w), drives = _life(
                GRAPH, rule, Move(jnp.ones(()), factor, 0.0, 1.0, spiking), w, pre, post
            )
            return jnp.sum(w**2) + jnp.sum(drives**2)

        return loss(weight, 0.7), jax.value_and_grad(loss, argnums=(0, 1))(weight, 0.7)

    with jax.enable_x64(True):
        alone, (value, (slope, by_factor)) = both(SPIKES, weight)
        _, (expected, (by_hand, factor_by_hand)) = both(frozenset(), weight)
    np.testing.assert_allclose(
        [alone, value, by_factor], [expected, expected, factor_by_hand], rtol=1e-12
    )
    np.testing.assert_allclose(slope, by_hand, rtol=1e-10)


@pytest.mark.parametrize(("n_pre", "walks"), [(128, False), (129, True)])
def test_few_synapses_are_summed_at_once_and_more_from_spike_to_spike(n_pre, walks):
    dense = Dense(128, n_pre)
    program = jax.make_jaxpr(dense.propagate_spikes)(jnp.zeros((128, n_pre)), jnp.zeros(n_pre))
    assert ("while" in str(program)) == walks


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_a_power_of_the_weight_is_its_power_from_spike_to_spike(power):
    rng = np.random.default_rng(7)
    (pre, post) = ((rng.random(n) < 0.1).astype(float) for n in (N_PRE, N_POST))
    w = rng.random(GRAPH.shape)
    x = rng.random(N_PRE)
    y = rng.random(N_POST)
    graph = GRAPH.topology()

    @quick_jit
    def changed(w: Any, pre: Any, post: Any) -> Any:
        terms = [Term(y, pre, power, "pre"), Term(post, x, power, "post")]
        return GRAPH.changed(w, terms, Move(jnp.ones(()), jnp.asarray(0.7), 0.0, 99.0, SPIKES))

    with jax.enable_x64(True):
        new = np.asarray(changed(w, pre, post))
    products = (y[graph.post] * pre[graph.pre] + post[graph.post] * x[graph.pre]) * w**power
    assert 0 < np.count_nonzero(products) < w.size
    np.testing.assert_allclose(new, w + 0.7 * products, rtol=1e-12)


def test_what_is_sparse_on_no_spiking_side_takes_the_plain_way():
    """A rule of spikes between rate units: its terms claim silence that is not there.

    Nothing goes wrong.
    """
    terms = [
        Term(jnp.ones(N_POST), jnp.arange(1.0, N_PRE + 1.0), 1, "pre"),
        Term(jnp.ones(N_POST), None),
    ]
    w = jnp.linspace(0.0, 1.0, GRAPH.shape[0])
    plain = AbstractConnection.changed(GRAPH, w, terms, Move(jnp.ones(()), jnp.ones(()), 0.0, 99.0))
    for spiking in (frozenset(), frozenset({"pre"}), SPIKES):
        np.testing.assert_allclose(
            GRAPH.changed(w, terms, Move(jnp.ones(()), jnp.ones(()), 0.0, 99.0, spiking)),
            plain,
            rtol=1e-6,
        )
    dense = GRAPH.changed(w, terms[:1], Move(jnp.ones(()), jnp.ones(()), 0.0, 99.0, SPIKES))
    np.testing.assert_allclose(dense, w + w * GRAPH.at_pre(jnp.arange(1.0, N_PRE + 1.0)), rtol=1e-6)


@pytest.mark.parametrize(("platform", "walks"), [("cpu", True), ("cuda", False), ("tpu", False)])
def test_an_accelerator_changes_every_synapse_in_every_step(platform, walks):
    """The programs for the compiler of each platform.

    A walk over spikes is a loop that would keep an accelerator waiting.
    """
    move = Move(jnp.ones(()), jnp.ones(()), 0.0, 1.0, SPIKES)
    step = jax.jit(lambda w, z: GRAPH.changed(w, [Term(jnp.ones(N_POST), z, 0, "pre")], move))
    shapes = (
        jax.ShapeDtypeStruct(GRAPH.shape, np.float32),
        jax.ShapeDtypeStruct((N_PRE,), np.float32),
    )
    program = jax.export.export(step, platforms=[platform])(*shapes).mlir_module()
    assert ("stablehlo.while" in program) == walks


def test_memory_goes_with_the_synapses_not_with_the_pairs():
    """A million neurons on each side: a matrix of the pairs would be a million gigabytes."""
    graph = Sparse(1_000_000, 1_000_000, probability=2e-8, seed=1).topology()
    assert abs(len(graph.post) - 20_000) < 4 * 20_000**0.5
    assert graph.post.nbytes + graph.pre.nbytes < 200_000
    assert np.all(np.diff(graph.pre) >= 0)
    np.testing.assert_allclose([graph.post.mean(), graph.pre.mean()], 5e5, rtol=0.02)


@pytest.mark.parametrize("probability", [0.02, 0.5, 1.0])
def test_every_pair_is_drawn_with_its_probability(probability):
    """Rows, columns and the whole are right over 40 seeds, within 4.5 standard errors.

    All pairs are drawn where the probability is 1.
    """
    n = np.mean(
        [Masked(20, 30, probability=probability, seed=s).support() for s in range(40)], axis=0
    )
    error = (probability * (1 - probability) / 40) ** 0.5
    assert np.abs(n - probability).max() <= 5.5 * error
    assert abs(n.mean() - probability) <= 4.5 * error / 600**0.5

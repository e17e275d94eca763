"""One life is the same however it is cut, recorded or differentiated; it is a plain NumPy loop."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.prototypes import Prototypes
from metaplast.genomes.random import Random as Drawn
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.scan import segment_length
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.testing.base import quick_jit
from tests._compiler import as_users_jit
from tests.oracles import life as oracle

POOL = Polynomial(
    terms=("error*pre", "post*pre - post*predicted", "pre_error*post", "0.01*weight"),
    initial=(-1.0, 0.5, -0.3, -0.2),
    rate=0.2,
    learn="both",
)
TASK = Prototypes(n_in=4, n_classes=2, shots=3, queries=2)
N_PLASTIC = 6
N_STEPS = 10
LIFETIME = Lifetime(
    task=TASK,
    network=Feedforward(hidden=(3,)),
    genome=Drawn(learn_gain=True),
    slots=(Slot(rule=POOL),),
)
SMALL = dataclasses.replace(LIFETIME, network=Feedforward(hidden=()))
RECORDING = dataclasses.replace(SMALL, record=("weights", "activity", "sent", "feedback"))


@partial(quick_jit, static_argnums=0)
def _born(lifetime: Lifetime, seed: Any) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    task = lifetime.task.sample(keys[0], "train")
    theta = lifetime._init(keys[1])
    return theta, task, lifetime.begin(theta, task, keys[2])


def _live(lifetime: Lifetime, theta: Any, task: Any, life: Any, n: int, start: int | None) -> Any:
    return lifetime.advance(theta, task, life, n, start=start)


_advance = as_users_jit(_live, static_argnums=(0, 4, 5))  # bits are compared


def _same_bits(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x = jax.random.key_data(x)
            y = jax.random.key_data(y)
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def whole() -> Any:
    theta, task, life = _born(SMALL, 0)
    return theta, task, life, _advance(SMALL, theta, task, life, N_STEPS, 0)


def test_a_life_is_a_plain_loop():
    with jax.enable_x64(True):
        theta, task, life = _born(LIFETIME, 0)
        after, trace = quick_jit(_live, static_argnums=(0, 4, 5))(
            LIFETIME, theta, task, life, N_STEPS, 0
        )
    weights = jax.tree.map(np.asarray, _now(life))
    back = jax.tree.map(np.asarray, life.feedback["back"])
    losses, last = oracle.live(
        np.asarray(task.inputs), np.asarray(task.labels), N_PLASTIC, weights, back, POOL
    )
    assert losses.dtype == trace.score.loss.dtype == np.float64
    assert np.abs(last[oracle.FIRST] - weights[oracle.FIRST]).max() > 0.01  # it learned something
    np.testing.assert_allclose(trace.score.loss, losses, rtol=1e-10)
    for name, w in _now(after).items():
        np.testing.assert_allclose(w, last[name], atol=1e-10)


def _now(life: Any) -> dict[str, Any]:
    return {name: s.weight for name, s in life.synapses.items()}


@pytest.mark.exact
@pytest.mark.parametrize("start_known", [True, False])
def test_a_life_in_pieces_is_the_same_to_the_bit(whole, start_known):
    """The cuts lie in the plastic phase and in the frozen one.

    The piece between them runs from one phase into the other.
    """
    theta, task, life, (after, trace) = whole
    pieces = []
    start = 0
    for n in (3, 5, 2):
        life, piece = _advance(SMALL, theta, task, life, n, start if start_known else None)
        pieces.append(piece)
        start += n
    _same_bits(life, after)
    _same_bits(jax.tree.map(lambda *x: np.concatenate(x), *pieces), trace)


@pytest.mark.exact
def test_weights_rest_while_plasticity_is_off(whole):
    theta, task, life, (after, _) = whole
    learned, _ = _advance(SMALL, theta, task, life, N_PLASTIC, 0)
    _same_bits(_now(learned), _now(after))
    moved = [
        np.any(np.asarray(w) != np.asarray(_now(life)[name])) for name, w in _now(after).items()
    ]
    assert all(moved)


@pytest.mark.exact
def test_recording_changes_nothing(whole):
    theta, task, life, (after, trace) = whole
    same, recorded = _advance(RECORDING, theta, task, life, N_STEPS, 0)
    _same_bits(same, after)
    _same_bits(recorded.score, trace.score)
    assert trace.recorded == {}
    assert set(recorded.recorded) == {"weights", "activity", "sent", "feedback"}
    for name, w in recorded.recorded["weights"].items():
        assert w.shape[0] == N_STEPS
        np.testing.assert_array_equal(w[-1], after.synapses[name].weight)
    np.testing.assert_array_equal(recorded.recorded["sent"]["input_to_output"], task.inputs)
    assert recorded.recorded["activity"]["output"].shape == (N_STEPS, 2)
    np.testing.assert_array_equal(recorded.recorded["feedback"].target.argmax(axis=1), task.labels)


def test_saving_memory_changes_neither_loss_nor_gradient():
    """A stretch of 5 plastic steps is a segment of 3 and a rest of 2.

    The 5 frozen steps keep nothing.
    """
    family = Prototypes(n_in=3, n_classes=5, shots=1, queries=1)
    rule = Polynomial(terms=("error*pre", "post^2*weight"), initial=(-1.0, -0.1), rate=0.2)
    lifetime = Lifetime(task=family, network=Feedforward(hidden=()), slots=(Slot(rule=rule),))
    assert (segment_length(5), family.shape().phases) == (3, ((5, True), (5, False)))
    n = family.shape().n_steps

    @quick_jit
    def both(theta: Any, task: Any, life: Any) -> Any:
        def loss(theta: Any, saving: bool) -> Any:
            return jnp.mean(
                lifetime.advance(theta, task, life, n, start=0, gradient=saving)[1].score.loss
            )

        return [jax.value_and_grad(loss)(theta, saving) for saving in (False, True)]

    with jax.enable_x64(True):
        (plain, grad), (saving, same) = both(*_born(lifetime, 0))
    np.testing.assert_allclose(saving, plain, rtol=1e-12)
    for a, b in zip(jax.tree.leaves(same["rules"]), jax.tree.leaves(grad["rules"]), strict=True):
        assert np.any(np.asarray(b) != 0)
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_segments_are_near_the_square_root():
    for n in range(1, 400):
        length = segment_length(n)
        assert 1 <= length <= n
        assert 0.5 <= length / np.sqrt(n) <= 2
    assert segment_length(120) in (10, 12)
    assert segment_length(97) == 10
    assert segment_length(10**9) == 31_250  # at once: it does not try every number


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        (
            (Slot(edges="hidden_7*"),),
            r"slot rule: edges 'hidden_7\*' - expected a pattern that matches one of input_to",
        ),
        (
            (Slot("a"), Slot("b", edges="hidden*")),
            "edge hidden_1_to_output - expected at most one slot - narrow",
        ),
        (
            (Slot(rule=Polynomial(terms=("modulator.dopamine*pre",))),),
            "reads modulator 'dopamine' - expected one the task offers",
        ),
        (
            (Slot(rule=Polynomial(terms=("dendrite*pre",))),),
            r"reads post\.dendrite - expected a signal on offer there",
        ),
        ((Slot("../x"),), r"slot '\.\./x' - expected a name"),
    ],
    ids=["no edge", "two slots", "no modulator", "no dendrite", "name"],
)
def test_what_cannot_live_together_is_refused_by_name(slots, words):
    with pytest.raises(BadInput, match=words):
        dataclasses.replace(LIFETIME, slots=slots).check()


def test_edges_of_a_slot_share_a_theta_or_own_one_each():
    shared = LIFETIME._init(jax.random.key(0))["rules"]["rule"]
    by_edge = dataclasses.replace(LIFETIME, slots=(Slot(rule=POOL, shared=False),))._init(
        jax.random.key(0)
    )["rules"]["rule"]
    assert set(by_edge) == {"input_to_hidden_1", "hidden_1_to_output"}
    assert all(
        jax.tree.structure(theta) == jax.tree.structure(shared) for theta in by_edge.values()
    )
    two = (
        Slot("in", edges="input*", rule=POOL),
        Slot("out", edges="hidden*", rule=Stdp(learn=True)),
    )
    split = dataclasses.replace(LIFETIME, slots=two)._init(jax.random.key(0))["rules"]
    assert set(split["in"]) == set(shared)
    assert set(split["out"]) == {
        "log_potentiation",
        "log_depression",
        "log_tau_pre",
        "log_tau_post",
    }

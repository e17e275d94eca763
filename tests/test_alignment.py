"""The angle between a credit signal and backpropagation: a published experiment, no effects."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.feedback.random import Random
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.problem.sampling import sample_batch
from metaplast.rules.polynomial import Polynomial
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from tests._compiler import as_users_jit

N_LIVES = 32
N_STEPS = 300


def test_weights_turn_towards_random_feedback():
    """Lillicrap et al. 2016: about 90 degrees at birth, below 45 after learning.

    It is the shipped experiment, cut short.
    """
    words = ["experiment=alignment", f"task.n_steps={N_STEPS}", "task.n_test=10"]
    problem = parse(compose(words, Sources()), check=False).main.meta_problem()

    @quick_jit
    def live(key: Any) -> Any:
        batch = sample_batch(problem.lifetime.task, key, N_LIVES, "heldout")
        thetas = jax.tree.map(lambda x: x[None], problem.lifetime._init(key))
        return problem.advance(thetas, problem.begin(thetas, batch), N_STEPS + 10)[1].trace.score

    score = live(jax.random.key(0))
    angle = np.asarray(score.metrics["angle_hidden_1"])
    loss = np.asarray(score.loss)
    assert angle.shape == (N_LIVES, N_STEPS + 10)
    assert 85 < angle[:, 0].mean() < 95
    assert angle[:, -10:].mean() < 45
    assert loss[:, -10:].mean() < 0.05 * loss[:, :10].mean()


def _lifetime(**changes: Any) -> Lifetime:
    plain = {"name": "teacher_student", "n_in": 3, "n_out": 2, "n_steps": 4, "n_test": 3}
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,), learn="rate")
    return Lifetime(
        task=decode("task", plain),
        network=Feedforward(hidden=(3,), bias=True),
        slots=(Slot(rule=rule),),
        **changes,
    )


@pytest.mark.exact
def test_measuring_changes_nothing_and_goes_on_while_the_network_is_frozen():
    """Losses and gradients are the same with and without the measurement.

    They are also the same where the angle is 0 and has no derivative.
    """
    still = _lifetime(feedback=Symmetric())
    measured = dataclasses.replace(still, measure=("alignment",))

    @as_users_jit
    def both(key: Any) -> Any:
        task = still.task.sample(key, "train")
        theta = still._init(key)

        def lived(lifetime: Lifetime, theta: Any) -> Any:
            born = lifetime.begin(theta, task, key)
            _, trace = lifetime.advance(theta, task, born, 7, start=0)
            return jnp.sum(trace.score.loss), trace.score

        out = []
        for lifetime in (still, measured):
            slope = jax.value_and_grad(partial(lived, lifetime), has_aux=True)
            out.append(slope(theta))
        other = dataclasses.replace(measured, feedback=Random())
        return out, other.advance(theta, task, other.begin(theta, task, key), 7)[1].score

    with jax.enable_x64(True):
        (((_, plain), grad), ((_, score), same)), masked = both(jax.random.key(1))
    np.testing.assert_array_equal(plain.loss, score.loss)
    assert not plain.metrics
    for a, b in zip(jax.tree.leaves(grad), jax.tree.leaves(same), strict=True):
        assert np.any(np.asarray(a) != 0)
        np.testing.assert_allclose(a, b, rtol=1e-12)
    # neither the inputs, nor the bias, nor the output
    assert set(score.metrics) == {"angle_hidden_1"}
    np.testing.assert_allclose(score.metrics["angle_hidden_1"], np.zeros(7), atol=1e-10)
    # frozen, found step by step
    assert np.all(np.asarray(masked.metrics["angle_hidden_1"])[4:] > 1)


def test_every_hidden_population_of_a_wiring_has_its_angle():
    dale = Recurrent(n_recurrent=10, dale=True)
    lifetime = dataclasses.replace(_lifetime(measure=("alignment",)), network=dale)

    def metrics(key: Any) -> Any:
        theta = lifetime._init(key)
        task = lifetime.task.sample(key, "train")
        _, trace = lifetime.advance(theta, task, lifetime.begin(theta, task, key), 7)
        return trace.score.metrics

    shape = jax.eval_shape(metrics, jax.random.key(0))
    assert {name: x.shape for name, x in shape.items()} == {
        "angle_inhibitory": (7,),
        "angle_excitatory": (7,),
    }

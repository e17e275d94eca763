"""Rules that may read the choice of a row.

Target, credit and surprise are compared with values by hand, and weights with a NumPy loop.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from inner_tasks.recordings import Recordings
from metaplast.feedback.symmetric import Symmetric
from metaplast.fitting.predict import activity, drawn
from metaplast.genomes.constant import Constant
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import neuron_view


def _family(tmp_path, likelihood, choice, **arrays) -> Recordings:
    stimulus = np.random.default_rng(0).normal(size=(len(choice), 2))
    path = tmp_path / "choices.npz"
    np.savez(path, stimulus=stimulus, choice=np.asarray(choice), **arrays)
    return Recordings(path=str(path), likelihood=likelihood, tell_choice=True)


def _steps(family, activities):
    session = jax.tree.map(lambda x: jnp.asarray(x)[0], family.recorded().sessions)
    for step, a in enumerate(activities):
        values = jnp.asarray(a, float)
        view = neuron_view(values, values, jnp.ones_like(values))
        yield family.step(session, jnp.asarray(step), view, jax.random.key(0), 1e-3)[1].feedback


def test_of_two_options_the_credit_is_p_minus_choice(tmp_path):
    choice = [1, 0, -1, 1]
    drive = [0.3, -1.2, 0.8, 2.0]
    signals = list(_steps(_family(tmp_path, Bernoulli(), choice), [[a] for a in drive]))
    p = 1 / (1 + np.exp(-np.asarray(drive)))
    np.testing.assert_allclose([f.target[0] for f in signals], [1, 0, 0, 1])
    np.testing.assert_allclose(
        [f.error[0] for f in signals], [p[0] - 1, p[1], 0, p[3] - 1], rtol=1e-5
    )
    surprise = [-np.log(p[0]), -np.log(1 - p[1]), 0, -np.log(p[3])]
    np.testing.assert_allclose([f.modulators["surprise"] for f in signals], surprise, rtol=1e-5)


def test_of_several_options_every_one_has_its_credit(tmp_path):
    choice = [2, -1, 0]
    drive = [[0.1, -0.5, 1.0], [1.0, 2.0, 3.0], [0.0, 0.4, -0.4]]
    signals = list(_steps(_family(tmp_path, Categorical(), choice), drive))
    p = np.exp(drive) / np.exp(drive).sum(axis=1, keepdims=True)
    one_hot = np.asarray([[0, 0, 1], [0, 0, 0], [1, 0, 0]], float)
    np.testing.assert_allclose([f.target for f in signals], one_hot)
    expected = (p - one_hot) * [[1], [0], [1]]
    np.testing.assert_allclose([f.error for f in signals], expected, rtol=1e-5, atol=1e-7)


def _learner(family) -> Lifetime:
    rule = Polynomial(
        terms=("modulator.reward*target*pre", "target*weight", "modulator.reward*error*pre"),
        initial=(1.0, -0.5, -0.25),
        rate=0.4,
        learn="none",
    )
    network = Feedforward(hidden=())
    return Lifetime(
        task=family,
        network=network,
        feedback=Symmetric(),
        genome=Constant(value=0.2),  # over a fan-in of 2
        slots=(Slot("rule", "*", rule),),
        dt=1e-3,
    )


def test_weights_that_learn_from_choices_are_those_of_a_loop(tmp_path):
    rng = np.random.default_rng(1)
    n = 12
    choice = np.where(rng.random(n) < 0.2, -1, rng.integers(0, 2, n))
    reward = np.where(choice >= 0, rng.random(n).round(), np.nan)
    family = _family(tmp_path, Categorical(), choice, reward=reward)
    lifetime = _learner(family)
    sessions = family.recorded().sessions
    activities = activity(lifetime, lifetime.init(jax.random.key(0)), sessions, 0)[0]
    w = np.full((2, 2), 0.1)
    expected = []
    for x, c, r in zip(sessions.stimulus[0], choice, np.nan_to_num(reward), strict=True):
        y = w @ x
        expected.append(y)
        if c < 0:
            continue
        one_hot = np.eye(2)[c]
        error = np.exp(y) / np.exp(y).sum() - one_hot
        w = w + 0.4 * (
            r * np.outer(one_hot, x) - 0.5 * one_hot[:, None] * w - 0.25 * r * np.outer(error, x)
        )
    np.testing.assert_allclose(activities, expected, rtol=1e-4, atol=1e-6)


def test_told_choices_stay_where_values_are_drawn_anew(tmp_path):
    """A refit to drawn choices lives through the choices that the drawing saw.

    It does so with rewards and gates too.
    """
    family = _family(tmp_path, Categorical(), np.arange(40) % 2, reward=np.ones(40))
    lifetime = _learner(family)
    sessions = family.recorded().sessions
    values = drawn(
        lifetime, lifetime.init(jax.random.key(0)), sessions, jax.random.key(1), jnp.zeros(())
    )
    assert not np.array_equal(values["target"], sessions.target)
    redrawn = replace(sessions, **values)
    again = activity(lifetime, lifetime.init(jax.random.key(0)), redrawn, 0)
    np.testing.assert_array_equal(
        again, activity(lifetime, lifetime.init(jax.random.key(0)), sessions, 0)
    )


def test_nothing_is_told_unless_asked(tmp_path):
    family = _family(tmp_path, Bernoulli(), [0, 1, 1])
    assert {"target", "error"} <= family.shape().offers
    silent = Recordings(path=family.path, likelihood=Bernoulli())
    assert not {"target", "error"} & silent.shape().offers
    assert silent.recorded().sessions.told == {}


def test_without_choices_there_is_nothing_to_tell(tmp_path):
    np.savez(tmp_path / "a.npz", stimulus=np.ones((4, 1)), activity=np.arange(4.0)[:, None])
    with pytest.raises(
        BadInput, match=r"tell_choice=true where no choice is fitted - expected an array 'choice'"
    ):
        Recordings(path=str(tmp_path / "a.npz"), tell_choice=True).recorded()
    with pytest.raises(ValidationError, match=r"expected task.target=choice or both"):
        Recordings(tell_choice=True, target="activity")

"""A unit that fires by lot spikes as often as its potential says; its score is the slope of the
log-likelihood.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.neurons.choice import Choice
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.stochastic import Stochastic
from metaplast.testing import check_neuron
from metaplast.testing.base import quick_jit

DRIVE, DT, N_DRAWS = np.asarray([0.2, 0.9, 1.1, 1.4]), 2e-3, 4000
ESCAPE = Stochastic(tau_m=0.0, rate=40.0, threshold=1.0, width=0.3)
SIGMOID = Stochastic(tau_m=0.0, noise="sigmoid", threshold=1.0, width=0.3)
CHANCE = {
    ESCAPE: lambda v: -np.expm1(-40.0 * DT * np.exp((v - 1.0) / 0.3)),
    SIGMOID: lambda v: 0.5 * (1.0 + np.tanh((v - 1.0) / 0.6)),
}


def _views(neuron, drive=DRIVE):
    state, given = neuron.init_state({}, len(drive)), {"soma": jnp.asarray(drive, jnp.float32)}
    step = quick_jit(jax.vmap(lambda key: neuron.step({}, state, given, DT, key)[1]))
    return jax.tree.map(np.asarray, step(jax.random.split(jax.random.key(0), N_DRAWS)))


@pytest.mark.parametrize("neuron", CHANCE, ids=lambda n: n.noise)
def test_spikes_are_as_frequent_as_said_and_the_score_is_the_slope_of_their_likelihood(neuron):
    chance, view, h = CHANCE[neuron], _views(neuron), 1e-6
    p = chance(DRIVE)
    assert set(np.unique(view.activity)) == {0.0, 1.0}
    error = np.sqrt(p * (1 - p) / N_DRAWS)
    assert (np.abs(view.activity.mean(axis=0) - p) < 4 * error).all()
    assert (np.abs(view.activity.mean(axis=0) - chance(DRIVE + 0.1)) > 4 * error)[
        1:
    ].all()  # control: another drive
    of_spike = (np.log(chance(DRIVE + h)) - np.log(chance(DRIVE - h))) / (2 * h)
    of_none = (np.log(1 - chance(DRIVE + h)) - np.log(1 - chance(DRIVE - h))) / (2 * h)
    np.testing.assert_allclose(
        view.score, np.where(view.activity > 0, of_spike, of_none), rtol=1e-4
    )
    np.testing.assert_allclose(
        view.gain[0], (chance(DRIVE + h) - chance(DRIVE - h)) / (2 * h), rtol=1e-4
    )
    assert (np.abs(view.score.mean(axis=0)) < 4 * view.score.std(axis=0) / math.sqrt(N_DRAWS)).all()


@pytest.mark.parametrize("neuron", CHANCE, ids=lambda n: n.noise)
def test_no_drive_is_too_strong_or_too_weak_for_finite_numbers(neuron):
    view = _views(neuron, np.asarray([-1e6, 1e6]))
    assert np.isfinite(view.score).all() and np.isfinite(view.gain).all()
    np.testing.assert_array_equal(view.activity, np.broadcast_to([0.0, 1.0], (N_DRAWS, 2)))


def test_a_membrane_forgets_resets_and_is_silent_as_its_options_say():
    """Three units in a row of steps under a constant drive that makes each fire in every step it
    may.
    """
    alpha, drive = math.exp(-DT / 20e-3), 100.0
    plain = Stochastic(width=1e-2)
    cells = {
        "none": plain,
        "value": dataclasses.replace(plain, reset_mode="value", v_reset=-0.5),
        "subtract": dataclasses.replace(
            plain, reset_mode="subtract", v_reset=-0.5, soma_input="jump"
        ),
        "refractory": Refractory(
            dataclasses.replace(plain, reset_mode="value"), period=2 * DT, during="silent"
        ),
    }

    @quick_jit
    def five(key):
        found = {}
        for name, cell in cells.items():
            state, rows = cell.init_state({}, 1), []
            for t in range(5):
                state, view = cell.step(
                    {}, state, {"soma": jnp.full(1, drive)}, DT, jax.random.fold_in(key, t)
                )
                rows.append(jnp.stack([view.activity[0], view.potential[0], view.score[0]]))
            found[name] = jnp.stack(rows)
        return found

    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, five(jax.random.key(0)))
    for name in ("none", "value", "subtract"):
        v, into = 0.0, drive * (1.0 if name == "subtract" else 1.0 - alpha)
        for t in range(5):
            v = alpha * v + into
            np.testing.assert_allclose(found[name][t, :2], [1.0, v], rtol=1e-12)
            v = {"none": v, "value": -0.5, "subtract": v - 1.5}[name]
    np.testing.assert_array_equal(found["refractory"][:, 0], [1.0, 0.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(found["refractory"][:, 2], 0.0)  # no spike was left to chance
    np.testing.assert_allclose(found["refractory"][3, 1], drive * (1.0 - alpha**3), rtol=1e-12)


def test_the_score_of_a_choice_is_the_slope_of_the_log_of_softmax():
    view = _views(Choice(inverse_temperature=1.5))
    slopes = quick_jit(jax.jacobian(lambda u: jax.nn.log_softmax(1.5 * u)))(
        jnp.asarray(DRIVE, jnp.float32)
    )
    np.testing.assert_allclose(
        view.score, np.asarray(slopes)[view.activity.argmax(axis=1)], atol=1e-5
    )


def _relaxed(neuron, temperature=0.5, output="relaxed"):
    return dataclasses.replace(neuron, surrogate="concrete", temperature=temperature, output=output)


@pytest.mark.parametrize("neuron", CHANCE, ids=lambda n: n.noise)
def test_a_relaxed_draw_is_its_closed_form_on_the_side_of_its_spike(neuron):
    """y by the odds: y / (1 - y) = (p / (1 - p) (1 - U) / U)^(1 / temperature)."""
    p, lots = CHANCE[neuron](DRIVE), []
    with jax.enable_x64(True):
        drive = {"soma": jnp.asarray(DRIVE)}
        for number in range(20):
            key = jax.random.key(number)
            soft = _relaxed(neuron).step({}, neuron.init_state({}, 4), drive, DT, key)[1]
            hard = neuron.step({}, neuron.init_state({}, 4), drive, DT, key)[1]
            u = np.asarray(jax.random.uniform(key, (4,), jnp.float64))
            odds = (p / (1 - p) * (1 - u) / u) ** 2
            np.testing.assert_allclose(soft.activity, odds / (1 + odds), rtol=1e-9)
            np.testing.assert_array_equal(soft.activity > 0.5, hard.activity > 0)
            cold = _relaxed(neuron, 1e-6).step({}, neuron.init_state({}, 4), drive, DT, key)[1]
            np.testing.assert_allclose(cold.activity, hard.activity, atol=1e-6)
            lots.append(u)
    assert (np.asarray(lots) < p).any() and not (np.asarray(lots) < p).all()


def test_relaxed_units_keep_the_promises_of_neurons():
    check_neuron(_relaxed(SIGMOID))


def test_what_is_relaxed_has_no_score_no_spikes_and_no_reset():
    soft = _relaxed(SIGMOID)
    assert not soft.spiking and "score" not in soft.offers
    assert "log_probability" not in soft.offers and "score" in SIGMOID.offers
    with pytest.raises(ValueError, match="surrogate=concrete"):
        dataclasses.replace(SIGMOID, output="relaxed")
    with pytest.raises(ValueError, match="reset_mode=none"):
        dataclasses.replace(soft, reset_mode="value")
    with pytest.raises(ValueError, match="graded"):
        Refractory(soft)


@pytest.mark.parametrize("surrogate", ["concrete", "superspike"])
@pytest.mark.parametrize("neuron", CHANCE, ids=lambda n: n.noise)
def test_no_drive_breaks_the_derivative_of_another_surrogate(neuron, surrogate):
    cell = dataclasses.replace(neuron, surrogate=surrogate, temperature=0.1)
    drive = jnp.asarray([-1e6, -30.0, 1.0, 30.0, 1e6], jnp.float32)

    def total(drive):
        def spikes(key):
            return cell.step({}, cell.init_state({}, 5), {"soma": drive}, DT, key)[1].activity

        return jnp.sum(jax.vmap(spikes)(jax.random.split(jax.random.key(0), 500)))

    slope = quick_jit(jax.grad(total))(drive)
    assert np.isfinite(slope).all() and slope[2] > 0
    np.testing.assert_allclose(slope[jnp.asarray([0, 4])], 0.0, atol=1e-3)

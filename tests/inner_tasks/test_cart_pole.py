"""The cart and its pole move as a plain program says, and damage is where it was asked for."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.cart_pole import CartPole
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit

N_TRIALS = 2
TRIAL_STEPS = 60


def _plain(starts, gains, half_length, outputs):
    """Motion after each step, and whether the pole stands, by a loop over plain numbers.

    The accelerations solve the two equations of Newton and Lagrange as a linear system:

        (m_c + m) x'' + m l cos(phi) phi'' = F + m l phi'^2 sin(phi)
        m l cos(phi) x'' + (4/3) m l^2 phi'' = m g l sin(phi)
    """
    m, total, g, h = 0.1, 1.1, 9.8, 0.02
    motions, ups = [], []
    for start, gain, pushes in zip(starts, gains, outputs, strict=True):
        x, v, phi, omega = map(float, start)
        up = True
        for output in pushes:
            force = 10.0 * gain * math.tanh(output)
            coupling = m * half_length * math.cos(phi)
            sides = [
                force + m * half_length * omega**2 * math.sin(phi),
                m * g * half_length * math.sin(phi),
            ]
            masses = [[total, coupling], [coupling, 4.0 / 3.0 * m * half_length**2]]
            speeding, turning = np.linalg.solve(masses, sides)
            if up:
                x, phi = x + h * v, phi + h * omega
                v, omega = v + h * speeding, omega + h * turning
                up = abs(x) <= 2.4 and abs(phi) <= math.radians(12.0)
            motions.append([x, v, phi, omega] if up else [0.0] * 4)
            ups.append(up)
    return np.array(motions), np.array(ups)


def _lived(family, task, outputs):
    """Stimuli before each step and outcomes, under outputs [n_steps] that are set beforehand."""

    def step(state, output):
        shown = family.stimulus(task, state, jax.random.key(0), 0.02)["input"]
        view = neuron_view(output[None], output[None], jnp.ones(1))
        state, outcome = family.step(task, state, view, jax.random.key(0), 0.02)
        return state, (shown, outcome)

    born = family.begin(task, jax.random.key(0), 0.02)
    return quick_jit(lambda born: jax.lax.scan(step, born, jnp.asarray(outputs))[1])(born)


@pytest.mark.parametrize("damage", ["none", "reversed", "turned", "weak", "long"])
def test_the_motion_is_that_of_a_plain_program(damage):
    family = CartPole(n_trials=N_TRIALS, trial_steps=TRIAL_STEPS, damage=damage, share=1.0)
    outputs = 0.3 * np.random.default_rng(0).normal(size=N_TRIALS * TRIAL_STEPS)
    with jax.enable_x64(True):
        task = family.sample(jax.random.key(1), "train")
        shown, outcome = _lived(family, task, outputs)
        shown = np.asarray(shown)
    half_length = 1.5 if damage == "long" else 0.5
    motions, ups = _plain(
        np.asarray(task.starts),
        {"reversed": [-1, -1], "turned": [1, -1], "weak": [0.3, 0.3]}.get(damage, [1, 1]),
        half_length,
        outputs.reshape(N_TRIALS, TRIAL_STEPS),
    )
    assert 20 < ups.sum() < len(ups)  # poles stand for a while, and at least one falls
    scales = np.array([2.4, 2.0, math.radians(12.0), 2.0])
    for trial in range(N_TRIALS):
        first, last = trial * TRIAL_STEPS, (trial + 1) * TRIAL_STEPS
        before = np.concatenate([task.starts[trial][None], motions[first : last - 1]])
        np.testing.assert_allclose(shown[first:last] * scales, before, rtol=0, atol=1e-12)
        gates = np.concatenate([[True], ups[first : last - 1]])
        np.testing.assert_array_equal(outcome.feedback.gate[first:last], gates)
    np.testing.assert_array_equal(outcome.score.metrics["balanced"], ups)
    np.testing.assert_array_equal(outcome.score.loss, 1.0 - ups)
    np.testing.assert_array_equal(outcome.feedback.modulators["reward"], ups)
    leans = np.abs(motions[:, 2] + motions[:, 3] * math.sqrt(half_length / 9.8))
    for step in np.flatnonzero(ups[1:] & ups[:-1] & (np.arange(1, len(ups)) % TRIAL_STEPS > 0)) + 1:
        progress = (leans[step - 1] - leans[step]) / 0.02
        assert float(outcome.feedback.modulators["progress"][step]) == pytest.approx(progress)
    resets = np.arange(len(ups)) % TRIAL_STEPS == TRIAL_STEPS - 1
    np.testing.assert_array_equal(outcome.feedback.reset, resets)


def test_held_out_lives_have_a_damage_that_no_other_life_has():
    family = CartPole(damage="weak", share=0.5, unseen="turned")
    for split in ("train", "validation"):
        tasks = jax.vmap(lambda key, split=split: family.sample(key, split))(
            jax.random.split(jax.random.key(0), 200)
        )
        assert set(np.unique(tasks.gains)) == {np.float32(0.3), np.float32(1.0)}
        assert 0.3 < np.mean(np.asarray(tasks.gains[:, 0]) < 1.0) < 0.7
    heldout = family.sample(jax.random.key(0), "heldout")
    np.testing.assert_array_equal(heldout.gains, [1, 1, -1, -1])


def test_held_out_lives_are_like_the_others_by_default():
    family = CartPole(damage="long", share=1.0)
    assert float(family.sample(jax.random.key(0), "heldout").half_length) == 1.5


@pytest.mark.parametrize("fields", [{"damage": "turned"}, {"unseen": "turned"}])
def test_an_actuator_does_not_turn_in_a_single_trial(fields):
    with pytest.raises(ValueError, match=r"n_trials=1 .* raise n_trials"):
        CartPole(n_trials=1, **fields)

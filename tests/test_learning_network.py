"""A second network that emits learning signals, and changes that are made together."""

from typing import Any

import jax
import numpy as np
import pytest

from metaplast.feedback.learning_network import LearningNetwork
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.accumulating import Accumulating
from metaplast.testing.base import quick_jit
from tests._numbers import Numbers

DT = 1e-3
TAU = 2e-3
RATE = 0.1
PHASES = ((5, True), (3, False), (4, True))
ENDS = (1, 6)
DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=RATE, learn="none")


def _lived(lifetime: Lifetime, n_steps: int) -> Any:
    """(theta, the weights at birth, those after every step), in float64."""

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        weights = {name: synapses.weight for name, synapses in born.synapses.items()}
        recorded = lifetime.advance(theta, task, born, n_steps, start=0)[1].recorded
        return theta, weights, recorded["weights"]

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, live(jax.random.key(0)))


def test_a_life_with_a_learning_network_is_the_plain_loop():
    """Its state goes on where rules rest, and is 0 again as a trial begins."""
    task = Numbers(phases=PHASES, ends=ENDS)
    n_steps = task.shape().n_steps
    lifetime = Lifetime(
        task=task,
        network=Feedforward(hidden=(5, 4), neuron=Tanh()),
        feedback=LearningNetwork(n=6, tau=TAU, gain=1.0),
        slots=(Slot(rule=DELTA),),
        record=("weights",),
        dt=DT,
    )
    theta, w, recorded = _lived(lifetime, n_steps)
    second = theta["feedback"]
    kept = np.exp(-DT / TAU)
    h = np.zeros(6)
    plastic = np.concatenate([np.full(n, learns) for n, learns in PHASES])
    for t, x in enumerate(task.stimuli()):
        one = np.tanh(w["input_to_hidden_1"] @ x)
        two = np.tanh(w["hidden_1_to_hidden_2"] @ one)
        output = w["hidden_2_to_output"] @ two
        z = np.concatenate([x, one, two, output, output])  # the error is the output itself
        drive = second["recurrent"] @ h + second["inputs"] @ z + second["bias"]
        h = kept * h + (1 - kept) * np.tanh(drive)
        if plastic[t]:
            e_one = (second["readout"]["hidden_1"] @ h) * (1 - one**2)
            e_two = (second["readout"]["hidden_2"] @ h) * (1 - two**2)
            assert np.abs(e_one).max() > 1e-3
            w = {
                "input_to_hidden_1": w["input_to_hidden_1"] - RATE * np.outer(e_one, x),
                "hidden_1_to_hidden_2": w["hidden_1_to_hidden_2"] - RATE * np.outer(e_two, one),
                "hidden_2_to_output": w["hidden_2_to_output"] - RATE * np.outer(output, two),
            }
        if t in ENDS:
            h = np.zeros(6)
        for name, weights in w.items():
            np.testing.assert_allclose(recorded[name][t], weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("every", [1, 4])
def test_changes_that_are_made_together_are_the_plain_loop(every):
    """Steps of a frozen phase do not count; what is left over at the end is not made."""
    task = Numbers(phases=PHASES)
    lifetime = Lifetime(
        task=task,
        network=Feedforward(hidden=()),
        slots=(Slot(rule=Accumulating(DELTA, every)),),
        record=("weights",),
        dt=DT,
    )
    _, weights, recorded = _lived(lifetime, task.shape().n_steps)
    w = weights["input_to_output"]
    total = np.zeros_like(w)
    n_steps = 0
    plastic = np.concatenate([np.full(n, learns) for n, learns in PHASES])
    for t, x in enumerate(task.stimuli()):
        if plastic[t]:
            total = total - RATE * np.outer(w @ x, x)
            n_steps += 1
            if n_steps == every:
                w = w + total
                total = np.zeros_like(w)
                n_steps = 0
        np.testing.assert_allclose(recorded["input_to_output"][t], w, rtol=1e-9, atol=1e-12)

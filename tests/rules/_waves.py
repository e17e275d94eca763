"""Lives that learn a wave, follow it or generate it, and then hold it with plasticity off."""

from typing import Any, NamedTuple

import jax
import numpy as np

from inner_tasks.waveform import Waveform
from metaplast.feedback.symmetric import Symmetric
from metaplast.genomes.constant import Constant
from metaplast.genomes.parts import Parts
from metaplast.genomes.random import Random
from metaplast.life.lifetime import Lifetime
from metaplast.life.slots import Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.starting import Starting
from metaplast.neurons.tanh import Tanh
from metaplast.reuse.known import known_rule
from metaplast.rules.base import AbstractRule
from metaplast.rules.rls import Rls
from metaplast.spec import decode
from metaplast.testing.base import quick_jit

DT = 1e-3
READOUT = Parts(parts=(("*_to_output", Constant(value=0.0)), ("*", Random())))
"""A readout that is silent at birth, on drawn weights."""
FOUR_SINES = tuple(1.3 / 1.5 * share for share in (1.0, 1 / 2, 1 / 6, 1 / 3))
"""The amplitudes of the wave of Sussillo & Abbott's program."""


class Rmse(NamedTuple):
    """Root of the mean squared error of each life [n_lives].

    learned: in the last 0.1 s with plasticity on.
    held: with plasticity off.
    """

    learned: np.ndarray
    held: np.ndarray


def identity(rule: AbstractRule | None) -> Lifetime:
    """100 cells that see sin(2 pi t), and their readout: 1 s with plasticity on, 1 s without."""
    network = Feedforward(hidden=(100,), gain=3.0, bias=True, neuron=Tanh())
    return _lifetime(Waveform(random_phases=False), network, "hidden_1_to_output", rule)


def generated(
    rule: AbstractRule | None, n: int, seconds: float, period: float, held: float
) -> Lifetime:
    """A chaotic network of `n` cells (gain 1.5, 10 ms) that hears its own readout."""
    task = Waveform(
        amplitudes=FOUR_SINES,
        shortest=period,
        longest=period,
        random_phases=False,
        shown=False,
        n_learn=round(seconds / DT),
        n_held=round(held / DT),
    )
    cells = Starting(potential=(-1.0, 1.0), neuron=Leaky(tau=10e-3, neuron=Tanh()))
    network = Recurrent(n_recurrent=n, recurrent_gain=1.5, return_gain=1.0, neuron=cells)
    return _lifetime(task, network, "recurrent_to_output", rule)


def _lifetime(task: Any, network: Any, readout: str, rule: AbstractRule | None) -> Lifetime:
    slots = () if rule is None else (Slot(name="readout", edges=readout, rule=rule),)
    return Lifetime(
        task=task, network=network, feedback=Symmetric(), genome=READOUT, slots=slots, dt=DT
    )


def rls(rate: float) -> Rls:
    """RLS for the loss of the task, a square."""
    return Rls(rate=rate, curvature=2.0)


def pes(rate: float) -> AbstractRule:
    return decode("rule", {**known_rule("pes"), "rate": rate})


def rmse(life: Lifetime, n_lives: int, seed: int = 0) -> Rmse:
    """The errors of `n_lives` lives; seed: another one has other weights and other chaos."""
    theta = life.init(jax.random.key(0))
    (n_learn, _), (n_held, _) = life.task.shape().phases

    def one(key: Any) -> Any:
        k_task, k_life = jax.random.split(key)
        task = life.task.sample(k_task, "heldout")
        born = life.begin(theta, task, k_life)
        return life.advance(theta, task, born, n_learn + n_held, start=0)[1].score.loss

    keys = jax.random.split(jax.random.key(seed), n_lives)
    losses = np.asarray(quick_jit(lambda keys: jax.lax.map(one, keys))(keys), float)
    last = losses[:, n_learn - round(0.1 / DT) : n_learn]
    return Rmse(np.sqrt(last.mean(axis=1)), np.sqrt(losses[:, n_learn:].mean(axis=1)))

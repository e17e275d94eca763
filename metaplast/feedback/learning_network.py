"""A second recurrent network, found by the outer loop, that emits the learning signals."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.wiring import Wiring


@register("feedback", "learning_network")
@spec
class LearningNetwork(AbstractFeedback):
    """A second network watches the first one and its errors, and sends each cell a learning signal.

        h <- k h + (1 - k) tanh(A h + B z + b)
        L_l = C_l h
        L_output = error

    L_l [n_l]: learning signal of population l; its credit is L_l f'(u_l).
    h [n]: the state of the second network, 0 at birth and where a trial begins.
    k: exp(-dt / tau).
    z: the activities of all populations and the error of the output, one after another.
    error [n_out]: d loss / d activity of the output.

    The network also steps where rules rest.

    theta: {"recurrent": A [n, n], "inputs": B [n, n_z], "bias": b [n], "readout": {population: C_l
        [n_l, n]}}. At the start the entries of A are N(0, 1/n), those of B N(0, 1/n_z), those of C
        N(0, gain^2/n), and b is 0.

    Args:
        n: the number of units of the second network.
        tau: their time constant, in seconds.
        gain: the scale of C at the start of the search.

    Limits: tau -> 0 and A = 0 make L a function of the present step.
    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass 2020 ("natural e-prop");
    theirs is a network of spiking cells.
    """

    lives_on: ClassVar[bool] = True
    resets: ClassVar[frozenset[str]] = frozenset({"h"})

    n: Count = 32
    tau: Positive = 2e-3
    gain: NonNegative = 0.1

    def init(self, key: Key, wiring: Wiring) -> Theta:
        n_seen = wiring.output.n
        below = []
        for population in wiring.populations:
            n_seen += population.n
            if wiring.into(population.name) and population != wiring.output:
                below.append(population)
        shapes = {"recurrent": (self.n, self.n), "inputs": (self.n, n_seen)}
        keys = jax.random.split(key, len(shapes) + len(below))
        theta = {"bias": jnp.zeros(self.n), "readout": {}}
        for one, (name, shape) in zip(keys, shapes.items(), strict=False):
            theta[name] = jax.random.normal(one, shape) / math.sqrt(shape[1])
        for one, population in zip(keys[len(shapes) :], below, strict=True):
            drawn = jax.random.normal(one, (population.n, self.n))
            theta["readout"][population.name] = self.gain * drawn / math.sqrt(self.n)
        return theta

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"h": jnp.zeros(self.n)}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        watched: list[Array] = []
        for population in seen.wiring.populations:
            watched.append(seen.views[population.name].activity)
        watched.append(seen.feedback.error)
        kept = math.exp(-seen.dt / self.tau)
        drive = theta["recurrent"] @ state["h"] + theta["inputs"] @ jnp.concatenate(watched)
        h = kept * state["h"] + (1.0 - kept) * jnp.tanh(drive + theta["bias"])
        signals = {}
        for population in seen.wiring.populations:
            signals[population.name] = jnp.zeros(population.n)
        for name, readout in theta["readout"].items():
            signals[name] = readout @ h
        signals[seen.wiring.output.name] = seen.feedback.error
        return {"h": h}, credit(signals, seen.views, seen.feedback)

"""Where the initial weights of a life come from."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import Key, Synapses, Theta
from metaplast.wiring import Wiring


class AbstractGenome(ABC):
    """Turns theta, a task and a key into the synapses of every edge at birth. It sees the wiring,
    never the network.

    needs: what the task family must offer (names of TaskShape.offers).
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def init(self, key: Key, wiring: Wiring) -> Theta:
        """Learned parameters; {} where there are none."""

    @abstractmethod
    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        """The synapses of one life, {edge: Synapses}."""

    def embed(self, other: "AbstractGenome", theta: Theta, start: Theta) -> Theta | None:
        """The theta with which every life is born as under `other` with `theta`; None where it
        cannot be.

        start: this genome's theta before its search. Otherwise a genome contains itself alone.
        """
        return theta if other == self else None


def draw(wiring: Wiring, key: Key) -> dict[str, Array]:
    """Normal weights of standard deviation gain / sqrt(fan-in) per edge (absolute values for
    magnitudes).

    One flat draw cut into pieces: each separate draw would cost about 0.3 s of compilation.
    """
    sizes = [math.prod(edge.connection.shape) for edge in wiring.edges]
    flat = jax.random.normal(key, (sum(sizes),))
    weights, start = {}, 0
    for edge, size in zip(wiring.edges, sizes, strict=True):
        scale = edge.gain / math.sqrt(edge.connection.fan_in)
        values = scale * flat[start : start + size].reshape(edge.connection.shape)
        weights[edge.name] = jnp.abs(values) if wiring.magnitude(edge) else values
        start += size
    return weights


def synapses(wiring: Wiring, weights: dict[str, Array]) -> dict[str, Synapses]:
    """The synapses of every edge of `wiring`: where its connection has a mask, weights off the mask
    are 0.
    """
    born = {}
    for edge in wiring.edges:
        mask, weight = edge.connection.mask(), weights[edge.name]
        born[edge.name] = Synapses(weight=weight * mask if mask.ndim else weight, mask=mask)
    return born

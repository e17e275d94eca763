"""The source of the initial weights of a life."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule
from metaplast.signals import Key, Synapses, Theta
from metaplast.wiring import Edge, Wiring


class Plastic(NamedTuple):
    """A plastic edge, as a genome sees it.

    Attributes:
        edge: the edge.
        slot: the name of its slot, and of the theta of its rule in theta["rules"].
        rule: the rule of the slot.
        shared: whether all edges of the slot share one theta; otherwise each has its own.
    """

    edge: Edge
    slot: str
    rule: AbstractRule
    shared: bool


class AbstractGenome(ABC):
    """The source of the synapses of every edge at birth, from theta, a task and a key.

    It sees the wiring, never the network. It may also write numbers of rules and of cells
    (`develop`).

    Attributes:
        needs: the names (of TaskShape.offers) that the task family must offer.
        masks: whether it leaves out synapses that the connections have.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    masks: ClassVar[bool] = False

    @abstractmethod
    def init(self, key: Key, wiring: Wiring) -> Theta:
        """Learned parameters; {} where there are none.

        Args:
            key: the key of the draw.
            wiring: the graph.
        """

    @abstractmethod
    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        """The synapses of one life, {edge: Synapses}.

        Args:
            theta: learned parameters.
            wiring: the graph.
            task: the task of the life.
            key: the key of the draw.
        """

    def prepare(
        self, key: Key, theta: Theta, wiring: Wiring, plastic: Mapping[str, Plastic]
    ) -> Theta:
        """The numbers that a search begins with, in the layout that `develop` takes.

        By default they stay as every part drew them.

        Args:
            key: the key of the draw.
            theta: {rules, genome, feedback, neurons}, each as its part drew it.
            wiring: the graph.
            plastic: {edge: its rule}.
        """
        del key, wiring, plastic
        return theta

    def develop(self, theta: Theta, wiring: Wiring, plastic: Mapping[str, Plastic]) -> Theta:
        """The numbers that a life reads, from the numbers that a search moves.

        By default they are the same. It is a function of theta alone, so that all lives under one
        theta have the same numbers.

        Args:
            theta: {rules, genome, feedback, neurons}, as a search moves them.
            wiring: the graph.
            plastic: {edge: its rule}.

        Returns:
            {rules, genome, feedback, neurons}, as `weights`, rules, feedback and cells read them.
        """
        del wiring, plastic
        return theta

    def settled(self) -> "AbstractGenome":
        """The genome that makes the same synapses from a developed theta, and writes no more."""
        return self

    def embed(self, other: "AbstractGenome", theta: Theta, start: Theta) -> Theta | None:
        """The theta with which every life is born as under another genome.

        A genome contains itself alone, unless its class says otherwise.

        Args:
            other: the other genome.
            theta: the theta of the other genome.
            start: this genome's theta before its search.

        Returns:
            The theta of this genome, None where there is none.
        """
        if other == self:
            return theta
        return None


def demand_weights_alone(around: AbstractGenome, inner: AbstractGenome) -> None:
    """Refuse an inner genome that also writes numbers: inside another genome it would write none.

    Args:
        around: the genome around it, which asks it for weights alone.
        inner: the inner genome.

    Raises: BadInput for a genome with a `develop` of its own.
    """
    if type(inner).develop is AbstractGenome.develop:
        return
    name = name_of(type(inner))
    what = f"genome {name_of(type(around))}: inner genome {name}"
    expected = "one of weights alone, since a genome that is not outermost writes no other numbers"
    raise BadInput(what, expected, f"put {name} outermost, around this genome")


def draw(wiring: Wiring, key: Key) -> dict[str, Array]:
    """Normal weights of standard deviation gain / sqrt(fan-in), per edge.

    A magnitude is the absolute value. One flat draw is cut into pieces: each separate draw would
    cost about 0.3 s of compilation.

    Args:
        wiring: the graph.
        key: the key of the draw.

    Returns:
        {edge: weights in the layout of its connection}.
    """
    sizes = [math.prod(edge.connection.shape) for edge in wiring.edges]
    flat = jax.random.normal(key, (sum(sizes),))
    weights = {}
    start = 0
    for edge, size in zip(wiring.edges, sizes, strict=True):
        scale = edge.gain / math.sqrt(edge.connection.fan_in)
        values = scale * flat[start : start + size].reshape(edge.connection.shape)
        if wiring.magnitude(edge):
            values = jnp.abs(values)
        weights[edge.name] = values
        start += size
    return weights


def at_birth(
    wiring: Wiring, unit: Mapping[str, Array], masks: Mapping[str, Array] | None = None
) -> dict[str, Synapses]:
    """The synapses of every edge, from weights of unit variance.

        w = gain / sqrt(fan-in) u

    A magnitude is the absolute value.

    Args:
        wiring: the graph.
        unit: {edge: u in the layout of its connection}.
        masks: see `synapses`.

    Returns:
        {edge: Synapses}.
    """
    weights = {}
    for edge in wiring.edges:
        weight = edge.gain / math.sqrt(edge.connection.fan_in) * unit[edge.name]
        weights[edge.name] = jnp.abs(weight) if wiring.magnitude(edge) else weight
    return synapses(wiring, weights, masks)


def synapses(
    wiring: Wiring, weights: Mapping[str, Array], masks: Mapping[str, Array] | None = None
) -> dict[str, Synapses]:
    """The synapses of every edge of `wiring` with these weights; off a mask they are 0.

    Args:
        wiring: the graph.
        weights: {edge: weights in the layout of its connection}.
        masks: {edge: 1 where the genome lets a synapse exist, else 0, in the layout}, beside the
            masks of the connections; None where it leaves none out.

    Returns:
        {edge: Synapses}.

    Raises:
        BadInput: for a mask on an edge whose bounds leave out 0.
    """
    born = {}
    for edge in wiring.edges:
        mask = edge.connection.mask()
        if masks is not None:
            low, high = wiring.bounds(edge)
            if not low <= 0.0 <= high:
                what = f"edge {edge.name} with bounds ({low}, {high}), under a genome of masks"
                raise BadInput(what, "bounds with 0", "widen them, or change the genome")
            mask = mask * masks[edge.name]
        weight = weights[edge.name]
        if mask.ndim:
            weight = weight * mask
        born[edge.name] = Synapses(weight=weight, mask=mask)
    return born

"""A genome that also writes the numbers of rules and of cells."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, cell_types
from metaplast.connections.dense import Dense
from metaplast.genomes.base import AbstractGenome, Plastic
from metaplast.genomes.random import Random
from metaplast.registry import BadInput, name_of, register
from metaplast.rules.wrappers.per_synapse import PerSynapse
from metaplast.rules.wrappers.per_type import PerType
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, Positive, plugin, spec
from metaplast.wiring import Edge, Population, Wiring


@register("genome", "writing")
@spec
class Writing(AbstractGenome):
    """The inner genome writes the weights at birth, and numbers of rules and of cells.

        r_k(g) = base_k + G_k(g)

    r_k(g): number k of a rule at group g. The groups are pairs of cell types under rule `per_type`,
        and synapses under rule `per_synapse`. Any other rule stays as it is.
    base_k: number k in theta["rules"], one for all groups.
    G_k: weights that the inner genome makes between the types (or neurons) of an edge, as if each k
        were an edge of its own.

    A number of a cell, such as log_slope, gets G_k of one of `cell_types` types of its population.
    Neurons of one type lie side by side (`cell_types` in connections/base.py).

    theta: {weights: theta of the inner genome, numbers: {place: theta of the inner genome}}. In
        theta["rules"] are the numbers of one group alone.

    Args:
        genome: the source of the weights and of all G. It must not read the task.
        rules: whether it writes numbers of rules.
        cells: whether it writes numbers of cells.
        cell_types: the number of types of cells in a population.
        amplitude: the standard deviation of G where the inner genome draws weights.

    Raises:
        BadInput: for an inner genome that reads the task or writes itself, and where there is
            nothing to write.

    Source: this library; Palm, Najarro & Risi 2020 compress the rules of many synapses.
    """

    genome: Annotated[AbstractGenome, plugin("genome")] = Random()
    rules: bool = True
    cells: bool = False
    cell_types: Count = 2
    amplitude: Positive = 0.1

    def __post_init__(self) -> None:
        if self.genome.needs or isinstance(self.genome, Writing):
            what = f"genome writing: inner genome {name_of(type(self.genome))}"
            expected = "one that reads neither task nor rules, such as gnet, xox, low_rank, direct"
            raise BadInput(what, expected, "change it")

    @property
    def masks(self) -> bool:
        return self.genome.masks

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return self.genome.init(key, wiring)

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        return self.genome.weights(theta, wiring, task, key)

    def prepare(
        self, key: Key, theta: Theta, wiring: Wiring, plastic: Mapping[str, Plastic]
    ) -> Theta:
        rules = dict(theta["rules"])
        for at in self._written_rules(plastic):
            first = (0,) * len(at.between.shape)
            base = jax.tree.map(lambda leaf, first=first: leaf[first], at.of(rules))
            rules = at.put(rules, base)
        prepared = {**theta, "rules": rules}
        numbers = {}
        for index, (place, book) in enumerate(self._books(prepared, wiring, plastic).items()):
            numbers[place] = self.genome.init(jax.random.fold_in(key, index), book)
        if not numbers:
            what = "genome writing, where neither rules nor cells have numbers to write"
            expected = "rule per_type or per_synapse, or cells that learn a number"
            raise BadInput(what, expected, f"use {name_of(type(self.genome))} alone")
        return {**prepared, "genome": {"weights": theta["genome"], "numbers": numbers}}

    def develop(self, theta: Theta, wiring: Wiring, plastic: Mapping[str, Plastic]) -> Theta:
        written = {}
        for place, book in self._books(theta, wiring, plastic).items():
            numbers = theta["genome"]["numbers"][place]
            # One key: what the inner genome draws here is the same in all lives.
            born = self.genome.weights(numbers, book, {}, jax.random.key(0))
            written[place] = {name: synapses.weight for name, synapses in born.items()}
        rules = dict(theta["rules"])
        for at in self._written_rules(plastic):
            rules = at.put(rules, _grown(at.of(rules), written[at.place]))
        neurons = dict(theta["neurons"])
        for population in self._written_cells(theta, wiring):
            types = cell_types(population.n, self.cell_types)
            of_cells = {name: w[types, 0] for name, w in written[population.name].items()}
            neurons[population.name] = _grown(neurons[population.name], of_cells)
        return {**theta, "rules": rules, "neurons": neurons, "genome": theta["genome"]["weights"]}

    def settled(self) -> AbstractGenome:
        return self.genome

    def _books(
        self, theta: Theta, wiring: Wiring, plastic: Mapping[str, Plastic]
    ) -> dict[str, Wiring]:
        """{place: a graph whose weights are the numbers there, one edge for each number}."""
        books = {}
        for at in self._written_rules(plastic):
            books[at.place] = self._book(at.between, _numbers(at.of(theta["rules"])))
        for population in self._written_cells(theta, wiring):
            names = _numbers(theta["neurons"][population.name])
            books[population.name] = self._book(Dense(self.cell_types, 1), names)
        return books

    def _book(self, connection: AbstractConnection, names: list[str]) -> Wiring:
        gain = self.amplitude * math.sqrt(connection.fan_in)
        edges = [Edge("pre", "post", connection, gain=gain, label=name) for name in names]
        ends = (Population("pre", connection.n_pre), Population("post", connection.n_post))
        return Wiring(ends, tuple(edges))

    def _written_rules(self, plastic: Mapping[str, Plastic]) -> list["_Place"]:
        """The places in theta["rules"] of rules with groups, each once."""
        places = {}
        for name, at in plastic.items():
            if self.rules and isinstance(at.rule, PerSynapse | PerType):
                place = _Place(
                    at.slot, "" if at.shared else name, at.rule.between(at.edge.connection)
                )
                places.setdefault(place.place, place)
        return list(places.values())

    def _written_cells(self, theta: Theta, wiring: Wiring) -> list[Population]:
        """The populations whose cells learn a number."""
        if not self.cells:
            return []
        return [p for p in wiring.populations if _numbers(theta["neurons"].get(p.name, {}))]


class _Place(NamedTuple):
    """A place in theta["rules"].

    Attributes:
        slot: the name of the slot.
        edge: the name of the edge, empty where all edges of the slot share one theta.
        between: the connection whose synapses are the groups.
    """

    slot: str
    edge: str
    between: AbstractConnection

    @property
    def place(self) -> str:
        """The name of the place."""
        return f"{self.slot}/{self.edge}" if self.edge else self.slot

    def of(self, rules: Theta) -> Theta:
        """The numbers there."""
        return rules[self.slot][self.edge] if self.edge else rules[self.slot]

    def put(self, rules: Theta, numbers: Theta) -> Theta:
        """theta["rules"] with other numbers there."""
        if self.edge:
            numbers = {**rules[self.slot], self.edge: numbers}
        return {**rules, self.slot: numbers}


def _numbers(theta: Theta) -> list[str]:
    """The names of all numbers of a theta: that of the leaf, and its place in it."""
    names = []
    for path, leaf in jax.tree.leaves_with_path(theta):
        names += [_name(path, index) for index in range(leaf.size)]
    return names


def _name(path: Any, index: int) -> str:
    return f"{jax.tree_util.keystr(path, simple=True, separator='.')}.{index}"


def _grown(base: Theta, written: Mapping[str, Array]) -> Theta:
    """The numbers of all groups.

    Args:
        base: the numbers of one group.
        written: {name of a number: its difference from it, in the layout of the groups}.

    Returns:
        base, with the layout of the groups in front of the axes of each leaf.
    """

    def grow(path: Any, leaf: Array) -> Array:
        differences = [written[_name(path, index)] for index in range(leaf.size)]
        of_groups = (*differences[0].shape, *leaf.shape)
        each = jnp.stack(differences, axis=-1).reshape(of_groups)
        return jnp.broadcast_to(leaf, of_groups) + each

    return jax.tree.map_with_path(grow, base)

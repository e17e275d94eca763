"""Cells of several types in one population."""

from itertools import accumulate, pairwise
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.neurons.alif import Alif
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.lif import Lif
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import Count, decode, named, spec

ALIKE = ("spiking", "ports", "signed", "lowering")
"""The attributes in which the cells of a population may not differ."""


@register("neuron", "mixed")
@spec
class Mixed(AbstractNeuron):
    """Cells of several types in one population, each type a stretch of its units.

        e_k = floor(n S_k / S + 1/2)

    e_k: the end of stretch k, which begins where the one before ends.
    S_k: the sum of the first k shares.
    S: the sum of all shares.
    n: the number of units.

    10 lif and 10 alif are `{name: mixed, neurons: {lif: lif, alif: alif}}` in a population of 20.
    Networks, rules and tasks see that one population, so each cell meets the spikes of all others
    equally late. Two populations would differ: in a step the second sees the spikes that the first
    fires in this step, and the first sees those that the second fired in the step before.

    Ports are those of each cell. The signals on offer are those that all cells offer. Each type has
    its own random stream. State and theta: {label: those of its cells}.

    Args:
        neurons: {label: cell}, in the order of the stretches.
        shares: a whole number for each cell; the population is cut in their ratio. None: equal
            parts.

    Raises:
        BadInput: for no cell, a label that stands twice, shares that are not one a cell, or cells
            that differ in their ports or in whether they spike.

    Limits: one cell is that cell. In a population of fewer units than cells some cells are missing.
    Source: elementary; lif and alif in one layer are the network of Bellec et al. 2018.
    """

    neurons: Annotated[
        tuple[tuple[str, AbstractNeuron], ...], named(lambda value: decode("neuron", value))
    ] = (("lif", Lif()), ("alif", Alif()))
    shares: tuple[Count, ...] = ()

    def __post_init__(self) -> None:
        labels = [label for label, _ in self.neurons]
        if not labels or len(set(labels)) < len(labels):
            raise BadInput(f"mixed: neurons {labels}", "at least one, distinct labels", "rename")
        if self.shares and len(self.shares) != len(labels):
            what = f"mixed: {len(self.shares)} shares for {len(labels)} neurons"
            raise BadInput(what, "one share a neuron", "leave shares out for equal parts")
        for name in ALIKE:
            values = {label: getattr(cell, name) for label, cell in self.neurons}
            if len(set(map(_unordered, values.values()))) > 1:
                raise BadInput(
                    f"mixed: {name} of the cells differ: {values}",
                    "cells of the same ports, all spiking or none",
                    "give each type a population of its own",
                )

    @property
    def _first(self) -> AbstractNeuron:
        return self.neurons[0][1]

    @property
    def ports(self) -> tuple[str, ...]:
        return self._first.ports

    @property
    def signed(self) -> tuple[str, ...]:
        return self._first.signed

    @property
    def lowering(self) -> tuple[str, ...]:
        return self._first.lowering

    @property
    def spiking(self) -> bool:
        return self._first.spiking

    @property
    def offers(self) -> frozenset[str]:
        return frozenset.intersection(*(cell.offers for _, cell in self.neurons))

    @property
    def competitive(self) -> bool:
        return any(cell.competitive for _, cell in self.neurons)

    @property
    def drives(self) -> tuple[float, float]:
        low = max(cell.drives[0] for _, cell in self.neurons)
        high = min(cell.drives[1] for _, cell in self.neurons)
        return low, high

    def alike(self, n: int) -> tuple[int, ...]:
        return tuple(part.stop - part.start for part in self.stretches(n).values())

    def stable_dt(self) -> float:
        return min(cell.stable_dt() for _, cell in self.neurons)

    def stretches(self, n: int) -> dict[str, slice]:
        """{label: the units of the population that are such cells}.

        Args:
            n: the number of units.
        """
        sums = list(accumulate(self.shares or (1,) * len(self.neurons), initial=0))
        ends = [(2 * n * part + sums[-1]) // (2 * sums[-1]) for part in sums]
        stretches = {}
        for (label, _), (start, stop) in zip(self.neurons, pairwise(ends), strict=True):
            stretches[label] = slice(start, stop)
        return stretches

    def init(self, key: Key, n: int) -> Theta:
        theta = {}
        for index, (label, cell) in enumerate(self.neurons):
            size = self.alike(n)[index]
            learned = cell.init(jax.random.fold_in(key, index), size)
            if jax.tree.leaves(learned):
                theta[label] = learned
        return theta

    def init_state(self, theta: Theta, n: int) -> Theta:
        state = {}
        for (label, cell), size in zip(self.neurons, self.alike(n), strict=True):
            state[label] = cell.init_state(theta.get(label, {}), size)
        return state

    def begin(self, theta: Theta, n: int, key: Key) -> Theta:
        state = {}
        for index, (label, cell) in enumerate(self.neurons):
            own_key = jax.random.fold_in(key, index)
            state[label] = cell.begin(theta.get(label, {}), self.alike(n)[index], own_key)
        return state

    def placed(self, state: Theta, potential: Array) -> Theta:
        stretches = self.stretches(potential.size)
        placed = {}
        for label, cell in self.neurons:
            placed[label] = cell.placed(state[label], potential[stretches[label]])
        return placed

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        parts = []
        for label, stretch in self.stretches(view.potential.size).items():
            cell = dict(self.neurons)[label]
            own_view = jax.tree.map(lambda values, own=stretch: values[own], view)
            parts.append(cell.at_port(theta.get(label, {}), state[label], own_view, port))
        return jnp.concatenate(parts)

    def unspiked(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> Theta:
        after = {}
        for index, (label, cell) in enumerate(self.neurons):
            own_theta = theta.get(label, {})
            own_key = jax.random.fold_in(key, index)
            own_drive = self._own(drive, label)
            after[label] = cell.unspiked(own_theta, state[label], own_drive, dt, own_key)
        return after

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        after = {}
        views = []
        for index, (label, cell) in enumerate(self.neurons):
            own_theta = theta.get(label, {})
            own_key = jax.random.fold_in(key, index)
            own_drive = self._own(drive, label)
            after[label], view = cell.step(own_theta, state[label], own_drive, dt, own_key)
            views.append(view)
        return after, jax.tree.map(lambda *parts: jnp.concatenate(parts), *views)

    def _own(self, drive: dict[str, Array], label: str) -> dict[str, Array]:
        """The drive of the cells of one label."""
        stretch = self.stretches(drive["soma"].size)[label]
        return {port: arriving[stretch] for port, arriving in drive.items()}


def _unordered(value: Any) -> Any:
    """The ports as a set; any other value as it is."""
    return frozenset(value) if isinstance(value, tuple) else value

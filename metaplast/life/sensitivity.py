"""Eligibility: the derivative of a neuron's activity with respect to the weights of its synapses.

It is carried forward in time, by the derivatives of the neuron's own step:

    S_a <- sum_b J_ab S_b + s B_a x        for every part a of the state
    e    = sum_b C_b S_b + s D x           with the S of the step before

S_a: sensitivity, d part a / d weight, one number a synapse. Where it is the same for all
    postsynaptic neurons, as in a leaky membrane without a reset, it is one number for each
    presynaptic neuron.
e: eligibility, d activity / d weight.
J, B, C, D: d state / d state, d state / d drive, d activity / d state, d activity / d drive of the
    postsynaptic neuron in this step. Every neuron has a block of its own: neurons whose units mix
    are refused.
x: the transmitted signal.
s: sign of the arriving sum (`Wiring.sign`) times the sign with which it acts (`Wiring.effect`). The
    credit of an edge has the latter too, so that credit times e is the whole derivative.

Only parts that the drive moves, and that move the activity, have a sensitivity. Which these are is
measured on the program of the step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.locality.influence import outputs, settled, unfollowed
from metaplast.locality.marks import Marks, nothing
from metaplast.locality.mixing import codes
from metaplast.networks._population import (
    ACTIVITY,
    Named,
    Slopes,
    Varied,
    named,
    one_step,
    response,
)
from metaplast.neurons.base import AbstractNeuron, RateNeuron
from metaplast.neurons.leaky import Leaky
from metaplast.registry import BadInput, name_of
from metaplast.signals import Theta
from metaplast.transmission.instant import Instant
from metaplast.wiring import ACTIVITY as SENT_ACTIVITY
from metaplast.wiring import Edge, Wiring

NONE = np.uint64(0)
VARIED = np.uint64(1)
"""The mark of the input of a step that is varied."""
PRIMAL = np.uint64(2)
"""The mark of everything on which the slopes of a step may depend."""


@dataclass(frozen=True)
class Flow:
    """The ways from the drive of a port through the state of a neuron to its activity.

    n: the number of units.
    drive: the name of the drive.
    parts: the parts of the state on these ways.
    sources: part, or `activity` -> the parts, and the drive, on which it depends.
    units: part -> the unit of each of its elements [size], -1 for an element on no way.
    shared: the parts whose sensitivity is the same for all units, and the drive, whose share is x.
    """

    n: int
    drive: str
    parts: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]]
    units: Mapping[str, np.ndarray]
    shared: frozenset[str]

    def varied(self) -> Varied:
        """The inputs of a step whose slopes are needed."""
        inputs: dict[str, Any] = {self.drive: np.ones(self.n)}
        for part in self.parts:
            inputs[part] = np.where(self.units[part] < 0, 0.0, 1.0)
        return inputs

    def at_birth(self, connection: AbstractConnection) -> Named:
        """{part: its sensitivity before the first step}."""
        sensitivities = {}
        for part in self.parts:
            is_shared = part in self.shared
            sensitivities[part] = jnp.zeros(connection.n_pre) if is_shared else connection.zeros()
        return sensitivities

    def step(
        self, connection: AbstractConnection, sensitivities: Named, slopes: Slopes, sent: Array
    ) -> tuple[Named, Array]:
        """One step: (the sensitivities after it, the eligibility in it).

        Args:
            connection: the synapses.
            sensitivities: part -> S before the step.
            slopes: of the step of the postsynaptic neurons.
            sent: s x [n_pre].
        """
        known = {**sensitivities, self.drive: sent}

        def of_all(outcome: str) -> Array:
            """The same for all units [n_pre]."""
            terms = [slopes[outcome][name][0] * known[name] for name in self.sources[outcome]]
            return sum(terms, jnp.zeros(connection.n_pre))

        def of_each(outcome: str) -> Array:
            total = connection.zeros()
            for name in self.sources[outcome]:
                value = known[name]
                if name in self.shared:
                    value = connection.at_pre(value)
                slope = self._of_units(slopes[outcome][name], outcome)
                total = total + connection.at_post(slope) * value
            return total

        after = {}
        for part in self.parts:
            after[part] = of_all(part) if part in self.shared else of_each(part)
        return after, of_each(ACTIVITY)

    def _of_units(self, slope: Array, outcome: str) -> Array:
        """A slope [size] for every unit [n]: 0 for units without such a part."""
        if outcome == ACTIVITY or np.array_equal(self.units[outcome], np.arange(self.n)):
            return slope
        units = self.units[outcome]
        places = np.where(units < 0, self.n, units)
        return jnp.zeros(self.n, slope.dtype).at[places].set(slope, mode="drop")


class _Along(NamedTuple):
    """The derivative of one step of a population along its inputs.

    program: (theta, state, drive, key, changes of the inputs) -> changes of the outcomes, a jaxpr.
    primal: the marks of all but the changes: none.
    inputs: the changes, by the name of their input: their shapes.
    """

    program: Any
    primal: list[Marks]
    inputs: dict[str, tuple[int, ...]]

    def marks(self, changes: Mapping[str, Marks], primal: np.uint64 = NONE) -> dict[str, Marks]:
        """The marks of every outcome.

        Args:
            changes: input -> the marks of its change; none where it is left out.
            primal: the mark of all else.
        """
        marked = [marks | primal for marks in self.primal]
        for name in sorted(self.inputs):
            marked.append(changes.get(name, nothing(self.inputs[name])))
        return dict(zip(self.outcomes(), outputs(self.program, marked), strict=True))

    def outcomes(self) -> list[str]:
        """The outcomes, in the order of the program."""
        return [ACTIVITY, *self.parts()]

    def parts(self) -> list[str]:
        """The parts of the state."""
        return sorted(name for name in self.inputs if name.startswith("state."))


def _along(neuron: AbstractNeuron, n: int, port: str, dt: float) -> _Along:
    key = jax.random.key(0)
    theta = jax.eval_shape(lambda: neuron.init(key, n))
    state = jax.eval_shape(lambda theta: neuron.init_state(theta, n), theta)
    drive = jax.eval_shape(lambda: {name: jnp.zeros(n) for name in neuron.ports})
    inputs = {}
    for name, leaf in {**named(state=state), f"drive.{port}": drive[port]}.items():
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            inputs[name] = leaf

    def changes(theta: Theta, state: Theta, drive: Named, key: Array, moved: Named) -> Named:
        at, here = response(one_step(neuron, theta, dt, key), state, drive)
        point = {name: here[name] for name in moved}
        along = jax.jvp(at, (point,), (moved,), has_aux=True)[1]
        return {name: along[name] for name in along if name == ACTIVITY or name in moved}

    program = jax.make_jaxpr(changes)(theta, state, drive, key, inputs)
    primal = [nothing(leaf.shape) for leaf in jax.tree.leaves((theta, state, drive, key))]
    return _Along(program, primal, {name: leaf.shape for name, leaf in inputs.items()})


@lru_cache(maxsize=256)
def flow(neuron: AbstractNeuron, n: int, port: str, dt: float) -> Flow:
    """The ways from the drive of a port to the activity, measured on one step.

    Args:
        neuron: the dynamics.
        n: the number of units.
        port: the port.
        dt: seconds per step.

    Raises:
        BadInput: where no derivative of the activity passes from the port, where units mix, or
            where a part of the state has several numbers a unit.
    """
    drive = f"drive.{port}"
    name = name_of(type(neuron)) or type(neuron).__name__
    what = f"eligibility at the port {port!r} of neuron {name!r}"
    with jax.ensure_compile_time_eval():  # it is measured while lives are traced
        along = _along(neuron, n, port, dt)
        if unfollowed(along.program.jaxpr):
            raise BadInput(f"{what}, whose step has side effects", "a pure step", "leave them out")
        sources = _sources(along)
        parts = _between(along.parts(), sources, drive)
        owners = _owners(along, drive, n)
        varying = along.marks({}, PRIMAL)
    if not parts and drive not in sources[ACTIVITY]:
        raise BadInput(
            f"{what}, whose drive passes no derivative on to the activity",
            "a neuron that its drive moves, with a surrogate where it spikes",
            "change the neuron, the port, or the edges of the rule",
        )
    units = {}
    for outcome in (*parts, ACTIVITY):
        units[outcome] = _units(owners[outcome], n, what)
    own = np.arange(n)
    if np.any((units[ACTIVITY] >= 0) & (units[ACTIVITY] != own)):
        raise _mixed(what)
    known = {}
    for outcome in (*parts, ACTIVITY):
        known[outcome] = tuple(x for x in sources[outcome] if x == drive or x in parts)
    shared = {drive}
    for part in parts:
        if not varying[part].any() and np.array_equal(units[part], own):
            shared.add(part)
    for _ in parts:
        shared -= {part for part in shared - {drive} if not shared.issuperset(known[part])}
    return Flow(n, drive, parts, known, units, frozenset(shared))


def flow_of(wiring: Wiring, edge: Edge, dt: float) -> Flow:
    """The ways from an edge through its postsynaptic neurons. Raises: BadInput, see `flow`."""
    population = wiring.population(edge.post)
    return flow(population.neuron, population.n, edge.port, dt)


def varied_by(flows: Iterable[tuple[Edge, Flow]]) -> Mapping[str, Varied]:
    """Population -> the inputs of its step whose slopes the edges onto it need."""
    varied: dict[str, dict[str, Any]] = {}
    for edge, flow in flows:
        inputs = varied.setdefault(edge.post, {})
        for name, ones in flow.varied().items():
            inputs[name] = np.maximum(inputs.get(name, 0.0), ones)
    return varied


def carried(
    wiring: Wiring,
    flows: Mapping[str, tuple[Edge, Flow]],
    sensitivities: Mapping[str, Named],
    slopes: Mapping[str, Slopes],
    transmitted: Mapping[str, Array],
) -> tuple[dict[str, Named], dict[str, Array]]:
    """One step of every edge: (its sensitivities after it, its eligibility in it).

    Args:
        wiring: the graph.
        flows: edge name -> (edge, the ways through its neurons).
        sensitivities: edge -> part -> S before the step.
        slopes: population -> the slopes of its step.
        transmitted: edge -> the transmitted signal [n_pre].
    """
    after = {}
    eligible = {}
    for name, (edge, flow) in flows.items():
        sent = wiring.sign(edge) * wiring.effect(edge) * transmitted[name]
        after[name], eligible[name] = flow.step(
            edge.connection, sensitivities[name], slopes[edge.post], sent
        )
    return after, eligible


def _sources(along: _Along) -> dict[str, tuple[str, ...]]:
    """Outcome -> the inputs on which it depends."""
    sources: dict[str, list[str]] = {outcome: [] for outcome in along.outcomes()}
    for name, shape in sorted(along.inputs.items()):
        reached = along.marks({name: np.full(shape, VARIED)})
        for outcome, marks in reached.items():
            if marks.any():
                sources[outcome].append(name)
    return {outcome: tuple(names) for outcome, names in sources.items()}


def _between(
    parts: list[str], sources: Mapping[str, tuple[str, ...]], drive: str
) -> tuple[str, ...]:
    """The parts that the drive moves and that move the activity, in however many steps."""
    moved = {drive}
    needed = set(sources[ACTIVITY])
    for _ in parts:
        moved |= {part for part in parts if not moved.isdisjoint(sources[part])}
        for part in needed & set(parts):
            needed |= set(sources[part])
    return tuple(part for part in parts if part in moved & needed)


def _owners(along: _Along, drive: str, n: int) -> dict[str, Marks]:
    """Outcome -> the units whose drive moves each of its elements, in any step, as marks."""
    parts = along.parts()

    def after(carry: list[Marks]) -> dict[str, Marks]:
        return along.marks({drive: codes(n), **dict(zip(parts, carry, strict=True))})

    def once(carry: list[Marks]) -> list[Marks]:
        outcomes = after(carry)
        return [outcomes[part] for part in parts]

    return after(settled(once, [nothing(along.inputs[part]) for part in parts]))


def _units(marks: Marks, n: int, what: str) -> np.ndarray:
    """The unit of every element [size], -1 where there is none. Raises: BadInput, see `flow`."""
    unit_of = {0: -1}
    for unit, code in enumerate(codes(n)):
        unit_of[int(code)] = unit
    if not set(marks.flat) <= set(unit_of):
        raise _mixed(what)
    units = np.array([unit_of[int(code)] for code in marks.flat])
    taken = units[units >= 0]
    if marks.ndim != 1 or len(set(taken)) < len(taken):
        raise BadInput(
            f"{what}, whose state has several numbers a unit",
            "one number a unit in every part",
            "change the neuron, or the edges of the rule",
        )
    return units


def _mixed(what: str) -> BadInput:
    return BadInput(
        f"{what}, whose units act on each other within a step",
        "a neuron whose units step alone",
        "change the neuron, or the edges of the rule",
    )


def readout_memory(wiring: Wiring, edge: Edge) -> float | None:
    """The time over which the output remembers the postsynaptic cells of an edge.

    Args:
        wiring: the graph.
        edge: the edge.

    Returns:
        Seconds, for rate units that read them over an instant edge: tau of `leaky`, else 0. 0 where
        they are the output themselves. None where they act on the output in another way or not at
        all.
    """
    output = wiring.output
    if edge.post == output.name:
        return 0.0
    ways = [way for way in _ahead(wiring, edge.post) if _leads(wiring, way.post)]
    for way in ways:
        plain = isinstance(way.transmission, Instant) and way.port == "soma"
        if way.post != output.name or way.sends != SENT_ACTIVITY or not plain:
            return None
    memory = 0.0
    neuron = output.neuron
    if isinstance(neuron, Leaky):
        memory = neuron.tau
        neuron = neuron.neuron
    return memory if ways and isinstance(neuron, RateNeuron) else None


def _ahead(wiring: Wiring, name: str) -> list[Edge]:
    """The edges that leave a population and arrive in the same step."""
    return [edge for edge in wiring.edges if edge.pre == name and not wiring.backwards(edge)]


def _leads(wiring: Wiring, name: str) -> bool:
    """Whether a population acts on the output within a step, or is the output."""
    if name == wiring.output.name:
        return True
    return any(_leads(wiring, edge.post) for edge in _ahead(wiring, name))

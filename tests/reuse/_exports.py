"""Subjects of exports, modules made of the text of an export, and steps of both sides."""

import inspect
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.language.grammar import SIGNALS
from metaplast.locality.reads import measured
from metaplast.registry import find
from metaplast.reuse import formula as formulas
from metaplast.reuse.ask import node_of
from metaplast.reuse.export._program import Program, Unsupported
from metaplast.reuse.export._sums import SUMS, needed
from metaplast.reuse.export.exported import Subject, export
from metaplast.reuse.export.lowered import program
from metaplast.reuse.reference import TINY
from metaplast.signals import NeuronView, SynapseView
from tests.contracts._enrolled import enrolled

N_POST, N_PRE, DT = 3, 4, 1e-3
CONNECTION = Dense(N_POST, N_PRE)


def subject(spec: Any, theta: Any, name: str = "tried") -> Subject:
    """The subject of a rule that stands in no file."""
    node = node_of(spec, theta)
    reads = tuple(sorted(measured(spec, TINY)[1]))
    text = f"delta_w = {formulas.text(formulas.expression(node))}"
    return Subject(name, node, text, reads, spec.clock, None, "0", {}, {})


def forms() -> dict[str, Any]:
    """{name: rule with its defaults} of the forms that an export knows as data.

    A rule that is code alone, such as one file of a user in the room of the rules, has no export.
    The table of docs/guides/export.md names all others, so none of them can be lost here.
    """
    found = {}
    for name in enrolled("rule"):
        spec = find("rule", name)()
        node = node_of(spec, spec.init(jax.random.key(0), CONNECTION))
        try:
            program(node)
        except Unsupported as error:
            if "known as code" in str(error):
                continue
        found[name] = spec
    return found


def moved_theta(spec: Any, seed: int = 0, size: float = 0.1) -> Any:
    """theta away from its start, for the connection of these tests."""
    generator = np.random.default_rng(seed)
    start = spec.init(jax.random.key(seed), CONNECTION)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf, float) + size * generator.normal(size=leaf.shape), start
    )


def module(text: str, name: str = "exported") -> Any:
    """The module whose text is given, under a name."""
    made = types.ModuleType(name)
    exec(compile(text, "exported.py", "exec"), made.__dict__)  # noqa: S102
    return made


def exported_module(made: Subject) -> Any:
    """The exported Python module of a subject."""
    result = export(made, "python")
    assert result.grade == "faithful", result.reasons
    return module(result.text)


def view(step: int, weight: np.ndarray, channels: tuple[str, ...], spikes: bool) -> SynapseView:
    """Random signals of one step, whose sums over synapses are those of the weights."""
    generator = np.random.default_rng([step, spikes])

    def side(n: int) -> dict[str, np.ndarray]:
        signals = {}
        for field in fields(NeuronView):
            signals[field.name] = generator.uniform(-1.0, 1.0, n)
        signals["activity"] = generator.uniform(0.0, 1.0, n)
        if spikes:
            signals["activity"] = generator.choice([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0], n)
        return signals

    sides = {"pre": side(N_PRE), "post": side(N_POST)}
    arrays = {}
    for name, signals in sides.items():
        for field, values in signals.items():
            arrays[f"{name}.{field}"] = jnp.asarray(values)
    sums = aggregates(CONNECTION, jnp.asarray(weight), arrays.__getitem__, AGGREGATES)
    for name, by_field in sums.items():
        for field, values in by_field.items():
            arrays[f"{name}.{field}"] = values
    made: dict[str, dict[str, Any]] = {"pre": {}, "post": {}}
    for name, values in arrays.items():
        made[name.partition(".")[0]][name.partition(".")[2]] = values
    return SynapseView(
        pre=NeuronView(**made["pre"]),
        post=NeuronView(**made["post"]),
        weight=jnp.asarray(weight),
        weight_initial=jnp.asarray(first_weight()),
        weight_max=jnp.asarray(1.3),
        modulators={name: jnp.asarray(generator.normal()) for name in channels},
        key=jax.random.key(step),
    )


def first_weight() -> np.ndarray:
    """The weights at birth."""
    return np.random.default_rng(7).uniform(0.1, 0.9, (N_POST, N_PRE))


def arguments(equations: Program, seen: SynapseView, sums: bool = False) -> dict[str, Any]:
    """The arguments of the exported `update` from a view.

    sums: whether sums over synapses are given; otherwise the module computes them.
    """
    given: dict[str, Any] = {"weight": seen.weight}
    for name in list(SIGNALS) if sums else _needed(equations):
        if name in SIGNALS:
            side, field = SIGNALS[name]
            owner: Any = seen if side == "synapse" else getattr(seen, side)
            given[name] = getattr(owner, field)
    given["weight_initial"] = seen.weight_initial
    given["weight_max"] = seen.weight_max
    for channel, value in seen.modulators.items():
        given[f"modulator_{channel}"] = value
    return {name: np.asarray(value) for name, value in given.items()}


def _needed(equations: Program) -> list[str]:
    names = []
    for signal in equations.signals:
        names += needed(signal.name) if signal.name in SUMS else [signal.name]
    return names


def call(update: Any, given: Mapping[str, Any], state: Any, dt: float) -> Any:
    """`update` with the arguments that it has."""
    names = inspect.signature(update).parameters
    chosen = {name: value for name, value in given.items() if name in names}
    return update(**chosen, state=state, dt=dt)


def state_of(state: Any, original: str, side: str) -> np.ndarray:
    """A value in the state of a rule, by the name in the program of an export."""
    name, _, index = original.rstrip("]").partition("[")
    values = np.asarray(getattr(state, side)[name])
    return values[:, int(index)] if index else values


def largest_difference(spec: Any, theta: Any, n_steps: int) -> float:
    """The largest difference between a rule and its exported module, weights and state included.

    Activities are rates and numbers of spikes in turn. Sums over synapses are given or computed. It
    is a share of the largest number of the same kind.
    """
    made = subject(spec, theta)
    exported = exported_module(made)
    equations = program(made.rule)
    channels, _ = measured(spec, TINY)
    worst = 0.0
    with jax.enable_x64(True):
        theta = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), theta)
        weight = first_weight()
        state = spec.init_state(theta, CONNECTION)
        mine = exported.init(weight)
        step = jax.jit(lambda state, seen: spec.step(theta, state, CONNECTION, seen, DT))
        for k in range(n_steps):
            seen = view(k, weight, channels, spikes=k % 2 == 0)
            state, delta = step(state, seen)
            given = arguments(equations, seen, sums=k % 4 < 2)
            mine, change = call(exported.update, given, mine, DT)
            assert change.shape == delta.shape
            worst = max(worst, difference(np.asarray(delta), change))
            for kept in equations.states:
                theirs = state_of(state, kept.original, kept.side)
                worst = max(worst, difference(theirs, mine[kept.name]))
            weight = np.clip(weight + np.asarray(delta), 0.0, 1.3)
    n_values = sum(leaf.size for leaf in jax.tree.leaves(state))
    assert n_values == sum(np.size(mine[kept.name]) for kept in equations.states)
    return worst


def difference(theirs: np.ndarray, mine: np.ndarray) -> float:
    """The largest difference as a share of the largest number."""
    scale = max(float(np.abs(theirs).max()), 1e-12)
    return float(np.abs(theirs - mine).max()) / scale

"""The change of one synapse as a function of two signals, everything else held at stated values."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.dense import Dense
from metaplast.language.grammar import MIXING, SIGNALS, field_of
from metaplast.life.lifetime import Lifetime
from metaplast.locality.mixing import SYNAPTIC
from metaplast.locality.reads import blank_view
from metaplast.neurons.base import AbstractNeuron, RateNeuron
from metaplast.numerics.compiler import program
from metaplast.reuse.load import Rule
from metaplast.reuse.reference import floats
from metaplast.rules.base import AbstractRule
from metaplast.signals import Theta

ONE = Dense(1, 1)
N_GRID = 61
"""Values of each signal."""
SPIKES = (0.0, 1.0)
"""The values of a signal that is spikes."""
SPAN = 1.0
"""The largest value of a signal; the smallest is -SPAN, or 0 for a signal that is never below."""
# The value of a signal that is no axis: moderate activity, a small positive weight, credit and
# drives at rest.
_HELD = {
    "pre.activity": 0.5,
    "post.activity": 0.5,
    "pre.potential": 0.5,
    "post.potential": 0.5,
    "pre.gain": 1.0,
    "post.gain": 1.0,
    "weight": 0.2,
    "weight_initial": 0.2,
    "weight_max": 1.0,
    "pre.weight_norm": 1.0,
    "post.weight_norm": 1.0,
    "post.input_gain": 0.5,
}
_SECOND = ("post", "error", "post_potential", "score", "dendrite", "post_gain")
_SHORT = {field_of(name): name for name in SIGNALS}
NO_SIGNALS = {"key", *MIXING.values()}


class Extent(NamedTuple):
    """The least and the largest value of a signal."""

    low: float
    high: float


class Surface(NamedTuple):
    """The change of weight by one step over two signals.

    x, y: names of the two signals.
    x_values: [n_x].
    y_values: [n_y].
    delta_w: [n_y, n_x].
    held: {signal: value} of the other signals that the rule reads.
    stateful: the rule has state, and this is the step from the state at birth.
    averaged: the rule holds a number per synapse, and this is the surface of their means.
    dt: seconds of the step.
    """

    x: str
    y: str
    x_values: np.ndarray
    y_values: np.ndarray
    delta_w: np.ndarray
    held: dict[str, float]
    stateful: bool
    averaged: bool
    dt: float


def surfaces(
    rule: Rule,
    above_zero: Collection[str] = (),
    events: Collection[str] = (),
    met: Mapping[str, Extent] | None = None,
) -> list[Surface]:
    """One surface per postsynaptic signal that the rule reads, against presynaptic activity.

    At most two. A rule without such a signal is drawn over the weight, or over the first other
    signal that it reads. A rule that reads a single signal has no surface. Two signals that are
    spikes have none either, for nothing lies between their values 0 and 1.

    Args:
        rule: the rule.
        above_zero: names of signals that are never below 0, such as `pre` of a neuron that spikes.
        events: names of signals that are spikes, 0 or 1. `pre` and `post` of a rule of spike times
            always are.
        met: {signal: its range}, where it is known; others reach from -SPAN or 0 to SPAN.
    """
    spikes = set(events)
    if rule.spec.spike_timing:
        spikes |= {"pre", "post"}
    read = sorted(_SHORT.get(field, field) for field in rule.reads - NO_SIGNALS)
    if len(read) < 2:
        return []
    x = "pre"
    if "pre" not in read:
        x = read[0]
    seconds = [name for name in _SECOND if name in read and name != x][:2]
    rest = []
    for name in ("weight", *read):
        if name in read and name != x:
            rest.append(name)
    of_pairs = []
    for y in seconds or rest[:1]:
        if not {x, y} <= spikes:
            of_pairs.append(_surface(rule, x, y, above_zero, spikes, met or {}))
    return of_pairs


def spikes_at(lifetime: Lifetime, edge: str) -> list[str]:
    """The names of the activities at an edge, `pre` and `post`, that are spikes."""
    plastic, _ = lifetime.plastic()[edge]
    spiking = set()
    for population in lifetime.wiring().populations:
        if lifetime.wiring().spikes(population):
            spiking.add(population.name)
    names = []
    for side, population in (("pre", plastic.pre), ("post", plastic.post)):
        if population in spiking:
            names.append(side)
    return names


def never_below_zero(lifetime: Lifetime, edge: str) -> list[str]:
    """The names of the activities at an edge, `pre` and `post`, that are never below 0.

    These are spikes, and activities of rate neurons that are not below 0 at any usual drive. What
    an input population shows is the task's, and not known here.

    Args:
        lifetime: in which the rule lives.
        edge: the name of the edge.
    """
    plastic, _ = lifetime.plastic()[edge]
    neurons = {}
    inputs = lifetime.task.shape().inputs
    for population in lifetime.wiring().populations:
        if population.name not in inputs:
            neurons[population.name] = population.neuron
    names = []
    for side, population in (("pre", plastic.pre), ("post", plastic.post)):
        if population in neurons and _is_above_zero(neurons[population]):
            names.append(side)
    return names


def _is_above_zero(neuron: AbstractNeuron) -> bool:
    if neuron.spiking:
        return True
    if not isinstance(neuron, RateNeuron):
        return False
    drives = np.linspace(*neuron.drives, N_GRID, dtype=np.float32)
    return bool(np.asarray(_activity(neuron, drives)).min() >= 0)


@program("neuron", small=True)
def _activity(neuron: RateNeuron, drives: Any) -> Array:
    """The activity of a unit without state at its drives [n]."""
    activity, _ = neuron.activate(drives)
    return activity


def _surface(
    rule: Rule,
    x: str,
    y: str,
    above_zero: Collection[str],
    spikes: Collection[str],
    met: Mapping[str, Extent],
) -> Surface:
    axes = []
    shown = []
    for name in (x, y):
        usual = Extent(0.0 if name in above_zero else -SPAN, SPAN)
        least, most = met.get(name, usual)
        if name in spikes:
            least, most = 0.0, SPAN
        axes.append(np.linspace(least, most, N_GRID))
        # A program of the whole grid serves spikes too: their values 0 and 1 are its ends.
        shown.append([0, -1] if name in spikes else list(range(N_GRID)))
    grid_x, grid_y = np.meshgrid(*axes)
    points = {_field(x): grid_x.reshape(-1), _field(y): grid_y.reshape(-1)}
    held_by_name = {}
    for field in sorted(rule.reads - NO_SIGNALS):
        if field not in points:
            points[field] = np.full(N_GRID**2, held_at(field))
            held_by_name[short_name(field)] = held_at(field)
    theta, averaged = for_one_synapse(rule.spec, rule.theta)
    dt = 1e-3
    if rule.dt is not None:
        dt = rule.dt
    delta = deltas(rule.spec, dt, theta, floats(points))
    whole = np.asarray(delta, np.float64).reshape(N_GRID, N_GRID)
    return Surface(
        x=x,
        y=y,
        x_values=axes[0][shown[0]],
        y_values=axes[1][shown[1]],
        delta_w=whole[np.ix_(shown[1], shown[0])],
        held=held_by_name,
        stateful=has_state(rule.spec, theta),
        averaged=averaged,
        dt=dt,
    )


def has_state(spec: AbstractRule, theta: Theta) -> bool:
    """Whether a rule keeps numbers from step to step."""
    return bool(jax.tree.leaves(jax.eval_shape(lambda: spec.init_state(theta, ONE))))


def short_name(field: str) -> str:
    """The name of a signal in terms, of its field in a view."""
    return _SHORT.get(field, field.replace("modulators.", "modulator."))


def held_at(field: str) -> float:
    """The value at which a signal is held: modulators at 1, see _HELD, everything else at 0."""
    if field.startswith("modulators."):
        return 1.0
    return _HELD.get(field, 0.0)


@program("spec", "dt", small=True)
def deltas(
    spec: AbstractRule,
    dt: float,
    theta: Theta,
    points: Mapping[str, Array],
) -> Array:
    """The change of one synapse by one step from the state at birth, at several points [n].

    One program serves every choice of axes, because a signal that is held has values too.

    Args:
        spec: the form of the rule.
        dt: seconds of the step.
        theta: its numbers, for a connection of one synapse.
        points: {field of the view: its value at every point [n]}.
    """
    state = spec.init_state(theta, ONE)

    def one(signals: Mapping[str, Array]) -> Array:
        modulators = {}
        for name, value in signals.items():
            if name.startswith("modulators."):
                modulators[name.partition(".")[2]] = value
        view = blank_view(ONE, tuple(modulators))
        sides = {}
        for side in ("pre", "post"):
            fields = {}
            for name, value in signals.items():
                if name.startswith(f"{side}."):
                    fields[name.partition(".")[2]] = value[None]
            sides[side] = replace(getattr(view, side), **fields)
        plain = {}
        for name in SYNAPTIC:
            if name in signals:
                plain[name] = signals[name][None, None]
        limit = {"weight_max": signals.get("weight_max", jnp.ones(()))}
        whole = replace(view, **sides, **plain, **limit, modulators=modulators)
        return spec.step(theta, state, ONE, whole, dt)[1][0, 0]

    return jax.vmap(one)(points)


class OneSynapse(NamedTuple):
    """The numbers of a rule for a connection of one synapse.

    theta: as a 1 x 1 connection needs it.
    averaged: whether a leaf was averaged over synapses.
    """

    theta: Theta
    averaged: bool


def for_one_synapse(spec: AbstractRule, theta: Theta) -> OneSynapse:
    """The theta of a rule, with the mean over synapses where it holds a number per synapse."""
    template = jax.eval_shape(lambda: spec.init(jax.random.key(0), ONE))

    def fit(leaf: np.ndarray, one: Any) -> np.ndarray:
        if leaf.shape == one.shape:
            return leaf
        return np.full(one.shape, np.mean(leaf), leaf.dtype)

    pairs = zip(jax.tree.leaves(theta), jax.tree.leaves(template), strict=True)
    averaged = any(leaf.shape != one.shape for leaf, one in pairs)
    return OneSynapse(floats(jax.tree.map(fit, theta, template)), averaged)


def _field(name: str) -> str:
    if name in SIGNALS or name.startswith("modulator."):
        return field_of(name)
    return name

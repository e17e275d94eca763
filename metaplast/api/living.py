"""One life in Python: the activity, weights and scores of every step, to plot."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metaplast import search_loop
from metaplast.api.carrying import precision_kept
from metaplast.api.words import words_of
from metaplast.figures.style import PALETTE, Picture, subplots
from metaplast.inspection.lived import spiking_populations
from metaplast.inspection.spiking_life import thresholds
from metaplast.life.lifetime import Lifetime
from metaplast.numerics.compiler import program
from metaplast.registry import BadInput
from metaplast.reuse import html
from metaplast.reuse.load import ANY, Rule
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.spec import encode

ON_EDGES = "on_edges"
"""The slot of a rule that changes some edges alone."""
MOST_LINES = 12
"""Units or synapses of which `LivedLife.plot` draws a line each."""


@dataclass(frozen=True)
class LivedLife:
    """One life, step by step, as arrays of NumPy.

    time: seconds at every step [n_steps].
    activities: {population: its activity [n_steps, n_units]}.
    spikes: the same for the populations that spike: 1 where a unit spikes, else 0.
    weights: {edge: its weights after every step [n_steps, n_post, n_pre], or in the layout of a
        sparse edge}.
    weights_at_birth: {edge: its weights before the first step}.
    scores: {`loss` and the metrics of the task: value of every step [n_steps]}.
    dt: seconds of a step.
    phases: (steps, whether plasticity is on) of the phases of the task.
    potentials: {population that spikes: the potential that decided its spikes [n_steps, n_units]}.
    thresholds: {population: the potential at which a cell at rest spikes}, where it has one.
    signs: {population: +1 excitatory, -1 inhibitory, 0 neither}.
    """

    time: np.ndarray
    activities: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    weights_at_birth: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    dt: float
    phases: tuple[tuple[int, bool], ...]
    potentials: dict[str, np.ndarray] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    signs: dict[str, int] = field(default_factory=dict)

    def plot(self) -> Picture:
        """The activity of every population, the weights of every edge, and the scores over time.

        A panel shows the first dozen of its units or synapses; spikes stand as dots.
        """
        names = [*self.activities, *self.weights, *self.scores]
        figure, grid = subplots(
            len(names),
            1,
            figsize=(8, 1.6 * len(names) + 0.6),
            sharex=True,
            squeeze=False,
            layout="constrained",
        )
        panels = dict(zip(names, grid[:, 0], strict=True))
        for name, values in self.activities.items():
            if name in self.spikes:
                steps, units = np.nonzero(values)
                panels[name].plot(self.time[steps], units, ".", ms=2, color=PALETTE[9])
            else:
                _lines(panels[name], self.time, values)
        for name, values in self.weights.items():
            _lines(panels[name], self.time, values.reshape(len(self.time), -1))
        for name, values in self.scores.items():
            _lines(panels[name], self.time, values[:, None])
        for name, panel in panels.items():
            panel.set_ylabel(name, fontsize=8)
        grid[-1, 0].set_xlabel("time (s)")
        return figure

    def __repr__(self) -> str:
        return f"A life of {len(self.time)} steps of {self.dt:g} s: {', '.join(self._parts())}"

    def _repr_html_(self) -> str:
        return html.line(repr(self))

    def _parts(self) -> list[str]:
        """The populations, the edges and the scores in words."""
        words = [f"{name} {values.shape[1]} units" for name, values in self.activities.items()]
        for name, values in self.weights.items():
            words.append(f"{name} {'x'.join(map(str, values.shape[1:]))}")
        return [*words, *self.scores]


def live(
    network: Any = None,
    rule: Any = None,
    task: Any = None,
    n_steps: int | None = None,
    *,
    edges: str | None = None,
    seed: int = 0,
    config_dir: str | PathLike[str] | None = None,
    **words: Any,
) -> LivedLife:
    """Live one life under a rule, and keep the activity and the weights of every step.

        life = mp.live("feedforward", "oja", "teacher_student", n_steps=40)
        life.plot()

    Args:
        network: the network: a name, a mapping with `name` and fields, a spec or its class; None:
            the one of a config that names none.
        rule: the rule, in the same forms, or a loaded `mp.Rule` with its numbers, such as
            `run.rule`; None: nothing is plastic. A loaded rule lives at the step and in the unit
            of activity in which it was found, unless `dt` and `activity_reference` say otherwise.
        task: the family of tasks; None: teacher_student.
        n_steps: steps; None: the whole life of the task.
        edges: the edges that the rule changes, such as `i_to_e`; all others are static. None: those
            on which a loaded rule was found, where the network has them, and else all.
        seed: draws the task, the weights at birth and all noise. Where the task draws its lives
            anew, the life is the first held-out one of a run with this seed.
        config_dir: a folder of config groups of your own.
        words: further config words: feedback, genome, dt, precision, rules, ...

    Raises: BadInput for parts that do not live together, or more steps than the task has.
    """
    theta = None
    loaded = rule if isinstance(rule, Rule) else None
    if isinstance(rule, Rule):
        theta = rule.theta
        if rule.dt is not None:
            words.setdefault("dt", rule.dt)
            words.setdefault("activity_reference", rule.activity_reference)
        rule = encode(rule.spec)
    parts = {"task": "teacher_student" if task is None else task, "outer": "bptt", **words}
    if network is not None:
        parts["network"] = network
    if edges is not None and rule is None:
        raise BadInput(f"edges={edges!r} without a rule", "a rule for them", "leave it out")
    if edges is not None and "rules" in words:
        raise BadInput(f"edges={edges!r} beside rules", "one of the two", "leave one out")
    if rule is not None and edges is not None:
        parts["rules"] = {ON_EDGES: {"edges": edges, "rule": rule}}
    elif rule is not None:
        parts["rule"] = rule
    names_no_edges = edges is None and "rules" not in words
    sources = Sources(None if config_dir is None else Path(config_dir))
    plain = compose(words_of(None, parts), sources, default=None)
    with precision_kept():
        config = parse({**plain, "seed": seed}).row(DISCOVERED)
        jax.config.update("jax_enable_x64", config.precision == "float64")
        lifetime = config.meta_problem().lifetime
        record = ("activity", "weights")
        if spiking_populations(lifetime.wiring()):
            record += ("potential",)
        lifetime = replace(lifetime, record=record)
        if names_no_edges and loaded is not None:
            lifetime = _on_own_edges(lifetime, loaded)
        whole = lifetime.task.shape().n_steps
        n = whole if n_steps is None else n_steps
        if not isinstance(n, int) or not 1 <= n <= whole:
            raise BadInput(
                f"n_steps={n!r}", f"1 to {whole}, the life of the task", "give the task more steps"
            )
        start = lifetime.init(search_loop.stream(seed, "theta"))
        if theta is not None:
            start = _with_numbers(start, theta, lifetime)
        born, lived = _life(lifetime, start, seed, n)
        return _lived(lifetime, jax.device_get(born), jax.device_get(lived), n)


def _on_own_edges(lifetime: Lifetime, rule: Rule) -> Lifetime:
    """The life in which a loaded rule changes the edges on which it was found.

    Where the network has none of them, the rule changes all edges, and a line says so.
    """
    (slot,) = lifetime.slots
    edges_of_rule = set(rule.edges) - {ANY}
    if not edges_of_rule:
        return lifetime
    names = [edge.name for edge in lifetime.wiring().edges if edge.plastic]
    if edges_of_rule.isdisjoint(names):
        words = (
            f"the network has no edge {', '.join(sorted(edges_of_rule))}, on which the rule was "
            f"found: it changes {', '.join(names)} - edges= names others"
        )
        warnings.warn(words, stacklevel=3)
        return lifetime
    if edges_of_rule.issuperset(names):
        return lifetime
    slots = []
    for name in names:
        if name in edges_of_rule:
            slots.append(replace(slot, name=name, edges=name))
    return replace(lifetime, slots=tuple(slots))


def _with_numbers(start: Theta, theta: Theta, lifetime: Lifetime) -> Theta:
    """The theta of a life whose slots all have the numbers of a loaded rule.

    Raises: BadInput where they do not fit the network.
    """
    wanted = start["rules"][lifetime.slots[0].name]
    if jax.tree.map(np.shape, theta) != jax.tree.map(np.shape, wanted):
        raise BadInput(
            "the numbers of this rule in another network",
            "the edges and sizes on which it was learned",
            "give the network and the task of its run",
        )
    numbers = jax.tree.map(lambda leaf, form: np.asarray(leaf, form.dtype), theta, wanted)
    return {**start, "rules": {slot.name: numbers for slot in lifetime.slots}}


@program("lifetime", "n")
def _life(lifetime: Lifetime, theta: Theta, seed: int, n: int) -> Any:
    """(The weights at birth, the trace) of held-out life 0 of a seed."""
    batch = search_loop.sample(lifetime.task, search_loop.stream(seed, "heldout"), 1, "heldout")
    task = jax.tree.map(lambda leaf: leaf[0], batch.tasks)
    birth = lifetime.begin(theta, task, batch.keys[0])
    _, trace = lifetime.advance(theta, task, birth, n, start=0)
    return {name: synapses.weight for name, synapses in birth.synapses.items()}, trace


def _lived(lifetime: Lifetime, born: Mapping[str, Any], trace: Any, n: int) -> LivedLife:
    """A life as arrays with names."""
    recorded = trace.recorded
    wiring = lifetime.wiring()
    activities = {name: np.asarray(values) for name, values in recorded["activity"].items()}
    spikes = {}
    potentials = {}
    for population in spiking_populations(wiring):
        spikes[population.name] = activities[population.name]
        potentials[population.name] = np.asarray(recorded["potential"][population.name])
    scores = {"loss": np.asarray(trace.score.loss)}
    for name, values in trace.score.metrics.items():
        scores[name] = np.asarray(values)
    return LivedLife(
        time=lifetime.dt * np.arange(1, n + 1),
        activities=activities,
        spikes=spikes,
        weights={name: np.asarray(values) for name, values in recorded["weights"].items()},
        weights_at_birth={name: np.asarray(values) for name, values in born.items()},
        scores=scores,
        dt=lifetime.dt,
        phases=lifetime.task.shape().phases,
        potentials=potentials,
        thresholds=thresholds(wiring),
        signs={population.name: population.sign for population in wiring.populations},
    )


def _lines(axes: Any, time: np.ndarray, values: np.ndarray) -> None:
    """Draw the first columns of values [n_steps, n] over time."""
    for index in range(min(values.shape[1], MOST_LINES)):
        axes.plot(time, values[:, index], lw=1, color=PALETTE[index % len(PALETTE)])

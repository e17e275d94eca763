"""Whether the length of a step matters: the same lives with steps half as long."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast import train
from metaplast.objectives.base import Lived
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import name_of
from metaplast.results.statistics import student, t_quantile
from metaplast.signals import Key, Synapses, Theta

LIVES = 16
SURE, MATTERS = (
    0.999,
    0.05,
)  # the level at which, and the share of the value itself by which, a change is one
LAST_BITS = 2.0**-13  # of a first weight: by how much a start may differ and be the same start
Plain = dict[str, Any]


def measure(problem: MetaProblem, theta: Theta, seed: int, n_lives: int = LIVES) -> Plain:
    """What halving dt does to the loss and to the spikes of every spiking population, over
    validation lives.

    {dt, lives, before, after, changed, untold, interval}: before and after {`loss`,
    `spikes_<population>` (per neuron and life)}; interval {name: [low, high]} of the relative
    change, 95 % (Student's, over lives), null where `before` is 0; changed: names whose mean
    difference passes 5 % of the value, or is not finite once; and what chance does at dt (99.9 %,
    Student's) between each life and its
    control: other noise for what is drawn within it, and first weights that differ in their last
    bits, which is all that a chaotic network needs to fire otherwise;
    untold: names not changed whose interval is wider than 10 %, or reaches beyond 10 %. {task, dt}
    alone where the task counts its steps as events.
    """
    problem = problem.whole()
    lifetime = problem.lifetime
    family = lifetime.task.halved()
    if family is None:
        return {
            "dt": lifetime.dt,
            "task": name_of(type(lifetime.task)) or type(lifetime.task).__name__,
        }
    finer = replace(problem, lifetime=replace(lifetime, task=family, dt=lifetime.dt / 2))
    key = train.stream(seed, "validation")
    runs = ((problem, 0), (problem, 1), (finer, 0))
    before, again, after = (_lived(each, theta, key, draw, n_lives) for each, draw in runs)
    changed = [name for name in before if _differs(before[name], after[name], again[name])]
    interval = {name: relative(before[name], after[name]) for name in before}
    untold = [name for name in before if name not in changed and not _tells(interval[name])]
    means = [{name: float(np.mean(x)) for name, x in each.items()} for each in (before, after)]
    verdict = {"changed": changed, "untold": untold, "interval": interval}
    return {"dt": lifetime.dt, "lives": n_lives, "before": means[0], "after": means[1], **verdict}


def line(found: Plain) -> str:
    """One line for the log, the console and the page."""
    if "before" not in found:
        return f"Not measured whether half of dt={found['dt']:g} s changes the result: task {found['task']} counts events."
    intervals = found.get("interval", {})
    parts = []
    for name, before in found["before"].items():
        change = _percent(intervals[name]) if intervals.get(name) else ""
        parts.append(f"{name} {before:.4g} -> {found['after'][name]:.4g}{change}")
    untold = found.get("untold", [])
    ends = [f"dt is too long for {', '.join(found['changed'])}"] if found["changed"] else []
    ends += (
        [f"not told for {', '.join(untold)}: needs {_needed(found, untold)} lives"]
        if untold
        else []
    )
    end = "; ".join(ends) or "no change beyond chance"
    return f"Half of dt={found['dt']:g} s, {found['lives']} lives: {', '.join(parts)}: {end}."


def over_runs(founds: Mapping[Any, Plain]) -> list[str]:
    """The line of one run; of several one that names the seeds. founds: {seed: what `measure`
    gave}.
    """
    if len(founds) <= 1:
        return [line(found) for found in founds.values()]
    measured = {seed: found for seed, found in founds.items() if "before" in found}
    if not measured:
        return [line(next(iter(founds.values())))]
    told = [
        _seeds("dt is too long for", "changed", measured),
        _seeds("not told for", "untold", measured),
    ]
    end = "; ".join(words for words in told if words) or "no change beyond chance in any"
    first = next(iter(measured.values()))
    return [
        f"Half of dt={first['dt']:g} s, {first['lives']} lives in each of {len(measured)} runs: {end}."
    ]


def too_long(found: Plain) -> bool:
    """Whether half of dt changes the result."""
    return bool(found.get("changed"))


def relative(before: np.ndarray, after: np.ndarray) -> list[float] | None:
    """[low, high]: the 95 % interval of mean(after - before) / mean |before|, over lives that are
    finite in both; None where that cannot be said."""
    finite = np.isfinite(before) & np.isfinite(after)
    if finite.sum() < 2:
        return None
    size, difference = float(np.abs(before[finite]).mean()), student((after - before)[finite])
    if size == 0.0:
        return None if difference.mean else [0.0, 0.0]
    return [difference.low / size, difference.high / size]


def _seeds(words: str, kind: str, founds: Mapping[Any, Plain]) -> str:
    """`dt is too long for loss (seeds 0, 2), spikes_e (seed 0)`."""
    names: dict[str, list[str]] = {}
    for seed, found in founds.items():
        for name in found.get(kind, []):
            names.setdefault(name, []).append(str(seed))
    parts = [
        f"{name} (seed{'s' if len(each) > 1 else ''} {', '.join(each)})"
        for name, each in names.items()
    ]
    return f"{words} {', '.join(parts)}" if parts else ""


def _percent(interval: list[float]) -> str:
    low, high = (
        f"{100 * bound:+.2g}" if abs(bound) < 1 else f"{100 * bound:+.0f}" for bound in interval
    )
    return f" [{low}, {high}] %"


def _needed(found: Plain, untold: list[str]) -> str:
    """How many lives would tell a change of MATTERS: the interval narrows by their root."""
    intervals = [found["interval"][name] for name in untold]
    if any(interval is None for interval in intervals):
        return "more"
    half = max((high - low) / 2 for low, high in intervals)
    enough = found["lives"] * max(2.0, (half / MATTERS) ** 2)
    digit = 10.0 ** math.floor(math.log10(enough))
    return f"about {math.ceil(enough / digit) * digit:.0f}"


def _tells(interval: list[float] | None) -> bool:
    """Whether a change that matters would have shown."""
    if interval is None:
        return False
    low, high = interval
    return high - low <= 2 * MATTERS and max(-low, high) <= 2 * MATTERS


def _differs(before: np.ndarray, after: np.ndarray, again: np.ndarray) -> bool:
    """again: the control of `before`."""
    if np.any(np.isfinite(before) != np.isfinite(after)):
        return True
    finite = np.isfinite(before) & np.isfinite(again)
    if finite.sum() < 2:
        return False
    n = int(finite.sum())
    change, chance = (
        abs(np.mean((after - before)[finite])),
        np.std((again - before)[finite], ddof=1) / math.sqrt(n),
    )
    return bool(
        change > t_quantile(n - 1, SURE) * chance
        and change > MATTERS * np.abs(before[finite]).mean()
    )


def _lived(
    problem: MetaProblem, theta: Theta, key: Key, draw: int, n_lives: int
) -> dict[str, np.ndarray]:
    """{name: value of every life [n_lives]}; draw: 0 the lives themselves, 1 their control."""
    batch = train.sample(problem.lifetime.task, key, n_lives, "validation")
    return jax.tree.map(
        np.asarray, _lives(problem, theta, batch.tasks, batch.keys, jnp.asarray(draw))
    )


@partial(jax.jit, static_argnums=0)
def _lives(
    problem: MetaProblem, theta: Theta, tasks: Any, keys: Array, draw: Array
) -> dict[str, Array]:
    lifetime = replace(problem.lifetime, record=("activity",))
    spiking = [p.name for p in lifetime.wiring().populations if p.neuron.spiking]
    shape = problem.shape()

    def one(born: tuple[Any, Key]) -> dict[str, Array]:
        task, key = born
        life = lifetime.begin(theta, task, key)
        synapses = _nearly(life.synapses, draw, life.key)
        life = replace(life, key=jax.random.fold_in(life.key, draw), synapses=synapses)
        life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0)
        loss = problem.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        counts = {
            name: jnp.sum(jnp.mean(trace.recorded["activity"][name], axis=1)) for name in spiking
        }
        return {"loss": loss, **{f"spikes_{name}": n for name, n in counts.items()}}

    return jax.lax.map(one, (tasks, keys))


def _nearly(synapses: dict[str, Synapses], draw: Array, key: Key) -> dict[str, Synapses]:
    """The same first weights; under draw 1 each nearer to 0 by up to LAST_BITS of itself, so that
    bounds hold.
    """
    moved = {}
    for index, (name, edge) in enumerate(sorted(synapses.items())):
        shares = jax.random.uniform(
            jax.random.fold_in(key, index), edge.weight.shape, edge.weight.dtype
        )
        weight = edge.weight * (1.0 - LAST_BITS * draw.astype(edge.weight.dtype) * shares)
        moved[name] = replace(edge, weight=weight)
    return moved

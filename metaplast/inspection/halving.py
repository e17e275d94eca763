"""Whether the length of a step matters: the same lives with steps half as long."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast import train
from metaplast.objectives.base import Lived
from metaplast.problem import MetaProblem
from metaplast.registry import name_of
from metaplast.signals import Key, Theta

LIVES = 16
SURE, MATTERS = 3.0, 0.05  # standard errors, and the share of the value itself, that a change has to pass
Plain = dict[str, Any]


def measure(problem: MetaProblem, theta: Theta, seed: int) -> Plain:
    """What halving dt does to the loss and to the spikes of every spiking population, over LIVES validation lives.

    {dt, lives, before, after, changed: names}, before and after {`loss`, `spikes_<population>` (per neuron and life)};
    changed: whose mean difference over lives passes 5 % of its value, or is not finite once; and 3 standard errors of
    the same difference between two draws of the noise within the same lives at dt, for half steps draw anew (0 where
    nothing is drawn). {task, dt} alone where the task counts its steps as events.
    """
    problem = problem.whole()
    lifetime = problem.lifetime
    family = lifetime.task.halved()
    if family is None:
        return {"dt": lifetime.dt, "task": name_of(type(lifetime.task)) or type(lifetime.task).__name__}
    finer = replace(problem, lifetime=replace(lifetime, task=family, dt=lifetime.dt / 2))
    key = train.stream(seed, "validation")
    before, again, after = (_lived(each, theta, key, draw) for each, draw in ((problem, 0), (problem, 1), (finer, 0)))
    changed = [name for name in before if _differs(before[name], after[name], again[name])]
    means = [{name: float(np.mean(x)) for name, x in each.items()} for each in (before, after)]
    return {"dt": lifetime.dt, "lives": LIVES, "before": means[0], "after": means[1], "changed": changed}


def line(found: Plain) -> str:
    """One line for the log and the console."""
    if "before" not in found:
        return (
            f"Not measured whether half of dt={found['dt']:g} s changes the result: task {found['task']} counts events."
        )
    parts = [f"{name} {x:.4g} -> {found['after'][name]:.4g}" for name, x in found["before"].items()]
    end = f"dt is too long for {', '.join(found['changed'])}" if found["changed"] else "no change beyond chance"
    return f"Half of dt={found['dt']:g} s, {found['lives']} lives: {', '.join(parts)}: {end}."


def _differs(before: np.ndarray, after: np.ndarray, again: np.ndarray) -> bool:
    """again: `before`, with other noise."""
    if np.any(np.isfinite(before) != np.isfinite(after)):
        return True
    finite = np.isfinite(before) & np.isfinite(again)
    if finite.sum() < 2:
        return False
    change, chance = abs(np.mean((after - before)[finite])), np.std((again - before)[finite], ddof=1)
    return bool(change > SURE * chance / np.sqrt(finite.sum()) and change > MATTERS * np.abs(before[finite]).mean())


def _lived(problem: MetaProblem, theta: Theta, key: Key, draw: int) -> dict[str, np.ndarray]:
    """{name: value of every life [LIVES]}; draw: of the noise within lives."""
    batch = train.sample(problem.lifetime.task, key, LIVES, "validation")
    return jax.tree.map(np.asarray, _lives(problem, theta, batch.tasks, batch.keys, jnp.asarray(draw)))


@partial(jax.jit, static_argnums=0)
def _lives(problem: MetaProblem, theta: Theta, tasks: Any, keys: Array, draw: Array) -> dict[str, Array]:
    lifetime = replace(problem.lifetime, record=("activity",))
    spiking = [p.name for p in lifetime.wiring().populations if p.neuron.spiking]
    shape = problem.shape()

    def one(born: tuple[Any, Key]) -> dict[str, Array]:
        task, key = born
        life = lifetime.begin(theta, task, key)
        life = life.replace(key=jax.random.fold_in(life.key, draw))  # pyright: ignore[reportAttributeAccessIssue]
        life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0)
        loss = problem.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        counts = {name: jnp.sum(jnp.mean(trace.recorded["activity"][name], axis=1)) for name in spiking}
        return {"loss": loss, **{f"spikes_{name}": n for name, n in counts.items()}}

    return jax.lax.map(one, (tasks, keys))

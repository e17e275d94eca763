"""The effect of half of dt: the same lives with steps half as long."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast import search_loop
from metaplast.objectives.base import Lived
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import name_of
from metaplast.results.numbers import percent
from metaplast.results.statistics import student, t_quantile
from metaplast.results.summary import Halving, HalvingResult, NotHalved
from metaplast.signals import Key, Synapses, Theta

LIVES = 16
SURE = 0.999  # the level at which a change is more than chance
MATTERS = 0.05  # the share of the value itself from which on a change matters
LAST_BITS = 2.0**-13  # of a first weight: by how much a start may differ and be the same start


def measure(problem: MetaProblem, theta: Theta, seed: int, n_lives: int = LIVES) -> HalvingResult:
    """The effect of half of dt on the loss and on the spikes of every spiking population.

    It is measured over validation lives. A life is compared with its control as well: the same life
    at dt with other noise for everything drawn within it, and with first weights that differ in
    their last bits. Such bits alone make a chaotic network fire otherwise.

    A name is `changed` where its value is finite in one of the two alone, or where its mean
    difference passes both 5 % of the value and the difference that chance makes between lives and
    controls (99.9 %, Student's). A name is `untold` where it is not changed, and its interval is
    wider than 10 % or reaches beyond 10 %.

    Args:
        problem: whose lives are lived.
        theta: the rule's numbers.
        seed: of the lives.
        n_lives: number of lives.

    Returns: the effect on `loss` and on every `spikes_<population>` (per neuron and life), with the
        95 % intervals of the relative change (Student's, over lives). `NotHalved` where the task
        counts its steps as events.
    """
    problem = problem.whole()
    lifetime = problem.lifetime
    family = lifetime.task.halved()
    if family is None:
        task = type(lifetime.task)
        return NotHalved(lifetime.dt, name_of(task) or task.__name__)
    finer = replace(problem, lifetime=replace(lifetime, task=family, dt=lifetime.dt / 2))
    key = search_loop.stream(seed, "validation")
    before = _lived(problem, theta, key, 0, n_lives)
    control = _lived(problem, theta, key, 1, n_lives)
    after = _lived(finer, theta, key, 0, n_lives)
    changed = []
    for name in before:
        if _differs(before[name], after[name], control[name]):
            changed.append(name)
    interval = {}
    for name in before:
        interval[name] = relative(before[name], after[name])
    untold = []
    for name in before:
        if name not in changed and not _tells(interval[name]):
            untold.append(name)
    return Halving(
        dt=lifetime.dt,
        lives=n_lives,
        before=_means(before),
        after=_means(after),
        changed=changed,
        untold=untold,
        interval=interval,
    )


def line(result: HalvingResult) -> str:
    """The result of `measure` in one line, for the log, the console and the page."""
    dt = f"{result.dt:g} s"
    if isinstance(result, NotHalved):
        return (
            f"Not measured whether half of dt={dt} changes the result: "
            f"task {result.task} counts events."
        )
    parts = []
    for name, before in result.before.items():
        interval = result.interval.get(name)
        change = ""
        if interval:
            change = f" {percent(interval)}"
        parts.append(f"{name} {before:.4g} -> {result.after[name]:.4g}{change}")
    ends = []
    if result.changed:
        ends.append(f"dt is too long for {', '.join(result.changed)}")
    if result.untold:
        lives = _needed(result)
        ends.append(f"not told for {', '.join(result.untold)}: needs {lives} lives")
    end = "; ".join(ends) or "no change beyond chance"
    return f"Half of dt={dt}, {result.lives} lives: {', '.join(parts)}: {end}."


def over_runs(results: Mapping[int, HalvingResult]) -> list[str]:
    """The line of one run; for several runs one line that names the seeds.

    results: {seed: the result of `measure`}.
    """
    if len(results) <= 1:
        lines = []
        for result in results.values():
            lines.append(line(result))
        return lines
    measured = {}
    for seed, result in results.items():
        if isinstance(result, Halving):
            measured[seed] = result
    if not measured:
        return [line(next(iter(results.values())))]
    changed = {}
    untold = {}
    for seed, result in measured.items():
        changed[seed] = result.changed
        untold[seed] = result.untold
    ends = []
    for words in (_seeds("dt is too long for", changed), _seeds("not told for", untold)):
        if words:
            ends.append(words)
    end = "; ".join(ends) or "no change beyond chance in any"
    first = next(iter(measured.values()))
    runs = f"{first.lives} lives in each of {len(measured)} runs"
    return [f"Half of dt={first.dt:g} s, {runs}: {end}."]


def too_long(result: HalvingResult | None) -> bool:
    """Whether half of dt changes the result."""
    return isinstance(result, Halving) and bool(result.changed)


def relative(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """(low, high): the 95 % interval of mean(after - before) / mean |before|.

    It is taken over the lives that are finite in both; None where there are fewer than two, or
    where every value before is 0.
    """
    finite = np.isfinite(before) & np.isfinite(after)
    if finite.sum() < 2:
        return None
    size = float(np.abs(before[finite]).mean())
    difference = student((after - before)[finite])
    if size == 0.0:
        if difference.mean:
            return None
        return (0.0, 0.0)
    return difference.low / size, difference.high / size


def _means(lives: Mapping[str, np.ndarray]) -> dict[str, float]:
    means = {}
    for name, values in lives.items():
        means[name] = float(np.mean(values))
    return means


def _seeds(words: str, names: Mapping[int, list[str]]) -> str:
    """`dt is too long for loss (seeds 0, 2), spikes_e (seed 0)`; names: {seed: names}."""
    seeds: dict[str, list[str]] = {}
    for seed, of_seed in names.items():
        for name in of_seed:
            seeds.setdefault(name, []).append(str(seed))
    parts = []
    for name, each in seeds.items():
        word = "seed"
        if len(each) > 1:
            word = "seeds"
        parts.append(f"{name} ({word} {', '.join(each)})")
    if parts:
        return f"{words} {', '.join(parts)}"
    return ""


def _needed(result: Halving) -> str:
    """The number of lives that would show a change of MATTERS in every untold name.

    An interval narrows by the root of the number of lives.
    """
    half = 0.0
    for name in result.untold:
        interval = result.interval[name]
        if interval is None:
            return "more"
        low, high = interval
        half = max(half, (high - low) / 2)
    enough = result.lives * max(2.0, (half / MATTERS) ** 2)
    digit = 10.0 ** math.floor(math.log10(enough))
    return f"about {math.ceil(enough / digit) * digit:.0f}"


def _tells(interval: tuple[float, float] | None) -> bool:
    """Whether a change that matters would have shown."""
    if interval is None:
        return False
    low, high = interval
    return high - low <= 2 * MATTERS and max(-low, high) <= 2 * MATTERS


def _differs(before: np.ndarray, after: np.ndarray, control: np.ndarray) -> bool:
    """Whether a change matters and is more than chance; control: other noise at the same dt."""
    if np.any(np.isfinite(before) != np.isfinite(after)):
        return True
    finite = np.isfinite(before) & np.isfinite(control)
    n = int(finite.sum())
    if n < 2:
        return False
    change = abs(np.mean((after - before)[finite]))
    chance = np.std((control - before)[finite], ddof=1) / math.sqrt(n)
    is_sure = change > t_quantile(n - 1, SURE) * chance
    matters = change > MATTERS * np.abs(before[finite]).mean()
    return bool(is_sure and matters)


def _lived(
    problem: MetaProblem, theta: Theta, key: Key, draw: int, n_lives: int
) -> dict[str, np.ndarray]:
    """{name: value of every life [n_lives]}; draw: 0 the lives themselves, 1 their control."""
    batch = search_loop.sample(problem.lifetime.task, key, n_lives, "validation")
    values = _lives(problem, theta, batch, jnp.asarray(draw))
    return jax.tree.map(np.asarray, values)


@partial(jax.jit, static_argnums=0)
def _lives(problem: MetaProblem, theta: Theta, batch: Batch, draw: Array) -> dict[str, Array]:
    lifetime = replace(problem.lifetime, record=("activity",))
    spiking = []
    for p in lifetime.wiring().populations:
        if lifetime.wiring().spikes(p):
            spiking.append(p.name)
    shape = problem.shape()

    def one(born: Batch) -> dict[str, Array]:
        task = born.tasks
        life = lifetime.begin(theta, task, born.keys)
        synapses = _nearly(life.synapses, draw, life.key)
        life = replace(life, key=jax.random.fold_in(life.key, draw), synapses=synapses)
        life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0)
        loss = problem.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        values = {"loss": loss}
        for name in spiking:
            spikes = trace.recorded["activity"][name]
            values[f"spikes_{name}"] = jnp.sum(jnp.mean(spikes, axis=1))
        return values

    return jax.lax.map(one, batch)


def _nearly(synapses: dict[str, Synapses], draw: Array, key: Key) -> dict[str, Synapses]:
    """The same first weights for draw 0. For draw 1 each is smaller by up to the share LAST_BITS.

    Smaller weights stay within their bounds.
    """
    moved = {}
    for index, (name, edge) in enumerate(sorted(synapses.items())):
        shares = jax.random.uniform(
            jax.random.fold_in(key, index), edge.weight.shape, edge.weight.dtype
        )
        weight = edge.weight * (1.0 - LAST_BITS * draw.astype(edge.weight.dtype) * shares)
        moved[name] = replace(edge, weight=weight)
    return moved

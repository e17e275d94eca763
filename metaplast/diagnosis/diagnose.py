"""The report of `metaplast diagnose`: measurements, memory and time, and the advised outer loop."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from metaplast import search_loop
from metaplast.diagnosis import measure
from metaplast.diagnosis.advice import Advice, advise, growth_factor, kind_of, spread_factor
from metaplast.diagnosis.measure import Diagnosis, Plan
from metaplast.problem.held import held_of
from metaplast.registry import BadInput, find, name_of
from metaplast.results.numbers import measured, per_second, share, with_error
from metaplast.results.table import aligned
from metaplast.runs import preflight
from metaplast.runs.config import Plain, Sources, compose
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, parse
from metaplast.runs.lifecycle import CONFIG
from metaplast.runs.row_files import is_finished, theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.space import coordinates, searched

SCHEMA = "metaplast.diagnosis/1"
HOUR = 3600.0


class Costs(NamedTuple):
    """The memory and the time that a run takes.

    memory: forecast of the memory, in bytes.
    free: free memory of this machine, in bytes.
    gradient: seconds of one life with a gradient (about).
    life: seconds of one life without a gradient.
    hours: {outer loop: hours of the configured number of outer steps}.
    """

    memory: int
    free: int
    gradient: float
    life: float
    hours: dict[str, float]


class Report(NamedTuple):
    """The diagnosis of a config with its advice.

    config: the config that was diagnosed.
    places: {name of a theta: (measurements, advice)}. The names are `birth` and, for a finished
        run, `found`.
    costs: memory and time.
    """

    config: Config
    places: dict[str, tuple[Diagnosis, Advice]]
    costs: Costs


def diagnose(
    words: Sequence[str], sources: Sources, n_lives: int, run: Path | None = None
) -> Report:
    """Diagnose a config, or a finished run at its first and at its final theta.

    Args:
        words: config words. A run folder may be among them: the words then change its config.
        sources: the folders of config files.
        n_lives: lives of every measurement.
        run: the folder of a finished run; None: the one among the words, if there is one.

    Raises: BadInput for words that do not compose, a run that is not finished, and a theta without
        numbers.
    """
    config_words = list(words)
    if run is None:
        run, config_words = _run_folder(words)
    base = None
    if run:
        base = run / CONFIG
    config = parse(compose(config_words, sources, base)).main
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    thetas = {"birth": problem.init(search_loop.stream(config.seed, "theta"))}
    if run:
        thetas["found"] = theta_of(row_folder(run, DISCOVERED), problem)
    needed = preflight.forecast(config).total
    free = preflight.available()
    key = search_loop.stream(config.seed, "diagnosis")
    plan = Plan(n_lives, std_of(config))
    measurements = {}
    for name, theta in thetas.items():
        measurements[name] = measure.diagnose(
            problem, theta, key, config.space, plan, held_of(config.slots())
        )
    costs = _costs(config, thetas["birth"], n_lives)._replace(memory=needed, free=free)
    memory = needed / max(1.0, preflight.SHARE * free)
    places = {}
    for name, diagnosis in measurements.items():
        places[name] = (diagnosis, advise(diagnosis, memory))
    return Report(config, places, costs)


def std_of(config: Config) -> float:
    """The standard deviation of an evolution strategy at its start, as configured.

    An outer loop without a standard deviation gives the default of `es`.
    """
    hyper = config.outer.hyper()
    configured = hyper.get("std", hyper.get("sigma"))
    if configured is None:
        configured = find("outer", "es")().std
    return float(configured)


class _Words(NamedTuple):
    """The words of a command.

    run: the run folder among them, or None.
    config_words: all other words.
    """

    run: Path | None
    config_words: list[str]


def _run_folder(words: Sequence[str]) -> _Words:
    folders = []
    for word in words:
        if "=" not in word and Path(word).is_dir():
            folders.append(Path(word))
    if len(folders) > 1:
        raise BadInput(f"{folders[1]}, a second run", "one run folder", "diagnose them one by one")
    if folders and not is_finished(row_folder(folders[0], DISCOVERED)):
        raise BadInput(
            f"{folders[0]}",
            "a finished run",
            f"metaplast resume {folders[0]}, or give its config by words",
        )
    config_words = []
    for word in words:
        if Path(word) not in folders:
            config_words.append(word)
    run = None
    if folders:
        run = folders[0]
    return _Words(run, config_words)


def _costs(config: Config, theta: Theta, n_lives: int) -> Costs:
    """The time of one life and of one gradient.

    The programs are compiled already. Each runs once more.
    """
    problem = measure.longest(config.meta_problem())
    held = held_of(config.slots())
    seen = searched(problem, config.space, held)
    z = coordinates(config.space, held, theta)
    key = search_loop.stream(config.seed, "diagnosis")
    batch = search_loop.sample(problem.lifetime.task, key, n_lives, "train")
    n = len(batch.keys)
    cuts = measure.cut_lengths(problem)
    members = jax.tree.map(lambda x: jnp.broadcast_to(x, (measure.N_TRIED, *x.shape)), z)
    life = _seconds(lambda: measure.losses(seen, members, batch)) / (measure.N_TRIED * n)
    gradient = math.nan
    if problem.lifetime.task.shape().differentiable:
        # The program makes one pass forward, and one pass back for every length.
        all_lengths = _seconds(lambda: measure.gradients(seen, z, batch, cuts)) / n
        gradient = life + max(0.0, all_lengths - life) / len(cuts)
    return Costs(0, 0, gradient, life, _hours(config, gradient, life))


def _seconds(run: Any) -> float:
    started = time.monotonic()
    jax.block_until_ready(run())
    return time.monotonic() - started


def _hours(config: Config, gradient: float, life: float) -> dict[str, float]:
    """The hours of the configured number of outer steps under bptt and under es.

    es has the configured population where it is the configured outer loop, else its default.
    """
    lives = config.outer.n_steps * config.problem.n_tasks
    evolution: Any = find("outer", "es")()
    if name_of(type(config.outer)) == "es":
        evolution = config.outer
    return {
        "bptt": lives * gradient / HOUR,
        "es": lives * evolution.population * life / HOUR,
    }


def plain(report: Report) -> Plain:
    """The report as plain data for JSON; a number that is not finite becomes null."""
    config = report.config
    places = {}
    for name, (diagnosis, advice) in report.places.items():
        places[name] = {"measured": diagnosis, "advice": advice}
    record = {
        "schema": SCHEMA,
        "experiment": config.experiment,
        "seed": config.seed,
        "outer": name_of(type(config.outer)),
        "kind": kind_of(config.outer),
        "places": places,
        "costs": report.costs,
    }
    return _finite(record)


def _finite(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        items = {}
        for key, item in value.items():
            items[key] = _finite(item)
        return items
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            items.append(_finite(item))
        return items
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def render(report: Report) -> str:
    """The report as text: one table per theta with its advice, then the configured outer loop."""
    texts = []
    for name, (diagnosis, advice) in report.places.items():
        head = (
            f"at {_theta(name)}: {diagnosis.n_numbers} numbers, lives of "
            f"{diagnosis.n_steps} steps, measured on {diagnosis.here.n_lives} lives"
        )
        lines = [("measured", "value", "what it means"), *_lines(diagnosis)]
        lines += _cost_lines(report.costs) if name == "birth" else []
        texts.append(f"{head}\n\n{aligned(lines)}\n\n{_advice_text(advice)}")
    return "\n\n".join([*texts, _configured(report)])


def _configured(report: Report) -> str:
    """The configured outer loop, and at which theta it is of the advised class."""
    outer = report.config.outer
    kind = kind_of(outer)
    text = f"configured: outer={name_of(type(outer))}"
    if kind is None:
        return text
    fitting = []
    others = []
    for name, (_, advice) in report.places.items():
        if advice.kind == kind:
            fitting.append(_theta(name))
        else:
            others.append(f"{_theta(name)} (outer={advice.outer})")
    if not others:
        return f"{text}, as advised"
    if not fitting:
        return f"{text}, of the class {kind}: not advised"
    return f"{text}, as advised at {fitting[0]}, not at {others[0]}"


def _theta(place: str) -> str:
    """The theta of a place of a report, in words."""
    if place == "birth":
        return "theta of birth"
    return "the theta that was found"


def _advice_text(advice: Advice) -> str:
    second = "".join(f"\nor outer={name}: {when}" for name, when in advice.second)
    return f"advised: outer={advice.outer}, for {advice.reason}{second}"


Line = tuple[str, str, str]  # the name of a measurement, its value, its meaning


def _lines(diagnosis: Diagnosis) -> list[Line]:
    gradient = _gradient_lines(diagnosis)
    if not diagnosis.differentiable:
        gradient = [("gradient", "none", "the task passes no gradient")]
    return [*gradient, *_loss_lines(diagnosis), *_exponent_lines(diagnosis), _not_finite(diagnosis)]


def _gradient_lines(diagnosis: Diagnosis) -> list[Line]:
    here = diagnosis.here
    agreement = diagnosis.agreement
    unusable = f"{share(1 - here.n / here.n_lives)}, {share(here.zero)}"
    nearby = ", ".join(measured(signal.per_step) for signal in diagnosis.nearby)
    return [
        (
            "gradient signal / noise",
            measured(here.per_step),
            f"over the {diagnosis.n_tasks} lives of an outer step; below 0.1 it drowns",
        ),
        ("  lives with none, with zero", unusable, "left out; useless"),
        ("  s away from theta", nearby, f"signal / noise; s = {diagnosis.std:g}"),
        _by_length(diagnosis),
        (
            "loss against gradient, 0.1 s",
            with_error(agreement.near, agreement.near_error),
            "1 where the gradient is right",
        ),
        (
            "  s along the gradient",
            with_error(agreement.along, agreement.along_error),
            "far below 1: ripples, or a curve",
        ),
        (
            "  cosine in random directions",
            measured(agreement.cosine),
            "1 where the gradient tells about a step of s",
        ),
    ]


def _loss_lines(diagnosis: Diagnosis) -> list[Line]:
    return [
        (
            "losses s away: linear share",
            measured(diagnosis.agreement.linear),
            "1: a slope; 0: a valley's floor, or noise",
        ),
        (
            "  signal / noise",
            measured(diagnosis.agreement.signal.per_step),
            "of the differences that evolution goes by",
        ),
    ]


def _exponent_lines(diagnosis: Diagnosis) -> list[Line]:
    rates = diagnosis.exponents
    growth = f"a disturbance grows {measured(spread_factor(diagnosis))}-fold in half a life"
    return [
        (
            "largest exponent of a life",
            per_second(rates.life, diagnosis.dt),
            f"{growth}; > 0: chaos",
        ),
        (
            "  of the network alone",
            per_second(rates.network, diagnosis.dt),
            "weights follow their recorded course",
        ),
        (
            "  of two lives 0.1 % apart",
            per_second(rates.perturbed, diagnosis.dt),
            f"further apart in {share(rates.spreading)} of steps",
        ),
    ]


def _not_finite(diagnosis: Diagnosis) -> Line:
    shares = f"{share(diagnosis.diverged)}, {share(diagnosis.diverged_nearby)}"
    return ("lives not finite, here and s away", shares, "by their loss")


def _by_length(diagnosis: Diagnosis) -> Line:
    lengths = []
    norms = []
    for n_steps, norm in diagnosis.lengths:
        lengths.append(str(n_steps))
        if math.isnan(norm):
            norms.append("unscored")
        else:
            norms.append(measured(norm))
    return (
        f"gradient norm, {', '.join(lengths)} steps",
        ", ".join(norms),
        f"grows {measured(growth_factor(diagnosis))}-fold; chaos: over 1000-fold",
    )


def _cost_lines(costs: Costs) -> list[Line]:
    gib = f"{costs.memory / 2**30:.1f} of {costs.free / 2**30:.1f} GiB"
    seconds = ", ".join(measured(1e3 * value) for value in (costs.gradient, costs.life))
    hours = ", ".join(f"{name} {measured(value)}" for name, value in costs.hours.items())
    return [
        ("memory", gib, "forecast, free"),
        ("ms of a life", seconds, "with a gradient (about), without"),
        ("hours of the run", hours, "as many outer steps as configured, held-out lives apart"),
    ]

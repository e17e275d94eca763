"""What `metaplast diagnose` reports: the measurements, memory and time, and which outer loop they
speak for.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from metaplast import train
from metaplast.diagnosis import measure as diagnosis
from metaplast.diagnosis.advice import Advice, advise, growth_factor, kind_of, spread_factor
from metaplast.diagnosis.measure import Diagnosis, Plan
from metaplast.registry import BadInput, find, name_of
from metaplast.results.table import aligned
from metaplast.runs import preflight
from metaplast.runs.config import Plain, Sources, compose
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, parse
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.space import SearchedProblem, encode

SCHEMA = "metaplast.diagnosis/1"
HOUR = 3600.0


class Costs(NamedTuple):
    """memory: bytes that a run is forecast to take; free: that this machine has; gradient, life:
    seconds of one life with and without a gradient (about); hours: of the configured number of
    outer steps, under some outer loops.
    """

    memory: int
    free: int
    gradient: float
    life: float
    hours: dict[str, float]


class Report(NamedTuple):
    """config: what was diagnosed; places: `birth`, and `found` of a finished run, each with what it
    speaks for.
    """

    config: Config
    places: dict[str, tuple[Diagnosis, Advice]]
    costs: Costs


def diagnose(words: Sequence[str], sources: Sources, n_lives: int) -> Report:
    """Diagnose a config, or a finished run at its first and at its found theta, with `words` laid
    on its config.

    Raises: BadInput for words that do not compose, a run that is not finished, and nothing to
    learn.
    """
    run, words = _run_folder(words)
    config = parse(compose(words, sources, run / "config.yaml" if run else None)).main
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    thetas = {"birth": problem.init(train.stream(config.seed, "theta"))}
    if run:
        thetas["found"] = theta_of(row_folder(run, DISCOVERED), problem)
    needed, free = preflight.forecast(config).total, preflight.available()
    key, plan = train.stream(config.seed, "diagnosis"), Plan(n_lives, std_of(config))
    found = {
        name: diagnosis.diagnose(problem, theta, key, config.space, plan)
        for name, theta in thetas.items()
    }
    costs = _costs(config, thetas["birth"], n_lives)._replace(memory=needed, free=free)
    share = needed / max(1.0, preflight.SHARE * free)
    return Report(
        config, {name: (told, advise(told, share)) for name, told in found.items()}, costs
    )


def std_of(config: Config) -> float:
    """With which standard deviation an evolution strategy would begin: as configured, else that of
    `es` itself.
    """
    hyper = config.outer.hyper()
    given = hyper.get("std", hyper.get("sigma"))
    return float(find("outer", "es")().std if given is None else given)


def _run_folder(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """(the run folder among the words, the others)."""
    folders = [Path(word) for word in words if "=" not in word and Path(word).is_dir()]
    if len(folders) > 1:
        raise BadInput(f"{folders[1]}, a second run", "one run folder", "diagnose them one by one")
    if folders and not (row_folder(folders[0], DISCOVERED) / "row.json").is_file():
        raise BadInput(
            f"{folders[0]}",
            "a finished run",
            f"metaplast resume {folders[0]}, or give its config by words",
        )
    return folders[0] if folders else None, [word for word in words if Path(word) not in folders]


def _costs(config: Config, theta: Theta, n_lives: int) -> Costs:
    """Seconds of programs that are compiled already, run once more."""
    problem = diagnosis.longest(config.meta_problem())
    seen, z = SearchedProblem(problem, config.space), encode(config.space, theta)
    batch = train.sample(
        problem.lifetime.task, train.stream(config.seed, "diagnosis"), n_lives, "train"
    )
    n, cuts = len(batch.keys), diagnosis.cut_lengths(problem)
    members = jax.tree.map(lambda x: jnp.broadcast_to(x, (diagnosis.N_TRIED, *x.shape)), z)
    life = _seconds(lambda: diagnosis.losses(seen, members, batch)) / (diagnosis.N_TRIED * n)
    gradient = math.nan
    if (
        problem.lifetime.task.shape().differentiable
    ):  # one pass forward, and one back for every length
        all_lengths = _seconds(lambda: diagnosis.gradients(seen, z, batch, cuts)) / n
        gradient = life + max(0.0, all_lengths - life) / len(cuts)
    return Costs(0, 0, gradient, life, _hours(config, gradient, life))


def _seconds(run: Any) -> float:
    started = time.monotonic()
    jax.block_until_ready(run())
    return time.monotonic() - started


def _hours(config: Config, gradient: float, life: float) -> dict[str, float]:
    """Of as many outer steps as configured: bptt, es with its default population, and what is
    configured.
    """
    lives = config.outer.n_steps * config.problem.n_tasks
    found = {
        "bptt": lives * gradient / HOUR,
        "es": lives * find("outer", "es")().population * life / HOUR,
    }
    if name_of(type(config.outer)) == "es":
        found["es"] = lives * config.outer.population * life / HOUR  # pyright: ignore[reportAttributeAccessIssue]
    return found


def plain(report: Report) -> Plain:
    """The report as JSON may hold it: a number that is not finite is null."""
    config = report.config
    told = {
        "schema": SCHEMA,
        "experiment": config.experiment,
        "seed": config.seed,
        "outer": name_of(type(config.outer)),
        "kind": kind_of(config.outer),
        "places": {
            name: {"measured": found, "advice": advice}
            for name, (found, advice) in report.places.items()
        },
        "costs": report.costs,
    }
    return _finite(told)


def _finite(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def render(report: Report) -> str:
    """What a reader needs, in a minute."""
    texts = []
    for name, (found, advice) in report.places.items():
        head = f"at {'theta of birth' if name == 'birth' else 'the theta that was found'}: {found.n_numbers} numbers, "
        head += f"lives of {found.n_steps} steps, measured on {found.here.n_lives} lives"
        lines = [("measured", "value", "what it means"), *_lines(found)]
        lines += _cost_lines(report.costs) if name == "birth" else []
        texts.append(f"{head}\n\n{aligned(lines)}\n\n{_said(advice)}")
    name, kind = name_of(type(report.config.outer)), kind_of(report.config.outer)
    advised = report.places["birth"][1].kind
    verdict = (
        ""
        if kind is None
        else ", as advised"
        if kind == advised
        else f", of the class {kind}: not advised"
    )
    return "\n\n".join([*texts, f"configured: outer={name}{verdict}"])


def _said(advice: Advice) -> str:
    second = "".join(f"\nor outer={name}: {when}" for name, when in advice.second)
    return f"advised: outer={advice.outer}, for {advice.reason}{second}"


def _lines(found: Diagnosis) -> list[tuple[str, str, str]]:
    here, agreement = found.here, found.agreement
    grads = [
        (
            "gradient signal / noise",
            _number(here.per_step),
            f"over the {found.n_tasks} lives of an outer step; below 0.1 it drowns",
        ),
        (
            "  lives with none, with zero",
            f"{_share(1 - here.n / here.n_lives)}, {_share(here.zero)}",
            "left out; useless",
        ),
        (
            "  s away from theta",
            ", ".join(_number(s.per_step) for s in found.nearby),
            f"signal / noise; s = {found.std:g}",
        ),
        _by_length(found),
        (
            "loss against gradient, 0.1 s",
            _pair(agreement.near, agreement.near_error),
            "1 where the gradient is right",
        ),
        (
            "  s along the gradient",
            _pair(agreement.along, agreement.along_error),
            "far below 1: ripples, or a curve",
        ),
        (
            "  cosine in random directions",
            _number(agreement.cosine),
            "1 where the gradient tells about a step of s",
        ),
    ]
    none = [("gradient", "none", "the task passes no gradient")]
    away, dt = found.exponents, found.dt
    spread = f"a disturbance grows {_number(spread_factor(found))}-fold in half a life"
    return [
        *(grads if found.differentiable else none),
        (
            "losses s away: linear share",
            _number(agreement.linear),
            "1: a slope; 0: a valley's floor, or noise",
        ),
        (
            "  signal / noise",
            _number(agreement.signal.per_step),
            "of the differences that evolution goes by",
        ),
        ("largest exponent of a life", _rate(away.life, dt), f"{spread}; > 0: chaos"),
        ("  of the network alone", _rate(away.network, dt), "weights taking the course they take"),
        (
            "  of two lives 0.1 % apart",
            _rate(away.perturbed, dt),
            f"further apart in {_share(away.spreading)} of steps",
        ),
        (
            "blown lives, here and s away",
            f"{_share(found.diverged)}, {_share(found.diverged_nearby)}",
            "loss not finite",
        ),
    ]


def _by_length(found: Diagnosis) -> tuple[str, str, str]:
    lengths = ", ".join(str(n) for n, _ in found.lengths)
    norms = ", ".join(
        "unscored" if math.isnan(norm) else _number(norm) for _, norm in found.lengths
    )
    return (
        f"gradient norm, {lengths} steps",
        norms,
        f"grows {_number(growth_factor(found))}-fold; chaos: over 1000-fold",
    )


def _cost_lines(costs: Costs) -> list[tuple[str, str, str]]:
    gib = f"{costs.memory / 2**30:.1f} of {costs.free / 2**30:.1f} GiB"
    seconds = ", ".join(_number(1e3 * value) for value in (costs.gradient, costs.life))
    hours = ", ".join(f"{name} {_number(value)}" for name, value in costs.hours.items())
    return [
        ("memory", gib, "forecast, free"),
        ("ms of a life", seconds, "with a gradient (about), without"),
        ("hours of the run", hours, "as many outer steps as configured, held-out lives apart"),
    ]


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2g}"


def _pair(value: float, error: float) -> str:
    return _number(value) if math.isnan(error) else f"{_number(value)} +- {_number(error)}"


def _share(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.0%}"


def _rate(value: float, dt: float) -> str:
    return "none" if math.isnan(value) else f"{value:+.2g} a step, {value / dt:+.2g} a second"

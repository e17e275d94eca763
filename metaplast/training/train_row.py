"""Train one row of a run's table, choose its candidate on validation lives, judge it once on
held-out lives.
"""

import hashlib
import json
import logging
import time
from collections.abc import Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from metaplast import train
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results import evaluate, halving
from metaplast.results.summary import halving_to_json
from metaplast.runs import nesting, preflight
from metaplast.runs.config import Plain
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Run
from metaplast.runs.metrics import read
from metaplast.runs.row_files import publish, save_arrays, theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.training.loop import Tick, Trainee, candidate_steps, enlist, train_together

log = logging.getLogger(__name__)
FEW = 0.05  # of the validation lives of a candidate


class Diverged(RuntimeError):
    """Too many outer steps in a row were not finite (exit code 6)."""


class Chosen(NamedTuple):
    """A row ready to be judged: its theta and per-life values on validation lives; search: how it
    was found.
    """

    folder: Path
    config: Config
    theta: Theta
    validation: dict[str, np.ndarray]
    search: Plain


def train_row(runs: Sequence[Run], name: str, tick: Tick = lambda *_: None) -> None:
    """Train, choose and judge one row of every run, from its newest checkpoint on; finished ones
    are left alone.

    Runs whose compiled program is the same train together. Writes metrics.jsonl, checkpoints/,
    validation.safetensors, lives.safetensors and row.json into the row's folders.
    Raises: NoCheckpoint; Diverged where the only run does. One of several that does is named in a
    warning and is left without its row.json.
    """
    together: dict[Hashable, list[Run]] = {}
    failed: list[str] = []
    for one in runs:
        if (row_folder(one.folder, name) / "row.json").is_file():
            continue
        before = one.job.before(name)[:1]
        if all((row_folder(one.folder, origin) / "row.json").is_file() for origin in before):
            together.setdefault(program_of(one, name), []).append(one)
        else:
            fix = "see log.txt; lower outer.learning_rate"
            failed.append(
                f"{row_folder(one.folder, name)} - expected {before[0]}, its start, to be trained "
                f"- {fix}"
            )
    for several in together.values():
        failed += _train_program(several, name, tick)
    for line in failed:
        if len(runs) == 1:
            raise Diverged(line)
        log.warning(line)


def program_of(one: Run, name: str) -> tuple[MetaProblem, AbstractOuterLoop]:
    """What a row is compiled from."""
    config = one.program.row(name)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    return config.meta_problem(), config.outer_loop()


def _train_program(runs: Sequence[Run], name: str, tick: Tick) -> list[str]:
    """One row of runs of one program; a line for each that diverged."""
    started = time.monotonic()
    problem, outer = program_of(runs[0], name)
    trainees: list[Trainee] = []
    ready: list[Chosen] = []
    for one in runs:
        folder, config = row_folder(one.folder, name), one.job.row(name)
        folder.mkdir(parents=True, exist_ok=True)
        theta = jax.eval_shape(problem.init, train.stream(config.seed, "theta"))
        if jax.tree.leaves(theta):
            trainee = enlist(
                folder,
                config,
                _digest(one.job.plain, name),
                problem,
                outer,
                _origin(one, name, problem),
            )
            trainees.append(trainee._replace(watched=name == DISCOVERED))
        else:
            only = _validated(problem, theta, config)
            ready.append(Chosen(folder, config, theta, _beside_start(only, only), {}))
    trained = train_together(trainees, problem, outer, tick, runs[0].lockstep)
    ready += [_choose(problem, it) for it in trained if not it.diverged]
    share = (time.monotonic() - started) / len(runs)
    for it in ready:
        started = time.monotonic()
        # The held-out lives are opened here, once per row.
        n = it.config.evaluation.heldout
        scores = evaluate.lives(problem, it.theta, it.config.seed, "heldout", n)
        wall_s = round(share + time.monotonic() - started, 2)
        diverged = it.search.get("diverged_lives", 0)
        facts = {"name": name, "diverged_lives": diverged, "search": it.search, "wall_s": wall_s}
        if name == DISCOVERED and it.config.evaluation.halve_dt and preflight.timed(it.config):
            result = halving.measure(
                problem, it.theta, it.config.seed, it.config.evaluation.halve_lives
            )
            facts["halving"] = halving_to_json(result)
            say = log.warning if halving.too_long(result) else log.info
            say(halving.line(result))
        save_arrays(it.folder / "validation.safetensors", it.validation)
        publish(it.folder, it.theta, scores, facts)
    return [
        f"{it.folder}: {int(it.state.bad)} outer steps in a row without a finite loss - expected "
        f"finite losses - "
        "lower outer.learning_rate or the step sizes of the rule"
        for it in trained
        if it.diverged
    ]


def _origin(one: Run, name: str, problem: MetaProblem) -> Theta | None:
    """Where the search of a row starts that starts from another: that one's trained theta,
    embedded.
    """
    job = one.job
    if not (before := job.before(name)):
        return None
    known = job.row(before[0])
    theta = theta_of(row_folder(one.folder, before[0]), known.meta_problem())
    start = problem.init(train.stream(job.row(name).seed, "theta"))
    return nesting.embed(job.row(name), known, theta, start)


def _choose(problem: MetaProblem, trained: Trainee) -> Chosen:
    """The candidate with the lowest mean objective on validation lives; the held-out lives are not
    looked at.

    The start is one of them, so that no row ends below it. Losses of a few lives do not decide,
    see `best_of`: they once sent rows of accuracy .8 back to their start.
    """
    candidates, config = jax.device_get(trained.state.candidates), trained.config
    n = len(jax.tree.leaves(candidates)[0])
    options = [jax.tree.map(lambda x: x[i], candidates) for i in range(n)]  # noqa: B023
    scores = [_validated(problem, theta, config) for theta in options]
    best = best_of(scores)
    steps = [0, *candidate_steps(trained.step, config.evaluation.candidates)]
    search = _search_of(trained.folder) | {"chosen_step": steps[best]}
    validation = _beside_start(scores[best], scores[0])
    return Chosen(trained.folder, config, options[best], validation, search)


def best_of(scores: Sequence[dict[str, np.ndarray]]) -> int:
    """Which candidate is chosen by what its lives gave, `loss` [n] and perhaps `accuracy` [n]; the
    first is the start.

    That with the lowest mean loss, among those whose mean accuracy (mean loss where a task tells
    none) is no worse than that of the start and whose losses are finite. Where a share of at most
    FEW of a candidate's lives is worse than the worst one of the start, these count as that one.
    Where more of some candidate's lives are, a few large losses would
    decide: the highest mean accuracy is chosen instead, if the task tells it.
    """
    start = scores[0]
    finite = start["loss"][np.isfinite(start["loss"])]
    worst = finite.max() if finite.size else np.inf
    losses, errors, many = [], [], False
    for each in scores:
        if "accuracy" in start:
            below = each["accuracy"].mean() < start["accuracy"].mean()
        else:
            below = each["loss"].mean() > start["loss"].mean()
        if below or not np.isfinite(each["loss"]).all():
            losses.append(np.inf)
            errors.append(np.inf)
            continue
        few = np.mean(each["loss"] > worst) <= FEW
        many = many or not few
        losses.append(np.mean(np.minimum(each["loss"], worst) if few else each["loss"]))
        errors.append(-each["accuracy"].mean() if "accuracy" in start else 0.0)
    by_accuracy = many and "accuracy" in start
    return int(np.argmin(errors if by_accuracy else losses))


def _search_of(folder: Path) -> Plain:
    """What metrics.jsonl tells of a row's search: lives left out, falls and the steps after which
    they were.
    """
    rows = read(folder / "metrics.jsonl")
    fell_at = []
    for before, after in pairwise(rows):
        if after.get("falls", 0) > before.get("falls", 0):
            fell_at.append(after["outer_step"])
    return {
        "diverged_lives": int(sum(row.get("diverged", 0) for row in rows)),
        "falls": len(fell_at),
        "fell_at": fell_at,
        "step_scale": rows[-1].get("step_scale", 1.0),
    }


def _validated(problem: MetaProblem, theta: Theta, config: Config) -> dict[str, np.ndarray]:
    n = config.evaluation.validation
    return evaluate.lives(problem, theta, config.seed, "validation", n)


def _beside_start(
    scores: dict[str, np.ndarray], start: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Per-life values on validation lives: of the chosen theta, and `start_...` of the first
    one.
    """
    kept = {}
    for metric in ("loss", "accuracy"):
        if metric in scores:
            kept[metric] = scores[metric]
            kept[f"start_{metric}"] = start[metric]
    return kept


def _digest(plain: Plain, name: str) -> str:
    """What determines a row's training: all but the checkpoint interval, the logger, comparisons
    and the other rows.

    Of a row that starts from another also what determines that one's."""
    free = ("checkpoint_every", "logging", "compare", "rows")
    kept = {key: value for key, value in plain.items() if key not in free}
    kept["row"] = plain.get("rows", {}).get(name) if name != DISCOVERED else None
    if kept["row"] and "from" in kept["row"]:
        kept["from"] = _digest(plain, kept["row"]["from"])
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

"""The work on one row: train it, choose a candidate on validation lives, judge it once.

It is judged on held-out lives.
"""

import hashlib
import json
import logging
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results import evaluate, halving
from metaplast.results.summary import SearchRecord
from metaplast.runs import nesting, preflight, row_files
from metaplast.runs.config import Plain
from metaplast.runs.folder import row_folder, write_json
from metaplast.runs.job import Config, Run
from metaplast.runs.metrics import METRICS, read
from metaplast.runs.row_files import publish, save_arrays, save_candidates, theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.training.diverged import Diverged
from metaplast.training.loop import Tick, Trainee, candidate_steps, enlist, train_together
from metaplast.training.row_record import RowRecord, to_json

log = logging.getLogger(__name__)
FEW = 0.05
"""The share of validation lives of a candidate that are few."""


class Chosen(NamedTuple):
    """A row that is ready to be judged.

    folder: folder of the row.
    config: config of the row.
    theta: chosen theta.
    validation: {metric: values}, one per validation life.
    search: the record of the search; None where nothing is learned.
    """

    folder: Path
    config: Config
    theta: Theta
    validation: dict[str, np.ndarray]
    search: SearchRecord | None


def train_row(runs: Sequence[Run], name: str, tick: Tick = lambda *_: None) -> None:
    """Train, choose and judge one row of every run, from its newest checkpoint on.

    A finished row stays as it is. Runs of the same compiled program train together. The row's
    folders get metrics.jsonl, checkpoints/, candidates.safetensors, validation.safetensors,
    lives.safetensors and row.json, and front.json where the search keeps several rules. Where one
    of several runs diverges, a warning names it, and it gets no row.json.

    Args:
        runs: the runs.
        name: the row.
        tick: a function that is called after every outer step.

    Raises: NoCheckpoint; Diverged where the only run diverges.
    """
    by_program: dict[Hashable, list[Run]] = {}
    failed: list[str] = []
    for run in runs:
        if _is_finished(run, name):
            continue
        origins = run.job.before(name)
        if not origins or _is_finished(run, origins[0]):
            by_program.setdefault(program_of(run, name), []).append(run)
        else:
            failed.append(
                f"{row_folder(run.folder, name)} - expected {origins[0]}, its start, to be trained "
                f"- see log.txt; lower outer.learning_rate"
            )
    for together in by_program.values():
        failed += _train_program(together, name, tick)
    for line in failed:
        if len(runs) == 1:
            raise Diverged(line)
        log.warning(line)


def _is_finished(run: Run, name: str) -> bool:
    return row_files.is_finished(row_folder(run.folder, name))


def program_of(run: Run, name: str) -> tuple[MetaProblem, AbstractOuterLoop]:
    """The problem and the outer loop from which the program of a row is compiled."""
    config = run.program.row(name)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    return config.meta_problem(), config.outer_loop()


def _train_program(runs: Sequence[Run], name: str, tick: Tick) -> list[str]:
    """Train, choose and judge one row of runs of one program.

    Returns: a line for each run that diverged.
    """
    started = time.monotonic()
    problem, outer = program_of(runs[0], name)
    trainees: list[Trainee] = []
    chosen_rows: list[Chosen] = []
    for run in runs:
        folder = row_folder(run.folder, name)
        config = run.job.row(name)
        folder.mkdir(parents=True, exist_ok=True)
        theta = jax.eval_shape(problem.init, search_loop.stream(config.seed, "theta"))
        if jax.tree.leaves(theta):
            digest = _digest(run.job.plain, name)
            start = _start(run, name, problem)
            trainee = enlist(folder, config, digest, problem, outer, start)
            trainees.append(trainee._replace(watched=name == DISCOVERED))
        else:
            # A theta without numbers is its only candidate.
            values = _validated(problem, theta, config)
            chosen_rows.append(Chosen(folder, config, theta, _beside_start(values, values), None))
    trained = train_together(trainees, problem, outer, tick, runs[0].lockstep)
    for trainee in trained:
        if not trainee.diverged:
            front = outer.front(problem, trainee.state.outer)
            if front:
                write_json(trainee.folder / row_files.FRONT, front)
            chosen_rows.append(_choose(problem, trainee))
    share = (time.monotonic() - started) / len(runs)
    for chosen in chosen_rows:
        _judge(problem, name, chosen, share)
    lines = []
    for trainee in trained:
        if trainee.diverged:
            lines.append(
                f"{trainee.folder}: {int(trainee.state.bad)} outer steps in a row without a finite "
                f"loss - expected finite losses - lower outer.learning_rate or the step sizes of "
                f"the rule"
            )
    return lines


def _judge(problem: MetaProblem, name: str, chosen: Chosen, wall_s: float) -> None:
    """Judge the chosen theta on held-out lives, and write the files of the row.

    The held-out lives are opened here, once for each row.

    Args:
        problem: the problem.
        name: the row.
        chosen: the chosen theta.
        wall_s: seconds of training and choice.
    """
    started = time.monotonic()
    config = chosen.config
    evaluation = config.evaluation
    n_curves = min(row_files.N_CURVES, evaluation.heldout)
    scores = evaluate.scores(
        problem,
        chosen.theta,
        config.seed,
        "heldout",
        evaluation.heldout,
        n_curves,
        evaluation.piece,
    )
    diverged_lives = 0
    if chosen.search is not None:
        diverged_lives = chosen.search.diverged_lives
    record = RowRecord(
        name=name,
        diverged_lives=diverged_lives,
        wall_s=round(wall_s + time.monotonic() - started, 2),
        search=chosen.search,
    )
    if name == DISCOVERED and evaluation.halve_dt and preflight.timed(config):
        measured = halving.measure(problem, chosen.theta, config.seed, evaluation.halve_lives)
        record = replace(record, halving=measured)
        level = logging.INFO
        if halving.too_long(measured):
            level = logging.WARNING
        log.log(level, halving.line(measured))
    save_arrays(chosen.folder / row_files.VALIDATION, chosen.validation)
    if scores.steps:
        save_arrays(chosen.folder / row_files.STEPS, scores.steps)
    publish(chosen.folder, chosen.theta, scores.lives, to_json(record))


def _start(run: Run, name: str, problem: MetaProblem) -> Theta | None:
    """The theta at which the search of a row starts: the trained theta of its origin, embedded.

    None for a row without an origin.
    """
    job = run.job
    origins = job.before(name)
    if not origins:
        return None
    origin = job.row(origins[0])
    theta = theta_of(row_folder(run.folder, origins[0]), origin.meta_problem())
    random_theta = problem.init(search_loop.stream(job.row(name).seed, "theta"))
    return nesting.embed(job.row(name), origin, theta, random_theta)


def _choose(problem: MetaProblem, trained: Trainee) -> Chosen:
    """The best candidate of a row on validation lives, by `best_of`.

    Theta at the start is a candidate, so that no row ends below it. The large losses of a few lives
    do not decide: they once sent rows of accuracy .8 back to their start.
    """
    config = trained.config
    stacked = jax.device_get(trained.state.candidates)
    n = len(jax.tree.leaves(stacked)[0])
    candidates = []
    scores = []
    for i in range(n):
        theta = jax.tree.map(lambda x, i=i: x[i], stacked)
        candidates.append(theta)
        scores.append(_validated(problem, theta, config))
    best = best_of(scores)
    steps = [0, *candidate_steps(trained.step, config.evaluation.candidates)]
    save_candidates(trained.folder, steps, stacked)
    search = replace(_search_of(trained.folder), chosen_step=steps[best])
    validation = _beside_start(scores[best], scores[0])
    return Chosen(trained.folder, config, candidates[best], validation, search)


def best_of(scores: Sequence[dict[str, np.ndarray]]) -> int:
    """The index of the best candidate.

    The best candidate has the lowest mean loss among the candidates that are no worse than the
    start and whose losses are all finite. They are compared with the start by mean accuracy, or by
    mean loss where the task reports no accuracy.

    Lives with a loss above the largest loss of the start are bad lives. Where at most a share FEW
    of a candidate's lives is bad, their losses are cut to the largest loss of the start. Where some
    candidate has more bad lives, a few large losses would decide. Then the candidate with the
    highest mean accuracy is the best, if the task reports accuracy.

    Args:
        scores: {`loss`: [n], perhaps `accuracy`: [n]} on validation lives, of every candidate. The
            first candidate is theta at the start.
    """
    start = scores[0]
    has_accuracy = "accuracy" in start
    finite = start["loss"][np.isfinite(start["loss"])]
    largest = finite.max() if finite.size else np.inf
    losses = []
    errors = []
    has_many_bad_lives = False
    for values in scores:
        if has_accuracy:
            is_worse = values["accuracy"].mean() < start["accuracy"].mean()
        else:
            is_worse = values["loss"].mean() > start["loss"].mean()
        if is_worse or not np.isfinite(values["loss"]).all():
            losses.append(np.inf)
            errors.append(np.inf)
            continue
        if np.mean(values["loss"] > largest) <= FEW:
            losses.append(np.mean(np.minimum(values["loss"], largest)))
        else:
            has_many_bad_lives = True
            losses.append(np.mean(values["loss"]))
        if has_accuracy:
            errors.append(-values["accuracy"].mean())
        else:
            errors.append(0.0)
    if has_many_bad_lives and has_accuracy:
        return int(np.argmin(errors))
    return int(np.argmin(losses))


def _search_of(folder: Path) -> SearchRecord:
    """The record of a row's search by its metrics.jsonl, without the chosen step."""
    lines = read(folder / METRICS)
    fell_at = []
    for before, after in pairwise(lines):
        if after.get("falls", 0) > before.get("falls", 0):
            fell_at.append(after["outer_step"])
    return SearchRecord(
        diverged_lives=int(sum(line.get("diverged", 0) for line in lines)),
        falls=len(fell_at),
        fell_at=fell_at,
        step_scale=lines[-1].get("step_scale", 1.0),
    )


def _validated(problem: MetaProblem, theta: Theta, config: Config) -> dict[str, np.ndarray]:
    """{metric: values} on validation lives."""
    evaluation = config.evaluation
    return evaluate.lives(
        problem, theta, config.seed, "validation", evaluation.validation, evaluation.piece
    )


def _beside_start(
    scores: dict[str, np.ndarray], start: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Values on validation lives: of the chosen theta, and as `start_...` of theta at the start."""
    values = {}
    for metric in ("loss", "accuracy"):
        if metric in scores:
            values[metric] = scores[metric]
            values[f"start_{metric}"] = start[metric]
    return values


def _digest(plain: Plain, name: str) -> str:
    """The digest of all settings that decide the training of a row.

    The checkpoint interval, the logger, comparisons and other rows do not decide it. The settings
    of its origin do.
    """
    free = ("checkpoint_every", "logging", "compare", "rows")
    settings = {}
    for key, value in plain.items():
        if key not in free:
            settings[key] = value
    settings["row"] = None
    if name != DISCOVERED:
        settings["row"] = plain.get("rows", {}).get(name)
    if settings["row"] and "from" in settings["row"]:
        settings["from"] = _digest(plain, settings["row"]["from"])
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

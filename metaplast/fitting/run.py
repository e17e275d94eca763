"""A fit from its plan to its folder.

Every family of rules is fitted, judged and doubted. Finished rows are kept.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting import page, row_files
from metaplast.fitting.bootstrap import bootstrap
from metaplast.fitting.certainty import Certainty
from metaplast.fitting.data import Data, Source, arrays, data_of
from metaplast.fitting.engine import Tick
from metaplast.fitting.intervals import intervals
from metaplast.fitting.judgement import judged_nulls
from metaplast.fitting.numbers import FittedRule
from metaplast.fitting.predict import drawn
from metaplast.fitting.result import FitResult, write_result
from metaplast.fitting.row_problem import problem_of
from metaplast.fitting.rows import FittedRow, fit_row, residual_sd
from metaplast.fitting.summary import result_of
from metaplast.fitting.tables import numbers_with_bounds
from metaplast.recording import AbstractRecording
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.runs.config import Plain
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.runs.lifecycle import Means
from metaplast.runs.row_files import is_finished
from metaplast.settings.names import DISCOVERED, RULE_FILE
from metaplast.tasks import SPLITS


class FitPlan(NamedTuple):
    """A fit that was checked.

    folder: where the fit lies.
    job: the rows that are fitted.
    recover: the rule of `--recover`, as it stands in the request; None: the recording's own values.
    truth: the job of that rule, whose simulated data are fitted.
    """

    folder: Path
    job: Job
    recover: Plain | None = None
    truth: Job | None = None


def fit_all(plan: FitPlan, means: Means) -> None:
    """Fit every row, judge it, write fit.json, the rule and the page. Finished rows are kept."""
    run, job = plan.folder, plan.job
    started = time.monotonic()
    jax.config.update("jax_enable_x64", job.main.precision == "float64")

    def tick_of(stage: str) -> Tick:
        def tick(done: int, total: int) -> None:
            means.progress(stage, done, total)
            means.stop.check()

        return tick

    data = _data(job.main, plan.truth)
    rows: dict[str, FittedRow] = {}
    for name, config in job.rows:
        rows[name] = _row(run, name, config, data, tick_of(name))
    certainty = _certainty(job.main, rows[DISCOVERED], data, tick_of("bootstrap"))
    result = result_of(job, data, rows, certainty, plan.recover)
    result = replace(result, wall_s=round(time.monotonic() - started, 2))
    _save_rule(run, job.main, rows[DISCOVERED], result)
    write_result(run, result)
    means.say(f"judged, figures follow: {result.verdict[0]}")
    means.stop.check()
    page.write(page.FinishedFit(run, job, data, rows, certainty, result))


def _data(config: Config, truth: Job | None) -> Data:
    """The recording's own values, or those that the rule of `truth` gives on its design."""
    family: Any = config.task
    data = data_of(family, problem_of(config).lifetime)
    if truth is None:
        return data
    lifetime = problem_of(truth.main).lifetime
    theta = lifetime.init(jax.random.key(config.seed))
    sd = jnp.asarray(_noise_of_recording(family, data, config.fit.lags), float)
    targets = {}
    for index, split in enumerate(SPLITS):
        # training and validation are trials of the same sessions: they share their draw
        draw = 0 if split == "validation" else index
        key = jax.random.fold_in(jax.random.key(config.seed + 1), draw)
        values = drawn(lifetime, theta, arrays(data.sessions[split]), key, sd)
        targets[split] = jax.tree.map(np.asarray, values)
    return data.with_targets(targets, Source(lifetime, theta))


def _noise_of_recording(family: AbstractRecording, data: Data, lags: int) -> float:
    """The standard deviation that the generalised linear model leaves on training trials."""
    nulls = judged_nulls(family, data, lags)
    glm = next(null for name, null in nulls.items() if "glm" in name)
    return residual_sd(family, glm.judgements["train"], data.sessions["train"])


def _row(run: Path, name: str, config: Config, data: Data, tick: Tick) -> FittedRow:
    """One family fitted, or read back where it is finished."""
    where = row_folder(run, name)
    problem = problem_of(config)
    if not is_finished(where):
        where.mkdir(parents=True, exist_ok=True)
        row = fit_row(problem, config.outer, data, config.fit, config.seed, tick)
        row_files.write(where, row)
    return row_files.read(where, problem)


def _certainty(config: Config, row: FittedRow, data: Data, tick: Tick) -> Certainty:
    """The refits of the discovered row, and the intervals of its numbers."""
    problem = problem_of(config)
    fitted = FittedRule(row.theta, row.mask)
    refits = bootstrap(
        problem,
        config.outer,
        data,
        fitted,
        row.residual_sd,
        config.fit,
        config.seed + 2,
        tick,
    )
    return Certainty(intervals(problem.lifetime, data, fitted, config.seed), refits)


def provenance_of(result: FitResult) -> Plain:
    """The origin of a fitted rule, which its file holds and its card shows."""
    provenance: Plain = {
        "experiment": result.experiment,
        "seed": result.seed,
        "fitted_to": asdict(result.data),
    }
    bounded = numbers_with_bounds(result)
    if bounded:
        provenance["fitted_numbers_ci95"] = bounded
    return provenance


def _save_rule(run: Path, config: Config, row: FittedRow, result: FitResult) -> None:
    """Write the discovered rule with its scores; a row without rules has no file."""
    lifetime = problem_of(config).lifetime
    if not lifetime.slots:
        return
    scores = []
    for null, share in result.discovered.explained.items():
        metric = f"deviance explained against {null}"
        scores.append({"name": DISCOVERED, "split": "heldout", "metric": metric, **asdict(share)})
    document, tensors = describe_rule(
        lifetime,
        row.theta,
        provenance=provenance_of(result),
        scores=scores,
        ancestry=config.ancestors(),
    )
    save_rule(run / RULE_FILE, document, tensors)

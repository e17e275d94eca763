"""A fit from its config to its folder: every family of rules fitted, judged, doubted; finished rows
are kept.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting import bootstrap, page, row_files
from metaplast.fitting.certainty import Certainty
from metaplast.fitting.data import Data, Source, arrays, data_of
from metaplast.fitting.intervals import intervals
from metaplast.fitting.judgement import judged_nulls
from metaplast.fitting.numbers import FittedRule
from metaplast.fitting.predict import drawn
from metaplast.fitting.result import FitResult, write_result
from metaplast.fitting.row_problem import problem_of
from metaplast.fitting.rows import Row, fit_row, residual_sd
from metaplast.fitting.summary import result_of
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.runs.config import Plain
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.runs.lifecycle import Progress
from metaplast.runs.stopping import stoppable
from metaplast.settings.names import DISCOVERED
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


def fit_all(plan: FitPlan, progress: Progress) -> None:
    """Fit every row, judge it, write fit.json, the rule and the page. Finished rows are kept."""
    run, job = plan.folder, plan.job
    started = time.monotonic()
    jax.config.update("jax_enable_x64", job.main.precision == "float64")
    with stoppable(run, lambda: None) as stop:
        data = _data(job.main, plan.truth)
        rows: dict[str, Row] = {}
        for name, config in job.rows:

            def tick(done: int, total: int, name: str = name) -> None:
                progress(name, done, total)
                stop.check()

            rows[name] = _row(run, name, config, data, tick)
        booted = _bootstrap(
            run,
            job,
            rows[DISCOVERED],
            data,
            lambda a, b: (progress("bootstrap", a, b), stop.check()),
        )
        main = rows[DISCOVERED]
        known = intervals(
            problem_of(job.main).lifetime,
            data,
            FittedRule(main.theta, main.mask),
            job.main.seed,
        )
        certainty = Certainty(known, booted)
        result = result_of(job, data, rows, certainty, plan.recover)
        result = replace(result, wall_s=round(time.monotonic() - started, 2))
        _save_rule(run, job, rows[DISCOVERED], result)
        write_result(run, result)
        stop.check()
        page.write(page.FinishedFit(run, job, data, rows, certainty, result))


def _data(config: Config, truth: Job | None) -> Data:
    """The recording's own values, or those that the rule of `truth` gives on its design."""
    problem = problem_of(config)
    family: Any = config.task
    data = data_of(family, problem.lifetime)
    if truth is None:
        return data
    true = problem_of(truth.main).lifetime
    theta = true.init(jax.random.key(config.seed))
    glm = [
        null.judgements["train"]
        for name, null in judged_nulls(family, data, config.fit.lags).items()
        if "glm" in name
    ]
    spread = jnp.asarray(residual_sd(family, glm[0], data.sessions["train"]), float)
    targets = {}
    for index, split in enumerate(SPLITS):
        # training and validation are trials of the same sessions: they share their draw
        key = jax.random.fold_in(
            jax.random.key(config.seed + 1), 0 if split == "validation" else index
        )
        values = drawn(true, theta, arrays(data.sessions[split]), key, spread)
        targets[split] = jax.tree.map(np.asarray, values)
    return data.with_targets(targets, Source(true, theta))


def _row(run: Path, name: str, config: Config, data: Data, tick: Callable[[int, int], None]) -> Row:
    """One family fitted, or read back where it is finished."""
    where = row_folder(run, name)
    problem = problem_of(config)
    if row_files.is_finished(where):
        return row_files.read(where, problem)
    where.mkdir(parents=True, exist_ok=True)
    found = fit_row(problem, config.outer, data, config.fit, config.seed, tick)
    row_files.write(where, found)
    return row_files.read(where, problem)


def _bootstrap(run: Path, job: Job, row: Row, data: Data, tick: Callable[[int, int], Any]) -> Any:
    config = job.main
    fitted = FittedRule(row.theta, row.mask)
    return bootstrap.bootstrap(
        problem_of(config),
        config.outer,
        data,
        fitted,
        row.residual_sd,
        config.fit,
        config.seed + 2,
        tick,
    )


def _save_rule(run: Path, job: Job, row: Row, result: FitResult) -> None:
    config = job.main
    lifetime = problem_of(config).lifetime
    if not lifetime.slots:
        return
    scores = [
        {
            "name": DISCOVERED,
            "split": "heldout",
            "metric": f"deviance explained against {null}",
            **asdict(share),
        }
        for null, share in result.discovered.explained.items()
    ]
    provenance = {
        "experiment": config.experiment,
        "seed": config.seed,
        "fitted_to": asdict(result.data),
    }
    document, tensors = describe_rule(lifetime, row.theta, provenance=provenance, scores=scores)
    save_rule(run / "rule.safetensors", document, tensors)

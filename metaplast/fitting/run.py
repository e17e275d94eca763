"""A fit from its config to its folder: every family of rules fitted, judged, doubted; finished rows
are kept.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting import bootstrap, certainty, summary
from metaplast.fitting import files as fit_files
from metaplast.fitting import page as fit_report
from metaplast.fitting import reading as fit_reading
from metaplast.fitting.advice import advice
from metaplast.fitting.data import Data, Source, arrays, data_of
from metaplast.fitting.family_problem import problem_of
from metaplast.fitting.intervals import intervals
from metaplast.fitting.numbers import numbers, true_numbers
from metaplast.fitting.predict import activity, drawn, weights_explained
from metaplast.fitting.rows import Row, agreement, fit_row, residual_sd
from metaplast.fitting.spread import Sure
from metaplast.fitting.verdict import verdict
from metaplast.fitting.worth import null_models
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder
from metaplast.runs.config import Plain
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.runs.lifecycle import Progress
from metaplast.runs.stopping import stoppable
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS

log = logging.getLogger(__name__)
SCHEMA = "metaplast.fit/1"


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
    started = time.monotonic()
    run = plan.folder
    job = plan.job
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
            problem_of(job.main).lifetime, data, (main.theta, main.mask), job.main.seed
        )
        sure = (known, booted)
        told = _told(job, data, rows, sure)
        told["recover"] = plan.recover
        told["verdict"] = verdict(told, DISCOVERED)
        told["wall_s"] = round(time.monotonic() - started, 2)
        _save_rule(run, job, rows[DISCOVERED], told)
        folder.write_json(run / "fit.json", told)
        stop.check()
        fit_report.write(run, job, data, rows, sure, told)


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
        worths["train"]
        for name, (_, worths) in null_models(family, data, config.fit.lags).items()
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
    if (where / "row.json").is_file():
        return fit_files.read(where, problem)
    where.mkdir(parents=True, exist_ok=True)
    found = fit_row(problem, config.outer, data, config.fit, config.seed, tick)
    fit_files.write(where, found)
    return fit_files.read(where, problem)


def _bootstrap(run: Path, job: Job, row: Row, data: Data, tick: Callable[[int, int], Any]) -> Any:
    config = job.main
    fitted = (row.theta, row.mask, row.spread)
    return bootstrap.bootstrap(
        problem_of(config), config.outer, data, fitted, config.fit, config.seed + 2, tick
    )


def _told(job: Job, data: Data, rows: dict[str, Row], sure: Sure) -> Plain:
    """fit.json."""
    family: Any = job.main.task
    nulls = null_models(family, data, job.main.fit.lags)
    heldout = {name: row.worths["heldout"] for name, row in rows.items()}
    compared = summary.against_nulls(
        heldout,
        {name: worths["heldout"] for name, (_, worths) in nulls.items()},
        data.subject["heldout"],
        DISCOVERED,
    )
    told: Plain = {
        "schema": SCHEMA,
        "experiment": job.main.experiment,
        "seed": job.main.seed,
        "data": summary.of_data(data),
        "reading": fit_reading.reading_of(job),
        "rows": {
            name: _facts(job.row(name), row, data) | compared[name] for name, row in rows.items()
        },
        "nulls": {
            name: {"note": note, **summary.of_worths(worths), **compared.get(f"null: {name}", {})}
            for name, (note, worths) in nulls.items()
        },
        "intervals": certainty.of_intervals(*sure),
    }
    told["bootstrap"] = certainty.of_bootstrap(sure[1], told["intervals"])
    for line in certainty.warnings(told["intervals"]):
        log.warning("%s", line)
    told["doubts"] = summary.doubts(told, DISCOVERED)
    told["advice"] = _advice(job.main, rows[DISCOVERED], data)
    if data.source is not None:
        true, searched = (
            true_numbers(data.source.lifetime),
            set(told["rows"][DISCOVERED]["searched"]),
        )
        drawn_at_random = any(np.any(leaf) for leaf in jax.tree.leaves(data.source.theta["rules"]))
        if true and set(true) <= searched and not drawn_at_random:
            interval = (told["bootstrap"] or {}).get("ci95", {})
            told["truth"] = summary.recovered(true, told["rows"][DISCOVERED]["numbers"], interval)
        else:
            told["doubts"].append(
                "The truth has another form than the rule searched: judge by R2 dw, not by terms."
            )
    return told


def _advice(config: Config, row: Row, data: Data) -> list[Plain]:
    """What the residuals of the main row ask for; nothing where measured weights are judged."""
    problem, train = problem_of(config), data.sessions["train"]
    if getattr(config.task, "clamp", False):
        return []
    predicted = activity(problem.lifetime, row.theta, train, config.seed)
    found = advice(problem.lifetime, predicted, train)
    return [{**one._asdict(), "share": summary.finite(one.share)} for one in found]


def _facts(config: Config, row: Row, data: Data) -> Plain:
    problem = problem_of(config)
    learned = bool(jax.tree.leaves(row.theta))
    found = numbers(problem.lifetime, row.theta) if problem.lifetime.slots else {}
    weights = {}
    if data.source is not None and problem.lifetime.slots:
        explained = weights_explained(
            data.source, problem.lifetime, row.theta, data.sessions["heldout"], config.seed
        )
        weights = {
            e: {"r2": summary.finite(a), "r2_change": summary.finite(b)}
            for e, (a, b) in explained.items()
        }
    return {
        "note": config.note,
        "learned": int(sum(np.sum(leaf) for leaf in jax.tree.leaves(row.mask if learned else {}))),
        "searched": sorted(found),
        "numbers": {name: summary.finite(value) for name, value in found.items() if value != 0.0},
        **_noise(config, row),
        "steps": row.last.steps if row.last else 0,
        "stable": row.last.stable if row.last else True,
        "loss": summary.finite(row.last.loss) if row.last else None,
        "diverged": sum(f.diverged for f in [*row.starts, *([row.last] if row.last else [])]),
        "starts": agreement(problem, row),
        "path": [summary.of_choice(c, i == row.at) for i, c in enumerate(row.path)],
        "splits": summary.of_worths(row.worths),
        "weights": weights,
    }


def _noise(config: Config, row: Row) -> Plain:
    """Of activity beside choices: the sd that weighs the one against the other, and what the fit
    left.
    """
    family: Any = config.task
    sd = getattr(family.parts()[0].likelihood, "sd", None) if row.worths["train"].parts else None
    return {} if sd is None else {"sd": sd, "residual_sd": summary.finite(row.spread)}


def _save_rule(run: Path, job: Job, row: Row, told: Plain) -> None:
    config = job.main
    lifetime = problem_of(config).lifetime
    if not lifetime.slots:
        return
    found = told["rows"][DISCOVERED]["explained"]
    scores = [
        {
            "name": DISCOVERED,
            "split": "heldout",
            "metric": f"deviance explained against {null}",
            **value,
        }
        for null, value in found.items()
    ]
    provenance = {"experiment": config.experiment, "seed": config.seed, "fitted_to": told["data"]}
    document, tensors = describe_rule(lifetime, row.theta, provenance=provenance, scores=scores)
    save_rule(run / "rule.safetensors", document, tensors)

"""A fit from its config to its folder: every family of rules fitted, judged, doubted; finished rows
are kept.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting import bootstrap, certainty, summary
from metaplast.fitting import files as fit_files
from metaplast.fitting import page as fit_report
from metaplast.fitting import reading as fit_reading
from metaplast.fitting.advice import advice
from metaplast.fitting.data import Data, Source, arrays, data_of
from metaplast.fitting.family_problem import check, problem_of, warn_of_minibatches
from metaplast.fitting.intervals import intervals
from metaplast.fitting.numbers import numbers, true_numbers
from metaplast.fitting.predict import activity, drawn, weights_explained
from metaplast.fitting.rows import Row, agreement, fit_row, residual_sd
from metaplast.fitting.spread import Sure
from metaplast.fitting.verdict import verdict
from metaplast.fitting.worth import null_models
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder, preflight
from metaplast.runs.config import Plain, read_file, to_yaml
from metaplast.runs.environment import environment
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job, parse
from metaplast.runs.stopping import stoppable
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS

log = logging.getLogger(__name__)
SCHEMA, REQUEST = "metaplast.fit/1", "fit_request.json"
Progress = Callable[[str, int, int], None]


def start(
    plain: Plain, path: Path | None, progress: Progress, recover: Plain | None = None
) -> Path:
    """A new fit. recover: what replaces the config's rule to simulate data, which are then fitted
    instead of the recording's own values. Nothing on disk changes unless the config is valid.

    Raises: BadInput, folder.Busy, stopping.Interrupted, OSError.
    """
    job = check(plain, recover)
    preflight.check(job, 1)
    warn_of_minibatches(job.main)
    run = folder.create(path or folder.fresh_path(f"fit-{job.main.experiment}", job.main.seed))
    with folder.locked(run), folder.logged(run):
        folder.write_text(run / "config.yaml", to_yaml(plain))
        folder.write_json(run / "environment.json", environment())
        folder.write_json(run / REQUEST, {"recover": recover})
        fit_reading.warn(job)
        _execute(run, plain, recover, progress)
    return run


def is_fit(run: Path) -> bool:
    return (run / REQUEST).is_file()


def resume(run: Path, progress: Progress) -> Path:
    """Go on with a fit: finished rows are kept, the one that was interrupted begins again, with the
    same bits.
    """
    folder.check_idle(run)
    plain = read_file(run / "config.yaml")
    recover = json.loads((run / REQUEST).read_text())["recover"]
    check(plain, recover)
    with folder.locked(run), folder.logged(run):
        if not (run / "report.html").is_file():
            _execute(run, plain, recover, progress)
    return run


def _execute(run: Path, plain: Plain, recover: Plain | None, progress: Progress) -> None:
    started = time.monotonic()
    job = parse(plain, check=False)
    jax.config.update("jax_enable_x64", job.main.precision == "float64")
    with stoppable(run, lambda: None) as stop:
        data = _data(job.main, plain, recover)
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
        told["recover"] = recover
        told["verdict"] = verdict(told, DISCOVERED)
        told["wall_s"] = round(time.monotonic() - started, 2)
        _save_rule(run, job, rows[DISCOVERED], told)
        folder.write_json(run / "fit.json", told)
        stop.check()
        fit_report.write(run, job, data, rows, sure, told)


def _data(config: Config, plain: Plain, recover: Plain | None) -> Data:
    """The recording's own values, or those that the rule of `recover` gives on its design."""
    problem = problem_of(config)
    family: Any = config.task
    data = data_of(family, problem.lifetime)
    if recover is None:
        return data
    true = problem_of(parse({**plain, **recover, "rows": {}}, check=False).main).lifetime
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

"""A fit from its config to its folder: every family of rules fitted, judged, doubted; finished rows
are kept.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.fitting import bootstrap, data_reading, page, row_files
from metaplast.fitting.certainty import Certainty
from metaplast.fitting.checks import check, warn_of_minibatches
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
from metaplast.runs import folder, preflight
from metaplast.runs.config import Plain, read_file, to_yaml
from metaplast.runs.environment import environment
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job, parse
from metaplast.runs.stopping import stoppable
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS

log = logging.getLogger(__name__)
REQUEST = "fit_request.json"
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
        data_reading.warn(job)
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
            problem_of(job.main).lifetime,
            data,
            FittedRule(main.theta, main.mask),
            job.main.seed,
        )
        certainty = Certainty(known, booted)
        result = result_of(job, data, rows, certainty, recover)
        result = replace(result, wall_s=round(time.monotonic() - started, 2))
        _save_rule(run, job, rows[DISCOVERED], result)
        write_result(run, result)
        stop.check()
        page.write(page.FinishedFit(run, job, data, rows, certainty, result))


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

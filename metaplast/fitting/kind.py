"""The kind of run that `metaplast fit` makes: families of rules fitted to recordings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from metaplast.fitting import compare, data_reading, terminal
from metaplast.fitting.checks import check_fit, check_values, warn_of_minibatches
from metaplast.fitting.result import FILE
from metaplast.fitting.run import FitPlan, fit_all
from metaplast.recording import AbstractRecording
from metaplast.registry import BadInput
from metaplast.runs import folder, preflight
from metaplast.runs.counted import Counted
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import CompareOptions, Means, Request, RunKind
from metaplast.settings.names import FIT_REQUEST, REPORT


class Fitting(RunKind[FitPlan]):
    """A fit.

    Option `recover`: the rule that simulates the data; null: the recording's own values.
    """

    marker = FIT_REQUEST
    noun = "fits"
    counted = Counted("outer steps", whole=False, once=False)  # after the starts, their best one
    compare_options = ("row", "out")

    def check(self, request: Request, path: Path | None, means: Means) -> FitPlan:
        plan = plan_of(request, path)
        if plan.truth is None:
            check_values(cast(AbstractRecording, plan.job.main.task))
        preflight.check(plan.job, 1)
        warn_of_minibatches(plan.job.main)
        return plan

    def files(self, request: Request) -> dict[str, str]:
        return parse(request.plain, check=False).main.task.files()

    def begin(self, plan: FitPlan, means: Means) -> None:
        data_reading.warn(plan.job)

    def execute(self, plan: FitPlan, means: Means) -> None:
        fit_all(plan, means)

    def finished(self, path: Path) -> bool:
        return (path / FILE).is_file() and (path / REPORT).is_file()

    def render(self, path: Path, as_json: bool = False) -> str:
        if as_json:
            return json.dumps(json.loads((path / FILE).read_text()))
        return terminal.render(path)

    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        return compare.compare(paths, how.row, how.out)


KIND = Fitting()


def plan_of(request: Request, path: Path | None = None) -> FitPlan:
    """The plan of a fit, without a forecast of memory. Raises: BadInput."""
    job = parse(request.plain)
    check_fit(job)
    recover = request.options.get("recover")
    if not isinstance(recover, dict | None):
        raise BadInput(f"recover: {recover!r}", "the config of a rule, or null", "start a new fit")
    truth = None if recover is None else parse({**request.plain, **recover, "rows": {}})
    if path is None:
        path = folder.fresh_path(f"fit-{job.main.experiment}", job.main.seed)
    return FitPlan(path, job, recover, truth)

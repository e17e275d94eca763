"""The kind of run that `metaplast compare WORDS` makes: several outer loops on one problem."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from metaplast.comparing.contest import NamedLoop, contest, contest_config, entries
from metaplast.comparing.files import read_comparison
from metaplast.comparing.page import PICTURE, next_command
from metaplast.registry import BadInput
from metaplast.results import loop_verdict, loops
from metaplast.results.loop_comparison import FILE, to_json
from metaplast.runs import folder, preflight
from metaplast.runs.counted import Counted
from metaplast.runs.job import Config, Job
from metaplast.runs.lifecycle import CompareOptions, Means, Request, RunKind
from metaplast.runs.spans import duration
from metaplast.settings.compare import Compare
from metaplast.settings.names import COMPARE_REQUEST, DISCOVERED, REPORT

log = logging.getLogger(__name__)


class ComparingPlan(NamedTuple):
    """A comparison that is checked and may begin.

    folder: of the comparison.
    config: the problem, and how loops are compared on it.
    entries: {name: outer loop} of every loop that was named.
    """

    folder: Path
    config: Config
    entries: dict[str, NamedLoop]


class Comparing(RunKind[ComparingPlan]):
    """A comparison of outer loops.

    The option `only` of a request holds the names of the loops that take part; []: all.
    """

    marker = COMPARE_REQUEST
    noun = "comparisons of outer loops"
    counted = Counted("trainings", whole=False)

    def check(self, request: Request, path: Path | None, means: Means) -> ComparingPlan:
        config = contest_config(request.plain)
        only = request.options.get("only", [])
        if not isinstance(only, list) or not all(isinstance(name, str) for name in only):
            raise BadInput(f"only: {only!r}", "names of outer loops", "start a new comparison")
        named = entries(config, only)
        first = next(entry for entry in named.values() if not entry.refused)
        preflight.check(Job(((DISCOVERED, first.config),)), 1)
        path = path or folder.fresh_path(f"compare-{config.experiment}", config.seed)
        return ComparingPlan(path, config, named)

    def files(self, request: Request) -> dict[str, str]:
        return contest_config(request.plain).task.files()

    def begin(self, plan: ComparingPlan, means: Means) -> None:
        compare = plan.config.compare
        if compare.cpu_s and jax.default_backend() != "cpu":
            log.warning(
                "compare.cpu_s=%g counts no second of the accelerator: use compare.lives",
                compare.cpu_s,
            )
        n_loops = sum(not entry.refused for entry in plan.entries.values())
        means.say(f"{plan.folder}: {budget_words(compare, n_loops)}")

    def execute(self, plan: ComparingPlan, means: Means) -> None:
        contest(plan.folder, plan.config, plan.entries, means)

    def finished(self, path: Path) -> bool:
        return (path / FILE).is_file()

    def render(self, path: Path, as_json: bool = False) -> str:
        comparison = read_comparison(path)
        if as_json:
            return json.dumps(to_json(comparison))
        files = [("json", path / FILE), ("figure", path / PICTURE), ("report", path / REPORT)]
        lines = [f"{name:8} {file}" for name, file in files if file.is_file()]
        head = "\n".join(loop_verdict.verdict(comparison))
        then = f"Next: {next_command(path, comparison)}"
        return "\n\n".join([head, then, loops.render(comparison), "\n".join(lines)])

    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        return "\n\n".join(self.render(path) for path in paths)


KIND = Comparing()


def budget_words(compare: Compare, n_loops: int) -> str:
    """The budgets in words.

    A training with both budgets lasts until the later one ends. The seeds of a loop have one
    setting, or two where each budget prefers another one.
    """
    trainings = n_loops * (compare.tries + compare.seeds)
    budgets = []
    if compare.lives:
        budgets.append(f"{compare.lives:,.0f} lives")
    whole = ""
    if compare.cpu_s:
        budgets.append(f"{duration(compare.cpu_s)} of CPU time")
        whole = f": at least {duration(trainings * compare.cpu_s)} of CPU time in all"
    words = f"at least {trainings} trainings of {n_loops} outer loops"
    return f"{words}, each with {' and '.join(budgets)}{whole}"
